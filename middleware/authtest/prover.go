package authtest

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearward/bearward/internal/issuer"
	auth "github.com/bearward/bearward/middleware"
)

// A Prover is a client that proves possession of a key (RFC 9449). It is safe for concurrent use.
//
//	prover := authtest.NewProver(t, auth.ES256)
//	token := issuer.Token("read:orders", prover.Confirmation())
//	prover.Prove(request, "https://api.example", token)
type Prover struct {
	tb    testing.TB
	alg   auth.Algorithm
	key   *issuer.Key
	jwk   map[string]string
	print string
	nonce atomic.Pointer[string]
	made  atomic.Int64
}

// NewProver returns a Prover with a key of its own for alg.
func NewProver(tb testing.TB, alg auth.Algorithm) *Prover {
	tb.Helper()
	p, err := newProver(tb, alg)
	if err != nil {
		tb.Fatalf("authtest: NewProver: %v", err)
	}
	return p
}

func newProver(tb testing.TB, alg auth.Algorithm) (*Prover, error) {
	key, err := keyPool.acquire(alg)
	if err != nil {
		return nil, err
	}
	tb.Cleanup(func() { keyPool.release(alg, key) })
	p := &Prover{tb: tb, alg: alg, key: &issuer.Key{Private: key}}
	p.jwk = p.key.PublicMembers()
	p.print, err = p.key.Thumbprint()
	return p, err
}

// Thumbprint returns the thumbprint of the key (RFC 7638), which "cnf.jkt" holds.
func (p *Prover) Thumbprint() string { return p.print }

// Confirmation returns the claim that binds a token to the key, for [Issuer.Token].
func (p *Prover) Confirmation() Claims {
	return Claims{"cnf": map[string]any{"jkt": p.print}}
}

// SetNonce makes later proofs carry the nonce, such as the one of an answer's DPoP-Nonce; "" for
// none.
func (p *Prover) SetNonce(nonce string) { p.nonce.Store(&nonce) }

// Proof returns a proof for one request, changed as changes say: Claims, Header, or a
// [ProofDefect]. uri is the request's without query and fragment.
func (p *Prover) Proof(method, uri, token string, changes ...Change) string {
	p.tb.Helper()
	proof, err := p.make(method, uri, token, changes)
	if err != nil {
		p.tb.Fatalf("authtest: Proof: %v", err)
	}
	return proof
}

func (p *Prover) make(method, uri, token string, changes []Change) (string, error) {
	ath := sha256.Sum256([]byte(token))
	d := &issuer.Draft{
		Key: p.key, Algorithm: p.alg.String(),
		Header: map[string]any{"typ": "dpop+jwt", "alg": p.alg.String(), "jwk": p.jwk},
		Claims: map[string]any{
			"jti": fmt.Sprintf("proof-%d-%d", p.made.Add(1), time.Now().UnixNano()),
			"htm": method, "htu": uri, "ath": issuer.Encode(ath[:]), "iat": time.Now().Unix(),
		},
	}
	if nonce := p.nonce.Load(); nonce != nil && *nonce != "" {
		d.Claims["nonce"] = *nonce
	}
	all := make([]issuer.Change, len(changes))
	for i, c := range changes {
		all[i] = c.change()
	}
	return d.Finish(all...)
}

// Prove sets the fields of a client's request: the token under the scheme DPoP, and a new proof.
// origin is what the API is called by, such as "https://api.example". "" takes it from the
// request's URL.
func (p *Prover) Prove(r *http.Request, origin, token string, changes ...Change) {
	p.tb.Helper()
	if origin == "" {
		origin = r.URL.Scheme + "://" + r.URL.Host
	}
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", p.Proof(r.Method, origin+r.URL.EscapedPath(), token, changes...))
}
