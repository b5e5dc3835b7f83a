package ginauth_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/bearward/bearward/adapters/ginauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// cors is the recipe: outside the guard, so that a preflight, which never has a token, passes, and
// a script may read the challenge of a refusal.
func cors(c *gin.Context) {
	c.Writer.Header().Add("Vary", "Origin")
	if c.GetHeader("Origin") != "https://app.example" {
		return
	}
	c.Header("Access-Control-Allow-Origin", "https://app.example")
	c.Header("Access-Control-Expose-Headers", "WWW-Authenticate")
	if c.Request.Method == http.MethodOptions && c.GetHeader("Access-Control-Request-Method") != "" {
		c.Header("Access-Control-Allow-Methods", "GET, POST")
		c.Header("Access-Control-Allow-Headers", "Authorization")
		c.AbortWithStatus(http.StatusNoContent)
	}
}

func TestCORSOutsideTheGuard(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	engine := gin.New()
	engine.Use(cors)
	ginauth.NewRouter(issuer.Guard(nil), engine).GET("/orders", auth.AnyToken(), answers("orders"))
	send := func(method, token string, header map[string]string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/orders", nil)
		r.Header.Set("Origin", "https://app.example")
		for name, value := range header {
			r.Header.Set(name, value)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		return w
	}
	w := send("OPTIONS", "", map[string]string{"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"})
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Headers") != "Authorization" || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
	for token, status := range map[string]int{"": 401, "bad": 401, issuer.Token("read"): 200} {
		w := send("GET", token, nil)
		if w.Code != status || (w.Header().Get("WWW-Authenticate") != "") != (status == 401) {
			t.Errorf("got %d with challenge %q, want %d", w.Code, w.Header().Get("WWW-Authenticate"), status)
		}
		if w.Header().Get("Access-Control-Expose-Headers") != "WWW-Authenticate" || w.Header().Get("Access-Control-Allow-Origin") == "" {
			t.Errorf("%d: a script may not read the answer: %v", w.Code, w.Header())
		}
	}
}

func TestTheResponseWriterKeepsItsFeatures(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	engine := gin.New()
	failures := make(chan error, 8)
	ginauth.NewRouter(issuer.Guard(nil), engine).GET("/orders", auth.AnyToken(), func(c *gin.Context) {
		control := http.NewResponseController(c.Writer)
		failures <- control.SetReadDeadline(time.Time{})
		failures <- control.EnableFullDuplex()
		failures <- control.Flush()
		conn, _, err := control.Hijack()
		failures <- err
		if err == nil {
			io.WriteString(conn, "hijacked\n")
			conn.Close()
		}
		close(failures)
	})
	server := httptest.NewServer(engine)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n", issuer.Token("read"))
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(answer), "hijacked\n") {
		t.Errorf("got %q, %v", answer, err)
	}
	for err := range failures {
		if err != nil {
			t.Error(err)
		}
	}
}
