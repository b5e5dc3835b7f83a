package mcpauth_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/bearward/bearward/adapters/mcpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A proxy that signs callers in brings the token in a field of its own. Authorization is then not
// read, and no tool sees either.
func TestTheTokenInAnotherField(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	o := newOrders()
	table := rules()
	table["tools/call hello"] = auth.Optional()
	guard := issuer.Guard(&auth.GuardOptions{Header: "Cf-Access-Jwt-Assertion"})
	server := serve(t, mcpauth.Guard(o.Server, guard, table, stateless))
	alice := issuer.Token("read:orders", authtest.Claims{"sub": "alice"})
	field := "Cf-Access-Jwt-Assertion: " + alice
	for name, tt := range map[string]struct {
		tool, token string
		lines       []string
		status      int
		ran         string
	}{
		"the field":                         {"list_orders", "", []string{field}, 200, "list_orders for alice"},
		"the field, beside a bad token":     {"list_orders", "x", []string{field}, 200, "list_orders for alice"},
		"the field, and none is needed":     {"hello", "", []string{field}, 200, "hello for alice"},
		"Authorization alone":               {"list_orders", alice, nil, 401, ""},
		"Authorization, and none is needed": {"hello", alice, nil, 200, "hello for nobody"},
		"a bad field, and none is needed":   {"hello", alice, []string{"Cf-Access-Jwt-Assertion: x"}, 401, ""},
		"an empty one, and none is needed":  {"hello", "", []string{"Cf-Access-Jwt-Assertion: "}, 400, ""},
		"the field twice":                   {"hello", "", []string{field, field}, 400, ""},
	} {
		for _, named := range [][]string{nil, {"Mcp-Method: tools/call", "Mcp-Name: " + tt.tool}} {
			a := send(t, server.URL, tt.token, call(tt.tool), append(named, tt.lines...)...)
			var want []string
			if tt.ran != "" {
				want = []string{tt.ran}
			}
			if got := o.took(); a.status != tt.status || !slices.Equal(got, want) {
				t.Errorf("%s: %d %s, ran %q; want %d, and %q", name, a.status, a.body, got, tt.status, want)
			}
			if vary := a.header["Vary"]; !slices.Equal(vary, []string{"Cf-Access-Jwt-Assertion"}) {
				t.Errorf("%s: Vary %q", name, vary)
			}
		}
	}

	seen := make(chan http.Header, 1)
	h := mcpauth.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Clone() }), guard, table, nil)
	r := httpRequest(t, nil, alice)
	r.Header.Set("Cf-Access-Jwt-Assertion", alice)
	r.Method = "GET"
	h.ServeHTTP(newRecorder(), r)
	if header := <-seen; header.Get("Authorization") != "" || header.Get("Cf-Access-Jwt-Assertion") != "" {
		t.Errorf("next saw %v", header)
	}
}
