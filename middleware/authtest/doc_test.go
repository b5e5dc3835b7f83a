package authtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func listOrders(w http.ResponseWriter, r *http.Request) {
	p, _ := auth.PrincipalFrom(r.Context())
	fmt.Fprintln(w, "orders of", p.Subject())
}

// region: test
func TestListOrders(t *testing.T) {
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
		if orders.ServeHTTP(w, r); w.Code != want {
			t.Errorf("got %d, want %d: %s", w.Code, want, w.Body)
		}
	}
}

// endregion

// The test that the package comment shows is the one above.
func TestThePackageCommentCompiles(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.ReadFile("doc_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for line := range strings.Lines(string(doc)) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			text.WriteString(code)
		}
	}
	if !strings.HasPrefix(text.String(), "func TestListOrders(") || !strings.Contains(string(here), text.String()) {
		t.Errorf("doc.go shows a test that doc_test.go does not have:\n%s", text.String())
	}
}
