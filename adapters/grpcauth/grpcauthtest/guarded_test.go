package grpcauthtest_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A recorder takes the place of the test that an assertion would fail.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

const (
	healthRule     = "/grpc.health.v1.Health/*"
	reflectionRule = "/grpc.reflection.v1.ServerReflection/*"
	serviceRule    = "/" + rpctest.Service + "/*"
)

// talk are the rules of the sample server: every kind of method has another.
func talk() auth.Rules {
	return auth.Rules{
		rpctest.Unary:  auth.Scopes("read"),
		rpctest.Client: auth.AnyOf(auth.Scopes("admin"), auth.Scopes("write", "bulk")),
		rpctest.Server: auth.AnyToken(),
		serviceRule:    auth.Scopes("read", "talk"), // Bidi
		healthRule:     auth.Public(),
		reflectionRule: auth.Optional(),
	}
}

// with returns the sample's rules with one changed.
func with(key string, need auth.Requirement) auth.Rules {
	rules := talk()
	rules[key] = need
	return rules
}

// newServer returns the sample server. Its streams are of every sort: what a handler does is not
// what is tested.
func newServer(options []grpc.ServerOption) *grpc.Server {
	s := grpc.NewServer(options...)
	rpctest.Register(s, &rpctest.Talk{OnUnary: func(context.Context, *rpctest.Message) (*rpctest.Message, error) {
		return nil, status.Error(codes.InvalidArgument, "the message is empty")
	}})
	healthpb.RegisterHealthServer(s, health.NewServer())
	reflection.RegisterV1(s)
	return s
}

// An around is an interceptor of both kinds, told the method and its incoming metadata. What it
// returns is that call's outcome.
type around func(ctx context.Context, method string, handle func(context.Context) error) error

func (f around) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (answer any, err error) {
			err = f(ctx, info.FullMethod, func(ctx context.Context) error {
				answer, err = h(ctx, req)
				return err
			})
			return answer, err
		}),
		grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			return f(ss.Context(), info.FullMethod, func(ctx context.Context) error { return h(srv, stream{ss, ctx}) })
		}),
	}
}

type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s stream) Context() context.Context { return s.ctx }

// keep keeps one of two authorization values.
func keep(which func([]string) string) around {
	return func(ctx context.Context, _ string, handle func(context.Context) error) error {
		md, _ := metadata.FromIncomingContext(ctx)
		if md = md.Copy(); len(md["authorization"]) > 1 {
			md.Set("authorization", which(md["authorization"]))
		}
		return handle(metadata.NewIncomingContext(ctx, md))
	}
}

// past answers calls with the metadata key itself, for whom it names.
func past(key string) around {
	return func(ctx context.Context, method string, handle func(context.Context) error) error {
		md, _ := metadata.FromIncomingContext(ctx)
		if who := md[key]; len(who) > 0 && strings.HasPrefix(method, "/"+rpctest.Service+"/") {
			return status.Error(codes.NotFound, who[0]+" has none")
		}
		return handle(ctx)
	}
}

// bare drops what a refusal carries, and only turns codes that it is told.
func bare(turn map[codes.Code]codes.Code) around {
	return func(ctx context.Context, _ string, handle func(context.Context) error) error {
		err := handle(ctx)
		if code, ok := turn[status.Code(err)]; ok {
			return status.Error(code, "no")
		}
		return err
	}
}

// mended does what turn says to the ErrorInfo and RetryInfo of a refusal.
func mended(turn func(*status.Status) error) around {
	return func(ctx context.Context, _ string, handle func(context.Context) error) error {
		err := handle(ctx)
		if err == nil {
			return nil
		}
		return turn(status.Convert(err))
	}
}

// A hole is a mistake that somebody made in a server.
type hole struct {
	name, rule, row string // what AssertGuarded must name
	server          func(*authtest.Issuer, *auth.Guard) *grpc.Server
	alone           bool // every other rule is whole
}

// guarded returns a server whose guard has rules, behind interceptors.
func guarded(rules auth.Rules, before ...grpc.ServerOption) func(*authtest.Issuer, *auth.Guard) *grpc.Server {
	return func(_ *authtest.Issuer, g *auth.Guard) *grpc.Server {
		return newServer(append(before, grpcauth.ServerOptions(g, rules)...))
	}
}

// oneOf returns a server that was given the guard's interceptor for one kind alone. The options are
// a pair: unary, stream.
func oneOf(i int) func(*authtest.Issuer, *auth.Guard) *grpc.Server {
	return func(_ *authtest.Issuer, g *auth.Guard) *grpc.Server {
		return newServer(grpcauth.ServerOptions(g, talk())[i : i+1])
	}
}

// withoutTrailers drops the trailers that interceptors inside set.
func withoutTrailers() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			return h(grpc.NewContextWithServerTransportStream(ctx, deafTransport{grpc.ServerTransportStreamFromContext(ctx)}), req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			return h(srv, deafStream{ss})
		}),
	}
}

type deafTransport struct{ grpc.ServerTransportStream }

func (deafTransport) SetTrailer(metadata.MD) error { return nil }

type deafStream struct{ grpc.ServerStream }

func (deafStream) SetTrailer(metadata.MD) {}

// readFirst reads the first message of a stream for itself, before the interceptors inside are
// asked, as one that logs requests may.
func readFirst() grpc.ServerOption {
	return grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
		if !strings.HasPrefix(info.FullMethod, "/"+rpctest.Service+"/") {
			return h(srv, ss)
		}
		m := new(rpctest.Message)
		if err := ss.RecvMsg(m); err != nil && err != io.EOF {
			return err
		}
		return h(srv, ss)
	})
}

var holes = []hole{
	{"the unary interceptor alone", rpctest.Server, "B-13", oneOf(0), false},
	{"the stream interceptor alone", rpctest.Unary, "B-13", oneOf(1), false},
	{"no interceptor", rpctest.Unary, "B-13", func(*authtest.Issuer, *auth.Guard) *grpc.Server { return newServer(nil) }, false},
	{"another scope", rpctest.Unary, "B-25", guarded(with(rpctest.Unary, auth.Scopes("write"))), true},
	{"another scope, seen by who has the right one", rpctest.Unary, "B-01", guarded(with(rpctest.Unary, auth.Scopes("write"))), true},
	{"one scope of two", rpctest.Client, "B-25", guarded(with(rpctest.Client, auth.AnyScope("admin", "write", "bulk"))), true},
	{"any of two scopes for the rest of a service", serviceRule, "B-25", guarded(with(serviceRule, auth.AnyScope("read", "talk"))), true},
	{"any token for the rest of a service", serviceRule, "B-25", guarded(with(serviceRule, auth.AnyToken())), true},
	{"the rest of a service is public", serviceRule, "B-13", guarded(with(serviceRule, auth.Public())), true},
	{"public", rpctest.Unary, "B-13", guarded(with(rpctest.Unary, auth.Public())), true},
	{"optional", rpctest.Server, "B-13", guarded(with(rpctest.Server, auth.Optional())), true},
	{"public, and asks for a token", healthRule, "O-08", guarded(with(healthRule, auth.AnyToken())), true},
	{"a verifier for another API", rpctest.Server, "AT-14", func(issuer *authtest.Issuer, _ *auth.Guard) *grpc.Server {
		loose := issuer.Config()
		loose.Audiences = append(loose.Audiences, "https://other-api.example")
		return newServer(grpcauth.ServerOptions(must(auth.NewGuard(issuer.Verifier(loose), nil)), talk()))
	}, false},
	{"the first of two values", rpctest.Client, "G-10", guarded(talk(), keep(func(v []string) string { return v[0] }).options()...), false},
	{"the last of two values", rpctest.Unary, "G-10", guarded(talk(), keep(func(v []string) string { return v[len(v)-1] }).options()...), false},
	{"the token of a gateway's header", rpctest.Unary, "G-09", guarded(talk(), around(func(ctx context.Context, _ string, handle func(context.Context) error) error {
		md, _ := metadata.FromIncomingContext(ctx)
		if md = md.Copy(); len(md["authorization"]) == 0 {
			md["authorization"] = md["grpcgateway-authorization"]
		}
		return handle(metadata.NewIncomingContext(ctx, md))
	}).options()...), false},
	{"an outage answered with UNAUTHENTICATED", rpctest.Unary, "G-04", guarded(talk(), bare(map[codes.Code]codes.Code{codes.Unavailable: codes.Unauthenticated}).options()...), false},
	{"an outage without RetryInfo", serviceRule, "G-04", guarded(talk(), mended(func(st *status.Status) error {
		p := st.Proto()
		if st.Code() == codes.Unavailable {
			p.Details = p.Details[:1]
		}
		return status.FromProto(p).Err()
	}).options()...), false},
	{"a missing scope answered with UNAUTHENTICATED", rpctest.Unary, "B-25", guarded(talk(), bare(map[codes.Code]codes.Code{codes.PermissionDenied: codes.Unauthenticated}).options()...), false},
	{"a refusal without ErrorInfo", rpctest.Unary, "G-07", guarded(talk(), bare(map[codes.Code]codes.Code{codes.Unauthenticated: codes.Unauthenticated}).options()...), false},
	{"a refusal without its challenge", rpctest.Unary, "G-11", guarded(talk(), withoutTrailers()...), false},
	{"a token put in by the end of a method's name", rpctest.Server, "B-13", func(issuer *authtest.Issuer, g *auth.Guard) *grpc.Server {
		signIn := around(func(ctx context.Context, method string, handle func(context.Context) error) error {
			md, _ := metadata.FromIncomingContext(ctx)
			if md = md.Copy(); len(md["authorization"]) == 0 && strings.HasSuffix(method, "/Server") {
				md.Set("authorization", "Bearer "+issuer.Token("read"))
			}
			return handle(metadata.NewIncomingContext(ctx, md))
		})
		return newServer(append(signIn.options(), grpcauth.ServerOptions(g, talk())...))
	}, false},
	{"a proxy for unknown services with a rule of its own", rpctest.Unary, "O-11", guarded(with("/"+rpctest.Service+"2/*", auth.Public()),
		grpc.UnknownServiceHandler(func(_ any, ss grpc.ServerStream) error { return ss.SendMsg(new(rpctest.Message)) })), false},
	{"a proxy for unknown services that any token may use", rpctest.Unary, "O-11", guarded(with("/"+rpctest.Service+"2/*", auth.AnyToken()),
		grpc.UnknownServiceHandler(func(_ any, ss grpc.ServerStream) error { return ss.SendMsg(new(rpctest.Message)) })), false},
	{"a name that is decoded twice, past the guard", rpctest.Client, "O-11", guarded(talk(), grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return nil }),
		grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			if strings.Contains(info.FullMethod, "%25") {
				return ss.SendMsg(new(rpctest.Message))
			}
			return h(srv, ss)
		})), false},
	{"metadata that name another call, past the guard", rpctest.Unary, "O-11", guarded(talk(), past("x-original-url").options()...), false},
	{"metadata that name a user, in place of a token", rpctest.Server, "S-10", guarded(talk(), past("x-forwarded-user").options()...), false},
	{"metadata that name a user, past the guard", rpctest.Unary, "S-10", func(_ *authtest.Issuer, g *auth.Guard) *grpc.Server {
		return newServer(append(grpcauth.ServerOptions(g, talk()), past("x-user-id").options()...))
	}, false},
	{"an interceptor that lets gRPC-Web past", rpctest.Client, "O-11", guarded(talk(), past("x-grpc-web").options()...), false},
	{"an interceptor that lets health probes past", rpctest.Unary, "O-11", guarded(talk(), around(func(ctx context.Context, method string, handle func(context.Context) error) error {
		md, _ := metadata.FromIncomingContext(ctx)
		if strings.HasPrefix(strings.Join(md["user-agent"], ""), "kube-probe/") && strings.HasPrefix(method, "/"+rpctest.Service+"/") {
			return nil
		}
		return handle(ctx)
	}).options()...), false},
	{"the subject of a proxy's metadata", rpctest.Server, "S-10", guarded(talk(), past("x-auth-subject").options()...), false},
	{"ID tokens and any typ", rpctest.Server, "AT-43", func(issuer *authtest.Issuer, _ *auth.Guard) *grpc.Server {
		loose := issuer.Config()
		loose.Types, loose.InsecureAllowIDTokens = []string{"at+jwt", "JWT", ""}, true
		return newServer(grpcauth.ServerOptions(must(auth.NewGuard(issuer.Verifier(loose), nil)), talk()))
	}, false},
	{"a stream that is authorized after its first message", rpctest.Client, "G-13", guarded(talk(), readFirst()), false},
	{"a stream that outlives its token", rpctest.Client, "G-15", func(_ *authtest.Issuer, g *auth.Guard) *grpc.Server {
		return newServer(grpcauth.Options{AllowExpiredStreams: true}.ServerOptions(g, talk()))
	}, false},
	{"reflection under a rule that the table for review lacks", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "G-17", guarded(talk()), false},
	{"a rule that no method uses", "/other.Service/*", "O-07", guarded(talk()), false},
}

// askedBy returns the rules that a server with the hole is asked by.
func (h hole) askedBy() auth.Rules {
	switch rules := talk(); h.row {
	case "G-17":
		delete(rules, reflectionRule)
		return rules
	case "O-07":
		rules[h.rule] = auth.AnyToken()
		return rules
	default:
		return rules
	}
}

// quick are keys that sign fast.
var quick = &authtest.Options{Algorithm: auth.ES256}

// TestAssertGuarded finds nothing in a server that is whole, and each of the holes by its rule and
// row.
func TestAssertGuarded(t *testing.T) {
	options := &grpcauthtest.Options{StreamsEnd: true}
	t.Run("whole", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, quick)
			server := guarded(talk())(issuer, issuer.Guard(nil))
			defer server.Stop()
			grpcauthtest.AssertGuarded(t, issuer, server, talk(), options)
		})
	})
	found := 0
	for _, h := range holes {
		t.Run(h.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := authtest.NewIssuer(t, quick)
				server := h.server(issuer, issuer.Guard(nil))
				defer server.Stop()
				r := &recorder{TB: t}
				grpcauthtest.AssertGuarded(r, issuer, server, h.askedBy(), options)
				if slices.ContainsFunc(r.errors, func(said string) bool {
					return strings.HasPrefix(said, h.rule+": ") && strings.Contains(said, " ("+h.row+"): ")
				}) {
					found++
				} else {
					t.Errorf("no failure names %s and %s:\n%s", h.rule, h.row, strings.Join(r.errors, "\n"))
				}
				for _, said := range r.errors {
					if h.alone && !strings.HasPrefix(said, h.rule+": ") {
						t.Errorf("a failure of a rule that is whole: %s", said)
					}
				}
			})
		})
	}
	t.Logf("%d of %d planted holes found, each by its rule and row", found, len(holes))
}

// TestAssertGuardedAsksForMoreThanScopes finds nothing where the guard asks for all that the rules
// say, and names the rule where it asks for the scopes alone.
func TestAssertGuardedAsksForMoreThanScopes(t *testing.T) {
	type payment struct {
		Actions []string `json:"actions"`
	}
	demanding := talk()
	demanding[rpctest.Unary] = auth.AllOf(auth.Scopes("read"), auth.ACR("mfa"), auth.AuthenticatedWithin(5*time.Minute))
	demanding[rpctest.Server] = auth.AnyOf(auth.Role("admin"), auth.Scopes("admin"))
	demanding[rpctest.Client] = auth.Detail("payment", func(_ context.Context, p *payment) bool { return len(p.Actions) > 0 })
	options := &grpcauthtest.Options{Claims: map[string]authtest.Claims{
		rpctest.Client: {"authorization_details": []map[string]any{{"type": "payment", "actions": []string{"x"}}}},
	}}
	for rule, row := range map[string]string{"": "", rpctest.Unary: "SU-01", rpctest.Server: "W-06", rpctest.Client: "RA-03"} {
		synctest.Test(t, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, quick)
			enforced := maps.Clone(demanding)
			switch rule {
			case rpctest.Unary:
				enforced[rule] = auth.Scopes("read")
			case rpctest.Server, rpctest.Client:
				enforced[rule] = auth.AnyToken()
			}
			server := guarded(enforced)(issuer, issuer.Guard(nil))
			defer server.Stop()
			r := &recorder{TB: t}
			grpcauthtest.AssertGuarded(r, issuer, server, demanding, options)
			found := slices.ContainsFunc(r.errors, func(said string) bool {
				return strings.HasPrefix(said, rule+": ") && strings.Contains(said, " ("+row+"): ")
			})
			if rule == "" && len(r.errors) > 0 || rule != "" && !found {
				t.Errorf("%q, open to who has the scopes: said\n%s", rule, strings.Join(r.errors, "\n"))
			}
		})
	}
}
