package httpauth_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func send(h http.Handler, method, target, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	r.Method = method
	u, err := url.ParseRequestURI(target)
	if err != nil {
		panic(err)
	}
	r.URL, r.RequestURI = u, target
	if u.Host != "" {
		r.Host = u.Host
	}
	r.Header.Set("X-HTTP-Method-Override", "GET")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestNoTrickReachesAHandlerWhoseRuleIsNotMet(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	mux := httpauth.NewMux(issuer.Guard(nil))
	var entered []string
	for pattern, scope := range map[string]string{
		"GET /admin": "admin", "GET /orders": "read", "POST /orders": "write", "GET /orders/{id}": "read", "DELETE /orders/{id}": "admin",
		"/files/": "read", "GET other.example/admin": "other", "GET /v1/admin/{$}": "admin", "GET /v1/": "read",
	} {
		mux.HandleFunc(pattern, auth.Scopes(scope), func(http.ResponseWriter, *http.Request) { entered = append(entered, scope) })
	}
	for _, scope := range []string{"", "read", "write", "admin", "other"} {
		token := ""
		if scope != "" {
			token = issuer.Token(scope)
		}
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "get", "FOO"} {
			for _, target := range []string{
				"/admin", "/admin/", "//admin", "/./admin", "/files/../admin", "/files/%2e%2e/admin", "/files/..%2Fadmin", "/%61dmin", "/ADMIN", "/admin%2F",
				"/admin%00", "/orders", "/orders/", "/orders/7", "/orders/7/", "/orders/%2e%2e", "/orders/a%2Fb", "/files", "/files/", "/files/a", "/v1/admin/", "/v1/admin", "/v1/../admin",
				"http://other.example/admin", "http://OTHER.example/admin", "http://other.example:80/admin", "/",
			} {
				entered = nil
				w := send(mux, method, target, token)
				for _, needed := range entered {
					if needed != scope {
						t.Errorf("%s %s with scope %q reached a handler that needs %q: %d", method, target, scope, needed, w.Code)
					}
				}
			}
		}
	}
}

func TestRoutes(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var told []string
	mux := httpauth.NewMux(issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { told = append(told, d.Operation) }}))
	mux.HandleFunc("GET /orders/{id}", auth.Scopes("read"), func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.PathValue("id")) })
	mux.Handle("GET /ping", auth.Public(), http.NotFoundHandler())
	for _, tt := range []struct {
		method, target, token string
		want                  int
	}{
		{"GET", "/orders/7", issuer.Token("read"), 200},
		{"HEAD", "/orders/7", issuer.Token("read"), 200},
		{"HEAD", "/orders/7", "", 401},
		{"GET", "/orders/7", issuer.Token("other"), 403},
		{"POST", "/orders/7", "", 405},
		{"GET", "/other", "", 404},
		{"GET", "/ping", "bad", 404},
	} {
		w := send(mux, tt.method, tt.target, tt.token)
		if w.Code != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.target, w.Code, tt.want)
		}
		if challenged := w.Header().Get("WWW-Authenticate") != ""; challenged != (tt.want == 401 || tt.want == 403) {
			t.Errorf("%s %s: %d with a challenge: %v", tt.method, tt.target, w.Code, challenged)
		}
	}
	if !slices.Equal(slices.Compact(told), []string{"GET /orders/{id}"}) {
		t.Errorf("hooks were told %q", told)
	}
	if got := slices.Sorted(maps.Keys(mux.Rules())); !slices.Equal(got, []string{"GET /orders/{id}", "GET /ping"}) {
		t.Errorf("rules %q", got)
	}
}

func TestMisconfigured(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	for _, tt := range []struct {
		name  string
		build func(*httpauth.Mux)
		want  string
	}{
		{"no guard", func(*httpauth.Mux) { httpauth.NewMux(nil) }, "Guard"},
		{"the zero requirement", func(m *httpauth.Mux) { m.Handle("GET /x", auth.Requirement{}, http.NotFoundHandler()) }, "GET /x"},
		{"a nil handler", func(m *httpauth.Mux) { m.HandleFunc("GET /x", auth.AnyToken(), nil) }, "nil handler"},
		{"a malformed pattern", func(m *httpauth.Mux) { m.Handle("GET  x", auth.AnyToken(), http.NotFoundHandler()) }, "GET  x"},
		{"a route twice", func(m *httpauth.Mux) {
			m.Handle("GET /x", auth.AnyToken(), http.NotFoundHandler())
			m.Handle("GET /x", auth.Public(), http.NotFoundHandler())
		}, "conflicts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want one that names %q", got, tt.want)
				}
			}()
			tt.build(httpauth.NewMux(guard))
		})
	}
}

// nobody accepts no token.
type nobody struct{}

func (nobody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonSignature}
}

func ExampleMux() {
	mux := httpauth.NewMux(auth.NewGuard(nobody{}, nil))
	mux.HandleFunc("GET /healthz", auth.Public(), func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), http.NotFound)
	for _, target := range []string{"/healthz", "/orders"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Println(w.Code, target, w.Header()["Www-Authenticate"])
	}
	// Output:
	// 200 /healthz []
	// 401 /orders [Bearer realm="api"]
}
