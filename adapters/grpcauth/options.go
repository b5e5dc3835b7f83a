package grpcauth

import (
	"context"
	"crypto/tls"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	auth "github.com/bearward/bearward/middleware"
)

// Options adjust the guarding of a server. The zero value means the defaults.
type Options struct {
	// AllowExpiredStreams lets a stream go on after its token ran out, until its handler returns.
	// By default it is ended at the token's expiry plus the verifier's leeway.
	AllowExpiredStreams bool
}

// ServerOptions returns the options that guard a server by rules: Options{}.ServerOptions(guard,
// rules).
func ServerOptions(guard *auth.Guard, rules auth.Rules) []grpc.ServerOption {
	return Options{}.ServerOptions(guard, rules)
}

// ServerOptions returns the options that guard every unary call and every stream of a server by
// rules. The keys of rules are "/pkg.Service/Method", or "/pkg.Service/*" for a whole service; the
// exact key wins. Rules are copied.
//
// The interceptors are chained in the place where the options are given: those before them see
// refusals, those after them see accepted calls only, with their Principal in the context.
//
// It panics, naming the fault, when guard is nil, a key has another form or a requirement is the
// zero one: a server must not start with such rules.
func (o Options) ServerOptions(guard *auth.Guard, rules auth.Rules) []grpc.ServerOption {
	if guard == nil {
		panic("grpcauth: ServerOptions needs a Guard")
	}
	t, err := newTable(rules)
	if err != nil {
		panic(err.Error())
	}
	i := &interceptors{guard, t, o}
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(i.unary), grpc.ChainStreamInterceptor(i.stream)}
}

// interceptors are the two of a guarded server.
type interceptors struct {
	guard   *auth.Guard
	table   *table
	options Options
}

func (i *interceptors) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, err := i.authorize(ctx, info.FullMethod)
	if err != nil { // check: unary
		st, trailer := i.refusal(err)
		_ = grpc.SetTrailer(ctx, trailer) // fails only outside a call
		return nil, st.Err()
	}
	return handler(ctx, req)
}

func (i *interceptors) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, err := i.authorize(ss.Context(), info.FullMethod)
	if err != nil { // check: stream
		return i.refuseStream(ss, err)
	}
	guarded := &guardedStream{ServerStream: ss, ctx: ctx}
	p, ok := auth.PrincipalFrom(ctx)
	if !ok || p.ValidUntil().IsZero() || i.options.AllowExpiredStreams {
		return handler(srv, guarded)
	}
	return i.serveUntilExpiry(srv, guarded, p.ValidUntil(), info.FullMethod, handler)
}

// authorize asks the guard about one call. A method without a rule has the zero Requirement, which
// denies every request; its name is not told to hooks, since it may be the caller's own text where
// a server has an UnknownServiceHandler.
func (i *interceptors) authorize(ctx context.Context, method string) (context.Context, error) {
	rule := i.table.find(method)
	if rule.requirement.IsPublic() {
		return ctx, nil
	}
	return i.guard.Authorize(ctx, i.credentialsOf(ctx, method, rule.key), rule.requirement)
}

// credentialsOf returns what the caller presented. The URL is the one of RFC 9449 for a call, and
// is built only for a proof.
func (i *interceptors) credentialsOf(ctx context.Context, method, operation string) auth.Credentials {
	c := auth.Credentials{Operation: operation, Authorization: metadata.ValueFromIncomingContext(ctx, "authorization")}
	if !i.guard.ReadsProofs() {
		return c
	}
	c.DPoP, c.Method = metadata.ValueFromIncomingContext(ctx, "dpop"), "POST"
	if len(c.DPoP) > 0 {
		c.URL = "https://" + strings.Join(metadata.ValueFromIncomingContext(ctx, ":authority"), "") + method
	}
	if p, ok := peer.FromContext(ctx); ok {
		c.TLS = stateOf(p.AuthInfo)
	}
	return c
}

// stateOf returns a copy of the TLS state that info holds, nil without TLS. The copy is large, so
// there is none where nothing is to be copied.
func stateOf(info credentials.AuthInfo) *tls.ConnectionState {
	if _, ok := info.(credentials.TLSInfo); !ok {
		return nil
	}
	held := info.(credentials.TLSInfo)
	return &held.State
}
