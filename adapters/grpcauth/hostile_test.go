package grpcauth_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// exact returns a Guard of issuer without leeway, which opts may be nil for.
func exact(t *testing.T, issuer *authtest.Issuer, opts *auth.GuardOptions) *auth.Guard {
	t.Helper()
	config := issuer.Config()
	config.Leeway = -1
	return must(auth.NewGuard(must(auth.NewVerifier(issuer.Keys(), config)), opts))
}

// forSeconds is a token that ends so many seconds from now.
func forSeconds(issuer *authtest.Issuer, seconds int64) string {
	return issuer.Token("read", authtest.Claims{"exp": time.Now().Unix() + seconds})
}

// A stream that may outlive its token goes on being asked about once a minute, although nothing
// could be decided when the token ended.
func TestAnExpiredStreamIsRecheckedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, issuer := time.Now(), authtest.NewIssuer(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var decisions atomic.Int32
		guard := exact(t, issuer, &auth.GuardOptions{
			Revoked: func(context.Context, *auth.Principal) (bool, error) {
				if time.Since(began) > time.Minute {
					return false, errors.New("down")
				}
				return false, nil
			},
			OnDecision: func(context.Context, auth.Decision) {
				if decisions.Add(1) > 500 {
					cancel() // it would go on for ever
				}
			},
		})
		conn := start(t, grpcauth.Options{AllowExpiredStreams: true}.ServerOptions(guard, everything), talk(&rpctest.Talk{}))
		cs, err := conn.NewStream(with(ctx, forSeconds(issuer, 240)), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := decisions.Load(); n < 40 || n > 125 {
			t.Errorf("a stream was rechecked %d times in an hour", n)
		}
		_ = cs.CloseSend()
		if err := cs.RecvMsg(new(rpctest.Message)); err != nil {
			t.Errorf("the stream has ended: %v", err)
		}
	})
}

// A function of the application's that ignores its context keeps no stream alive beyond its token,
// and no handler from returning.
func TestARecheckThatIgnoresItsContext(t *testing.T) {
	for name, handler := range map[string]func(grpc.ServerStream) error{
		"a handler that sends": everySecond,
		"a handler that ends": func(ss grpc.ServerStream) error {
			time.Sleep(220 * time.Second)
			return status.Error(codes.OutOfRange, "done")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, issuer := time.Now(), authtest.NewIssuer(t, nil)
				release := make(chan struct{})
				time.AfterFunc(20*time.Minute, func() { close(release) })
				var hanging atomic.Int32
				guard := exact(t, issuer, &auth.GuardOptions{Revoked: func(context.Context, *auth.Principal) (bool, error) {
					if time.Since(began) > 0 {
						hanging.Add(1)
						<-release
					}
					return false, nil
				}})
				conn := start(t, grpcauth.ServerOptions(guard, everything), talk(&rpctest.Talk{OnStream: handler}))
				cs := open(t, conn, forSeconds(issuer, 240))
				messages := 0
				var err error
				for err == nil {
					if err = cs.RecvMsg(new(rpctest.Message)); err == nil {
						messages++
					}
				}
				took := time.Since(began)
				time.Sleep(2 * time.Second) // for the handler to notice
				switch {
				case name == "a handler that ends":
					if status.Code(err) != codes.OutOfRange || took != 220*time.Second {
						t.Errorf("ended with %v after %v, want the handler's own end", err, took)
					}
				case status.Code(err) != codes.Unavailable || messages != 240 || took > 246*time.Second:
					t.Errorf("ended with %v after %d messages and %v, want UNAVAILABLE after 240 s", err, messages, took)
				}
				if n := hanging.Load(); n != 1 {
					t.Errorf("%d calls hang, want one", n)
				}
				time.Sleep(20 * time.Minute) // for what hangs
			})
		})
	}
}

// A caller who is gone when the token ends gets no more commands in, however many had arrived.
func TestNothingIsHandedOutWhenTheCallerIsGone(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leave time.Duration // when the caller leaves; the token ends after a minute
	}{{"before the token's end", 50 * time.Second}, {"during the look at the token's end", 60*time.Second + time.Millisecond}} {
		t.Run(tt.name, func(t *testing.T) {
			for range 20 { // gRPC hands out what arrived before, or not, by chance
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					got, done := 0, make(chan error, 1)
					options := grpcauth.ServerOptions(must(auth.NewGuard(&scriptedVerifier{then: hang}, nil)), everything)
					conn := start(t, options, talk(&rpctest.Talk{OnStream: func(ss grpc.ServerStream) error {
						time.Sleep(62 * time.Second)
						for {
							if err := ss.RecvMsg(new(rpctest.Message)); err != nil {
								done <- err
								return err
							}
							got++
						}
					}}))
					cs, err := conn.NewStream(with(ctx, "opaque"), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi)
					if err != nil {
						t.Fatal(err)
					}
					for range 20 {
						if err := cs.SendMsg(&rpctest.Message{Value: "transfer"}); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(tt.leave)
					cancel()
					if err := <-done; status.Code(err) != codes.Canceled || got > 0 {
						t.Errorf("%d commands after the token ran out, then %v", got, err)
					}
				})
			}
		})
	}
}

// A stream that was opened while its rule was public is looked at by the rules that come.
func TestAStreamThatWasPublicIsRechecked(t *testing.T) {
	for _, tt := range []struct {
		name, token string
		before      auth.Requirement
		allow       bool // AllowExpiredStreams
		after       auth.Requirement
		want        codes.Code
	}{
		{"no token", "", auth.Public(), false, auth.AnyToken(), codes.Unauthenticated},
		{"junk", "junk", auth.Public(), false, auth.AnyToken(), codes.Unauthenticated},
		{"a scope short", "read", auth.Public(), false, auth.Scopes("admin"), codes.PermissionDenied},
		{"a good token", "read", auth.Public(), false, auth.Scopes("read"), codes.OK},
		{"no token, optional", "", auth.Public(), false, auth.Optional(), codes.OK},
		{"still public", "junk", auth.Public(), false, auth.Public(), codes.OK},
		{"an expired token", "expired", auth.Public(), false, auth.AnyToken(), codes.Unauthenticated},
		{"an expired token, and those that ran out go on", "expired", auth.Public(), true, auth.AnyToken(), codes.Unauthenticated},
		{"one that was reported on alone", "expired", auth.AnyToken().ReportOnly(), true, auth.AnyToken(), codes.Unauthenticated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := authtest.NewIssuer(t, nil)
				live, err := auth.NewLiveRules(auth.Rules{rpctest.Bidi: tt.before})
				if err != nil {
					t.Fatal(err)
				}
				guard := issuer.Guard(&auth.GuardOptions{OnDecision: func(context.Context, auth.Decision) {}})
				conn := start(t, grpcauth.Options{AllowExpiredStreams: tt.allow}.ServerOptions(guard, live.Rules()), talk(&rpctest.Talk{}))
				ctx := t.Context()
				switch tt.token {
				case "":
				case "junk":
					ctx = with(ctx, "a.b.c")
				case "expired":
					ctx = with(ctx, issuer.Token("read", authtest.Expired))
				default:
					ctx = with(ctx, issuer.Token(tt.token, authtest.Claims{"exp": time.Now().Unix() + 3600}))
				}
				cs, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				if err := live.Swap(auth.Rules{rpctest.Bidi: tt.after}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(75 * time.Second)
				_ = cs.CloseSend()
				if err := cs.RecvMsg(new(rpctest.Message)); status.Code(err) != tt.want {
					t.Errorf("ended with %v, want %v", err, tt.want)
				}
			})
		})
	}
}
