//go:build !race

package ginauth_test

import (
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/bearward/bearward/adapters/ginauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestTheWarmGuardAddsTwoAllocations(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	token := issuer.Token("read")
	entered := 0
	handler := func(*gin.Context) { entered++ }
	cost := func(e *gin.Engine) float64 {
		r := httptest.NewRequest("GET", "/orders/7", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		entered = 0
		got := testing.AllocsPerRun(200, func() { e.ServeHTTP(w, r) })
		if entered != 201 {
			t.Errorf("%d of 201 requests were accepted", entered)
		}
		return got
	}
	bare, guarded := gin.New(), gin.New()
	bare.GET("/orders/:id", handler)
	ginauth.NewRouter(issuer.Guard(nil), guarded).GET("/orders/:id", auth.Scopes("read"), handler)
	// The record of the decision and the request that carries it, as with net/http.
	if got := cost(guarded) - cost(bare); got > 2 {
		t.Errorf("%v allocations, want at most 2", got)
	}
}
