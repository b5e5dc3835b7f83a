package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func get(h http.Handler, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestOrders(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	api := routes(issuer.Guard(nil))
	for token, want := range map[string]int{
		issuer.Token("read:orders"):                    http.StatusOK,
		issuer.Token("write:orders"):                   http.StatusForbidden,
		issuer.Token("read:orders", authtest.Expired):  http.StatusUnauthorized,
		issuer.Token("read:orders", authtest.WrongKey): http.StatusUnauthorized,
	} {
		if w := get(api, token); w.Code != want {
			t.Errorf("got %d, want %d: %s", w.Code, want, w.Body)
		}
	}
}

// Every route, and what attackers would ask of it.
func TestGuarded(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	authtest.AssertGuarded(t, issuer, routes(issuer.Guard(nil)), auth.Rules{
		"GET /orders": auth.Scopes("read:orders"),
		"GET /readyz": auth.Public(),
	}, nil)
}

func TestRefusalsAreLoggedAndCounted(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	guard, err := newGuard(issuer.URL, issuer.Audience, slog.New(slog.NewTextHandler(&log, nil)), registry)
	if err != nil {
		t.Fatal(err)
	}
	get(routes(guard), issuer.Token("read:orders", authtest.Expired))
	_ = guard.Close() // waits for what the key cache logs
	if !strings.Contains(log.String(), "reason=TOKEN_EXPIRED") {
		t.Errorf("the log does not say why: %s", log.String())
	}
	families, err := registry.Gather()
	if err != nil || len(families) == 0 {
		t.Errorf("%d families of metrics, %v", len(families), err)
	}
}
