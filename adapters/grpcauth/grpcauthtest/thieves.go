package grpcauthtest

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A stolen is what a thief sends: a token that is bound to another's key, and what he has for a
// proof.
type stolen struct {
	scheme, token string
	proofs        []string
	conn          *grpc.ClientConn // default: the owner's, with its certificate
}

// everyProof stands for the server's Binding where the kit asks what a requirement says of a token.
type everyProof struct{ member string }

func (p *everyProof) Member() string { return p.member }
func (*everyProof) Fields() []string { return nil }

func (*everyProof) Check(context.Context, string, *auth.Credentials, *auth.Principal, []byte) error {
	return nil
}

// bindings are those of the kit's own Guard.
func (a *assertion) bindings() []auth.Binding {
	switch {
	case a.options.Prover != nil:
		return []auth.Binding{&everyProof{"jkt"}}
	case a.options.Certificate != nil:
		return []auth.Binding{&everyProof{"x5t#S256"}}
	}
	return nil
}

// newToken returns a token with what the rule names besides scopes. It is bound to the Prover's key
// or to the Certificate, if there is one.
func (a *assertion) newToken(scope string, changes ...authtest.Change) string {
	a.tb.Helper()
	changes = append([]authtest.Change{a.claims}, changes...)
	switch {
	case a.options.Prover != nil:
		changes = append([]authtest.Change{a.options.Prover.Confirmation()}, changes...)
	case a.options.Certificate != nil:
		changes = append([]authtest.Change{a.options.Certificate.Confirmation()}, changes...)
	}
	return a.issuer.Token(scope, changes...)
}

// scheme is the one that tokens are sent under, and that challenges begin with.
func (a *assertion) scheme() string {
	if a.options.Prover == nil {
		return "Bearer"
	}
	return "DPoP"
}

// present returns the metadata that carry the tokens of an attempt, and their proof.
func (a *assertion) present(t attempt) metadata.MD {
	a.tb.Helper()
	if t.stolen != nil {
		return metadata.MD{"authorization": {t.stolen.scheme + " " + t.stolen.token}, "dpop": t.stolen.proofs}
	}
	md := metadata.MD{"authorization": slices.Clone(t.authorization)}
	if a.options.Prover == nil {
		return md
	}
	for i, value := range t.authorization {
		if token, ok := strings.CutPrefix(value, "Bearer"); ok {
			md["authorization"][i], token = "DPoP"+token, strings.TrimPrefix(token, " ")
			md["dpop"] = []string{a.options.Prover.Proof(http.MethodPost, a.options.Origin+t.name, token)}
		}
	}
	return md
}

// takeNonce takes up the nonce of an answer, and reports whether the answer asks for it.
func (a *assertion) takeNonce(r reply) bool {
	if a.options.Prover == nil || r.nonce == "" {
		return false
	}
	a.nonces = true
	a.options.Prover.SetNonce(r.nonce)
	return r.refused() && r.info.Metadata["error"] == "use_dpop_nonce"
}

// thieves calls with a stolen token, whose key and proofs the thief has not.
func (a *assertion) thieves(token string) {
	a.tb.Helper()
	p := a.options.Prover
	if p == nil {
		a.certificateThieves(token)
		return
	}
	a.call(attempt{authorization: bearer(token), patience: quiet}) // takes up a nonce
	uri := a.options.Origin + a.name
	proof := p.Proof(http.MethodPost, uri, token)
	others := p.Proof(http.MethodPost, uri, token, authtest.ProofAnotherKey)
	for _, q := range []struct {
		row, what string
		stolen
	}{
		{"D-21", "a stolen token under Bearer", stolen{"Bearer", token, nil, nil}},
		{"D-21", "a stolen token under Bearer, with a proof of another key", stolen{"Bearer", token, []string{others}, nil}},
		{"D-03", "a stolen token without a proof", stolen{"DPoP", token, nil, nil}},
		{"D-19", "a stolen token with a proof of another key", stolen{"DPoP", token, []string{others}, nil}},
		{"", "", stolen{"DPoP", token, []string{proof}, nil}}, // the owner
		{"D-34", "a stolen token with a proof that was used", stolen{"DPoP", token, []string{proof}, nil}},
	} {
		got := a.call(attempt{stolen: &q.stolen, patience: quiet})
		if q.row == "" && (got.code == codes.Unauthenticated || got.code == codes.Unavailable) {
			a.failf("D-01", "a good token with a good proof", "got %s, want it accepted. Is Options.Origin, %s, what the server's dpop.New was given?", got, a.options.Origin)
			return
		}
		if q.row != "" {
			a.wantThief(q.row, q.what, got)
		}
	}
	a.badProofs(token, uri)
	plain := a.issuer.Token(strings.Join(a.scopes, " "))
	if refusal := a.refusalOf(plain, a.need); refusal != nil && refusal.Reason == auth.ReasonBindingRequired {
		a.wantThief("D-43", "a token that is not bound", a.call(attempt{stolen: &stolen{"Bearer", plain, nil, nil}, patience: quiet}))
	}
}

// wantThief fails the test unless the guard refuses a thief, and reports whether it does.
func (a *assertion) wantThief(row, what string, got reply) bool {
	a.tb.Helper()
	if !got.refused() || got.code != codes.Unauthenticated {
		a.failf(row, what, "got %s, want UNAUTHENTICATED of the guard: a thief of the token can use it, and the rule is %s", got, a.need)
		return false
	}
	return true
}

// proofTimes are not asked where proofs have nonces.
var proofTimes = []authtest.ProofDefect{authtest.ProofOld, authtest.ProofAhead, authtest.ProofEnded, authtest.ProofNotYet}

// badProofs calls with each ProofDefect.
func (a *assertion) badProofs(token, uri string) {
	a.tb.Helper()
	var accepted []string
	for _, d := range authtest.ProofDefects() {
		if a.nonces && slices.Contains(proofTimes, d) {
			continue
		}
		proof := a.options.Prover.Proof(http.MethodPost, uri, token, d)
		got := a.call(attempt{stolen: &stolen{"DPoP", token, []string{proof}, nil}, patience: quiet})
		if got.refused() && got.code == codes.Unauthenticated {
			continue
		}
		if accepted = append(accepted, string(d)); len(accepted) <= mostLines {
			a.failf("D-02", "a proof with the defect "+string(d), "got %s, want UNAUTHENTICATED", got)
		}
	}
	if len(accepted) > mostLines {
		a.failf("D-02", "more bad proofs", "not refused either: %s", strings.Join(accepted[mostLines:], ", "))
	}
}
