package auth_test

import (
	"fmt"
	"log"

	auth "github.com/bearward/bearward/middleware"
)

// One line of a rules file.
func ExampleParseRequirement() {
	req, err := auth.ParseRequirement("write:orders and (admin or owner)")
	fmt.Println(req, err)
	_, err = auth.ParseRequirement("write:orders and")
	fmt.Println(err)
	// Output:
	// write:orders and (admin or owner) <nil>
	// auth: ParseRequirement: line 1, column 17: expected a scope, "any token", "bound token", "optional" or "public"
}

// What tables, documents and test kits ask of a Requirement.
func ExampleRequirement_ChallengeScopes() {
	req := auth.AnyOf(auth.Scopes("admin:all"), auth.Scopes("read:orders", "eu"))
	fmt.Println("a challenge names", req.ChallengeScopes())
	fmt.Println("of", req.Names("scope"))
	fmt.Println(req.IsZero(), req.IsPublic(), req.IsOptional())
	fmt.Println(auth.Requirement{}.IsZero(), auth.Public().IsPublic(), auth.Optional().IsOptional())
	// Output:
	// a challenge names [admin:all]
	// of [admin:all eu read:orders]
	// false false false
	// true true true
}

// The rule of a route, as an adapter finds it.
func ExampleRules() {
	rules := auth.Rules{
		"/orders":     auth.Scopes("read:orders"),
		"PUT /orders": auth.Scopes("write:orders"),
		"GET /debug":  {},
	}
	fmt.Println(rules.Validate())
	delete(rules, "GET /debug")

	for _, method := range []string{"GET", "PUT"} {
		key, req, ok := rules.Find(method, "/orders")
		fmt.Println(method, "/orders:", key, "=", req, ok)
	}
	_, _, ok := rules.Find("GET", "/debug")
	fmt.Println(ok)
	// Output:
	// auth: rule "GET /debug" has the zero Requirement
	// GET /orders: /orders = read:orders true
	// PUT /orders: PUT /orders = write:orders true
	// false
}

// Rules in code, written out for ParseRules to read.
func ExampleRules_Text() {
	text, err := auth.Rules{"GET /orders": auth.Scopes("read:orders"), "/healthz": auth.Public()}.Text()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(text)
	// Output:
	// /healthz    = public
	// GET /orders = read:orders
}

// A rule that is tried before it is enforced, and one for bound tokens alone.
func ExampleRequirement_ReportOnly() {
	fmt.Println(auth.Scopes("read:stats").ReportOnly())
	fmt.Println(auth.AllOf(auth.Bound(), auth.Scopes("pay")))
	// Output:
	// report-only read:stats
	// bound token and pay
}

func ExampleRules_Diff() {
	reviewed := auth.Rules{"GET /orders": auth.Scopes("read:orders"), "GET /healthz": auth.Public()}
	deployed := auth.Rules{"GET /orders": auth.AnyToken(), "GET /healthz": auth.Public(), "GET /debug": auth.Public()}
	fmt.Println(reviewed.Diff(deployed))
	// Output:
	// [GET /debug GET /orders]
}
