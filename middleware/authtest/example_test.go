package authtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// ListOrders is the handler under test.
func listOrders(w http.ResponseWriter, r *http.Request) {
	p, _ := auth.PrincipalFrom(r.Context())
	fmt.Fprintln(w, "orders of", p.Subject())
}

// A whole test of a guarded route: what a good token gets, and what each bad one does.
func Example() {
	TestOrders := func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		orders := issuer.Guard(nil).Require("read:orders")(http.HandlerFunc(listOrders))
		for token, want := range map[string]int{
			issuer.Token("read:orders"):                   http.StatusOK,
			issuer.Token("write:orders"):                  http.StatusForbidden,
			issuer.Token("read:orders", authtest.Expired): http.StatusUnauthorized,
		} {
			r := httptest.NewRequest("GET", "/orders", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			orders.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("status %d, want %d", w.Code, want)
			}
		}
	}
	run(TestOrders)
	// Output: ok
}
