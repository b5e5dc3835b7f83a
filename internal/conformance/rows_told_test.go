package main_test

import (
	"crypto/rand"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/introspect"
	"github.com/bearward/bearward/middleware/mtls"
)

// TestMatrixIntrospectedBindings asks with opaque tokens that the issuer's answer binds to a key or
// a certificate, where answers are remembered and where they are not.
func TestMatrixIntrospectedBindings(t *testing.T) {
	over := newSecured(t)
	who, prover, other := newClients(t, over), authtest.NewProver(t, auth.ES256), authtest.NewProver(t, auth.ES256)
	for name, change := range map[string]func(*introspect.Config){
		"remembered": nil, "asked each time": func(c *introspect.Config) { c.MaxAge = -1 },
	} {
		e := newIntrospection(t)
		guard := must(auth.NewGuard(e.introspector(t, change), &auth.GuardOptions{Bindings: []auth.Binding{
			must(dpop.New([]string{dpopOrigin}, dpop.NewMemory(0), nil)), must(mtls.New(nil)),
		}}))
		opaque := func(cnf any) string {
			return e.answer("opaque-"+rand.Text(), tells(activeToken(object{"cnf": cnf})))
		}
		byKey, byCertificate, both := opaque(object{"jkt": prover.Thumbprint()}), opaque(object{"x5t#S256": who.owner.Thumbprint()}),
			opaque(object{"jkt": prover.Thumbprint(), "x5t#S256": who.owner.Thumbprint()})
		all := securedTransports(t, guard, *over)
		eachTransport(t, "D-42", all, func(t *testing.T, transport string, ask transport) {
			method, path := requestOf(strings.TrimSuffix(transport, "-h2"), "orders")
			by := func(scheme string, client *authtest.Certificate, p *authtest.Prover, token string) answer {
				r := request{need: "orders", authorization: []string{scheme + " " + token}, client: client}
				if p != nil {
					r.field = [2]string{"DPoP", p.Proof(method, dpopOrigin+path, token)}
				}
				return ask(t, r)
			}
			wantAnswer(t, name+", with a proof", by("DPoP", nil, prover, byKey), 200)
			wantAnswer(t, name+", with another key's proof", by("DPoP", nil, other, byKey), 401)
			wantAnswer(t, name+", under Bearer", by("Bearer", nil, prover, byKey), 401)
			wantAnswer(t, name+", stolen", by("Bearer", nil, nil, byKey), 401)
			wantAnswer(t, name+", unbound under DPoP", by("DPoP", nil, prover, opaque(nil)), 401)
			wantAnswer(t, name+", an unbound one", by("Bearer", nil, nil, opaque(nil)), 200)
			for what, cnf := range map[string]any{"a text": "x", "an empty object": object{}, "an unknown member": object{"kid": "x"}, "a number for jkt": object{"jkt": 1}} {
				for _, scheme := range []string{"Bearer", "DPoP"} {
					if a := by(scheme, who.owner, prover, opaque(cnf)); a.status != 401 {
						t.Errorf("%s, cnf is %s, under %s: %d", name, what, scheme, a.status)
					}
				}
			}
			proof := [2]string{"DPoP", prover.Proof(method, dpopOrigin+path, byKey)}
			for i, status := range []int{200, 401} {
				if a := ask(t, request{need: "orders", authorization: []string{"DPoP " + byKey}, field: proof}); a.status != status {
					t.Errorf("%s, use %d of a proof: %d", name, i+1, a.status)
				}
			}
			if a := by("DPoP", nil, nil, byKey); a.status != 401 || a.code != "INVALID_DPOP_PROOF" {
				t.Errorf("%s, without a proof: %d %s", name, a.status, a.code)
			}
			wantAnswer(t, name+", bound by both, with both", by("DPoP", who.owner, prover, both), 200)
			wantAnswer(t, name+", bound by both, with the key alone", by("DPoP", nil, prover, both), 401)
		})
		eachTransport(t, "M-05", all, func(t *testing.T, _ string, ask transport) {
			for what, tt := range map[string]struct {
				client *authtest.Certificate
				status int
			}{"its owner": {who.owner, 200}, "another": {who.thief, 401}, "without a certificate": {nil, 401}} {
				for _, need := range []string{"orders", "any", "optional"} {
					wantAnswer(t, name+", "+what+", "+need, ask(t, request{need: need, authorization: bearer(byCertificate), client: tt.client}), tt.status)
				}
			}
			wantAnswer(t, name+", an unbound one", ask(t, request{need: "orders", authorization: bearer(opaque(nil)), client: who.owner}), 200)
			padded := opaque(object{"x5t#S256": who.owner.Thumbprint() + "="})
			wantAnswer(t, name+", padded", ask(t, request{need: "orders", authorization: bearer(padded), client: who.owner}), 401)
		})
	}
}
