package grpcauthtest

import (
	"context"
	"errors"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/stats"

	"github.com/bearward/bearward/middleware/authtest"
)

// Prove returns what makes a connection's calls prove possession (RFC 9449). Each attempt of each
// call sends token under the scheme DPoP, with a new proof of p. origin is what the API is called
// by, as given to dpop.New. They send over plain text too.
//
//	conn, err := grpc.NewClient(addr, append(grpcauthtest.Prove(p, "https://api.example", token), creds)...)
//
// A proof is good for one attempt, so it comes by call credentials, which gRPC asks for each. An
// interceptor would send the old proof again when gRPC repeats a call. A nonce that the API answers
// with is in the proofs that follow. By default a call that is refused with UNAUTHENTICATED is made
// once more, with the new nonce. grpc.WithDefaultServiceConfig, given later, replaces that policy,
// and grpc.WithDisableRetry ends it.
func Prove(p *authtest.Prover, origin, token string) []grpc.DialOption {
	c := &callProver{prover: p, origin: origin, token: token}
	return []grpc.DialOption{
		grpc.WithPerRPCCredentials(c),
		grpc.WithStatsHandler(c),
		grpc.WithDefaultServiceConfig(onceMore),
	}
}

// onceMore is the policy of a client that knows no nonce yet (RFC 9449 §9).
const onceMore = `{"methodConfig": [{"name": [{}], "retryPolicy": {
	"maxAttempts": 2, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAUTHENTICATED"]
}}]}`

// A callProver proves each attempt, and reads the nonces of answers. It is both, since credentials
// do not see answers.
type callProver struct {
	prover        *authtest.Prover
	origin, token string
}

// GetRequestMetadata is asked for each attempt of a call.
func (c *callProver) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	info, ok := credentials.RequestInfoFromContext(ctx)
	if !ok {
		return nil, errors.New("grpcauthtest: gRPC does not tell the method of the call")
	}
	return map[string]string{
		"authorization": "DPoP " + c.token,
		"dpop":          c.prover.Proof(http.MethodPost, c.origin+info.Method, c.token),
	}, nil
}

// RequireTransportSecurity returns false: servers of tests have no TLS.
func (c *callProver) RequireTransportSecurity() bool { return false }

// HandleRPC takes the nonce of an answer: it is in the header of an accepted call, and in the
// trailer of a refused one.
func (c *callProver) HandleRPC(_ context.Context, s stats.RPCStats) {
	var told []string
	switch s := s.(type) {
	case *stats.InHeader:
		told = s.Header.Get("dpop-nonce")
	case *stats.InTrailer:
		told = s.Trailer.Get("dpop-nonce")
	}
	if len(told) > 0 {
		c.prover.SetNonce(told[len(told)-1])
	}
}

// TagRPC, TagConn and HandleConn make it a stats.Handler.
func (c *callProver) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (c *callProver) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (c *callProver) HandleConn(context.Context, stats.ConnStats) {}
