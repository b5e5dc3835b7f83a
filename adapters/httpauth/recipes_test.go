package httpauth_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// cors is the recipe: outside the guard, so that a preflight, which never has a token, passes, and
// a script may read the challenge of a refusal.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		if r.Header.Get("Origin") != "https://app.example" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
			w.Header().Set("Access-Control-Allow-Headers", "Authorization")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// guarded are the two ways to guard a route, each behind CORS.
func guarded(guard *auth.Guard, handler http.HandlerFunc) map[string]http.Handler {
	mux := httpauth.NewMux(guard)
	mux.Handle("GET /orders", auth.AnyToken(), handler)
	plain := http.NewServeMux()
	plain.Handle("GET /orders", guard.Enforce(auth.AnyToken())(handler))
	return map[string]http.Handler{"Mux": cors(mux), "a ServeMux": cors(plain)}
}

func TestCORSOutsideTheGuard(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for kind, server := range guarded(issuer.Guard(nil), func(http.ResponseWriter, *http.Request) {}) {
		t.Run(kind, func(t *testing.T) {
			preflight := http.Header{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"authorization"}}
			w := ask(server, "OPTIONS", "", preflight)
			if w.Code != 204 || w.Header().Get("Access-Control-Allow-Headers") != "Authorization" || w.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("preflight: %d %v", w.Code, w.Header())
			}
			for token, status := range map[string]int{"": 401, "bad": 401, issuer.Token("read"): 200} {
				w := ask(server, "GET", token, http.Header{"Origin": {"https://app.example"}})
				if w.Code != status || (w.Header().Get("WWW-Authenticate") != "") != (status == 401) {
					t.Errorf("got %d with challenge %q, want %d", w.Code, w.Header().Get("WWW-Authenticate"), status)
				}
				if w.Header().Get("Access-Control-Expose-Headers") != "WWW-Authenticate" || w.Header().Get("Access-Control-Allow-Origin") == "" {
					t.Errorf("%d: a script may not read the answer: %v", w.Code, w.Header())
				}
			}
		})
	}
}

// ask makes a request for the orders.
func ask(h http.Handler, method, token string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/orders", nil)
	r.Header = header.Clone()
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTheResponseWriterKeepsItsFeatures(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	handler := func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(http.Flusher); !ok {
			t.Error("no Flusher")
		}
		if _, ok := w.(io.ReaderFrom); !ok {
			t.Error("no ReaderFrom")
		}
		if _, ok := w.(http.Hijacker); !ok {
			t.Error("no Hijacker")
		}
		control := http.NewResponseController(w)
		if err := control.SetReadDeadline(time.Time{}); err != nil {
			t.Errorf("read deadline: %v", err)
		}
		if err := control.EnableFullDuplex(); err != nil {
			t.Errorf("full duplex: %v", err)
		}
		if err := control.Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		conn, _, err := control.Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		io.WriteString(conn, "hijacked\n")
		conn.Close()
	}
	for kind, h := range guarded(issuer.Guard(nil), handler) {
		t.Run(kind, func(t *testing.T) {
			server := httptest.NewServer(h)
			defer server.Close()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET /orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", issuer.Token("read"))
			answer, err := io.ReadAll(conn)
			if err != nil || !strings.HasSuffix(string(answer), "hijacked\n") {
				t.Errorf("got %q, %v", answer, err)
			}
		})
	}
}
