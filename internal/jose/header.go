package jose

import (
	"bytes"
	"errors"
	"strings"
)

// A Header is what this package reads of a JOSE header (RFC 7515 §4.1). "jku", "jwk", "x5u" and "x5c" are never used: no key
// ever comes from a token (RFC 8725 §3.10).
type Header struct {
	Algorithm     Algorithm // 0 when the name is not one this package knows
	AlgorithmName string
	KeyID         string
	HasKeyID      bool
	Type          string
	HasType       bool
	// Extension names the first member that asks for processing this package does not do.
	Extension string
}

// headerNames are the registered members (RFC 7515 §4.1, RFC 7516 §4.1, RFC 7797 §3) that a variant in another case could be mistaken for.
var headerNames = [...]string{
	"alg", "b64", "crit", "cty", "enc", "jku", "jwk", "kid", "typ", "x5c", "x5t", "x5t#S256", "x5u", "zip",
}

var errHeader = errors.New("not an acceptable JOSE header")

// Header reads a decoded header.
func (r *Reader) Header(doc []byte) (Header, error) {
	var h Header
	text := string(doc)
	hasAlg := false
	err := r.Object(doc, func(name []byte, v Value) error {
		var err error
		switch string(name) {
		case "alg":
			h.AlgorithmName, err = Text(text, v)
			h.Algorithm = AlgorithmNamed(h.AlgorithmName)
			hasAlg = true
		case "kid":
			h.KeyID, err = Text(text, v)
			h.HasKeyID = true
			if err == nil && len(h.KeyID) > MaxKeyID { // check: kid-length
				return errHeader
			}
		case "typ":
			h.Type, err = Text(text, v)
			h.HasType = true
		case "crit", "b64", "zip":
			h.Extension = string(name)
		default:
			if isVariant(name) { // check: header-case-variants
				return errHeader
			}
		}
		// check: header-types
		return err
	})
	if err != nil {
		return Header{}, err
	}
	if !hasAlg { // check: alg-required
		return Header{}, errHeader
	}
	return h, nil
}

// isVariant reports whether name differs from a registered member in case alone. Another reader might take it for that member.
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

// MediaType returns typ in the form in which types are compared: lower case, and without the "application/" that may be left out
// (RFC 7515 §4.1.9).
func MediaType(typ string) string {
	typ = strings.ToLower(typ)
	if short, ok := strings.CutPrefix(typ, "application/"); ok && short != "" && !strings.Contains(short, "/") {
		return short
	}
	return typ
}
