package main_test

import (
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/mtls"
)

// boundTo is the answer about a token that is bound.
func boundTo(confirmation authtest.Claims) object {
	return activeToken(object{"cnf": confirmation["cnf"]})
}

// TestMatrixBoundOpaqueTokens has the issuer say, in its answer, which key a token is bound to: it
// then needs its proof over every transport, whether the answer is new or remembered.
func TestMatrixBoundOpaqueTokens(t *testing.T) {
	e := newIntrospection(t)
	d := newDPoPOver(t, e.introspector(t, nil), nil)
	opaque := e.answer("opaque-bound-to-a-key", tells(boundTo(d.client.Confirmation())))
	plain := e.answer("opaque-and-plain", tells(activeToken(nil)))
	d.row(t, "I-04", "opaque tokens bound to a key", func(c caller) {
		status := func(what, authorization string, proofs []string, want int) {
			c.t.Helper()
			if a := c.send(authorization, proofs); a.status != want {
				c.t.Errorf("%s: %d %s %q, want %d", what, a.status, a.code, a.challenges, want)
			}
		}
		used := c.proof(opaque)
		status("with its proof", "DPoP "+opaque, []string{used}, 200)
		status("with another proof", "DPoP "+opaque, []string{c.proof(opaque)}, 200)
		status("with a used proof", "DPoP "+opaque, []string{used}, 401)
		status("with the proof for another token", "DPoP "+opaque, []string{c.proof(plain)}, 401)
		thief := authtest.NewProver(c.t, auth.ES256)
		status("with a proof of another's key", "DPoP "+opaque, []string{thief.Proof(c.method(), dpopOrigin+c.path(), opaque)}, 401)
		status("without a proof", "DPoP "+opaque, nil, 401)
		status("under Bearer", "Bearer "+opaque, nil, 401)
		status("a plain token", "Bearer "+plain, nil, 200)
		status("a plain token under DPoP", "DPoP "+plain, []string{c.proof(plain)}, 401)
	})
}

// TestMatrixOpaqueTokensOfCertificates does the same with client certificates.
func TestMatrixOpaqueTokensOfCertificates(t *testing.T) {
	e, over := newIntrospection(t), newSecured(t)
	who := newClients(t, over)
	guard := must(auth.NewGuard(e.introspector(t, nil), &auth.GuardOptions{Bindings: []auth.Binding{must(mtls.New(nil))}}))
	token := bearer(e.answer("opaque-of-a-certificate", tells(boundTo(who.owner.Confirmation()))))
	eachSecured(t, "I-04", guard, *over, func(t *testing.T, _ string, ask transport) {
		for range 2 { // the second time from the cache
			wantAnswer(t, "the owner", ask(t, request{need: "orders", authorization: token, client: who.owner}), 200)
			wantAnswer(t, "a thief", ask(t, request{need: "orders", authorization: token, client: who.thief}), 401)
			wantAnswer(t, "nobody", ask(t, request{need: "orders", authorization: token}), 401)
		}
	})
}

// TestMatrixOpaqueTokensBoundWrongly has answers whose cnf cannot be used: none is taken for plain.
func TestMatrixOpaqueTokensBoundWrongly(t *testing.T) {
	e := newIntrospection(t)
	guard := must(auth.NewGuard(e.introspector(t, nil), &auth.GuardOptions{
		Bindings: []auth.Binding{must(dpop.New([]string{dpopOrigin}, dpop.NewMemory(0), nil)), must(mtls.New(nil))},
	}))
	eachTransport(t, "I-04", transports(t, guard), func(t *testing.T, name string, ask transport) {
		for what, cnf := range map[string]any{
			"an empty object": object{}, "a member that nothing checks": object{"kid": "x"}, "a text": "x", "a list": []string{"x"}, "an empty thumbprint": object{"jkt": ""},
		} {
			token := e.answer("opaque-"+strings.ReplaceAll(name+what, " ", "-"), tells(activeToken(object{"cnf": cnf})))
			if a := ask(t, request{need: "orders", authorization: bearer(token)}); a.status != 401 {
				t.Errorf("%s: %d %s, want 401", what, a.status, a.code)
			}
		}
	})
}
