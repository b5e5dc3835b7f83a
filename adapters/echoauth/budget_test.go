//go:build !race

package echoauth_test

import (
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestTheWarmGuardAddsThreeAllocations(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	token := issuer.Token("read")
	entered := 0
	handler := func(echo.Context) error { entered++; return nil }
	cost := func(e *echo.Echo) float64 {
		r := httptest.NewRequest("GET", "/orders/7", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		entered = 0
		got := testing.AllocsPerRun(200, func() { e.ServeHTTP(w, r) })
		if entered != 201 {
			t.Errorf("%d of 201 requests passed", entered)
		}
		return got
	}
	bare := echo.New()
	bare.GET("/orders/:id", handler)
	without := cost(bare)
	for kind, e := range both(issuer.Guard(nil), "/orders/:id", auth.Scopes("read"), handler) {
		// The record of the decision and the request that carries it, as with net/http; and the
		// closure that Echo makes for each request.
		if got := cost(e) - without; got > 3 {
			t.Errorf("%s: %v allocations, want at most 3", kind, got)
		}
	}
}
