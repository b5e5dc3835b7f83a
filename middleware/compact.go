package auth

import (
	"encoding/base64"
	"errors"
	"strings"
)

// errCompact is any fault of the compact serialization. It says no more, since the text of a token is a secret.
var errCompact = errors.New("not a compact JWS")

// errMalformedToken refuses what is no compact JWS at all. It is made once, so that garbage costs no memory.
var errMalformedToken = &Error{Reason: ReasonTokenMalformed, Err: errCompact}

// A compact is a token in its compact serialization (RFC 7515 §7.1), split but not decoded. The parts share the token's memory.
type compact struct {
	header, payload, signature string
	input                      string // the signing input: header "." payload
}

// splitCompact splits raw at its two dots. It looks at nothing but dots and line breaks, so it costs as much for any input.
func splitCompact(raw string) (compact, error) {
	first := strings.IndexByte(raw, '.')
	if first <= 0 { // check: compact-header
		return compact{}, errCompact
	}
	second := strings.IndexByte(raw[first+1:], '.') + first + 1
	if second <= first+1 { // check: compact-payload
		return compact{}, errCompact
	}
	c := compact{header: raw[:first], payload: raw[first+1 : second], signature: raw[second+1:], input: raw[:second]}
	if c.signature == "" || strings.IndexByte(c.signature, '.') >= 0 { // check: compact-parts
		return compact{}, errCompact
	}
	// encoding/base64 passes over line breaks; RFC 7515 §2 does not.
	if strings.IndexByte(raw, '\n') >= 0 || strings.IndexByte(raw, '\r') >= 0 { // check: compact-line-breaks
		return compact{}, errCompact
	}
	return c, nil
}

// base64url is the one encoding of a JWS: no padding, and no bits beyond the last byte (RFC 4648 §3.5), so that a token has one spelling.
var base64url = base64.RawURLEncoding.Strict()

// decodeBase64 appends what part encodes to dst.
func decodeBase64(dst []byte, part string) ([]byte, error) {
	out, err := base64url.AppendDecode(dst, []byte(part))
	// check: base64-canonical
	if err != nil { // check: base64
		return dst, errCompact
	}
	return out, nil
}
