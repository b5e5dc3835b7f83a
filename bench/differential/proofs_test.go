package differential

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/bench/peers"
	"github.com/bearward/bearward/bench/tokens"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// A proofCase is one request with a DPoP proof, good or bent in one way.
type proofCase struct {
	name     string
	request  func(p *authtest.Prover, token string) []*http.Request // of which the last one counts
	good     bool
	why      string // the rule that decides
	decision bool   // no specification demands the refusal
}

const origin = "https://api.example"

func proved(p *authtest.Prover, url, token string, changes ...authtest.Change) *http.Request {
	r := httptest.NewRequest("GET", url, nil)
	p.Prove(r, "", token, changes...)
	return r
}

// proofRules are the rules that defects break which RFC 9449 §4.3 does not name; "!" marks those
// that no specification demands to refuse.
var proofRules = map[authtest.ProofDefect]string{
	authtest.ProofTooLong: "!8 KiB bound the work that a caller can ask for", authtest.ProofLongID: "!256 bytes bound what is remembered",
	authtest.ProofEnded: "!a proof that says when it ends has ended", authtest.ProofNotYet: "!a proof that says when it begins has not begun",
	authtest.ProofDuplicateHeader: "RFC 7515 §4: must be unique; a parser may take the last, we do not",
	authtest.ProofDuplicateClaim:  "RFC 7519 §4: must be unique; a parser may take the last, we do not",
	authtest.ProofPrivateKey:      "RFC 9449 §4.2: must not contain a private key", authtest.ProofPaddedKey: "RFC 7518 §2: base64url without padding",
}

func proofCases() []proofCase {
	one := func(changes ...authtest.Change) func(*authtest.Prover, string) []*http.Request {
		return func(p *authtest.Prover, token string) []*http.Request {
			return []*http.Request{proved(p, origin+"/orders", token, changes...)}
		}
	}
	all := []proofCase{
		{name: "good", good: true, why: "RFC 9449 §4.3", request: one()},
		{name: "htu in upper case but for its path", good: true, why: "RFC 9449 §4.3: after normalization (RFC 3986 §6.2.2)", request: one(authtest.Claims{"htu": "HTTPS://API.example:443/orders"})},
		{name: "htu with a query", good: true, why: "RFC 9449 §4.3: ignoring query and fragment", request: one(authtest.Claims{"htu": origin + "/orders?page=2"})},
		{name: "the same proof again", why: "RFC 9449 §11.1", request: func(p *authtest.Prover, token string) []*http.Request {
			r := proved(p, origin+"/orders", token)
			return []*http.Request{r, r}
		}},
		{name: "a proof for another host, and Host says so", decision: true, why: "Host is what the caller says: a proof made for another API would be good here", request: func(p *authtest.Prover, token string) []*http.Request {
			r := proved(p, "https://other.example/orders", token)
			r.RequestURI = "/orders"
			return []*http.Request{r}
		}},
		{name: "the bound token under Bearer, no proof", why: "RFC 9449 §7.2", request: func(p *authtest.Prover, token string) []*http.Request {
			r := httptest.NewRequest("GET", origin+"/orders", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			return []*http.Request{r}
		}},
		{name: "the bound token under Bearer, with its proof", why: "RFC 9449 §7.2", request: func(p *authtest.Prover, token string) []*http.Request {
			r := proved(p, origin+"/orders", token)
			r.Header.Set("Authorization", "Bearer "+token)
			return []*http.Request{r}
		}},
		{name: "two fields", why: "RFC 9449 §4.3: not more than one", request: func(p *authtest.Prover, token string) []*http.Request {
			r := proved(p, origin+"/orders", token)
			r.Header.Add("DPoP", r.Header.Get("DPoP"))
			return []*http.Request{r}
		}},
	}
	for _, d := range authtest.ProofDefects() {
		why, decision := strings.CutPrefix(cmp.Or(proofRules[d], "RFC 9449 §4.3"), "!")
		all = append(all, proofCase{name: string(d), request: one(d), why: why, decision: decision})
	}
	return all
}

// guarded returns what each library has in front of a handler, for tokens that key signs.
func guarded(t *testing.T, key *tokens.Key, nonces *dpop.Nonces) map[string]http.Handler {
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	binding := must(dpop.New([]string{origin}, dpop.NewMemory(0), &dpop.Options{Nonces: nonces}))
	v := must(auth.NewVerifier(jwks.Static{key.Public()}, auth.Config{Issuer: tokens.Issuer, Audiences: []string{tokens.Audience}}))
	return map[string]http.Handler{
		"ours":                       must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{binding}, RequireBound: true})).Enforce(auth.AnyToken())(handler),
		"auth0 go-jwt-middleware v3": must(peers.Auth0DPoP(key))(handler),
	}
}

var proofLibraries = []string{"ours", "auth0 go-jwt-middleware v3"}

// Proofs of possession, good ones and bent ones, through ours and the one other library for Go that
// checks them in front of a handler.
func TestProofs(t *testing.T) {
	algs := []auth.Algorithm{auth.ES256, auth.EdDSA, auth.RS256, auth.PS256}
	all := proofCases()
	accepted := make([]map[string][]string, len(all))
	for i := range accepted {
		accepted[i] = map[string][]string{}
	}
	for _, alg := range algs {
		issuer, key := issuerOf(t, auth.RS256)
		handlers, prover := guarded(t, key, nil), authtest.NewProver(t, alg)
		token := issuer.Token("read:orders", prover.Confirmation())
		for i, c := range all {
			for name, h := range handlers {
				var w *httptest.ResponseRecorder
				for _, r := range c.request(prover, token) {
					w = httptest.NewRecorder()
					h.ServeHTTP(w, r.WithContext(context.Background()))
				}
				if w.Code == http.StatusOK {
					accepted[i][name] = append(accepted[i][name], alg.String())
				}
			}
		}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "\n%d requests: %d cases under each of %d algorithms of proofs.\n\n| request | %s | who is right |\n|---|%s---|\n", len(all)*len(algs), len(all), len(algs),
		strings.Join(proofLibraries, " | "), strings.Repeat("---|", len(proofLibraries)))
	differ := 0
	for i, c := range all {
		if want := map[bool]int{true: len(algs)}[c.good]; len(accepted[i]["ours"]) != want {
			t.Errorf("%s: ours accepts it under %v", c.name, accepted[i]["ours"])
		}
		row, agree := cells(accepted[i], proofLibraries, len(algs), c.good)
		if agree {
			continue
		}
		differ++
		fmt.Fprintf(&table, "| %s |%s %s |\n", c.name, row, whoIsRight(c.why, c.decision))
	}
	fmt.Fprintf(&table, "\nOn the other %d cases both agree.\n", len(all)-differ)
	replaceInReadme(t, "<!-- proofs -->\n", "<!-- end of proofs -->\n", table.String())
}

// What stands beside auth0's figures in the bench is what it does not check.
func TestWhatAuth0DoesNotCheck(t *testing.T) {
	issuer, key := issuerOf(t, auth.RS256)
	nonces := must(dpop.NewNonces(0))
	handlers, prover := guarded(t, key, nonces), authtest.NewProver(t, auth.ES256)
	token := issuer.Token("read:orders", prover.Confirmation())
	ask := func(name string, r *http.Request) int {
		w := httptest.NewRecorder()
		handlers[name].ServeHTTP(w, r)
		return w.Code
	}
	const theirs = "auth0 go-jwt-middleware v3"
	got := []string{}
	if ask(theirs, proved(prover, origin+"/orders", issuer.Token("no:scope", prover.Confirmation()))) == http.StatusOK {
		got = append(got, "scopes") // there is nothing to tell it which
	}
	twice := proved(prover, origin+"/orders", token)
	if first, again := ask(theirs, twice), ask(theirs, twice); first == http.StatusOK && again == http.StatusOK {
		got = append(got, "replay")
	}
	prover.SetNonce("never-told")
	unasked := proved(prover, origin+"/orders", token)
	if ask("ours", unasked) != http.StatusUnauthorized {
		t.Error("ours accepts a nonce that it never told")
	}
	if ask(theirs, unasked) == http.StatusOK {
		got = append(got, "nonce")
	}
	prover.SetNonce("")
	if ask(theirs, proved(prover, "https://other.example/orders", token)) == http.StatusOK {
		got = append(got, "the host of htu (it believes Host)")
	}
	if !slices.Equal(got, peers.Auth0DPoPUnchecked) {
		t.Errorf("it does not check %q, and is said not to check %q", got, peers.Auth0DPoPUnchecked)
	}
}
