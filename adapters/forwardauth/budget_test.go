//go:build !race

package forwardauth_test

import (
	"net/http"
	"testing"

	"github.com/bearward/bearward/adapters/forwardauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A discard is a ResponseWriter that costs nothing but its header.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header       { return d.header }
func (*discard) Write(b []byte) (int, error) { return len(b), nil }
func (*discard) WriteHeader(int)             {}

func TestAWarmQuestionHasABudgetOfAllocations(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	h := must(forwardauth.New(issuer.Guard(nil), auth.Rules{"GET /orders": auth.Scopes("read:orders")}, options()))
	r := question("GET", "/orders", issuer.Token("read:orders"))
	if w := ask(h, r); w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	w := &discard{header: http.Header{}}
	// Three look-ups, the origin, the decision's record and request, and the values of the answer.
	if got := testing.AllocsPerRun(200, func() { clear(w.header); h.ServeHTTP(w, r) }); got > 9 {
		t.Errorf("%v allocations, want at most 9", got)
	}
}
