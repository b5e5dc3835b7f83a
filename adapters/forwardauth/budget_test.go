//go:build !race

package forwardauth_test

import (
	"net/http"
	"testing"

	"github.com/bearward/bearward/adapters/forwardauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestAWarmQuestionHasABudgetOfAllocations(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	h := must(forwardauth.New(issuer.Guard(nil), auth.Rules{"GET /orders": auth.Scopes("read:orders")}, options()))
	r := question("GET", "/orders", issuer.Token("read:orders"))
	if w := ask(h, r); w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	w := &discard{header: http.Header{}}
	// The record of the decision.
	if got := testing.AllocsPerRun(200, func() { clear(w.header); h.ServeHTTP(w, r) }); got > 1 {
		t.Errorf("%v allocations, want at most 1", got)
	}
}
