package connectauth_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/bearward/bearward/adapters/connectauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A pipeListener connects a server and its clients inside of a synctest bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	l.conns <- far
	return near, nil
}

// inBubble serves h and hands a client to f, all inside of a bubble.
func inBubble(t *testing.T, f func(t *testing.T, serve func(http.Handler) *http.Client)) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	inBubbleOver(t, protocols, f)
}

func inBubbleOver(t *testing.T, protocols *http.Protocols, f func(t *testing.T, serve func(http.Handler) *http.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t, func(h http.Handler) *http.Client {
			l := &pipeListener{make(chan net.Conn), make(chan struct{})}
			var handlers sync.WaitGroup
			s := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handlers.Add(1)
				defer handlers.Done()
				h.ServeHTTP(w, r)
			})}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = s.Serve(l)
			}()
			transport := &http.Transport{Protocols: protocols, DialContext: l.dial}
			t.Cleanup(func() {
				transport.CloseIdleConnections()
				_ = s.Close()
				<-done
				handlers.Wait()
			})
			return &http.Client{Transport: transport}
		})
	})
}

var streamProtocols = map[string][]connect.ClientOption{"connect": nil, "grpc": {connect.WithGRPC()}, "grpc-web": {connect.WithGRPCWeb()}}

const lifetime = 10 * time.Minute

// patient is the context of a client that does not wait forever.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*lifetime)
	t.Cleanup(cancel)
	return ctx
}

// openBidi opens a stream with a token that ends after lifetime, and exchanges a message.
func openBidi(t *testing.T, httpClient *http.Client, issuer *authtest.Issuer, options []connect.ClientOption) *connect.BidiStreamForClient[message, message] {
	t.Helper()
	c := connect.NewClient[message, message](httpClient, "http://api.example"+bidi, options...)
	ctx := patient(t)
	s := c.CallBidiStream(ctx)
	context.AfterFunc(ctx, func() { _ = s.CloseRequest() }) // HTTP/2 sees the end of ctx then
	s.RequestHeader().Set("Authorization", "Bearer "+issuer.Token("read", authtest.Claims{"exp": time.Now().Add(lifetime).Unix()}))
	if err := s.Send(wrapperspb.String("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Receive(); err != nil {
		t.Fatal(err)
	}
	return s
}

// waits are what handlers do when the end comes. All of them have exchanged a message before.
var waits = map[string]func(context.Context, *connect.BidiStream[message, message]) error{
	"in Receive": func(_ context.Context, s *connect.BidiStream[message, message]) error {
		_, err := s.Receive()
		return err
	},
	"for its context": func(ctx context.Context, _ *connect.BidiStream[message, message]) error {
		<-ctx.Done()
		return ctx.Err()
	},
	"and hides the end": func(ctx context.Context, _ *connect.BidiStream[message, message]) error {
		<-ctx.Done()
		return nil
	},
	"and sends": func(_ context.Context, s *connect.BidiStream[message, message]) error {
		for {
			if err := s.Send(wrapperspb.String("tick")); err != nil {
				return err
			}
			time.Sleep(time.Second)
		}
	},
}

func exchange(then func(context.Context, *connect.BidiStream[message, message]) error) *talk {
	return &talk{onBidi: func(ctx context.Context, s *connect.BidiStream[message, message]) error {
		if _, err := s.Receive(); err != nil {
			return err
		}
		if err := s.Send(wrapperspb.String("welcome")); err != nil {
			return err
		}
		return then(ctx, s)
	}}
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	for protocol, options := range streamProtocols {
		for what, wait := range waits {
			t.Run(protocol+" "+what, func(t *testing.T) {
				inBubble(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
					issuer := authtest.NewIssuer(t, nil)
					httpClient := serve(newMux(issuer, readAll, exchange(wait)))
					began := time.Now()
					s := openBidi(t, httpClient, issuer, options)
					var err error
					for err == nil {
						_, err = s.Receive()
					}
					challenge := `error="invalid_token"`
					if protocol == "grpc" {
						challenge = none // the header was sent
					}
					wantEnd(t, err, auth.ReasonTokenExpired, challenge)
					if took := time.Since(began); took < lifetime || took > lifetime+2*time.Minute {
						t.Errorf("it ended after %v, and the token after %v", took, lifetime)
					}
					_ = s.CloseRequest()
					_ = s.CloseResponse()
				})
			})
		}
	}
}

const none = "none"

func wantEnd(t *testing.T, err error, reason auth.Reason, challenge string) {
	t.Helper()
	var e *connect.Error
	if !errors.As(err, &e) || e.Code() != connect.CodeUnauthenticated {
		t.Fatalf("got %v, want unauthenticated", err)
	}
	if info, _ := detailsOf(e); info.GetReason() != reason.Code() {
		t.Errorf("got %v, want %s", info, reason)
	}
	if got := strings.Join(e.Meta().Values("WWW-Authenticate"), ","); challenge != none && !strings.Contains(got, challenge) || challenge == none && got != "" {
		t.Errorf("got the challenge %q, want %q", got, challenge)
	}
}

// What had arrived before the end is not handed to a handler that asks for it afterwards, and what
// it sends then does not leave.
func TestNothingIsHandedOutAfterTheEnd(t *testing.T) {
	for protocol, options := range streamProtocols {
		t.Run(protocol, func(t *testing.T) {
			inBubble(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
				issuer := authtest.NewIssuer(t, nil)
				ends := make(chan error, 2)
				late := func(ctx context.Context, s *connect.BidiStream[message, message]) error {
					time.Sleep(lifetime + 10*time.Minute)
					_, err := s.Receive()
					ends <- err
					ends <- s.Send(wrapperspb.String("late"))
					return nil
				}
				httpClient := serve(newMux(issuer, readAll, exchange(late)))
				s := openBidi(t, httpClient, issuer, options)
				if err := s.Send(wrapperspb.String("in time")); err != nil {
					t.Fatal(err)
				}
				m, err := s.Receive()
				if err == nil {
					t.Errorf("the caller was sent %v", m)
				}
				wantEnd(t, err, auth.ReasonTokenExpired, "")
				for range 2 {
					if err := <-ends; connect.CodeOf(err) != connect.CodeUnauthenticated || err == nil {
						t.Errorf("the handler saw %v", err)
					}
				}
				_ = s.CloseRequest()
				_ = s.CloseResponse()
			})
		})
	}
}

func TestAStreamEndsWithItsRevocation(t *testing.T) {
	for protocol, options := range streamProtocols {
		t.Run(protocol, func(t *testing.T) {
			inBubble(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
				issuer := authtest.NewIssuer(t, nil)
				var revoked atomic.Bool
				guard := issuer.Guard(&auth.GuardOptions{Revoked: func(context.Context, *auth.Principal) (bool, error) { return revoked.Load(), nil }})
				mux := connectauth.Options{AllowExpiredStreams: true}.NewMux(guard, readAll)
				connectauth.Handle(mux, newTalkHandler, exchange(waits["and sends"]))
				s := openBidi(t, serve(mux), issuer, options)
				opened := time.Now()
				for time.Since(opened) < lifetime/2 {
					if _, err := s.Receive(); err != nil {
						t.Fatalf("a good token: %v", err)
					}
				}
				revoked.Store(true)
				since := time.Now()
				var err error
				for err == nil {
					_, err = s.Receive()
				}
				wantEnd(t, err, auth.ReasonTokenRevoked, "")
				if took := time.Since(since); took > 90*time.Second {
					t.Errorf("it ended %v after the token was revoked", took)
				}
				_ = s.CloseRequest()
				_ = s.CloseResponse()
			})
		})
	}
}

func TestExpiredStreamsGoOnWhereThatIsAllowed(t *testing.T) {
	inBubble(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
		issuer := authtest.NewIssuer(t, nil)
		mux := connectauth.Options{AllowExpiredStreams: true}.NewMux(issuer.Guard(nil), readAll)
		connectauth.Handle(mux, newTalkHandler, exchange(waits["and sends"]))
		s := openBidi(t, serve(mux), issuer, nil)
		for opened := time.Now(); time.Since(opened) < 3*lifetime; {
			if _, err := s.Receive(); err != nil {
				t.Fatal(err)
			}
		}
		_ = s.CloseRequest()
		_ = s.CloseResponse()
	})
}

// A stream that was opened while its rule was public is rechecked, by the rules of the time.
func TestAStreamThatWasPublicIsRechecked(t *testing.T) {
	inBubble(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
		issuer := authtest.NewIssuer(t, nil)
		key := "/" + talkName + "/*"
		live, err := auth.NewLiveRules(auth.Rules{key: auth.Public()})
		if err != nil {
			t.Fatal(err)
		}
		s := openBidi(t, serve(newMux(issuer, live.Rules(), exchange(waits["in Receive"]))), issuer, nil)
		if err := live.Swap(auth.Rules{key: auth.Scopes("admin")}); err != nil {
			t.Fatal(err)
		}
		_, err = s.Receive()
		if connect.CodeOf(err) != connect.CodePermissionDenied {
			t.Errorf("got %v", err)
		}
		_ = s.CloseRequest()
		_ = s.CloseResponse()
	})
}

// A stream whose handler sends nothing before the end has its challenge in the header, in gRPC too.
func TestTheEndOfASilentStreamHasItsChallenge(t *testing.T) {
	for protocol, options := range streamProtocols {
		t.Run(protocol, func(t *testing.T) {
			inBubble(t, func(t *testing.T, serve func(http.Handler) *http.Client) {
				issuer := authtest.NewIssuer(t, nil)
				silent := &talk{onServer: func(ctx context.Context, _ *connect.ServerStream[message]) error {
					<-ctx.Done()
					return ctx.Err()
				}}
				c := connect.NewClient[message, message](serve(newMux(issuer, readAll, silent)), "http://api.example"+server, options...)
				token := issuer.Token("read", authtest.Claims{"exp": time.Now().Add(lifetime).Unix()})
				_, err := kinds[server](c, patient(t), []string{"Bearer " + token})
				wantEnd(t, err, auth.ReasonTokenExpired, `error="invalid_token"`)
			})
		})
	}
}

func TestAStreamOverHTTP1EndsWithItsToken(t *testing.T) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	for _, protocol := range []string{"connect", "grpc-web"} {
		for what, send := range map[string]bool{"silent": false, "talking": true} {
			t.Run(protocol+" "+what, func(t *testing.T) {
				inBubbleOver(t, protocols, func(t *testing.T, serve func(http.Handler) *http.Client) {
					issuer := authtest.NewIssuer(t, nil)
					service := &talk{onServer: func(ctx context.Context, s *connect.ServerStream[message]) error {
						for ctx.Err() == nil {
							if send {
								if err := s.Send(wrapperspb.String("tick")); err != nil {
									return err
								}
							}
							time.Sleep(time.Second)
						}
						return ctx.Err()
					}}
					httpClient := serve(newMux(issuer, readAll, service))
					token := issuer.Token("read", authtest.Claims{"exp": time.Now().Add(lifetime).Unix()})
					for range 2 { // the connection that the end leaves behind does no harm
						c := connect.NewClient[message, message](httpClient, "http://api.example"+server, streamProtocols[protocol]...)
						_, err := kinds[server](c, patient(t), []string{"Bearer " + token})
						wantEnd(t, err, auth.ReasonTokenExpired, `error="invalid_token"`)
					}
				})
			})
		}
	}
}
