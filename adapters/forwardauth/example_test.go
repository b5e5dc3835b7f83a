package forwardauth_test

import (
	"context"
	"fmt"

	"github.com/bearward/bearward/adapters/forwardauth"
	auth "github.com/bearward/bearward/middleware"
)

// everybody takes every token for one of Alice's.
type everybody struct{}

func (everybody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return auth.NewPrincipal([]byte(`{"iss":"https://issuer.example","sub":"alice","client_id":"shop","scope":"read:orders"}`))
}

func ExampleNew() {
	rules := must(auth.ParseRules("GET /orders = read:orders\nPOST /orders = write:orders\n"))
	gate := must(forwardauth.New(must(auth.NewGuard(everybody{}, nil)), rules, options()))
	w := ask(gate, question("GET", "/orders", "xyz"))
	fmt.Println(w.Code, w.Header()["X-Auth-Subject"], w.Header()["X-Auth-Scopes"])
	fmt.Println(ask(gate, question("POST", "/orders", "xyz")).Code)
	fmt.Println(ask(gate, question("GET", "/admin/..%2forders", "xyz")).Code)
	// Output:
	// 200 [alice] [read:orders]
	// 403
	// 400
}

func ExampleHandler_Swap() {
	gate := must(forwardauth.New(must(auth.NewGuard(everybody{}, nil)), must(auth.ParseRules("GET /orders = read:orders\n")), options()))
	if err := gate.Swap(must(auth.ParseRules("GET /orders = admin:all\nGET /stats = read:orders\n"))); err != nil {
		panic(err)
	}
	fmt.Println(ask(gate, question("GET", "/orders", "xyz")).Code, ask(gate, question("GET", "/stats", "xyz")).Code)
	// Output:
	// 403 200
}

func ExampleHandler_ServeHTTP() {
	gate := must(forwardauth.New(must(auth.NewGuard(everybody{}, nil)), must(auth.ParseRules("/ = any token\n")), options()))
	r := question("GET", "/", "xyz")
	r.Header.Set("X_Auth_Subject", "root")
	fmt.Println(ask(gate, r).Body)
	// Output:
	// {"title":"Bad Request","status":400,"code":"IDENTITY_CLAIMED"}
}

func ExampleFaults() {
	fmt.Println(len(forwardauth.Faults()), forwardauth.Faults()[0])
	// Output:
	// 7 PEER_UNKNOWN
}
