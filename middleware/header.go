package auth

import (
	"bytes"
	"errors"
	"strings"
)

// maxKeyID bounds a "kid", in bytes.
const maxKeyID = 256

// A header is what this package reads of a JOSE header (RFC 7515 §4.1). "jku", "jwk", "x5u" and "x5c" are never used: no key
// ever comes from a token (RFC 8725 §3.10).
type header struct {
	alg    Algorithm // 0 when the name is not one this package knows
	kid    string
	hasKid bool
	typ    string
	hasTyp bool
	// extension names the first member that asks for processing this package does not do.
	extension string
	algName   string
}

// headerNames are the registered members (RFC 7515 §4.1, RFC 7516 §4.1, RFC 7797 §3) that a variant in another case could be mistaken for.
var headerNames = [...]string{
	"alg", "b64", "crit", "cty", "enc", "jku", "jwk", "kid", "typ", "x5c", "x5t", "x5t#S256", "x5u", "zip",
}

var errHeader = errors.New("not an acceptable JOSE header")

// readHeader reads a decoded header.
func (r *strictReader) readHeader(doc []byte) (header, error) {
	var h header
	text := string(doc)
	hasAlg := false
	err := r.object(doc, func(name []byte, v jsonValue) error {
		var err error
		switch string(name) {
		case "alg":
			h.algName, err = textOf(text, v)
			h.alg = algorithmNamed(h.algName)
			hasAlg = true
		case "kid":
			h.kid, err = textOf(text, v)
			h.hasKid = true
			if err == nil && len(h.kid) > maxKeyID { // check: kid-length
				return errHeader
			}
		case "typ":
			h.typ, err = textOf(text, v)
			h.hasTyp = true
		case "crit", "b64", "zip":
			h.extension = string(name)
		default:
			if isVariant(name) { // check: header-case-variants
				return errHeader
			}
		}
		// check: header-types
		return err
	})
	if err != nil {
		return header{}, err
	}
	if !hasAlg { // check: alg-required
		return header{}, errHeader
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

// mediaType returns typ in the form in which types are compared: lower case, and without the "application/" that may be left out
// (RFC 7515 §4.1.9).
func mediaType(typ string) string {
	typ = strings.ToLower(typ)
	if short, ok := strings.CutPrefix(typ, "application/"); ok && short != "" && !strings.Contains(short, "/") {
		return short
	}
	return typ
}

// accessTokenType is the type of RFC 9068 §2.1, as mediaType returns it.
const accessTokenType = "at+jwt"

// foreignTypes are the types of other tokens that the same issuer may sign with the same key (RFC 8725 §3.11). None can be configured.
var foreignTypes = map[string]string{
	"dpop+jwt":                  "a DPoP proof (RFC 9449)",
	"logout+jwt":                "a logout token (OpenID Connect Back-Channel Logout)",
	"secevent+jwt":              "a security event token (RFC 8417)",
	"statuslist+jwt":            "a status list (Token Status List)",
	"token-introspection+jwt":   "an introspection response (RFC 9701)",
	"oauth-authz-req+jwt":       "a request object (RFC 9101)",
	"client-authentication+jwt": "a client assertion (RFC 7523)",
}
