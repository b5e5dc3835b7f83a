package introspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/jwks"
)

// signedAnswers opens signed answers (RFC 9701 §5).
type signedAnswers struct {
	keys       jwks.Source
	issuer     string
	audiences  []string
	algorithms []jose.Algorithm
	rsaDefault jose.Algorithm
	signatures *jose.Signatures
}

func newSignedAnswers(c Config, clientID string) (*signedAnswers, error) {
	s := &signedAnswers{keys: c.Signed, issuer: c.Claims.Issuer, audiences: append([]string{clientID}, c.Claims.Audiences...)}
	for _, a := range c.Claims.Algorithms {
		s.algorithms = append(s.algorithms, jose.Algorithm(a))
	}
	if len(s.algorithms) == 0 {
		for a := range jose.Algorithms {
			if a := jose.Algorithm(a); a.Known() {
				s.algorithms = append(s.algorithms, a)
			}
		}
	}
	if at := slices.IndexFunc(s.algorithms, jose.Algorithm.IsRSA); at >= 0 {
		s.rsaDefault = s.algorithms[at]
	}
	var err error
	s.signatures, err = jose.NewSignatures(s.algorithms...)
	return s, err
}

// Faults of a signed answer. They say nothing about the token.
var (
	errSignedForm      = errors.New("introspect: the signed answer is not a compact JWS")
	errSignedType      = errors.New(`introspect: the signed answer's "typ" is not token-introspection+jwt`)
	errSignedAlgorithm = errors.New(`introspect: the signed answer's "alg" is not accepted, or it has an extension`)
	errSignedSignature = errors.New("introspect: the signed answer's signature is not the issuer's")
	errSignedClaims    = errors.New("introspect: the signed answer's claims are not those of RFC 9701 §5")
	errSignedIssuer    = errors.New(`introspect: the signed answer's "iss" is another issuer`)
	errSignedAudience  = errors.New(`introspect: the signed answer's "aud" is neither this API's client ID nor one of its audiences`)
)

// open verifies a signed answer and returns its token_introspection. Its own sub, exp and the like
// say nothing about the token (RFC 9701 §5).
func (s *signedAnswers) open(ctx context.Context, body []byte) ([]byte, error) {
	parts, err := jose.Split(strings.TrimSpace(string(body)))
	if err != nil {
		return nil, errSignedForm
	}
	var reader jose.Reader
	doc, err := jose.DecodeHeader(nil, parts.Header)
	if err != nil {
		return nil, errSignedForm
	}
	head, err := reader.Header(doc)
	if err != nil {
		return nil, errSignedForm
	}
	if jose.MediaType(head.Type) != "token-introspection+jwt" { // check: signed-type
		return nil, errSignedType
	}
	if !slices.Contains(s.algorithms, head.Algorithm) || head.Extension != "" { // check: signed-algorithm
		return nil, errSignedAlgorithm
	}
	if err := s.verify(ctx, head, parts); err != nil { // check: signed-signature
		return nil, err
	}
	payload, err := jose.DecodeBase64(nil, parts.Payload)
	if err != nil {
		return nil, errSignedForm
	}
	return s.claims(payload)
}

func (s *signedAnswers) verify(ctx context.Context, head jose.Header, parts jose.Compact) error {
	signature, err := jose.DecodeBase64(nil, parts.Signature)
	if err != nil {
		return errSignedForm
	}
	keys, err := s.keys.Keys(ctx, head.KeyID)
	if err != nil {
		return fmt.Errorf("introspect: the keys of signed answers: %w", err)
	}
	tried := 0
	for _, k := range keys {
		if s.algorithmOf(k) != head.Algorithm || head.HasKeyID && k.ID != head.KeyID { // check: signed-key
			continue
		}
		if tried++; tried > jose.MaxCandidates {
			break
		}
		if s.signatures.Verify(head.Algorithm, k.Public, []byte(parts.Input), signature) {
			return nil
		}
	}
	if cache, ok := s.keys.(*jwks.Cache); ok {
		cache.SignatureFailed()
	}
	return errSignedSignature
}

// algorithmOf returns the one algorithm that k verifies.
func (s *signedAnswers) algorithmOf(k *jwks.Key) jose.Algorithm {
	if k.Algorithm == "" {
		return s.rsaDefault
	}
	return jose.AlgorithmNamed(k.Algorithm)
}

func (s *signedAnswers) claims(payload []byte) ([]byte, error) {
	var claims struct {
		Issuer        string         `json:"iss"`
		Audience      jsontext.Value `json:"aud"`
		IssuedAt      *float64       `json:"iat"`
		Introspection jsontext.Value `json:"token_introspection"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.IssuedAt == nil || claims.Introspection.Kind() != '{' { // check: signed-claims
		return nil, errSignedClaims
	}
	if claims.Issuer != s.issuer { // check: signed-issuer
		return nil, errSignedIssuer
	}
	var audiences []string
	var one string
	if json.Unmarshal(claims.Audience, &one) == nil {
		audiences = []string{one}
	} else if json.Unmarshal(claims.Audience, &audiences) != nil {
		return nil, errSignedClaims
	}
	if !slices.ContainsFunc(audiences, func(a string) bool { return a != "" && slices.Contains(s.audiences, a) }) { // check: signed-audience
		return nil, errSignedAudience
	}
	return claims.Introspection, nil
}
