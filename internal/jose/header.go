package jose

import (
	"bytes"
	"strings"
)

// A Header is what this package reads of a JOSE header (RFC 7515 §4.1). "jku", "x5u" and "x5c" are
// never used, and "jwk" only of a proof: no key ever comes from a token (RFC 8725 §3.10).
type Header struct {
	Algorithm     Algorithm // 0 when the name is not one this package knows
	AlgorithmName string
	KeyID         string
	HasKeyID      bool
	Type          string
	HasType       bool
	// Extension names the first member that asks for processing this package does not do.
	Extension string
	// HasNonce tells a token that Microsoft made for an API of its own: what is signed is not what
	// is sent.
	HasNonce bool
	// JWK is where "jwk" stands, for [Reader.ProofKey].
	JWK Value

	hasAlgorithm bool
}

// headerNames are the registered members (RFC 7515 §4.1, RFC 7516 §4.1, RFC 7797 §3) that a variant
// in another case could be mistaken for.
var headerNames = [...]string{
	"alg", "b64", "crit", "cty", "enc", "jku", "jwk", "kid", "typ", "x5c", "x5t", "x5t#S256", "x5u", "zip",
}

// The faults of a header.
const (
	ErrHeaderTooLarge Fault = "over 4 KiB, over 32 members, or nested over 4 deep"
	errAlgorithm      Fault = `"alg" is missing, or not a string`
	errKeyID          Fault = `"kid" is not a string of at most 256 bytes`
	errType           Fault = `"typ" is not a string`
	errVariant        Fault = "a registered member in another case"
)

// Bounds of a header. What needs more brings a key or a certificate along, which nobody here uses.
const (
	maxHeaderBytes = 4 << 10
	maxHeader64    = (maxHeaderBytes*8 + 5) / 6 // bytes in base64url
)

// uncompressed is the "zip" of what is not compressed, as PingAM and ForgeRock AM write it. A JWS
// knows no "zip" (RFC 7516 §4.1.3 is of JWE), and theirs changes nothing.
const uncompressed = `"NONE"`

// limitsOfHeader count members and elements, so that a header costs less to read than a signature
// to check.
var limitsOfHeader = limits{depth: 4, members: 32}

// DecodeHeader appends what a compact JWS's header encodes to dst.
func DecodeHeader(dst []byte, part string) ([]byte, error) {
	if len(part) > maxHeader64 { // check: header-size
		return dst, ErrHeaderTooLarge
	}
	return DecodeBase64(dst, part)
}

// Header reads a decoded header.
func (r *Reader) Header(doc []byte) (Header, error) {
	if limitsOfHeader.check(doc) != nil { // check: header-members
		return Header{}, ErrHeaderTooLarge
	}
	var h Header
	text := string(doc)
	err := r.walk(doc, func(name []byte, v Value) error {
		switch string(name) {
		case "alg":
			h.AlgorithmName, h.hasAlgorithm = textOf(text, v)
			h.Algorithm = AlgorithmNamed(h.AlgorithmName)
		case "kid":
			h.KeyID, h.HasKeyID = textOf(text, v)
			if !h.HasKeyID || len(h.KeyID) > MaxKeyID { // check: kid-length
				return errKeyID
			}
		case "typ":
			if h.Type, h.HasType = textOf(text, v); !h.HasType { // check: typ-string
				return errType
			}
		case "crit", "b64", "zip":
			if string(name) == "zip" && text[v.Start:v.End] == uncompressed {
				return nil
			}
			h.Extension = string(name)
		case "nonce":
			h.HasNonce = true
		case "jwk":
			h.JWK = v
		default:
			if isVariant(name) { // check: header-case-variants
				return errVariant
			}
		}
		return nil
	})
	if err != nil {
		return Header{}, err
	}
	if !h.hasAlgorithm { // check: alg-required
		return Header{}, errAlgorithm
	}
	return h, nil
}

func textOf(doc string, v Value) (string, bool) {
	s, err := Text(doc, v)
	return s, err == nil
}

// isVariant reports whether name differs from a registered member in case alone. Another reader
// might take it for that member.
func isVariant(name []byte) bool {
	for _, known := range headerNames {
		if string(name) == known {
			return false
		}
	}
	for _, known := range headerNames {
		if bytes.EqualFold(name, []byte(known)) {
			return true
		}
	}
	return false
}

// MediaType returns typ in the form in which types are compared: lower case, and without the
// "application/" that may be left out (RFC 7515 §4.1.9).
func MediaType(typ string) string {
	typ = strings.ToLower(typ)
	if short, ok := strings.CutPrefix(typ, "application/"); ok && short != "" && !strings.Contains(short, "/") {
		return short
	}
	return typ
}
