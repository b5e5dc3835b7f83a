package connectauth_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/bearward/bearward/adapters/connectauth"
	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// A grpcServer is a Mux as the kit for gRPC servers takes it: clients of grpc-go call it over
// HTTP/2 in clear text.
type grpcServer struct{ http.Handler }

func (grpcServer) GetServiceInfo() map[string]grpc.ServiceInfo {
	return map[string]grpc.ServiceInfo{talkName: {Methods: []grpc.MethodInfo{
		{Name: "Unary"}, {Name: "Client", IsClientStream: true}, {Name: "Server", IsServerStream: true}, {Name: "Bidi", IsClientStream: true, IsServerStream: true},
	}}}
}

func (s grpcServer) Serve(l net.Listener) error {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: s.Handler, Protocols: protocols, ConnContext: auth.ConnContext}
	return server.Serve(l)
}

var kitRules = auth.Rules{
	unary: auth.Scopes("read:orders"), server: auth.AllOf(auth.Scopes("read:orders"), auth.Role("clerk")),
	client: auth.AnyToken(), "/" + talkName + "/*": auth.Optional(),
}

// The kit for gRPC servers asks everything of it that it asks of grpcauth, by clients of grpc-go.
func TestGuardedOverGRPC(t *testing.T) {
	for name, rules := range map[string]auth.Rules{"each": kitRules, "one": readAll, "some": {unary: auth.Scopes("a", "b"), bidi: auth.AnyScope("c", "d")}} {
		t.Run(name, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			mux := connectauth.NewMux(issuer.Guard(nil), rules)
			connectauth.Handle(mux, newTalkHandler, new(talk))
			grpcauthtest.AssertGuarded(t, issuer, grpcServer{mux}, rules, nil)
		})
	}
}

// The kit for HTTP asks the same of clients of Connect, by POST and by GET.
func TestGuardedOverConnect(t *testing.T) {
	for _, method := range []string{"POST", "GET"} {
		t.Run(method, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			mux := connectauth.NewMux(issuer.Guard(nil), auth.Rules{unary: auth.Scopes("read:orders"), "/" + talkName + "/*": auth.Scopes("write:orders")})
			connectauth.Handle(mux, newTalkHandler, new(talk))
			key := method + " " + unary
			authtest.AssertGuarded(t, issuer, mux, auth.Rules{key: auth.Scopes("read:orders")}, &authtest.GuardedOptions{Prepare: prepareUnary})
		})
	}
}

// prepareUnary makes a call of Connect of a request.
func prepareUnary(r *http.Request) {
	if r.Method == http.MethodGet {
		r.URL.RawQuery = "connect=v1&encoding=json&message=%22%22&" + r.URL.RawQuery
		return
	}
	r.Header.Set("Content-Type", "application/json")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(`""`)), 2
}

// A thief of tokens that are bound to a key has no use of them in any protocol.
func TestStolenBoundTokensAreRefused(t *testing.T) {
	const origin = "https://api.example"
	for name, opts := range map[string]*dpop.Options{"times": nil, "nonces": {Nonces: must(dpop.NewNonces(0))}} {
		newGuarded := func(issuer *authtest.Issuer, rules auth.Rules) http.Handler {
			binding := must(dpop.New([]string{origin}, dpop.NewMemory(0), opts))
			mux := connectauth.NewMux(issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{binding}}), rules)
			connectauth.Handle(mux, newTalkHandler, new(talk))
			return mux
		}
		need := auth.AllOf(auth.Scopes("read"), auth.Bound())
		t.Run(name+" grpc", func(t *testing.T) {
			issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
			rules := auth.Rules{unary: need, bidi: need}
			grpcauthtest.AssertGuarded(t, issuer, grpcServer{newGuarded(issuer, rules)}, rules, &grpcauthtest.Options{Prover: authtest.NewProver(t, auth.ES256), Origin: origin})
		})
		for _, method := range []string{"POST", "GET"} {
			t.Run(name+" connect "+method, func(t *testing.T) {
				issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
				h := newGuarded(issuer, auth.Rules{unary: need})
				authtest.AssertGuarded(t, issuer, h, auth.Rules{method + " " + unary: need},
					&authtest.GuardedOptions{Prepare: prepareUnary, Prover: authtest.NewProver(t, auth.ES256), Origin: origin})
			})
		}
	}
}
