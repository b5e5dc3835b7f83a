package recipes

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/examples/recipes/internal/oapi"
	"github.com/bearward/bearward/examples/recipes/internal/ogenapi"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

var generatedRules = auth.Rules{
	"GET /orders":         auth.Scopes("read:orders"),
	"DELETE /orders/{id}": auth.Scopes("write:orders"),
}

// generated are the servers of generated code and of huma, each behind the guard.
func generated(t *testing.T, guard *auth.Guard) map[string]http.Handler {
	t.Helper()
	ogen, err := newOgen(guard)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]http.Handler{"huma": newHuma(guard), "oapi-codegen": newOAPI(guard), "ogen": ogen}
}

func TestGeneratedServersAreGuarded(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	for name, h := range generated(t, guard) {
		t.Run(name, func(t *testing.T) {
			authtest.AssertGuarded(t, issuer, h, generatedRules, nil)
		})
	}
}

func TestGeneratedServersKnowTheCaller(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	good := issuer.Token("read:orders write:orders", authtest.Claims{"sub": "alice"})
	for name, h := range generated(t, guard) {
		for _, c := range []struct {
			method, path string
			tokens       int
			status       int
			body         string
		}{
			{"GET", "/orders", 1, 200, `"of":"alice"`},
			{"DELETE", "/orders/17", 1, 204, ""},
			{"GET", "/orders", 0, 401, "CREDENTIALS_MISSING"},
			{"GET", "/orders", 2, 400, "INVALID_REQUEST"},
			{"GET", "/openapi.json", 0, 404, ""},
			{"GET", "/docs", 0, 404, ""},
			{"GET", "/schemas/x.json", 0, 404, ""},
		} {
			t.Run(name+" "+c.method+" "+c.path, func(t *testing.T) {
				r := httptest.NewRequest(c.method, c.path, nil)
				for range c.tokens {
					r.Header.Add("Authorization", "Bearer "+good)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) {
					t.Errorf("%d tokens: got %d %s, want %d %s", c.tokens, w.Code, w.Body, c.status, c.body)
				}
			})
		}
	}
}

// A route of the document without a rule is a mistake of the program.
func TestARouteWithoutARulePanicsAtStart(t *testing.T) {
	_, guard := newGuard(t, nil)
	defer func() {
		if text, ok := recover().(string); !ok || !strings.Contains(text, "GET /orders") {
			t.Errorf("got %q, want a panic that names the route", text)
		}
	}()
	oapi.HandlerFromMux(oapi.NewStrictHandler(oapiOrders{}, nil), ruledMux{httpauth.NewMux(guard), auth.Rules{}})
}

// Behind no guard, secondLock refuses.
func TestOgenAlone(t *testing.T) {
	issuer, _ := newGuard(t, nil)
	server, err := ogenapi.NewServer(ogenOrders{}, secondLock{})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Token("read:orders"))
	w := httptest.NewRecorder()
	if server.ServeHTTP(w, r); w.Code != 401 {
		t.Errorf("got %d, want 401", w.Code)
	}
}
