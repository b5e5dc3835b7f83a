package httpauth_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
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
	reached := map[string]bool{}
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
					reached[needed] = true
					if needed != scope {
						t.Errorf("%s %s with scope %q reached a handler that needs %q: %d", method, target, scope, needed, w.Code)
					}
				}
				if w.Code/100 == 3 && len(entered) > 0 {
					t.Errorf("%s %s: %d, and yet entered %q", method, target, w.Code, entered)
				}
			}
		}
	}
	if len(reached) != 4 {
		t.Errorf("only the handlers of %v were ever reached", reached)
	}
}

// TestRawTargets sends over a real connection what no Go client would, and follows where it is
// sent.
func TestRawTargets(t *testing.T) {
	mux := httpauth.NewMux(authtest.NewIssuer(t, nil).Guard(nil))
	var entered atomic.Int64
	handler := func(http.ResponseWriter, *http.Request) { entered.Add(1) }
	for _, pattern := range []string{"GET /admin", "/files/", "CONNECT /tunnel", "other.example/admin"} {
		mux.HandleFunc(pattern, auth.Scopes("admin"), handler)
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, tt := range []struct{ line, want string }{
		{"GET /admin", "401"},
		{"HEAD /admin", "401"},
		{"GET /admin?x=1", "401"},
		{"GET /%61dmin", "401"},
		{"GET http://other.example/admin", "401"},
		{"POST http://other.example/admin", "401"},
		{"CONNECT /tunnel", "401"},
		{"CONNECT /admin", "405"},
		{"CONNECT //admin", "404"},
		{"CONNECT other.example:443", "404"},
		{"OPTIONS *", "200"}, // net/http answers it itself
		{"POST /admin", "405"},
		{"GET /admin/", "404"},
		{"GET /ADMIN", "404"},
		{"GET //admin", "307 /admin"},
		{"GET /./admin", "307 /admin"},
		{"GET /files/../admin", "307 /admin"},
		{"GET /files/%2e%2e/admin", "401"}, // to ServeMux a name below /files/, whose rule it must meet
		{"GET /files/..%2Fadmin", "401"},
		{"GET /files", "307 /files/"},
		{"POST /files", "307 /files/"},
		{"GET http://other.example//admin", "307 /admin"},
	} {
		if got := raw(t, server, tt.line); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.line, got, tt.want)
		}
	}
	if n := entered.Load(); n > 0 {
		t.Errorf("a handler was entered %d times", n)
	}
}

// raw sends a request line with an override of the method, and returns the status and the location
// of the answer.
func raw(t *testing.T, server *httptest.Server, line string) string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-HTTP-Method-Override: GET\r\n\r\n", line)
	method, _, _ := strings.Cut(line, " ")
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	answer.Body.Close()
	return strings.TrimSpace(fmt.Sprint(answer.StatusCode, " ", answer.Header.Get("Location")))
}

func TestRoutes(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var told []string
	mux := httpauth.NewMux(issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { told = append(told, d.Operation) }}))
	mux.HandleFunc("GET /orders/{id}", auth.Scopes("read"), func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.PathValue("id")) })
	mux.Handle("GET /ping", auth.Public(), http.NotFoundHandler())
	mux.HandleFunc("GET /maybe", auth.Optional(), func(http.ResponseWriter, *http.Request) {})
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
		{"GET", "/maybe", "", 200},
		{"GET", "/maybe", "bad", 401},
	} {
		w := send(mux, tt.method, tt.target, tt.token)
		if w.Code != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.target, w.Code, tt.want)
		}
		if challenged := w.Header().Get("WWW-Authenticate") != ""; challenged != (tt.want == 401 || tt.want == 403) {
			t.Errorf("%s %s: %d with a challenge: %v", tt.method, tt.target, w.Code, challenged)
		}
		if vary := w.Header().Get("Vary"); (vary == "Authorization") != (tt.target == "/maybe") {
			t.Errorf("%s %s: Vary %q", tt.method, tt.target, vary)
		}
	}
	if !slices.Equal(slices.Compact(told), []string{"GET /orders/{id}", "GET /maybe"}) {
		t.Errorf("hooks were told %q", told)
	}
	if got := slices.Sorted(maps.Keys(mux.Rules())); !slices.Equal(got, []string{"GET /maybe", "GET /orders/{id}", "GET /ping"}) {
		t.Errorf("rules %q", got)
	}
	clear(mux.Rules())
	if len(mux.Rules()) != 3 {
		t.Error("the rules are not a copy")
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
		{"a nil handler", func(m *httpauth.Mux) { m.Handle("GET /x", auth.AnyToken(), nil) }, `"GET /x" has a nil handler`},
		{"a nil function", func(m *httpauth.Mux) { m.HandleFunc("GET /x", auth.AnyToken(), nil) }, `"GET /x" has a nil handler`},
		{"a nil function as a handler", func(m *httpauth.Mux) { m.Handle("GET /x", auth.AnyToken(), http.HandlerFunc(nil)) }, `"GET /x" has a nil handler`},
		{"a malformed pattern", func(m *httpauth.Mux) { m.Handle("GET  x", auth.AnyToken(), http.NotFoundHandler()) }, "GET  x"},
		{"a route twice", func(m *httpauth.Mux) {
			m.Handle("GET /x", auth.AnyToken(), http.NotFoundHandler())
			m.Handle("GET /x", auth.Public(), http.NotFoundHandler())
		}, "conflicts"},
		{"a route twice by two names of its parameter", func(m *httpauth.Mux) {
			m.Handle("GET /x/{id}", auth.AnyToken(), http.NotFoundHandler())
			m.Handle("GET /x/{key}", auth.Public(), http.NotFoundHandler())
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

// ServeMux names the line that called it, which is never the program's own.
func TestARouteTwiceNamesBothLines(t *testing.T) {
	for name, second := range map[string]func(*httpauth.Mux){
		"the same":             func(m *httpauth.Mux) { m.Handle("GET /x/{id}", auth.Public(), http.NotFoundHandler()) },
		"another parameter":    func(m *httpauth.Mux) { m.HandleFunc("GET /x/{key}", auth.Public(), http.NotFound) },
		"an overlapping route": func(m *httpauth.Mux) { m.HandleFunc("GET /{y}/a", auth.Public(), http.NotFound) },
	} {
		m := httpauth.NewMux(authtest.NewIssuer(t, nil).Guard(nil))
		_, _, line, _ := runtime.Caller(0)
		m.HandleFunc("GET /x/{id}", auth.AnyToken(), http.NotFound)
		got := func() (got string) {
			defer func() { got = fmt.Sprint(recover()) }()
			second(m)
			return ""
		}()
		if first := fmt.Sprintf("mux_test.go:%d", line+1); !strings.Contains(got, first) || strings.Count(got, "mux_test.go:") != 2 {
			t.Errorf("%s: %s, want %s and the second line", name, got, first)
		}
	}
}
