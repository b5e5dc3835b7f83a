package grpcauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// start serves what setup registers, in memory, until the test ends.
func start(t testing.TB, options []grpc.ServerOption, setup func(*grpc.Server)) *grpc.ClientConn {
	t.Helper()
	server := grpc.NewServer(options...)
	setup(server)
	conn := inMemory(server)
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
	})
	return conn
}

// inMemory serves server until it stops, and connects to it.
func inMemory(server *grpc.Server) *grpc.ClientConn {
	listener := bufconn.Listen(1 << 16)
	go server.Serve(listener)
	conn, err := grpc.NewClient("passthrough:test", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		panic(err) // the target is a literal
	}
	return conn
}

func talk(handlers *rpctest.Talk) func(*grpc.Server) {
	return func(s *grpc.Server) { rpctest.Register(s, handlers) }
}

func with(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

func TestRules(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	reader := issuer.Token("read")
	for _, tt := range []struct {
		name  string
		rules auth.Rules
		want  map[string]codes.Code
	}{
		{"an exact rule each", auth.Rules{rpctest.Unary: auth.Scopes("read"), rpctest.Bidi: auth.Scopes("admin")},
			map[string]codes.Code{rpctest.Unary: codes.OK, rpctest.Bidi: codes.PermissionDenied, rpctest.Client: codes.PermissionDenied}},
		{"a rule for the service", auth.Rules{"/" + rpctest.Service + "/*": auth.Scopes("read")},
			map[string]codes.Code{rpctest.Unary: codes.OK, rpctest.Bidi: codes.OK, rpctest.Server: codes.OK}},
		{"the exact rule wins", auth.Rules{"/" + rpctest.Service + "/*": auth.Public(), rpctest.Unary: auth.Scopes("admin")},
			map[string]codes.Code{rpctest.Unary: codes.PermissionDenied, rpctest.Bidi: codes.OK}},
		{"another service's rule", auth.Rules{"/bearward.test.Tal/*": auth.Public(), "/bearward.test.Talk2/*": auth.Public()},
			map[string]codes.Code{rpctest.Unary: codes.PermissionDenied, rpctest.Client: codes.PermissionDenied}},
		{"what is not registered", auth.Rules{"/" + rpctest.Service + "/*": auth.Scopes("admin")},
			map[string]codes.Code{"/" + rpctest.Service + "/Other": codes.Unimplemented, "/other.Service/Unary": codes.Unimplemented,
				"/bearward.test.talk/Unary": codes.Unimplemented, strings.TrimPrefix(rpctest.Unary, "/"): codes.Unimplemented, strings.TrimPrefix(rpctest.Bidi, "/"): codes.Unimplemented, "/" + rpctest.Service + "/unary": codes.Unimplemented}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := start(t, grpcauth.ServerOptions(guard, tt.rules), talk(&rpctest.Talk{}))
			for method, want := range tt.want {
				if _, _, err := rpctest.Call(with(t.Context(), reader), conn, method, "x"); status.Code(err) != want {
					t.Errorf("%s: %v, want %v", method, err, want)
				}
			}
		})
	}
}

func TestHealthAndReflectionNeedARule(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	rules := auth.Rules{"/grpc.health.v1.Health/Check": auth.Public(), rpctest.Unary: auth.Public()}
	conn := start(t, grpcauth.ServerOptions(issuer.Guard(nil), rules), func(s *grpc.Server) {
		healthpb.RegisterHealthServer(s, health.NewServer())
		reflection.Register(s)
	})
	client := healthpb.NewHealthClient(conn)
	if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("the method that has a rule: %v", err)
	}
	watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err == nil {
		_, err = watch.Recv()
	}
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("the method without rule: %v", err)
	}
	_, _, err = rpctest.Call(t.Context(), conn, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "")
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("reflection without rule: %v", err)
	}
}

func TestUnknownServiceHandlerIsCovered(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var told []string
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { told = append(told, d.Operation) }})
	entered := false
	options := append(grpcauth.ServerOptions(guard, auth.Rules{"/proxied.Service/*": auth.Scopes("read")}),
		grpc.UnknownServiceHandler(func(_ any, ss grpc.ServerStream) error {
			entered = true
			return ss.SendMsg(&rpctest.Message{})
		}))
	conn := start(t, options, func(*grpc.Server) {})
	for method, want := range map[string]codes.Code{
		"/proxied.Service/Any": codes.OK,
		"/other.Service/Any":   codes.PermissionDenied,
	} {
		entered, told = false, nil
		_, _, err := rpctest.Call(with(t.Context(), issuer.Token("read")), conn, method, "")
		if status.Code(err) != want || entered != (want == codes.OK) {
			t.Errorf("%s: %v, handler entered: %v", method, err, entered)
		}
		if wantTold := map[bool]string{true: "/proxied.Service/*", false: ""}[want == codes.OK]; len(told) != 1 || told[0] != wantTold {
			t.Errorf("%s: hooks were told %q, want %q: the caller's own text stays out", method, told, wantTold)
		}
	}
}

func TestNothingIsReadBeforeTheDecision(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	entered := false
	conn := start(t, grpcauth.ServerOptions(issuer.Guard(nil), auth.Rules{"/" + rpctest.Service + "/*": auth.Scopes("read")}),
		talk(&rpctest.Talk{OnStream: func(grpc.ServerStream) error { entered = true; return nil }}))
	cs, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi)
	if err != nil {
		t.Fatal(err)
	}
	if err := cs.RecvMsg(new(rpctest.Message)); status.Code(err) != codes.Unauthenticated || entered {
		t.Errorf("%v, handler entered: %v; want a refusal though nothing was sent", err, entered)
	}
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	blocked := map[string]func(grpc.ServerStream) error{
		"in Recv": func(ss grpc.ServerStream) error { return ss.RecvMsg(new(rpctest.Message)) },
		"in Send": func(ss grpc.ServerStream) error {
			for {
				if err := ss.SendMsg(&rpctest.Message{Value: strings.Repeat("x", 1<<16)}); err != nil {
					return err
				}
			}
		},
		"on its context": func(ss grpc.ServerStream) error {
			<-ss.Context().Done()
			return ss.SendMsg(new(rpctest.Message))
		},
	}
	for where, handler := range blocked {
		t.Run("blocked "+where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := authtest.NewIssuer(t, nil)
				var after error
				var handled atomic.Bool
				conn := start(t, grpcauth.ServerOptions(issuer.Guard(nil), auth.Rules{"/" + rpctest.Service + "/*": auth.AnyToken()}),
					talk(&rpctest.Talk{OnStream: func(ss grpc.ServerStream) error {
						after = handler(ss)
						handled.Store(true)
						return after
					}}))
				began := time.Now()
				token := issuer.Token("read", authtest.Claims{"exp": began.Add(time.Minute).Unix()})
				cs, err := conn.NewStream(with(t.Context(), token), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(89 * time.Second) // the bubble's
				if handled.Load() {
					t.Fatalf("the handler came back before the token ran out: %v", after)
				}
				time.Sleep(time.Second) // a client that read on would keep the bubble's clock from moving
				synctest.Wait()
				if !handled.Load() {
					t.Fatal("the handler is still there when the token has run out")
				}
				for err == nil {
					err = cs.RecvMsg(new(rpctest.Message))
				}
				if elapsed := time.Since(began); status.Code(err) != codes.Unauthenticated || elapsed != 90*time.Second {
					t.Errorf("ended with %v after %v, want UNAUTHENTICATED after exp and the leeway", err, elapsed)
				}
				if got := cs.Trailer()["www-authenticate"]; len(got) != 1 || !strings.Contains(got[0], "expired") {
					t.Errorf("trailer %q", got)
				}
				synctest.Wait()
				if !handled.Load() || status.Code(after) != codes.Unauthenticated {
					t.Errorf("the handler's call: handled %v, %v; want the same refusal", handled.Load(), after)
				}
			})
		})
	}
}

func TestExpiredStreamsMayBeAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		options := grpcauth.Options{AllowExpiredStreams: true}.ServerOptions(issuer.Guard(nil), auth.Rules{rpctest.Bidi: auth.AnyToken()})
		conn := start(t, options, talk(&rpctest.Talk{}))
		token := issuer.Token("read", authtest.Claims{"exp": time.Now().Add(time.Minute).Unix()})
		cs, err := conn.NewStream(with(t.Context(), token), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		_ = cs.CloseSend()
		if err := cs.RecvMsg(new(rpctest.Message)); err != nil {
			t.Errorf("after an hour: %v", err)
		}
	})
}

func TestAHandlersPanicReachesTheInterceptorsOutside(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	boom := errors.New("boom")
	outside := grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = status.Error(codes.DataLoss, fmt.Sprint(p))
			}
		}()
		return handler(srv, ss)
	})
	handlers := &rpctest.Talk{OnStream: func(grpc.ServerStream) error { panic(boom) }}
	conn := start(t, append([]grpc.ServerOption{outside}, grpcauth.ServerOptions(issuer.Guard(nil), auth.Rules{rpctest.Bidi: auth.AnyToken()})...), talk(handlers))
	_, _, err := rpctest.Call(with(t.Context(), issuer.Token("read")), conn, rpctest.Bidi, "x")
	if status.Code(err) != codes.DataLoss || !strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v, want what the recovering interceptor made of it", err)
	}
}

func TestTheTokenIsNotPassedOn(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var outgoing []metadata.MD
	look := func(ctx context.Context) {
		md, _ := metadata.FromOutgoingContext(ctx)
		outgoing = append(outgoing, md)
	}
	conn := start(t, grpcauth.ServerOptions(issuer.Guard(nil), auth.Rules{"/" + rpctest.Service + "/*": auth.AnyToken()}), talk(&rpctest.Talk{
		OnUnary:  func(ctx context.Context, m *rpctest.Message) (*rpctest.Message, error) { look(ctx); return m, nil },
		OnStream: func(ss grpc.ServerStream) error { look(ss.Context()); return nil },
	}))
	for _, method := range rpctest.Methods {
		_, _, err := rpctest.Call(with(t.Context(), issuer.Token("read")), conn, method, "x")
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
	}
	for _, md := range outgoing {
		if len(md) != 0 {
			t.Errorf("outgoing metadata %v", md)
		}
	}
	if len(outgoing) != len(rpctest.Methods) {
		t.Errorf("%d handlers looked", len(outgoing))
	}
}

func TestADeadlineShorterThanTheWaitForKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		issuer.Hang()
		conn := start(t, grpcauth.ServerOptions(issuer.Guard(nil), auth.Rules{"/" + rpctest.Service + "/*": auth.AnyToken()}), talk(&rpctest.Talk{}))
		for _, method := range rpctest.Methods {
			ctx, cancel := context.WithTimeout(with(t.Context(), issuer.Token("read")), time.Second)
			_, _, err := rpctest.Call(ctx, conn, method, "x")
			cancel()
			if code := status.Code(err); code != codes.DeadlineExceeded && code != codes.Unavailable {
				t.Errorf("%s: %v, want DEADLINE_EXCEEDED or UNAVAILABLE", method, err)
			}
		}
	})
}

// counter is a stats.Handler that counts the RPCs that ended.
type counter struct{ ended atomic.Int32 }

func (*counter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*counter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*counter) HandleConn(context.Context, stats.ConnStats)                       {}
func (c *counter) HandleRPC(_ context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.End); ok {
		c.ended.Add(1)
	}
}

func TestInterceptorsAndStatsBesideTheGuard(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var before, after atomic.Int32
	count := func(n *atomic.Int32, wantCaller bool) []grpc.ServerOption {
		look := func(ctx context.Context) {
			n.Add(1)
			if _, ok := auth.PrincipalFrom(ctx); ok != wantCaller {
				t.Errorf("a principal in the context: %v", ok)
			}
		}
		return []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
				look(ctx)
				return h(ctx, req)
			}),
			grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
				look(ss.Context())
				return h(srv, ss)
			}),
		}
	}
	c := new(counter)
	options := append(count(&before, false), grpcauth.ServerOptions(issuer.Guard(nil), auth.Rules{"/" + rpctest.Service + "/*": auth.AnyToken()})...)
	options = append(append(options, count(&after, true)...), grpc.StatsHandler(c))
	conn := start(t, options, talk(&rpctest.Talk{}))
	for _, method := range rpctest.Methods {
		for _, token := range []string{issuer.Token("read"), "bad"} {
			_, _, _ = rpctest.Call(with(t.Context(), token), conn, method, "x")
		}
	}
	n := int32(len(rpctest.Methods))
	if before.Load() != 2*n || after.Load() != n {
		t.Errorf("interceptors before saw %d calls and those after %d, want %d and %d", before.Load(), after.Load(), 2*n, n)
	}
}

func TestCheck(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	for _, tt := range []struct {
		name  string
		rules auth.Rules
		want  []string
	}{
		{"a rule for the service", auth.Rules{"/" + rpctest.Service + "/*": auth.AnyToken()}, nil},
		{"a method without rule", auth.Rules{rpctest.Unary: auth.AnyToken(), rpctest.Bidi: auth.AnyToken(), rpctest.Server: auth.AnyToken()},
			[]string{"no rule for method " + rpctest.Client}},
		{"rules without method", auth.Rules{"/" + rpctest.Service + "/*": auth.AnyToken(), rpctest.Unary + "s": auth.AnyToken(), "/other.Service/*": auth.AnyToken()},
			[]string{`rule "` + rpctest.Unary + `s"`, `rule "/other.Service/*"`}},
		{"a rule of another form", auth.Rules{"GET /orders": auth.AnyToken()}, []string{`rule "GET /orders" is neither`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inPlace := maps.Clone(tt.rules)
			delete(inPlace, "GET /orders")
			if len(inPlace) == 0 {
				inPlace[rpctest.Unary] = auth.AnyToken()
			}
			server := grpc.NewServer(grpcauth.ServerOptions(guard, inPlace)...)
			rpctest.Register(server, &rpctest.Talk{})
			err := grpcauth.Check(server, tt.rules)
			if (err == nil) != (len(tt.want) == 0) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want an error with %q", err, want)
				}
			}
		})
	}
}

func TestServerOptionsMisconfigured(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	for _, tt := range []struct {
		name  string
		guard *auth.Guard
		rules auth.Rules
		want  string
	}{
		{"no guard", nil, auth.Rules{rpctest.Unary: auth.AnyToken()}, "Guard"},
		{"no rules", guard, nil, "empty"},
		{"the zero requirement", guard, auth.Rules{rpctest.Unary: {}}, rpctest.Unary},
		{"a key without slash", guard, auth.Rules{"pkg.Service/Method": auth.AnyToken()}, "pkg.Service/Method"},
		{"a wildcard for everything", guard, auth.Rules{"/*": auth.AnyToken()}, `"/*"`},
		{"a wildcard for every service", guard, auth.Rules{"/*/*": auth.AnyToken()}, `"/*/*"`},
		{"a wildcard for some methods", guard, auth.Rules{"/pkg.Service/Get*": auth.AnyToken()}, "Get*"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want one that names %q", got, tt.want)
				}
			}()
			grpcauth.ServerOptions(tt.guard, tt.rules)
		})
	}
}

func TestCheckNamesAServerWithoutGuard(t *testing.T) {
	server := grpc.NewServer()
	rpctest.Register(server, &rpctest.Talk{})
	err := grpcauth.Check(server, auth.Rules{"/" + rpctest.Service + "/*": auth.Scopes("admin")})
	if err == nil || !strings.Contains(err.Error(), "nothing is guarded") {
		t.Errorf("got %v, want an error that says so", err)
	}
}

// TestNoCommandIsHandedOutAfterExpiry packs messages ahead, for a handler that works off one in a
// second.
func TestNoCommandIsHandedOutAfterExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		began := time.Now()
		var before, after atomic.Int32
		conn := start(t, grpcauth.ServerOptions(issuer.Guard(nil), auth.Rules{rpctest.Bidi: auth.AnyToken()}),
			talk(&rpctest.Talk{OnStream: func(ss grpc.ServerStream) error {
				for {
					if err := ss.RecvMsg(new(rpctest.Message)); err != nil {
						return err
					}
					if time.Since(began) > 90*time.Second {
						after.Add(1)
					} else {
						before.Add(1)
					}
					time.Sleep(time.Second)
				}
			}}))
		token := issuer.Token("read", authtest.Claims{"exp": began.Add(time.Minute).Unix()})
		cs, err := conn.NewStream(with(t.Context(), token), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi)
		if err != nil {
			t.Fatal(err)
		}
		for range 2000 {
			if err := cs.SendMsg(&rpctest.Message{Value: "transfer"}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if before.Load() == 0 || after.Load() > 0 {
			t.Errorf("%d commands before the token ran out, and %d after; want some and none", before.Load(), after.Load())
		}
	})
}

// endless accepts any token, and does not say when it ends, as an introspection may.
type endless struct{}

func (endless) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return auth.NewPrincipal([]byte(`{"iss":"i","sub":"s"}`))
}

func TestAStreamWithoutKnownEnd(t *testing.T) {
	conn := start(t, grpcauth.ServerOptions(must(auth.NewGuard(endless{}, nil)), auth.Rules{rpctest.Bidi: auth.AnyToken()}), talk(&rpctest.Talk{}))
	if _, _, err := rpctest.Call(with(t.Context(), "abc"), conn, rpctest.Bidi, "x"); err != nil {
		t.Error(err)
	}
}
