package recipes

import (
	"fmt"
	"net/http"

	auth "github.com/bearward/bearward/middleware"
)

// listOrders is the handler of every API here.
func listOrders(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.PrincipalFrom(r.Context())
	fmt.Fprintf(w, "orders of %s\n", caller.Subject())
}
