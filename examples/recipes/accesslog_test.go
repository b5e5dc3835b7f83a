package recipes

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

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

func TestAccessLogIsGuarded(t *testing.T) {
	issuer, guard := newGuard(t, &auth.GuardOptions{OnDecision: noteCaller})
	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), listOrders)
	authtest.AssertGuarded(t, issuer, accessLog(slog.New(slog.DiscardHandler), mux), mux.Rules(), nil)
}
