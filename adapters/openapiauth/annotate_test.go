package openapiauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/adapters/openapiauth"
	auth "github.com/bearward/bearward/middleware"
)

// unsecured is a document whose operations say nothing of who may call them.
const unsecured = `# The orders API.
openapi: VERSION
info: {title: Orders, version: "1"}
paths:
  /orders:
    get: # for everybody
      summary: List orders
      responses: {"200": {description: ok}}
    post:
      responses: {"200": {description: ok}}
  /orders/{id}:
    delete:
      x-other: kept
      responses: {"200": {description: ok}}
  /healthz:
    get: {responses: {"200": {description: ok}}}
components:
  securitySchemes:
    login: SCHEME
`

const (
	oauth2     = `{type: oauth2, flows: {clientCredentials: {tokenUrl: "https://i.example/t", scopes: {a: A, "read:orders": R}}}}`
	openID     = `{type: openIdConnect, openIdConnectUrl: "https://i.example/.well-known/openid-configuration"}`
	httpBearer = `{type: http, scheme: bearer}`
)

func unsecuredIn(version, scheme string) []byte {
	return []byte(strings.NewReplacer("VERSION", version, "SCHEME", scheme).Replace(unsecured))
}

// randomRule is one that text can say, of all kinds.
func randomRule(r *rand.Rand, depth int) auth.Requirement {
	names := []string{"a", "read:orders", "role:x", "any", "x=y", "new"}
	pick := func() string { return names[r.IntN(len(names))] }
	if depth == 0 || r.IntN(3) == 0 {
		switch r.IntN(9) {
		case 0:
			return auth.Role(pick(), "Order Admin (all) or \"none\"")
		case 1:
			return auth.Subject(auth.Identity{Issuer: "https://i.example", Subject: "x and y", Client: true})
		case 2:
			return auth.ACR("urn:mfa", "urn:phr")
		case 3:
			return auth.AuthenticatedWithin(time.Hour)
		case 4:
			return auth.AnyToken()
		case 5:
			return auth.Bound()
		case 6:
			return auth.AnyScope(pick(), pick())
		}
		return auth.Scopes(pick(), pick())
	}
	x, y := randomRule(r, depth-1), randomRule(r, depth-1)
	if r.IntN(2) == 0 {
		return auth.AllOf(x, y)
	}
	return auth.AnyOf(x, y)
}

// Rules, written into a document and read back, are the same, whatever they are.
func TestAnnotateIsTheInverseOfRules(t *testing.T) {
	const seed = 20261128
	r := rand.New(rand.NewPCG(seed, 0))
	documents := map[string][]byte{}
	for _, version := range []string{"3.0.3", "3.1.0"} {
		for name, scheme := range map[string]string{"oauth2": oauth2, "openIdConnect": openID, "http": httpBearer} {
			documents[name+" "+version] = unsecuredIn(version, scheme)
		}
	}
	for name, document := range documents {
		for n := range 60 {
			router := []openapiauth.Router{openapiauth.NetHTTP, openapiauth.Chi, openapiauth.Echo}[n%3]
			id := map[openapiauth.Router]string{openapiauth.Echo: ":id"}[router]
			if id == "" {
				id = "{id}"
			}
			rules := auth.Rules{"GET /orders": randomRule(r, 2), "POST /orders": randomRule(r, 1), "DELETE /orders/" + id: auth.Optional(), "GET /healthz": auth.Public()}
			text, err := openapiauth.Annotate(document, rules, router, nil)
			if err != nil {
				t.Fatalf("seed %d, %s: %v\n%s", seed, name, err, rules.Table())
			}
			again, err := openapiauth.Rules(text, router, nil)
			if err != nil || len(again.Diff(rules)) > 0 {
				t.Fatalf("seed %d, %s: %v, %v\n%s\n%s", seed, name, err, again.Diff(rules), rules.Table(), text)
			}
			twice, err := openapiauth.Annotate(text, rules, router, nil)
			if err != nil || string(twice) != string(text) {
				t.Fatalf("seed %d, %s: annotated twice, it is another: %v\n%s\n%s", seed, name, err, text, twice)
			}
		}
	}
}

// Documents of JSON stay JSON, and what a document says already is left as it is.
func TestAnnotateKeepsTheFormat(t *testing.T) {
	compact := `{"openapi":"3.1.0","info":{"title":"<T>","version":"1"},"paths":{"/a":{"get":{"security":[{"login":["a"]}],"responses":{"200":{"description":"ok","x-n":1.50e3,"x-b":true,"x-z":null}}},` +
		`"put":{"responses":{}}}},"components":{"securitySchemes":{"login":{"type":"openIdConnect","openIdConnectUrl":"https://i.example"}}}}` + "\n"
	rules := auth.Rules{"GET /a": auth.Scopes("a"), "PUT /a": auth.AllOf(auth.Scopes("b"), auth.Role("x"))}
	text, err := openapiauth.Annotate([]byte(compact), rules, openapiauth.Chi, nil)
	want := strings.Replace(compact, `"put":{`, `"put":{"security":[{"login":["b"]}],"x-bearward-rule":"b and role:x",`, 1)
	if err != nil || string(text) != want {
		t.Errorf("%v\n got %s\nwant %s", err, text, want)
	}
	numbers := auth.Rules{"GET /a": auth.Scopes("123"), "PUT /a": auth.Scopes("true")}
	if text, err = openapiauth.Annotate([]byte(compact), numbers, openapiauth.Chi, nil); err != nil || !strings.Contains(string(text), `"security":[{"login":["123"]}]`) || !strings.Contains(string(text), `"security":[{"login":["true"]}]`) {
		t.Errorf("scopes that look like numbers: %v\n got %s", err, text)
	}
	large := strings.NewReplacer("1.50e3", "1e400")
	if text, err = openapiauth.Annotate([]byte(large.Replace(compact)), rules, openapiauth.Chi, nil); err != nil || string(text) != large.Replace(want) {
		t.Errorf("a number that is no float64: %v\n got %s", err, text)
	}
	var value any
	if err := json.Unmarshal([]byte(compact), &value); err != nil {
		t.Fatal(err)
	}
	indented, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text, err = openapiauth.Annotate(indented, rules, openapiauth.Chi, nil)
	if err != nil || !json.Valid(text) || strings.Count(string(text), "\n") < 20 {
		t.Errorf("%v\n%s", err, text)
	}

	text, err = openapiauth.Annotate(unsecuredIn("3.1.0", oauth2), auth.Rules{
		"GET /orders": auth.Scopes("read:orders"), "POST /orders": auth.Scopes("write:orders"), "DELETE /orders/{id}": auth.AnyOf(auth.Role("admin"), auth.Scopes("a")), "GET /healthz": auth.Public(),
	}, openapiauth.Chi, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# The orders API.\n", "get: # for everybody\n", "      summary: List orders\n      security: [{login: ['read:orders']}]\n", "x-other: kept\n",
		"      security: [{login: []}, {login: [a]}]\n      x-bearward-rule: role:admin or a\n", "security: []", `"read:orders": R, 'write:orders': ""`,
	} {
		if bare := strings.NewReplacer("'", "", `"`, ""); !strings.Contains(bare.Replace(string(text)), bare.Replace(want)) { // however it quotes
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	orders, err := os.ReadFile("testdata/orders.yaml")
	if err != nil {
		t.Fatal(err)
	}
	opts := &openapiauth.Options{IgnoreSchemes: []string{"certificate"}}
	published, err := openapiauth.Rules(orders, openapiauth.Chi, opts)
	if err != nil {
		t.Fatal(err)
	}
	text, err = openapiauth.Annotate(orders, published, openapiauth.Chi, opts)
	if err != nil || strings.Contains(string(text), "x-bearward") || strings.Count(string(text), "security") != strings.Count(string(orders), "security") || strings.Count(string(text), "certificate") != strings.Count(string(orders), "certificate") {
		t.Errorf("a document that says it already: %v\n%s", err, text)
	}
}

func TestAnnotateSaysWhatItCannot(t *testing.T) {
	document, good := unsecuredIn("3.1.0", openID), auth.Rules{"GET /orders": auth.AnyToken(), "POST /orders": auth.AnyToken(), "DELETE /orders/{id}": auth.AnyToken(), "GET /healthz": auth.Public()}
	with := func(key string, need auth.Requirement) auth.Rules {
		rules := auth.Rules{key: need}
		for k, v := range good {
			if k != key {
				rules[k] = v
			}
		}
		return rules
	}
	var many []auth.Requirement
	for i := range 7 {
		many = append(many, auth.AnyScope(fmt.Sprint("a", i), fmt.Sprint("b", i)))
	}
	var names []string
	for i := range 101 {
		names = append(names, fmt.Sprint("s", i))
	}
	for name, c := range map[string]struct {
		document []byte
		rules    auth.Rules
		want     string
	}{
		"no rule for an operation": {document, auth.Rules{"GET /orders": auth.AnyToken()}, "line 9, column 5: POST /orders: no rule names it"},
		"no operation for a rule":  {document, with("GET /other", auth.AnyToken()), `the document has no operation for rule "GET /other"`},
		"a check":                  {document, with("GET /orders", auth.AnyToken().With(func(context.Context, *auth.Principal) error { return nil })), "no document can say"},
		"a detail":                 {document, with("GET /orders", auth.Detail("x", func(context.Context, *struct{}) bool { return true })), "no document can say"},
		"only reported on":         {document, with("GET /orders", auth.AnyToken().ReportOnly()), "no document can say"},
		"too many alternatives":    {document, with("GET /orders", auth.AnyScope("a", names...)), "more than 100 alternatives"},
		"too many, multiplied out": {document, with("GET /orders", auth.AllOf(many[0], many[1:]...)), "more than 100 alternatives when it is multiplied out"},
		"no scheme":                {unsecuredIn("3.1.0", "{type: http, scheme: basic}"), good, "no security scheme whose tokens"},
		"no rules":                 {document, nil, "Rules are empty"},
		"no document":              {nil, good, "the document is empty"},
		"an operation by an alias": {[]byte(strings.Replace(strings.Replace(string(document), "    get: # for everybody\n", "    get: &it\n", 1), "    post:\n      responses: {\"200\": {description: ok}}\n", "    post: *it\n", 1)),
			with("GET /orders", auth.Scopes("x")), "the document would not say what the rules do"},
	} {
		text, err := openapiauth.Annotate(c.document, c.rules, openapiauth.Chi, nil)
		if err == nil || text != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// x-bearward-rule asks for more than security, or the document is refused.
func TestTheExtensionOnlyNarrows(t *testing.T) {
	for _, c := range []struct{ security, rule, want, fault string }{
		{"security: [{login: [a]}]", "a and role:x", "a and role:x", ""},
		{"security: [{login: []}, {login: [a]}]", "role:x or a", "role:x or a", ""},
		{"security: [{login: [a]}]", "a", "a", ""},
		{"security: [{login: []}]", "a", "a", ""},
		{"security: [{login: [a]}]", "role:x", "", "does not publish"},
		{"security: [{login: [a, b]}]", "a", "", "does not publish"},
		{"security: [{login: [a]}]", "a or b", "", "does not publish"},
		{"security: [{login: [a]}]", "public", "", "cannot open"},
		{"security: []", "public", "", "cannot open"},
		{"security: [{}]", "optional", "", "cannot open"},
		{"security: [{login: [a]}]", "report-only a", "", "cannot open"},
		{"security: [{}]", "role:x", "", "does not publish"},
		{"security: [{login: [a]}]", "a and", "", "expected a scope"},
		// YAML makes one line of several: what stands behind the number sign is no comment of its
		// own.
		{"security: [{login: [a]}]", ">-\n        a    # who reads\n        and role:x", "", "column 6: a comment"},
		{"security: [{login: [a]}]", "\"a # who reads\n        and role:x\"", "", "column 3: a comment"},
		{"security: [{login: [a]}]", "'a #and role:x'", "", "column 3: a comment"},
		{"security: [{login: [a]}]", "a # and role:x", "a", ""}, // YAML's
		{"security: [{login: [a]}]", "'" + strings.Repeat("a", 9000) + "'", "", "a string of at most"},
		{"security: [{login: [a]}]", "[a]", "", "a string of at most"},
		{"security: [{login: [a]}]", "1", "", "a string of at most"},
		{"summary: none", "a", "", "without a security of its own"},
	} {
		document := change{"DOCUMENT", "security: [{login: [a]}]", "OPERATION", c.security + "\n      x-bearward-rule: " + c.rule}.document()
		rules, err := openapiauth.Rules([]byte(document), openapiauth.Chi, nil)
		if c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) || c.fault == "" && (err != nil || rules["GET /x"].String() != c.want) {
			t.Errorf("%s, %s: %v, %v; want %s%s", c.security, c.rule, rules, err, c.want, c.fault)
		}
	}
}
