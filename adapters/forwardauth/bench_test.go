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

// BenchmarkWarmQuestion is the whole of a question about a token that is remembered.
func BenchmarkWarmQuestion(b *testing.B) {
	issuer := authtest.NewIssuer(b, nil)
	h := must(forwardauth.New(issuer.Guard(nil), auth.Rules{"GET /orders": auth.Scopes("read:orders")}, options()))
	r := question("GET", "/orders", issuer.Token("read:orders"))
	if w := ask(h, r); w.Code != http.StatusOK {
		b.Fatalf("status %d", w.Code)
	}
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}
