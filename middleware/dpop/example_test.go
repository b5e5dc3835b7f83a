package dpop_test

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// An exampleT stands for the *testing.T of a test.
type exampleT struct{ testing.TB }

func (exampleT) Helper()                  {}
func (exampleT) Cleanup(func())           {}
func (exampleT) Context() context.Context { return context.Background() }

// A token that is bound to a key passes with a proof of that key, and not without.
func ExampleNew() {
	binding, err := dpop.New([]string{"https://api.example"}, dpop.NewMemory(0), nil)
	if err != nil {
		log.Fatal(err)
	}
	var t exampleT // in a test: its *testing.T
	issuer, client := authtest.NewIssuer(t, nil), authtest.NewProver(t, auth.ES256)
	guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{binding}})
	orders := guard.Require("read:orders")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "your orders") }))
	token := issuer.Token("read:orders", client.Confirmation())

	proved := httptest.NewRequest("GET", "/orders", nil)
	client.Prove(proved, "https://api.example", token)
	stolen := httptest.NewRequest("GET", "/orders", nil)
	stolen.Header.Set("Authorization", "Bearer "+token)
	for _, r := range []*http.Request{proved, proved, stolen} {
		w := httptest.NewRecorder()
		orders.ServeHTTP(w, r)
		fmt.Println(w.Code, cmp.Or(w.Header().Get("WWW-Authenticate"), w.Body.String()))
	}
	// Output:
	// 200 your orders
	// 401 DPoP realm="api", error="invalid_dpop_proof", error_description="The DPoP proof is not valid", algs="ES256 EdDSA Ed25519 PS256 RS256"
	// 401 Bearer realm="api", error="invalid_token", error_description="The access token is not one for this authentication scheme"
}

// What a Guard asks of a Binding.
func ExampleBinding() {
	binding, err := dpop.New([]string{"https://api.example"}, dpop.NewMemory(0), &dpop.Options{Algorithms: []auth.Algorithm{auth.ES256}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(binding.Scheme(), binding.Algorithms(), binding.Member(), binding.Fields())
	err = binding.Check(context.Background(), "token", &auth.Credentials{}, nil, nil)
	fmt.Println(err)
	// Output:
	// DPoP [ES256] jkt [Dpop]
	// auth: request refused: PROOF_INVALID
}

// Two replicas that share a secret take each other's nonces.
func ExampleNewNonces() {
	secret := []byte("thirty-two bytes that nobody knows") // from a file or a vault
	one, err := dpop.NewNonces(0, secret)
	if err != nil {
		log.Fatal(err)
	}
	other, err := dpop.NewNonces(0, secret)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(one.Current() == other.Current())
	// Output: true
}

func ExampleMemory() {
	used := dpop.NewMemory(0)
	for range 2 {
		first, err := used.First(context.Background(), "alice", "proof-1", time.Minute)
		fmt.Println(first, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}
