package openapiauth_test

import (
	_ "embed"
	"fmt"
	"log"

	"github.com/bearward/bearward/adapters/openapiauth"
	auth "github.com/bearward/bearward/middleware"
)

//go:embed testdata/orders.yaml
var orders []byte

// The table is who may call what, for review: keep it in a file that a test compares.
func ExampleRules() {
	rules, err := openapiauth.Rules(orders, openapiauth.Chi, &openapiauth.Options{
		Prefix:        "/v1",
		IgnoreSchemes: []string{"certificate"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(rules.Table())
	// Output:
	// | method | operation | who may call it |
	// |---|---|---|
	// | GET | /v1/catalogue | everybody; a token is checked when there is one |
	// | GET | /v1/healthz | everybody: public |
	// | GET | /v1/orders | read:orders |
	// | POST | /v1/orders | write:orders |
	// | DELETE | /v1/orders/{order-id} | admin or (write:orders and delete:orders) |
	// | GET | /v1/orders/{order-id} | read:orders |
	// | HEAD | /v1/orders/{order-id} | every good token |
	// | GET | /v1/reports/{year}/{month} | read:reports |
}

// All that is wrong is told at once, and where.
func ExampleRules_faults() {
	_, err := openapiauth.Rules([]byte(`openapi: 3.1.0
paths:
  /orders:
    get:
      security: [{login: [read:order]}]
    post: {}
  /stock:
    get:
      security: [{key: []}]
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Key}
    login:
      type: oauth2
      flows: {clientCredentials: {tokenUrl: https://login.example/token, scopes: {read:orders: See orders.}}}
`), openapiauth.NetHTTP, nil)
	fmt.Println(err)
	// Output:
	// openapiauth: line 5, column 27: GET /orders: no flow of "login" declares the scope "read:order"
	// line 6, column 5: POST /orders: no security, and the document has none: it is not public unless it says security: []
	// line 9, column 19: GET /stock: "key" is of type apiKey, which a Guard does not check: see Options.IgnoreSchemes
}

// Who writes rules in code finds here whether the published document says the same.
func ExampleCheck() {
	rules := auth.Rules{
		"GET /orders":  auth.Scopes("read:orders"),
		"POST /orders": auth.AnyToken(),
	}
	document := []byte(`{
  "openapi": "3.1.0",
  "paths": {"/orders": {
    "get": {"security": [{"login": ["read:orders"]}]},
    "post": {"security": [{"login": ["write:orders"]}]}
  }},
  "components": {"securitySchemes": {"login": {"type": "openIdConnect", "openIdConnectUrl": "https://login.example"}}}
}`)
	fmt.Println(openapiauth.Check(rules, document, openapiauth.Echo, nil))
	// Output:
	// openapiauth: POST /orders: the rule is "any token", the document says "write:orders"
}

// What a reviewer wants to see of a new document.
func ExampleDiff() {
	rules := auth.Rules{"GET /orders": auth.Scopes("read:orders"), "DELETE /orders": auth.Scopes("admin:all")}
	document := []byte(`{
  "openapi": "3.1.0",
  "paths": {"/orders": {"get": {"security": []}, "post": {"security": [{"login": ["write:orders"]}]}}},
  "components": {"securitySchemes": {"login": {"type": "openIdConnect", "openIdConnectUrl": "https://login.example"}}}
}`)
	differences, err := openapiauth.Diff(rules, document, openapiauth.Chi, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range differences {
		fmt.Println(d)
	}
	// Output:
	// GET /orders: the rule is "read:orders", the document says "public"
	// no rule names POST /orders, which the document has as "write:orders"
	// the document has no operation for rule "DELETE /orders"
}

// The document that is published says what the code does: a generator's output, for one.
func ExampleAnnotate() {
	document := []byte(`openapi: 3.1.0
info: {title: Orders, version: "1"}
paths:
  /orders:
    get:
      summary: List orders
    delete:
      summary: Delete all orders
components:
  securitySchemes:
    login: {type: openIdConnect, openIdConnectUrl: 'https://issuer.example/.well-known/openid-configuration'}
`)
	rules := auth.Rules{
		"GET /orders":    auth.Scopes("read_orders"),
		"DELETE /orders": auth.AllOf(auth.Scopes("write_orders"), auth.Role("admin")),
	}
	text, err := openapiauth.Annotate(document, rules, openapiauth.NetHTTP, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(text))
	// Output:
	// openapi: 3.1.0
	// info: {title: Orders, version: "1"}
	// paths:
	//   /orders:
	//     get:
	//       summary: List orders
	//       security: [{login: [read_orders]}]
	//     delete:
	//       summary: Delete all orders
	//       security: [{login: [write_orders]}]
	//       x-bearward-rule: write_orders and role:admin
	// components:
	//   securitySchemes:
	//     login: {type: openIdConnect, openIdConnectUrl: 'https://issuer.example/.well-known/openid-configuration'}
}
