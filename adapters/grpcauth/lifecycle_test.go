package grpcauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/internal/rpctest"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

var everything = auth.Rules{"/" + rpctest.Service + "/*": auth.AnyToken()}

// open begins a stream of both directions that handler serves.
func open(t *testing.T, conn *grpc.ClientConn, token string) grpc.ClientStream {
	t.Helper()
	cs, err := conn.NewStream(with(t.Context(), token), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi)
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

// A stream ends within some 75 s of the withdrawal of its key, however late its token ends.
func TestW14_AStreamEndsWithItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		keys := issuer.Source(&jwks.Options{RefreshEvery: time.Second})
		guard := must(auth.NewGuard(must(auth.NewVerifier(keys, issuer.Config())), nil))
		cs := open(t, start(t, grpcauth.ServerOptions(guard, everything), talk(&rpctest.Talk{})), issuer.Token("", authtest.Claims{"exp": 253402300799}))
		time.Sleep(10 * time.Minute)
		stolen := issuer.KeyID()
		issuer.Rotate()
		issuer.Withdraw(stolen)
		if err := keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err := cs.RecvMsg(new(rpctest.Message))
		if took := time.Since(began); status.Code(err) != codes.Unauthenticated || took > 75*time.Second {
			t.Errorf("ended with %v after %v", err, took)
		}
	})
}

// What a recheck learns, and when the stream ends of it.
func TestW14_WhatEndsAnOpenStream(t *testing.T) {
	down := errors.New("down")
	for _, tt := range []struct {
		name             string
		revoked          func(since time.Duration) (bool, error)
		want             codes.Code
		earliest, latest time.Duration
	}{
		{"revoked after 10 min", func(d time.Duration) (bool, error) { return d >= 10*time.Minute, nil },
			codes.Unauthenticated, 10 * time.Minute, 12 * time.Minute},
		{"out of reach for 4 min", func(d time.Duration) (bool, error) {
			if d >= 10*time.Minute && d < 14*time.Minute {
				return false, down
			}
			return d >= time.Hour, nil
		}, codes.Unauthenticated, time.Hour, time.Hour + 2*time.Minute},
		{"out of reach for an hour", func(d time.Duration) (bool, error) {
			if d >= 10*time.Minute && d < 70*time.Minute {
				return false, down
			}
			return d >= 70*time.Minute, nil
		}, codes.Unavailable, 15 * time.Minute, 17 * time.Minute},
		{"revoked while out of reach", func(d time.Duration) (bool, error) {
			if d >= 10*time.Minute && d < 13*time.Minute {
				return false, down
			}
			return d >= 10*time.Minute, nil
		}, codes.Unauthenticated, 13 * time.Minute, 14 * time.Minute},
	} {
		for allow, name := range map[bool]string{false: "", true: ", and AllowExpiredStreams"} {
			t.Run(tt.name+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					began, issuer := time.Now(), authtest.NewIssuer(t, nil)
					guard := issuer.Guard(&auth.GuardOptions{Revoked: func(context.Context, *auth.Principal) (bool, error) { return tt.revoked(time.Since(began)) }})
					conn := start(t, grpcauth.Options{AllowExpiredStreams: allow}.ServerOptions(guard, everything), talk(&rpctest.Talk{}))
					cs := open(t, conn, issuer.Token("", authtest.Claims{"exp": began.Add(24 * time.Hour).Unix()}))
					err := cs.RecvMsg(new(rpctest.Message))
					if took := time.Since(began); status.Code(err) != tt.want || took < tt.earliest || took > tt.latest {
						t.Errorf("ended with %v after %v", err, took)
					}
				})
			})
		}
	}
}

// Messages pass while a stream is rechecked, and wait at the token's end alone.
func TestW14_MessagesPassDuringARecheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, issuer := time.Now(), authtest.NewIssuer(t, nil)
		config := issuer.Config()
		config.Leeway = -1
		guard := must(auth.NewGuard(must(auth.NewVerifier(issuer.Keys(), config)), &auth.GuardOptions{
			Revoked: func(ctx context.Context, _ *auth.Principal) (bool, error) {
				if time.Since(began) > 0 {
					<-ctx.Done() // a quarter of a second
				}
				return false, ctx.Err()
			},
		}))
		conn := start(t, grpcauth.ServerOptions(guard, everything), talk(&rpctest.Talk{OnStream: everySecond}))
		cs := open(t, conn, issuer.Token("", authtest.Claims{"exp": began.Add(4 * time.Minute).Unix()}))
		messages, last := 0, began
		var err error
		for {
			if err = cs.RecvMsg(new(rpctest.Message)); err != nil {
				break
			}
			messages++
			if gap := time.Since(last); gap > time.Second {
				t.Fatalf("message %d came after %v", messages, gap)
			}
			last = time.Now()
		}
		time.Sleep(2 * time.Second) // for the handler to notice
		if status.Code(err) != codes.Unauthenticated || messages != 240 {
			t.Errorf("%d messages, then %v; want the 240 of 4 minutes", messages, err)
		}
	})
}

// A server that stops waits for the handler of a stream that ended: it counts as long as it runs.
func TestAServerWaitsForHandlersOfEndedStreams(t *testing.T) {
	for name, stop := range map[string]func(*grpc.Server){"GracefulStop": (*grpc.Server).GracefulStop, "Stop": (*grpc.Server).Stop} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := authtest.NewIssuer(t, nil)
				var running, counted atomic.Int32
				count := grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
					counted.Add(1)
					defer counted.Add(-1)
					return h(srv, ss)
				})
				server := grpc.NewServer(append([]grpc.ServerOption{grpc.WaitForHandlers(true), count}, grpcauth.ServerOptions(issuer.Guard(nil), everything)...)...)
				rpctest.Register(server, &rpctest.Talk{OnStream: func(ss grpc.ServerStream) error {
					running.Add(1)
					defer running.Add(-1)
					<-ss.Context().Done()
					time.Sleep(time.Minute) // stores what it has
					return nil
				}})
				conn := inMemory(server)
				defer conn.Close()
				cs := open(t, conn, issuer.Token(""))
				if err := cs.RecvMsg(new(rpctest.Message)); status.Code(err) != codes.Unauthenticated {
					t.Fatal(err)
				}
				if r, c := running.Load(), counted.Load(); r != 1 || c != 1 {
					t.Errorf("%d handler runs, and the interceptor in front counts %d", r, c)
				}
				stop(server)
				if n := running.Load(); n != 0 {
					t.Errorf("the server stopped while %d handler runs", n)
				}
			})
		})
	}
}

//go:noinline
func culprit(m map[string]int) { m["x"] = 1 }

func TestAPanicInAStreamShowsItsOwnStack(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var stack string
	recovering := grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) (err error) {
		defer func() {
			if p := recover(); p != nil {
				stack, err = string(debug.Stack()), status.Error(codes.DataLoss, "panic")
			}
		}()
		return h(srv, ss)
	})
	conn := start(t, append([]grpc.ServerOption{recovering}, grpcauth.ServerOptions(issuer.Guard(nil), everything)...),
		talk(&rpctest.Talk{OnStream: func(grpc.ServerStream) error { culprit(nil); return nil }}))
	for _, method := range rpctest.Methods[1:] {
		stack = ""
		if _, _, err := rpctest.Call(with(t.Context(), issuer.Token("")), conn, method, "x"); status.Code(err) != codes.DataLoss {
			t.Errorf("%s: %v", method, err)
		}
		if !strings.Contains(stack, "culprit") {
			t.Errorf("%s: the stack does not name the function that panicked:\n%s", method, stack)
		}
	}
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// Under ServeHTTP the challenge comes in the header, and net/http has nothing to complain of. A
// stream ends with its token there, too.
func TestServeHTTP(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := must(auth.NewGuard(&shortVerifier{TokenVerifier: must(auth.NewVerifier(issuer.Keys(), issuer.Config()))}, nil))
	server := grpc.NewServer(grpcauth.ServerOptions(guard, everything)...)
	returned := make(chan error, 1)
	handlers := &rpctest.Talk{}
	rpctest.Register(server, handlers)
	s := httptest.NewUnstartedServer(server)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	var logged lockedBuffer
	s.Config.ErrorLog = log.New(&logged, "", 0)
	s.Start()
	defer s.Close()
	conn, err := grpc.NewClient(s.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, method := range rpctest.Methods {
		for name, token := range map[string]string{"no token": "", "a bad signature": issuer.Token("", authtest.BadSignature)} {
			ctx := t.Context()
			if token != "" {
				ctx = with(ctx, token)
			}
			_, header, trailer, err := rpctest.CallHeader(ctx, conn, method, "x")
			if status.Code(err) != codes.Unauthenticated || len(header["www-authenticate"]) == 0 || len(trailer["www-authenticate"]) != 0 {
				t.Errorf("%s with %s: %v, header %v, trailer %v", method, name, err, header, trailer)
			}
		}
	}
	handlers.OnStream = func(ss grpc.ServerStream) error {
		err := ss.RecvMsg(new(rpctest.Message))
		returned <- err
		return err
	}
	cs := open(t, conn, issuer.Token(""))
	if err := cs.RecvMsg(new(rpctest.Message)); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the stream ended with %v", err)
	}
	if err := <-returned; status.Code(err) != codes.Unauthenticated {
		t.Errorf("the handler was told %v", err)
	}
	if got := logged.String(); got != "" {
		t.Errorf("net/http logged %s", got)
	}
}

func TestCheckTellsWhatStandsInFront(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	unary := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		return h(ctx, req)
	}
	stream := func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
		return h(srv, ss)
	}
	ours := grpcauth.ServerOptions(guard, everything)
	for _, tt := range []struct {
		name    string
		options []grpc.ServerOption
		rules   auth.Rules
		want    string
	}{
		{"nothing else", nil, everything, ""},
		{"chained behind", []grpc.ServerOption{grpc.ChainUnaryInterceptor(unary), grpc.ChainStreamInterceptor(stream)}, everything, ""},
		{"a unary one in front", []grpc.ServerOption{grpc.UnaryInterceptor(unary)}, everything, "given to grpc.UnaryInterceptor stands in front"},
		{"a stream one in front", []grpc.ServerOption{grpc.StreamInterceptor(stream)}, everything, "given to grpc.StreamInterceptor stands in front"},
		{"one in front and more behind", []grpc.ServerOption{grpc.ChainUnaryInterceptor(unary), grpc.UnaryInterceptor(unary)}, everything, "given to grpc.UnaryInterceptor"},
		{"other rules", nil, auth.Rules{"/" + rpctest.Service + "/*": auth.Public()}, `other rules than Check: they differ in ["/bearward.test.Talk/*"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := grpc.NewServer(append(ours[:len(ours):len(ours)], tt.options...)...)
			rpctest.Register(server, &rpctest.Talk{})
			if got := fmt.Sprint(grpcauth.Check(server, tt.rules)); tt.want == "" && got != "<nil>" || !strings.Contains(got, tt.want) {
				t.Errorf("got %s, want %q", got, tt.want)
			}
		})
	}
	before := []grpc.ServerOption{grpc.ChainUnaryInterceptor(unary), grpc.ChainStreamInterceptor(stream)}
	server := grpc.NewServer(append(before, ours...)...)
	rpctest.Register(server, &rpctest.Talk{})
	if err := grpcauth.Check(server, everything); err != nil {
		t.Errorf("chained before: %v", err)
	}
}
