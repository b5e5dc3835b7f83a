package chiauth_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/bearward/bearward/adapters/chiauth"
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

// guarded are a router and a table with one route.
func guarded(guard *auth.Guard, handler http.HandlerFunc) map[string]http.Handler {
	router := chi.NewRouter()
	router.Use(cors)
	chiauth.NewRouter(guard, router).Get("/orders", auth.AnyToken(), handler)
	table := chi.NewRouter()
	table.Use(cors, chiauth.Enforce(guard, auth.Rules{"GET /orders": auth.AnyToken()}, table))
	table.Get("/orders", handler)
	return map[string]http.Handler{"Router": router, "Enforce": table}
}

func TestCORSOutsideTheGuard(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var h handlers
	for kind, server := range guarded(issuer.Guard(nil), h.named("orders")) {
		t.Run(kind, func(t *testing.T) {
			preflight := http.Header{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"authorization"}}
			w := send(server, "OPTIONS", "/orders", "", preflight)
			if w.Code != 204 || w.Header().Get("Access-Control-Allow-Headers") != "Authorization" || w.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("preflight: %d %v", w.Code, w.Header())
			}
			for token, status := range map[string]int{"": 401, "bad": 401, issuer.Token("read"): 200} {
				w := send(server, "GET", "/orders", token, http.Header{"Origin": {"https://app.example"}})
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
