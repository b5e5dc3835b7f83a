package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5/middleware"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// onceBinding has a scheme of its own. Its proof is the text of the field Proof, which is good
// once, and it answers with a nonce. It stands for DPoP where the test is about how a Guard treats
// Bindings.
type onceBinding struct {
	mu    sync.Mutex
	spent map[string]int
}

func (*onceBinding) Member() string       { return "jkt" }
func (*onceBinding) Fields() []string     { return []string{"proof"} }
func (*onceBinding) Scheme() string       { return "DPoP" }
func (*onceBinding) Algorithms() []string { return []string{"ES256"} }

func (b *onceBinding) Check(_ context.Context, token string, c *auth.Credentials, p *auth.Principal, member []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var jkt string
	proofs := c.Header.Values("Proof")
	switch {
	case c.Answer == nil:
		return &auth.Error{Reason: auth.ReasonInternal, Err: errors.New("nothing to answer with")}
	case len(proofs) != 1 || token == "" || p.Subject() == "" || c.Method == "" || c.Target == "":
		return &auth.Error{Reason: auth.ReasonProofInvalid, Err: fmt.Errorf("%d proofs", len(proofs))}
	case json.Unmarshal(member, &jkt) != nil || jkt != "thumbprint":
		return fmt.Errorf("bound to %s", member)
	}
	c.Answer.Set("DPoP-Nonce", "next")
	switch {
	case proofs[0] == "without nonce":
		return &auth.Error{Reason: auth.ReasonProofNonceRequired}
	case b.spent[proofs[0]] > 0:
		return &auth.Error{Reason: auth.ReasonProofReplayed}
	}
	if b.spent == nil {
		b.spent = map[string]int{}
	}
	b.spent[proofs[0]]++
	return nil
}

// bound is a token of issuer that onceBinding binds.
func bound(issuer *authtest.Issuer, scope string) []string {
	return []string{"DPoP " + issuer.Token(scope, authtest.Claims{"cnf": object{"jkt": "thumbprint"}})}
}

func proof(text string) [2]string { return [2]string{"Proof", text} }

// eachTransport puts a test of row to every transport.
func eachTransport(t *testing.T, row string, all map[string]transport, test func(t *testing.T, name string, ask transport)) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(row+"/"+name, func(t *testing.T) { test(t, name, all[name]) })
	}
}

// TestAProofIsSpentOnce stands three guards in a row, of which one only reports, and two are one.
func TestAProofIsSpentOnce(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	opts := &auth.GuardOptions{Bindings: []auth.Binding{new(onceBinding)}, OnDecision: func(context.Context, auth.Decision) {}}
	guard, other := issuer.Guard(opts), issuer.Guard(opts)
	reports := auth.Scopes("nobody:has").ReportOnly()
	s := setup{
		guard: guard, needs: needs,
		front: func(h http.Handler) http.Handler {
			return other.Enforce(reports)(guard.Require("read:orders")(guard.Enforce(auth.AnyToken())(h)))
		},
		outer: behind(interceptorsOf(other, reports), interceptorsOf(guard, auth.Scopes("read:orders")), interceptorsOf(guard, auth.AnyToken())),
	}
	eachTransport(t, "W-01", s.transports(t), func(t *testing.T, name string, ask transport) {
		token := bound(issuer, "read:orders")
		if a := ask(t, request{need: "orders", authorization: token, field: proof(name)}); a.status != 200 || !slices.Equal(a.nonces, []string{"next"}) {
			t.Errorf("%d %s, nonces %q", a.status, a.code, a.nonces)
		}
		code := "INVALID_DPOP_PROOF"
		if strings.HasPrefix(name, "connect") {
			code = "" // the first guard refuses, and stands in front of what knows the protocol
		}
		if a := ask(t, request{need: "orders", authorization: token, field: proof(name)}); a.status != 401 || a.code != code {
			t.Errorf("%d %s for the same proof in another request", a.status, a.code)
		}
	})
}

// TestAnswersOfBindings looks for what a Binding answers with, on every kind of answer.
func TestAnswersOfBindings(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{new(onceBinding)}})
	eachTransport(t, "W-02", setup{guard: guard, needs: needs}.transports(t), func(t *testing.T, name string, ask transport) {
		for _, tt := range []struct {
			need, proof string
			status      int
			code        string
		}{
			{"orders", "a", 200, ""},
			{"orders", "without nonce", 401, "USE_DPOP_NONCE"},
			{"orders", "a", 401, "INVALID_DPOP_PROOF"},
			{"admin", "b", 403, "INSUFFICIENT_SCOPE"},
			{"broken", "c", 500, "INTERNAL"},
			{"optional", "d", 200, ""},
		} {
			a := ask(t, request{need: tt.need, authorization: bound(issuer, "read:orders"), field: proof(name + tt.proof)})
			if tt.proof == "without nonce" {
				a = ask(t, request{need: tt.need, authorization: bound(issuer, "read:orders"), field: proof(tt.proof)})
			}
			if a.status != tt.status || a.code != tt.code || !slices.Equal(a.nonces, []string{"next"}) {
				t.Errorf("%s, proof %s: %d %s, nonces %q; want %d %s and one nonce", tt.need, tt.proof, a.status, a.code, a.nonces, tt.status, tt.code)
			}
			if a.metadata != nil && a.metadata["dpop-nonce"] != "next" {
				t.Errorf("%s: the ErrorInfo says %v", tt.need, a.metadata)
			}
		}
		if a := ask(t, request{need: "orders", authorization: bearer(issuer.Token("read:orders"))}); a.status != 200 || a.nonces != nil {
			t.Errorf("a plain token: %d, nonces %q", a.status, a.nonces)
		}
	})
}

// TestRevoked asks a hook of the test about a token that is remembered.
func TestRevoked(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var revoked func(*auth.Principal) (bool, error)
	guard := issuer.Guard(&auth.GuardOptions{Revoked: func(_ context.Context, p *auth.Principal) (bool, error) { return revoked(p) }})
	token := bearer(issuer.Token("read:orders", authtest.Claims{"jti": "1"}))
	eachTransport(t, noRow, transports(t, guard), func(t *testing.T, _ string, ask transport) {
		for _, tt := range []struct {
			answer func(*auth.Principal) (bool, error)
			status int
			code   string
		}{
			{func(*auth.Principal) (bool, error) { return false, nil }, 200, ""},
			{func(p *auth.Principal) (bool, error) { return p.TokenID() == "1", nil }, 401, "INVALID_TOKEN"},
			{func(*auth.Principal) (bool, error) { return false, errors.New("down") }, 503, "UNAVAILABLE"},
			{func(*auth.Principal) (bool, error) { panic("down") }, 503, "UNAVAILABLE"},
			{func(*auth.Principal) (bool, error) { return false, nil }, 200, ""},
		} {
			revoked = tt.answer
			a := ask(t, request{need: "orders", authorization: token})
			if a.status != tt.status || a.code != tt.code || (a.retryAfter != "") != (tt.status == 503) || (len(a.challenges) > 0) != (tt.status == 401) {
				t.Errorf("%d %s %q, want %d %s", a.status, a.code, a.challenges, tt.status, tt.code)
			}
		}
	})
}

// proxyBinding believes the field of a proxy at one address. It stands for mutual TLS behind a
// proxy.
type proxyBinding struct{ proxy netip.Addr }

func (*proxyBinding) Member() string   { return "x5t#S256" }
func (*proxyBinding) Fields() []string { return []string{"Client-Cert"} }

func (b *proxyBinding) Check(_ context.Context, _ string, c *auth.Credentials, _ *auth.Principal, _ []byte) error {
	if c.Peer != b.proxy || c.Header.Get("Client-Cert") != "the caller's" {
		return fmt.Errorf("from %v", c.Peer)
	}
	return nil
}

// TestPeer has a middleware in front that takes the caller's word for his address, as chi's RealIP
// does.
func TestPeer(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	token := bearer(issuer.Token("read:orders", authtest.Claims{"cnf": object{"x5t#S256": "x"}}))
	for proxy, status := range map[string]int{"127.0.0.1": 200, "192.0.2.1": 401} {
		guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{&proxyBinding{netip.MustParseAddr(proxy)}}})
		//lint:ignore SA1019 it stands in front of many APIs, and takes the caller's word
		realIP := middleware.RealIP
		eachTransport(t, "W-24", setup{guard: guard, needs: needs, front: realIP}.transports(t), func(t *testing.T, name string, ask transport) {
			claims := request{need: "orders", authorization: token, field: [2]string{"Client-Cert", "the caller's"}}
			if !isRPC(name) {
				claims.shape = func(r *http.Request) {
					for _, field := range []string{"X-Real-Ip", "X-Forwarded-For", "True-Client-Ip"} {
						r.Header.Set(field, "192.0.2.1")
					}
					r.Header.Set("Forwarded", "for=192.0.2.1")
				}
			}
			if a := ask(t, claims); a.status != status {
				t.Errorf("%d where %s is the proxy, want %d", a.status, proxy, status)
			}
			claims.field = [2]string{}
			if a := ask(t, claims); a.status != 401 {
				t.Errorf("%d without the field, want 401", a.status)
			}
		})
	}
}

// TestRequireBound presents plain tokens, and none.
func TestRequireBound(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{new(onceBinding)}, RequireBound: true})
	eachTransport(t, "W-25", setup{guard: guard, needs: needs}.transports(t), func(t *testing.T, name string, ask transport) {
		for _, need := range []string{"orders", "any", "optional"} {
			a := ask(t, request{need: need, authorization: bearer(issuer.Token("read:orders"))})
			if a.status != 401 || a.code != "INVALID_TOKEN" || len(a.challenges) != 1 || !strings.HasPrefix(a.challenges[0], `DPoP realm="api", error="invalid_token"`) {
				t.Errorf("%s, a plain token: %d %s %q", need, a.status, a.code, a.challenges)
			}
			if a := ask(t, request{need: need, authorization: bound(issuer, "read:orders"), field: proof(name + need)}); a.status != 200 {
				t.Errorf("%s, a bound token: %d %s", need, a.status, a.code)
			}
			if need == "optional" {
				continue
			}
			if a := ask(t, request{need: need}); a.status != 401 || !slices.Equal(a.challenges, []string{`DPoP realm="api", algs="ES256"`}) {
				t.Errorf("%s, no token: %d %q", need, a.status, a.challenges)
			}
		}
		if a := ask(t, request{need: "optional"}); a.status != 200 {
			t.Errorf("optional, no token: %d", a.status)
		}
	})
}
