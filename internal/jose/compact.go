package jose

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
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
	ErrUnsigned  Fault = "its signature is empty"
	ErrNoToken   Fault = "a character that no token has, such as a quote (RFC 6750 §2.1)"
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
	case dots == 2 && len(raw) > 2 && strings.HasSuffix(raw, "."):
		return ErrUnsigned
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

// sextets has what a character stands for as the first, second, third and fourth of four, in its
// place among their 24 bits; noSextet for one that stands for nothing.
var sextets = func() (t [4][256]uint32) {
	for c := range 256 {
		for i := range t {
			t[i][c] = noSextet
			if b, err := base64url.DecodeString("AAA" + string(rune(c))); c < 128 && err == nil && len(b) == 3 {
				t[i][c] = uint32(b[2]) << (18 - 6*i)
			}
		}
	}
	return t
}()

const noSextet = 1 << 31

// DecodeBase64 appends what part, which has no line breaks, encodes to dst. It decodes eight
// characters at a time, in half the time of encoding/base64, which decodes the rest and knows its
// one spelling.
func DecodeBase64(dst []byte, part string) ([]byte, error) {
	n := len(dst)
	out := slices.Grow(dst, base64url.DecodedLen(len(part))+2)[:n] // eight bytes are written for six
	var all uint32
	for len(part) >= 8 {
		a := sextets[0][part[0]] | sextets[1][part[1]] | sextets[2][part[2]] | sextets[3][part[3]]
		b := sextets[0][part[4]] | sextets[1][part[5]] | sextets[2][part[6]] | sextets[3][part[7]]
		all |= a | b
		binary.BigEndian.PutUint64(out[n:n+8], uint64(a)<<40|uint64(b)<<16)
		n += 6
		part = part[8:]
	}
	if all&noSextet != 0 { // check: base64-alphabet
		return dst, ErrBase64
	}
	out, err := base64url.AppendDecode(out[:n], []byte(part))
	// check: base64-canonical
	if err != nil { // check: base64
		return dst, ErrBase64
	}
	return out, nil
}
