package recipes

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestAccessLogNamesTheCaller(t *testing.T) {
	issuer, guard := newGuard(t, &auth.GuardOptions{OnDecision: noteCaller})
	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), listOrders)
	for _, c := range []struct{ name, path, token, want string }{
		{"accepted", "/orders", issuer.Token("read:orders", authtest.Claims{"sub": "alice"}), `operation="GET /orders" status=200 duration=D subject=alice client=client reason=""`},
		{"a scope is missing", "/orders", issuer.Token("write:orders", authtest.Claims{"sub": "alice"}), `operation="GET /orders" status=403 duration=D subject=alice client=client reason=INSUFFICIENT_SCOPE`},
		{"a forged token names nobody", "/orders", issuer.Token("read:orders", authtest.BadSignature, authtest.Claims{"sub": "root"}), `operation="GET /orders" status=401 duration=D subject="" client="" reason=SIGNATURE_INVALID`},
		{"a subject that writes lines", "/orders", issuer.Token("read:orders", authtest.Claims{"sub": "a\nlevel=ERROR"}), `subject="a\nlevel=ERROR" client=client`},
		{"no route", "/nowhere", "", `operation="" status=404 duration=D subject="" client="" reason=""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				switch a.Key {
				case "duration":
					return slog.String("duration", "D")
				case "client":
					if a.Value.String() != "" {
						return slog.String("client", "client")
					}
				}
				return a
			}}))
			r := httptest.NewRequest("GET", c.path, nil)
			r.Header.Set("Authorization", "Bearer "+c.token)
			accessLog(logger, mux).ServeHTTP(httptest.NewRecorder(), r)
			if !strings.Contains(log.String(), c.want) || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("got %s, want %s", log.String(), c.want)
			}
			if c.token != "" && strings.Contains(log.String(), c.token) {
				t.Errorf("the log has the token: %s", log.String())
			}
		})
	}
}

// A request that ends in a panic has its line, too: a caller who can cause one is not out of the
// log.
func TestAccessLogAfterAPanic(t *testing.T) {
	issuer, guard := newGuard(t, &auth.GuardOptions{OnDecision: noteCaller})
	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	var log bytes.Buffer
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Token("read:orders", authtest.Claims{"sub": "alice"}))
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("the panic did not go on: %v", v)
			}
		}()
		accessLog(slog.New(slog.NewTextHandler(&log, nil)), mux).ServeHTTP(httptest.NewRecorder(), r)
	}()
	if got := log.String(); !strings.Contains(got, "status=0 ") || !strings.Contains(got, "subject=alice") {
		t.Errorf("got %s", got)
	}
}

// A guard may decide when the request is answered already: by http.TimeoutHandler behind the log.
func TestAccessLogOfAnAnsweredRequest(t *testing.T) {
	decide, decided := make(chan struct{}), make(chan struct{})
	issuer, guard := newGuard(t, &auth.GuardOptions{OnDecision: func(ctx context.Context, d auth.Decision) {
		<-decide
		noteCaller(ctx, d)
		close(decided)
	}})
	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), listOrders)
	var log bytes.Buffer
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Token("read:orders"))
	w := httptest.NewRecorder()
	accessLog(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "subject" {
			close(decide) // now, while the line is written
		}
		return a
	}})), http.TimeoutHandler(mux, time.Millisecond, "")).ServeHTTP(w, r)
	<-decided
	if got := log.String(); w.Code != 503 || !strings.Contains(got, `status=503`) || !strings.Contains(got, `subject=""`) {
		t.Errorf("got %d %s", w.Code, got)
	}
}

func TestAccessLogIsGuarded(t *testing.T) {
	issuer, guard := newGuard(t, &auth.GuardOptions{OnDecision: noteCaller})
	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), listOrders)
	authtest.AssertGuarded(t, issuer, accessLog(slog.New(slog.DiscardHandler), mux), mux.Rules(), nil)
}
