package openstream_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/openstream"
)

// changing is a verifier whose answer changes.
type changing struct{ err atomic.Pointer[auth.Error] }

func (c *changing) VerifyToken(context.Context, string) (*auth.Principal, error) {
	if err := c.err.Load(); err != nil {
		return nil, err
	}
	return auth.NewPrincipal([]byte(`{"sub":"alice","exp":4102444800}`))
}

// open serves a stream of a token that v verifies, until the handler comes back.
func open(t *testing.T, ctx context.Context, v auth.TokenVerifier, handler func(context.Context, *openstream.Stream) error) error {
	t.Helper()
	guard, err := auth.NewGuard(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	credentials := auth.Credentials{Operation: "/a.B/C", Authorization: []string{"Bearer a.b.c"}}
	ctx, err = guard.Authorize(ctx, credentials, auth.AnyToken())
	if err != nil {
		t.Fatal(err)
	}
	return openstream.Serve(ctx, openstream.Config{
		Recheck: func(ctx context.Context) (context.Context, error) {
			return guard.Recheck(ctx, credentials, auth.AnyToken())
		},
		Refused: func(err error) error { return errors.New("ended: " + string(auth.AsError(err).Reason)) },
	}, handler)
}

func TestAStreamEndsWithinTwoMinutesOfItsRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(changing)
		began := time.Now()
		err := open(t, t.Context(), v, func(ctx context.Context, s *openstream.Stream) error {
			time.Sleep(10 * time.Minute)
			if err := s.Ended(); err != nil || ctx.Err() != nil {
				t.Errorf("a good token ended the stream: %v", err)
			}
			v.err.Store(&auth.Error{Reason: auth.ReasonTokenRevoked})
			<-ctx.Done()
			return s.Ended()
		})
		if err == nil || err.Error() != "ended: TOKEN_REVOKED" || time.Since(began) > 12*time.Minute {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

func TestMessagesAfterTheCallerIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, hangUp := context.WithCancel(t.Context())
		err := open(t, ctx, new(changing), func(ctx context.Context, s *openstream.Stream) error {
			hangUp()
			synctest.Wait()
			return s.Ended()
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}

func TestAPanicInARecheckIsRaisedInTheHandlersPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan error, 1)
		defer func() {
			if got, ok := recover().(error); !ok || !strings.Contains(got.Error(), "a cable is loose") {
				t.Errorf("recovered %v", got)
			}
			if err := <-ends; err == nil || err.Error() != "ended: INTERNAL" {
				t.Errorf("the handler saw %v", err)
			}
		}()
		v := &panicking{}
		_ = open(t, t.Context(), v, func(ctx context.Context, s *openstream.Stream) error {
			v.now.Store(true)
			<-ctx.Done()
			ends <- s.Ended()
			return nil
		})
	})
}

type panicking struct{ now atomic.Bool }

func (p *panicking) VerifyToken(ctx context.Context, raw string) (*auth.Principal, error) {
	if p.now.Load() {
		panic("a cable is loose")
	}
	return new(changing).VerifyToken(ctx, raw)
}

// A caller who is to be told of the end may not read: the handler learns of it all the same.
func TestTheHandlerDoesNotWaitForTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := make(chan struct{})
		err := openstream.Serve(t.Context(), openstream.Config{
			Recheck: func(context.Context) (context.Context, error) {
				return nil, &auth.Error{Reason: auth.ReasonTokenRevoked}
			},
			Refused: func(err error) error { return err },
			Ended: func(error) {
				select {
				case <-reads:
				case <-time.After(time.Hour):
					t.Error("the handler waits for the caller")
				}
			},
		}, func(ctx context.Context, _ *openstream.Stream) error {
			<-ctx.Done()
			close(reads)
			return nil
		})
		if auth.AsError(err).Reason != auth.ReasonTokenRevoked {
			t.Errorf("got %v", err)
		}
	})
}
