package dpop

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/jose"
	auth "github.com/bearward/bearward/middleware"
)

const (
	maxProofBytes = 8 << 10
	maxJTIBytes   = 256
	proofType     = "dpop+jwt"
)

// A verified is a proof that is good, but may have been used before.
type verified struct {
	thumbprint   [sha256.Size]byte
	jti, target  string
	until        time.Time // when the proof is no longer good
	nonceCurrent bool
}

// id is what a store remembers the proof by.
func (v *verified) id(scratch []byte) string {
	in := append(append(append(append(scratch[:0], v.thumbprint[:]...), v.jti...), 0), v.target...)
	sum := sha256.Sum256(in)
	return string(sum[:])
}

// A parser holds the memory for one proof at a time.
type parser struct {
	reader jose.Reader
	doc    []byte
	input  []byte
	claims claims
	text   string // the document that claims are read from
	member func(name []byte, v jose.Value) error
}

// claims are those of a proof (RFC 9449 §4.2).
type claims struct {
	jti, htm, htu, ath, nonce string
	iat, exp, nbf             jose.NumericDate
	fault                     error // of the first claim that is of the wrong type
}

func newParser() *parser {
	p := new(parser)
	p.member = p.claim
	return p
}

// A provenKey is what the header of a proof says, once its signature was good. A client's proofs
// all have the same header, so it is read once. What is remembered is the text's meaning alone,
// which does not change: a wrong or a forged proof is refused as for an unknown header.
type provenKey struct {
	alg jose.Algorithm
	key jose.ProofKey
}

const (
	provenKeys = 4096      // how many headers are remembered
	provenFor  = time.Hour // how long one has its place to itself
)

// verify is the order of checks up to the signature.
func (b *Binding) verify(p *parser, token string, c *auth.Credentials, member []byte, now time.Time) (verified, error) {
	var v verified
	raw, err := proofOf(c)
	if err != nil {
		return v, err
	}
	compact, err := jose.Split(raw)
	if err != nil {
		return v, errCompact
	}
	tag := b.proven.Tag(compact.Header)
	var by provenKey
	known := b.proven.Find(tag)
	if known != nil {
		by = known.Value
	} else if by.alg, by.key, err = b.readHeader(p, compact.Header); err != nil {
		return v, err
	}
	v.thumbprint = by.key.Thumbprint
	if err := checkThumbprint(by.key.Thumbprint, member); err != nil {
		return v, err
	}
	if err := p.readClaims(compact.Payload); err != nil {
		return v, err
	}
	if v.target, err = b.checkRequest(&p.claims, c); err != nil {
		return v, err
	}
	v.jti = p.claims.jti
	if err := b.checkFreshness(&p.claims, &v, now); err != nil {
		return v, err
	}
	if err := p.checkToken(token); err != nil {
		return v, err
	}
	signature, err := jose.DecodeBase64(p.doc[:0], compact.Signature)
	if err != nil {
		return v, errSignatureSyntax
	}
	p.doc, p.input = signature, append(p.input[:0], compact.Input...)
	if !b.signatures.Verify(by.alg, by.key.Public, p.input, signature) { // check: signature
		return v, errSignature
	}
	if known == nil {
		b.proven.Add(tag, by, now.Add(provenFor), now)
	}
	return v, nil
}

// proofOf returns the one proof of the request.
func proofOf(c *auth.Credentials) (string, error) {
	fields := c.Header[proofField]
	switch {
	case len(fields) == 0:
		return "", errNoProof
	case len(fields[0]) > maxProofBytes: // check: size
		return "", errTooLong
	case len(fields) > 1: // check: one-field
		return "", errTwoProofs
	}
	return fields[0], nil
}

// readHeader reads the header, and the key in it.
func (b *Binding) readHeader(p *parser, part string) (jose.Algorithm, jose.ProofKey, error) {
	var err error
	if p.doc, err = jose.DecodeBase64(p.doc[:0], part); err != nil {
		return 0, jose.ProofKey{}, errHeader
	}
	h, err := p.reader.Header(p.doc)
	switch {
	case err != nil:
		return 0, jose.ProofKey{}, errHeader
	case !h.HasType || jose.MediaType(h.Type) != proofType: // check: type
		return 0, jose.ProofKey{}, errType
	case !b.allowed[h.Algorithm]: // check: algorithm
		return 0, jose.ProofKey{}, b.errAlgorithm
	case h.Extension != "": // check: critical
		return 0, jose.ProofKey{}, errExtensions[h.Extension]
	}
	key, err := p.reader.ProofKey(p.doc, h.JWK)
	if err != nil {
		return 0, jose.ProofKey{}, keyFault(h.JWK, err)
	}
	if !h.Algorithm.Fits(key.Public) { // check: key
		return 0, jose.ProofKey{}, errKeyOfAnother
	}
	return h.Algorithm, key, nil
}

// checkThumbprint compares the proof's key with the one that the token is bound to.
func checkThumbprint(thumbprint [sha256.Size]byte, member []byte) error {
	var text [43]byte
	base64.RawURLEncoding.Encode(text[:], thumbprint[:])
	jkt, ok := bytes.CutPrefix(member, []byte{'"'})
	jkt, ok2 := bytes.CutSuffix(jkt, []byte{'"'})
	if !ok || !ok2 || len(jkt) != len(text) {
		return &auth.Error{Reason: auth.ReasonBindingNotProved, Err: errConfirmed}
	}
	if subtle.ConstantTimeCompare(jkt, text[:]) != 1 { // check: thumbprint
		return &auth.Error{Reason: auth.ReasonBindingNotProved, Err: errThumbprint}
	}
	return nil
}

// readClaims reads the claims.
func (p *parser) readClaims(part string) error {
	var err error
	if p.doc, err = jose.DecodeBase64(p.doc[:0], part); err != nil {
		return errClaims
	}
	p.text, p.claims = string(p.doc), claims{}
	if err := p.reader.Object(p.doc, p.member); err != nil {
		return errClaims
	}
	return p.claims.fault
}

// claim takes one member.
func (p *parser) claim(name []byte, v jose.Value) error {
	c := &p.claims
	text := func(to *string, wrong error) {
		s, err := jose.Text(p.text, v)
		if err != nil && c.fault == nil {
			c.fault = wrong
		}
		*to = s
	}
	date := func(to *jose.NumericDate, wrong error) {
		d, err := jose.NumericDateOf(p.text, v)
		if err != nil && c.fault == nil {
			c.fault = wrong
		}
		*to = d
	}
	switch string(name) {
	case "jti":
		text(&c.jti, errJTI)
	case "htm":
		text(&c.htm, errMethod)
	case "htu":
		text(&c.htu, errTarget)
	case "ath":
		text(&c.ath, errToken)
	case "nonce":
		text(&c.nonce, errNonceType)
	case "iat":
		date(&c.iat, errIssuedAt)
	case "exp":
		date(&c.exp, errEnded)
	case "nbf":
		date(&c.nbf, errNotYet)
	}
	return nil
}

// checkRequest compares the claims with the request, and returns the normalized URI.
func (b *Binding) checkRequest(p *claims, c *auth.Credentials) (target string, err error) {
	if p.jti == "" || len(p.jti) > maxJTIBytes { // check: jti
		return "", errJTI
	}
	if p.htm != c.Method || p.htm == "" { // check: htm
		return "", given(p.htm, errNoMethod, errMethod)
	}
	if target, err = b.targetOf(p.htu, c.Target); err != nil {
		return "", err
	}
	if !p.iat.Given { // check: iat-given
		return "", errNoIssuedAt
	}
	return target, nil
}

// targetOf returns the request's URI when htu means it.
func (b *Binding) targetOf(htu, requested string) (string, error) {
	path, pathErr := pathOf(requested)
	if pathErr == nil && b.isTarget(htu, path) { // as most clients write it: in the normalized form
		return htu, nil
	}
	claimed, err := normalize(htu)
	if err != nil {
		return "", given(htu, errNoTarget, errTarget)
	}
	if pathErr != nil {
		return "", errRequested
	}
	fault := b.errOrigin
	for _, o := range b.origins {
		rest, ok := strings.CutPrefix(claimed, string(o))
		if !ok {
			continue
		}
		if rest != path { // check: htu
			if strings.HasPrefix(rest, "/") {
				fault = errOtherPath
			}
			continue
		}
		return claimed, nil
	}
	return "", fault
}

// isTarget reports whether uri is an origin with the normalized path behind it.
func (b *Binding) isTarget(uri, path string) bool {
	return slices.ContainsFunc(b.origins, func(o origin) bool {
		return len(uri) == len(o)+len(path) && uri[:len(o)] == string(o) && uri[len(o):] == path
	})
}

// checkFreshness looks at the nonce, or without nonces at the times, and says until when the proof
// is good.
func (b *Binding) checkFreshness(p *claims, v *verified, now time.Time) error {
	if b.nonces != nil {
		if p.nonce == "" {
			return errNoNonceGiven
		}
		var err error
		if v.until, v.nonceCurrent, err = b.nonces.check(p.nonce, now); err != nil { // check: nonce
			return errOtherNonce
		}
		return nil
	}
	iat := p.iat.Time()
	v.until = iat.Add(b.maxAge + b.leeway)
	switch {
	case !now.Before(v.until): // check: iat-old
		return &auth.Error{Reason: auth.ReasonProofExpired, Err: errOld}
	case iat.After(now.Add(b.leeway)): // check: iat-ahead
		return &auth.Error{Reason: auth.ReasonProofExpired, Err: errAhead}
	case p.exp.Given && !now.Before(p.exp.Time().Add(b.leeway)): // check: exp
		return errEnded
	case p.nbf.Given && p.nbf.Time().After(now.Add(b.leeway)): // check: nbf
		return errNotYet
	}
	return nil
}

// checkToken compares the claim "ath" with the token.
func (p *parser) checkToken(token string) error {
	p.input = append(p.input[:0], token...)
	sum := sha256.Sum256(p.input)
	var ath [43]byte
	base64.RawURLEncoding.Encode(ath[:], sum[:])
	if subtle.ConstantTimeCompare([]byte(p.claims.ath), ath[:]) != 1 { // check: ath
		return given(p.claims.ath, errNoToken, errToken)
	}
	return nil
}

// isNil reports whether v is nil, or holds a nil pointer.
func isNil(v any) bool {
	p := reflect.ValueOf(v)
	return v == nil || p.Kind() == reflect.Pointer && p.IsNil()
}
