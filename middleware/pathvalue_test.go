package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A context that a check leaves behind has no values any more: over Echo and chi what they are read
// from serves another request by then.
func TestPathValueEndsWithItsCheck(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var during string
	var kept context.Context
	own := auth.AnyToken().With(func(ctx context.Context, _ *auth.Principal) error {
		during, kept = auth.PathValue(ctx, "id"), ctx
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("GET /orders/{id}", issuer.Guard(nil).Enforce(own)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if got := auth.PathValue(kept, "id"); got != "" {
			t.Errorf("in the handler, the check's context finds %q", got)
		}
	})))
	r := httptest.NewRequest("GET", "/orders/17", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Token(""))
	mux.ServeHTTP(httptest.NewRecorder(), r)
	if during != "17" || kept == nil || auth.PathValue(kept, "id") != "" {
		t.Errorf("the check found %q; afterwards its context finds %q", during, auth.PathValue(kept, "id"))
	}
}
