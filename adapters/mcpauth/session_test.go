package mcpauth_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/adapters/mcpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// Who knows the ID of another's session gets nothing of it: not by a token of one's own, and not
// without one where the operation needs none.
func TestASessionIsNobodyElses(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	o := newOrders()
	table := rules()
	table["tools/call hello"] = auth.Public()
	table["GET"], table["DELETE"] = auth.Optional(), auth.Optional()
	server := serve(t, mcpauth.Guard(o.Server, guardOf(issuer), table, nil))
	alice := issuer.Token("read:orders", authtest.Claims{"sub": "alice"})
	session := initialize(t, server.URL, alice)
	for who, token := range map[string]string{"nobody": "", "bob": issuer.Token("read:orders", authtest.Claims{"sub": "bob"})} {
		if a := send(t, server.URL, token, call("hello"), session); a.status != 403 {
			t.Errorf("%s calls a tool: %+v", who, a)
		}
		for _, method := range []string{"GET", "DELETE"} { // a stream, from where it broke off, and the end
			r := must(http.NewRequestWithContext(t.Context(), method, server.URL, nil))
			r.Header.Set("Accept", "text/event-stream")
			r.Header.Set("Last-Event-ID", "_0")
			r.Header.Set("Mcp-Session-Id", strings.TrimPrefix(session, "Mcp-Session-Id: "))
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			if a := do(t, r); a.status != 403 {
				t.Errorf("%s sends %s: %+v", who, method, a)
			}
		}
	}
	if a := send(t, server.URL, alice, call("list_orders"), session); a.status != 200 {
		t.Errorf("the session's own caller: %+v", a)
	}
	if got := o.took(); !slices.Equal(got, []string{"list_orders for alice"}) {
		t.Errorf("ran %q", got)
	}
}
