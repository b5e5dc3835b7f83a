// Package prover signs DPoP proofs (RFC 9449 §4) for the clients of the examples: short statements
// by which a client shows that it has the private key that its access token is bound to.
package prover

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Field is the header field, and the gRPC metadata, that carries a proof.
const Field = "DPoP"

// A Prover is a client's key. It is safe for concurrent use.
type Prover struct {
	key        *ecdsa.PrivateKey
	signer     jose.Signer
	thumbprint string
}

// New returns a Prover with a new P-256 key.
func New() (*Prover, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("prover: %w", err)
	}
	return with(key)
}

// Parse returns the Prover whose Marshal made der.
func Parse(der []byte) (*Prover, error) {
	key, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, errors.New("prover: not a private key")
	}
	return with(key)
}

// Marshal returns the private key. The caller that stores it encrypts it.
func (p *Prover) Marshal() ([]byte, error) { return x509.MarshalECPrivateKey(p.key) }

func with(key *ecdsa.PrivateKey) (*Prover, error) {
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		return nil, fmt.Errorf("prover: %w", err)
	}
	sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("prover: %w", err)
	}
	return &Prover{key, signer, base64.RawURLEncoding.EncodeToString(sum)}, nil
}

// Thumbprint names the key (RFC 7638): it is "cnf.jkt" of the tokens that are bound to it.
func (p *Prover) Thumbprint() string { return p.thumbprint }

// claims are those of a proof (RFC 9449 §4.2).
type claims struct {
	ID        string `json:"jti"`
	Method    string `json:"htm"`
	URI       string `json:"htu"`
	IssuedAt  int64  `json:"iat"`
	TokenHash string `json:"ath,omitempty"`
}

// Proof returns a new proof for one request. token is the access token that goes with it, and ""
// at the token endpoint, where there is none yet.
func (p *Prover) Proof(method, uri, token string) (string, error) {
	c := claims{ID: rand.Text(), Method: method, URI: uri, IssuedAt: time.Now().Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		c.TokenHash = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	proof, err := jwt.Signed(p.signer).Claims(c).Serialize()
	if err != nil {
		return "", fmt.Errorf("prover: %w", err)
	}
	return proof, nil
}

// Transport adds a proof without a token to each request, as the token endpoint wants it.
type Transport struct {
	Prover *Prover
	Base   http.RoundTripper // nil: http.DefaultTransport
}

// RoundTrip sends req with a proof.
func (t Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	proof, err := t.Prover.Proof(req.Method, req.URL.String(), "")
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Header.Set(Field, proof)
	if t.Base == nil {
		return http.DefaultTransport.RoundTrip(req)
	}
	return t.Base.RoundTrip(req)
}
