package authserver

import (
	"crypto"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/luikyv/go-oidc/pkg/goidc"

	"github.com/bearward/bearward/middleware/dpop"
)

// proofAlgorithms are those of DPoP proofs that the server accepts and names in its metadata.
var proofAlgorithms = []goidc.SignatureAlgorithm{goidc.ES256, goidc.SignatureAlgorithm(jose.EdDSA), goidc.PS256, goidc.RS256}

const (
	proofField  = "DPoP"
	maxProof    = 8 << 10          // bytes
	maxProofAge = time.Minute      // of "iat", in both directions
	maxProofs   = 100_000          // that are remembered at once
	proofMargin = 10 * time.Second // how much longer a proof is remembered than it is good
	codeProof   = "invalid_dpop_proof"
)

// proofs remembers which proofs were used (RFC 9449 §11.1).
type proofs struct {
	issuer string
	used   dpop.ReplayStore
}

func newProofs(issuer string) *proofs {
	return &proofs{issuer: issuer, used: dpop.NewMemory(maxProofs)}
}

var (
	errProofField  = errors.New("the request has several DPoP fields, or one that is too long")
	errProofForm   = errors.New("the DPoP proof is no JWT of type dpop+jwt with a public key in it, signed by that key")
	errProofFor    = errors.New("the DPoP proof is for another request: htm or htu differs")
	errProofTime   = errors.New("the DPoP proof has no iat, or one that is more than a minute away")
	errProofID     = errors.New("the DPoP proof has no jti")
	errProofReused = errors.New("the DPoP proof was used before")
)

// check checks the proof of a request, if it has one (RFC 9449 §4.3). go-oidc binds the tokens, but
// it takes two proofs for none, remembers a jti without its key, and calls a bad proof
// invalid_request.
func (p *proofs) check(r *http.Request) error {
	fields := r.Header.Values(proofField)
	switch {
	case len(fields) == 0:
		return nil
	case len(fields) > 1 || len(fields[0]) > maxProof:
		return errProofField
	}
	token, err := jwt.ParseSigned(fields[0], proofAlgorithms)
	if err != nil || len(token.Headers) != 1 {
		return errProofForm
	}
	header := token.Headers[0]
	key := header.JSONWebKey
	if header.ExtraHeaders[jose.HeaderType] != "dpop+jwt" || key == nil || !key.Valid() || !key.IsPublic() {
		return errProofForm
	}
	var c struct {
		ID     string           `json:"jti"`
		Method string           `json:"htm"`
		URI    string           `json:"htu"`
		Issued *jwt.NumericDate `json:"iat"`
	}
	if err := token.Claims(key.Key, &c); err != nil {
		return errProofForm
	}
	if c.Method != r.Method || c.URI != p.issuer+r.URL.Path {
		return errProofFor
	}
	if c.ID == "" {
		return errProofID
	}
	if c.Issued == nil || time.Since(c.Issued.Time()).Abs() > maxProofAge {
		return errProofTime
	}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return errProofForm
	}
	first, err := p.used.First(r.Context(), string(thumbprint), string(thumbprint)+c.ID, 2*maxProofAge+proofMargin)
	if err == nil && !first {
		return errProofReused
	}
	return err
}

// checkProof answers a request whose proof is bad, and returns false.
func (s *Server) checkProof(w http.ResponseWriter, r *http.Request) bool {
	err := s.proofs.check(r)
	if err == nil {
		return true
	}
	status, code := http.StatusBadRequest, goidc.ErrorCode(codeProof)
	if !slices.Contains([]error{errProofField, errProofForm, errProofFor, errProofID, errProofTime, errProofReused}, err) {
		status, code = http.StatusServiceUnavailable, goidc.ErrorCode("temporarily_unavailable")
		err = errors.New("used proofs cannot be remembered")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(goidc.NewError(code, err.Error())) // the caller may be gone
	return false
}
