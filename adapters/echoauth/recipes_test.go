package echoauth_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// TestCORS is the recipe: Echo's CORS middleware in front of the guard, so that a preflight, which
// never has a token, passes, and a script may read why it was refused.
func TestCORS(t *testing.T) {
	cors := middleware.CORSWithConfig(middleware.CORSConfig{
		AllowOrigins: []string{"https://app.example"}, AllowHeaders: []string{"Authorization"}, ExposeHeaders: []string{"WWW-Authenticate"},
	})
	issuer := authtest.NewIssuer(t, nil)
	for kind, e := range both(issuer.Guard(nil), "/orders", auth.Scopes("read"), ok, cors) {
		t.Run(kind, func(t *testing.T) {
			preflight := http.Header{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"authorization"}}
			w := send(e, "OPTIONS", "/orders", "", preflight)
			if h := w.Header(); w.Code != 204 || h.Get("Access-Control-Allow-Origin") == "" || h.Get("Access-Control-Allow-Headers") != "Authorization" || h.Get("WWW-Authenticate") != "" {
				t.Errorf("preflight: %d %v", w.Code, h)
			}
			for token, status := range map[string]int{"": 401, "bad": 401, issuer.Token("write"): 403, issuer.Token("read"): 200} {
				w := send(e, "GET", "/orders", token, http.Header{"Origin": {"https://app.example"}})
				h := w.Header()
				if w.Code != status || (h.Get("WWW-Authenticate") != "") != (status >= 400) {
					t.Errorf("got %d with challenge %q, want %d", w.Code, h.Get("WWW-Authenticate"), status)
				}
				if h.Get("Access-Control-Expose-Headers") != "WWW-Authenticate" || h.Get("Access-Control-Allow-Origin") != "https://app.example" {
					t.Errorf("%d: a script may not read the answer: %v", w.Code, h)
				}
			}
		})
	}
}

func TestTheResponseWriterKeepsItsFeatures(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	handler := func(c echo.Context) error {
		control := http.NewResponseController(c.Response())
		if err := control.SetReadDeadline(time.Time{}); err != nil {
			t.Errorf("read deadline: %v", err)
		}
		if err := control.EnableFullDuplex(); err != nil {
			t.Errorf("full duplex: %v", err)
		}
		c.Response().Flush()
		if err := control.Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		conn, _, err := c.Response().Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return err
		}
		io.WriteString(conn, "hijacked\n")
		return conn.Close()
	}
	for kind, e := range both(issuer.Guard(nil), "/", auth.Scopes("read"), handler) {
		t.Run(kind, func(t *testing.T) {
			server := httptest.NewServer(e)
			defer server.Close()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", issuer.Token("read"))
			if all, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(all), "hijacked\n") {
				t.Errorf("got %q, %v", all, err)
			}
		})
	}
}
