package jose

import (
	"encoding/base64"
	"strings"
)

// A Fault is what is wrong with a token, as a constant text: it holds nothing of the token, which
// is a secret.
type Fault string

func (f Fault) Error() string { return string(f) }

// The faults of the compact serialization.
const (
	ErrCompact   Fault = "not a compact JWS"
	ErrOpaque    Fault = "opaque: it has no dots, so it is no JWT"
	ErrEncrypted Fault = "encrypted (5 parts)"
	ErrJSONForm  Fault = "a JSON serialization of JWS, not the compact one"
	ErrBase64    Fault = "not base64url without padding, in its one spelling"
)

// compactFault tells what raw is, when it is no compact JWS.
func compactFault(raw string) error {
	switch dots := strings.Count(raw, "."); {
	case strings.HasPrefix(raw, "{"):
		return ErrJSONForm
	case dots == 0:
		return ErrOpaque
	case dots == 4:
		return ErrEncrypted
	}
	return ErrCompact
}

// A Compact is a token in its compact serialization (RFC 7515 §7.1), split but not decoded. The
// parts share the token's memory.
type Compact struct {
	Header, Payload, Signature string
	Input                      string // the signing input: header "." payload
}

// Split splits raw at its two dots. It looks at nothing but dots and line breaks, so it costs as
// much for any input.
func Split(raw string) (Compact, error) {
	first := strings.IndexByte(raw, '.')
	if first <= 0 { // check: compact-header
		return Compact{}, compactFault(raw)
	}
	second := strings.IndexByte(raw[first+1:], '.') + first + 1
	if second <= first+1 { // check: compact-payload
		return Compact{}, compactFault(raw)
	}
	c := Compact{Header: raw[:first], Payload: raw[first+1 : second], Signature: raw[second+1:], Input: raw[:second]}
	if c.Signature == "" || strings.IndexByte(c.Signature, '.') >= 0 { // check: compact-parts
		return Compact{}, compactFault(raw)
	}
	// encoding/base64 passes over line breaks; RFC 7515 §2 does not.
	if strings.IndexByte(raw, '\n') >= 0 || strings.IndexByte(raw, '\r') >= 0 { // check: compact-line-breaks
		return Compact{}, compactFault(raw)
	}
	return c, nil
}

// base64url is the one encoding of a JWS: no padding, and no bits beyond the last byte (RFC 4648
// §3.5), so that a token has one spelling.
var base64url = base64.RawURLEncoding.Strict()

// DecodeBase64 appends what part encodes to dst.
func DecodeBase64(dst []byte, part string) ([]byte, error) {
	out, err := base64url.AppendDecode(dst, []byte(part))
	// check: base64-canonical
	if err != nil { // check: base64
		return dst, ErrBase64
	}
	return out, nil
}
