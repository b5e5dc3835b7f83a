package auth

import (
	"slices"

	"github.com/bearward/bearward/internal/jose"
)

// accessTokenType is the type of RFC 9068 §2.1, as jose.MediaType returns it.
const accessTokenType = "at+jwt"

// otherTokenTypes are the types of other tokens that the same issuer may sign with the same key
// (RFC 8725 §3.11). None can be configured.
var otherTokenTypes = map[string]string{
	"dpop+jwt":                  "a DPoP proof (RFC 9449)",
	"logout+jwt":                "a logout token (OpenID Connect Back-Channel Logout)",
	"secevent+jwt":              "a security event token (RFC 8417)",
	"statuslist+jwt":            "a status list (Token Status List)",
	"token-introspection+jwt":   "an introspection response (RFC 9701)",
	"oauth-authz-req+jwt":       "a request object (RFC 9101)",
	"client-authentication+jwt": "a client assertion (RFC 7523)",
}

// wellKnownAlgorithm returns name when it is a registered algorithm, for operators; an attacker's
// own text stays out of the hooks.
func wellKnownAlgorithm(name string) string {
	known := []string{"none", "HS256", "HS384", "HS512", "ES256K", "Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}
	if jose.AlgorithmNamed(name) != 0 || slices.Contains(known, name) {
		return name
	}
	return "another"
}

// wellKnownType returns the type of h when it is a registered one, for operators.
func wellKnownType(h jose.Header) string {
	typ := jose.MediaType(h.Type)
	_, other := otherTokenTypes[typ]
	switch {
	case !h.HasType:
		return "absent"
	case other || typ == accessTokenType || typ == "jwt":
		return typ
	}
	return "another"
}
