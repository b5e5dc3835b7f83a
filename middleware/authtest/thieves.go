package authtest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/bearward/bearward/internal/cite"
	auth "github.com/bearward/bearward/middleware"
)

// A stolen is what a thief sends: a token that is bound to another's key, and what he has for a
// proof.
type stolen struct {
	scheme, token string
	proofs        []string
	client        *http.Client // default: the owner's, with its certificate
}

// everyProof stands for the API's Binding where the kit asks what a requirement says of a token.
type everyProof struct{ member string }

func (p *everyProof) Member() string { return p.member }
func (*everyProof) Fields() []string { return nil }

func (*everyProof) Check(context.Context, string, *auth.Credentials, *auth.Principal, []byte) error {
	return nil
}

// bindings are those of the kit's own Guard.
func (k *kit) bindings() []auth.Binding {
	switch {
	case k.options.Prover != nil:
		return []auth.Binding{&everyProof{"jkt"}}
	case k.options.Certificate != nil:
		return []auth.Binding{&everyProof{"x5t#S256"}}
	}
	return nil
}

// bound returns what binds a token to the Prover's key or to the Certificate, if there is one.
func (k *kit) bound() []Change {
	switch {
	case k.options.Prover != nil:
		return []Change{k.options.Prover.Confirmation()}
	case k.options.Certificate != nil:
		return []Change{k.options.Certificate.Confirmation()}
	}
	return nil
}

// scheme is the one that tokens are sent under, and that challenges begin with.
func (k *kit) scheme() string {
	if k.options.Prover == nil {
		return "Bearer"
	}
	return "DPoP"
}

// present sets the fields of the request for path that carry tokens and proofs. Of several tokens
// the last is proved.
func (k *kit) present(r *http.Request, path string, s *stolen, tokens []string) {
	k.tb.Helper()
	if s != nil && k.options.Header != "" {
		r.Header.Set(k.options.Header, s.token)
		return
	}
	if s != nil {
		r.Header.Set("Authorization", s.scheme+" "+s.token)
		r.Header["Dpop"] = s.proofs
		return
	}
	for _, token := range tokens {
		if k.options.Header != "" {
			r.Header.Add(k.options.Header, token)
			continue
		}
		r.Header.Add("Authorization", k.scheme()+" "+token)
		if k.options.Prover != nil {
			r.Header.Set("DPoP", k.options.Prover.Proof(r.Method, k.options.Origin+path, token))
		}
	}
}

// takeNonce takes up the nonce of an answer, and reports whether the answer asks for it.
func (k *kit) takeNonce(r reply) bool {
	nonce := r.header.Get("DPoP-Nonce")
	if k.options.Prover == nil || nonce == "" {
		return false
	}
	k.nonces = true
	k.options.Prover.SetNonce(nonce)
	return r.status == http.StatusUnauthorized && strings.Contains(r.challenge(), `error="use_dpop_nonce"`)
}

// thieves asks with a stolen token, whose key and proofs the thief has not. The owner's nonce is no
// secret.
func (a *assertion) thieves(token string) {
	a.tb.Helper()
	p := a.options.Prover
	if p == nil {
		a.certificateThieves(token)
		return
	}
	path, _, _ := strings.Cut(a.path, "?")
	uri := a.options.Origin + path
	other, err := newProver(a.tb, p.alg)
	if err != nil {
		a.tb.Fatalf("authtest: AssertGuarded: %v", err)
	}
	if nonce := p.nonce.Load(); nonce != nil {
		other.SetNonce(*nonce)
	}
	proof := p.Proof(a.method, uri, token)
	for _, q := range []struct {
		row, what string
		stolen
	}{
		{"D-21", "a stolen token under Bearer", stolen{"Bearer", token, nil, nil}},
		{"D-21", "a stolen token under Bearer, with a proof of another key", stolen{"Bearer", token, []string{other.Proof(a.method, uri, token)}, nil}},
		{"D-03", "a stolen token without a proof", stolen{"DPoP", token, nil, nil}},
		{"D-19", "a stolen token with a proof of another key", stolen{"DPoP", token, []string{other.Proof(a.method, uri, token)}, nil}},
		{"", "", stolen{"DPoP", token, []string{proof}, nil}}, // the owner
		{"D-34", "a stolen token with a proof that was used", stolen{"DPoP", token, []string{proof}, nil}},
	} {
		got := a.send(request{stolen: &q.stolen})
		if q.row == "" && (got.status == 401 || got.status == 503) {
			break // he is not accepted either, which accepts tells
		}
		if q.row != "" {
			a.wantThief(q.row, q.what, got)
		}
	}
	a.badProofs(token, uri)
	if refusal := a.refusalOf(a.plain(), a.need); refusal != nil && refusal.Reason == auth.ReasonBindingRequired {
		a.wantThief("D-43", "a token that is not bound", a.send(request{stolen: &stolen{"Bearer", a.plain(), nil, nil}}))
	}
}

// plain returns a good token that is not bound.
func (a *assertion) plain() string {
	a.tb.Helper()
	return a.issuer.Token(a.everyScope())
}

// wantThief fails the test unless a thief is refused by the guard. It reports whether he is.
func (a *assertion) wantThief(row, what string, got reply) bool {
	a.tb.Helper()
	if got.status != http.StatusUnauthorized {
		a.failf(row, what, "got %s, want 401: a thief of the token can use it, and the rule is %s", got, a.need)
		return false
	}
	if !said.MatchString(strings.Join(got.header.Values("WWW-Authenticate"), ", ")) {
		a.failf(row, what, "got %s, want a challenge with an error", got)
	}
	return true
}

// proofTimes are not asked where proofs have nonces.
var proofTimes = []ProofDefect{ProofOld, ProofAhead, ProofEnded, ProofNotYet}

// badProofs asks with each ProofDefect.
func (a *assertion) badProofs(token, uri string) {
	a.tb.Helper()
	var accepted []string
	for _, d := range ProofDefects() {
		if a.nonces && slices.Contains(proofTimes, d) {
			continue
		}
		got := a.send(request{stolen: &stolen{"DPoP", token, []string{a.options.Prover.Proof(a.method, uri, token, d)}, nil}})
		if got.status == http.StatusUnauthorized {
			continue
		}
		if accepted = append(accepted, string(d)); len(accepted) <= mostLines {
			a.failf("D-02", "a proof with the defect "+string(d), "got %s, want 401", got)
		}
	}
	if len(accepted) > mostLines {
		a.tb.Errorf("%s: %s: %d more bad proofs: not refused either: %s", a.key, cite.Row("D-02"), len(accepted)-mostLines,
			fmt.Sprint(strings.Join(accepted[mostLines:], ", ")))
	}
}
