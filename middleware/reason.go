package middleware

import (
	"fmt"
	"net/http"
)

// A Reason says why a request was not let through. The set is closed, and its names are safe as metric labels: nothing that a
// caller sends can add one. The zero Reason means that nothing was refused.
type Reason uint8

// The reasons, in the order in which the checks are made. Where the key need not be fetched, it and the signature come before all claims: what
// is forged is refused for that, whatever it says.
const (
	_                       Reason = iota
	ReasonNoCredentials            // no Authorization value, or one of another scheme
	ReasonMalformedRequest         // two Authorization values, or broken header syntax
	ReasonTokenTooLarge            // longer than Config.MaxTokenBytes
	ReasonMalformedToken           // not a well-formed compact JWS with a JSON object for header and claims
	ReasonAlgorithm                // "alg" is not one of Config.Algorithms
	ReasonExtension                // "crit", "b64" or "zip": extensions that this package does not implement
	ReasonType                     // "typ" is not one of Config.Types
	ReasonIssuer                   // "iss" is missing or another issuer's
	ReasonAudience                 // "aud" does not name this API
	ReasonExpired                  // "exp" has passed
	ReasonUnknownKey               // the issuer publishes no key that fits
	ReasonSignature                // the signature is not that key's
	ReasonNotYetValid              // "nbf" has not come
	ReasonIssuedInFuture           // "iat" has not come
	ReasonTooOld                   // older, or longer-lived, than Config.MaxAge or Config.MaxLifetime allow
	ReasonClaim                    // a claim is missing, has the wrong type, or not the value that Config fixes
	ReasonIDToken                  // the token bears the marks of an ID token
	ReasonCheck                    // one of Config.Checks said no
	ReasonBinding                  // "cnf" binds the token to a key whose possession was not proved
	ReasonInsufficientScope        // the operation needs scopes that the token lacks
	ReasonForbidden                // a check given to Requirement.With said no
	ReasonNoRule                   // no rule names the operation
	ReasonUnavailable              // not judged: keys, or another needed thing, could not be had
	ReasonInternal                 // not judged: the guard is wired wrongly
	reasons                 int    = iota
)

// What callers are told. Signature, key and structure faults share one text, so that nobody can use the API to tell them apart;
// "expired" and "not meant for this API" tell an attacker nothing that he did not put in himself (RFC 6750 §3.1).
const (
	textInvalid     = "The access token is not valid"
	textUnavailable = "The request could not be judged now; try again later"
)

// A verdict is how one Reason looks from outside.
type verdict struct {
	name   string // Reason.String
	code   string // Reason.Code
	status int    // HTTP
	error  string // RFC 6750 §3.1, empty when the challenge carries none
	text   string // error_description, and detail of the problem document
}

// verdictOf is the one place where a Reason becomes a status, a challenge and a text.
func verdictOf(r Reason) verdict {
	token := func(name, text string) verdict {
		return verdict{name, "INVALID_TOKEN", http.StatusUnauthorized, "invalid_token", text}
	}
	switch r {
	case ReasonNoCredentials:
		return verdict{"CREDENTIALS_MISSING", "CREDENTIALS_MISSING", http.StatusUnauthorized, "", "An access token is required"}
	case ReasonMalformedRequest:
		return verdict{"INVALID_REQUEST", "INVALID_REQUEST", http.StatusBadRequest, "invalid_request", "The request needs exactly one well-formed Authorization header"}
	case ReasonTokenTooLarge:
		return token("TOKEN_TOO_LARGE", textInvalid)
	case ReasonMalformedToken:
		return token("TOKEN_MALFORMED", textInvalid)
	case ReasonAlgorithm:
		return token("ALGORITHM_NOT_ALLOWED", textInvalid)
	case ReasonExtension:
		return token("EXTENSION_NOT_SUPPORTED", textInvalid)
	case ReasonType:
		return token("TOKEN_TYPE_NOT_ACCEPTED", "The token is not an access token of an accepted type")
	case ReasonIssuer:
		return token("ISSUER_NOT_TRUSTED", "The access token is of another issuer")
	case ReasonAudience:
		return token("AUDIENCE_MISMATCH", "The access token is not meant for this API")
	case ReasonExpired:
		return token("TOKEN_EXPIRED", "The access token expired")
	case ReasonUnknownKey:
		return token("KEY_UNKNOWN", textInvalid)
	case ReasonSignature:
		return token("SIGNATURE_INVALID", textInvalid)
	case ReasonNotYetValid:
		return token("TOKEN_NOT_YET_VALID", "The access token is not valid yet")
	case ReasonIssuedInFuture:
		return token("TOKEN_ISSUED_IN_FUTURE", "The access token is not valid yet")
	case ReasonTooOld:
		return token("TOKEN_TOO_OLD", "The access token is older than this API accepts")
	case ReasonClaim:
		return token("CLAIM_INVALID", "The access token lacks a claim that this API needs")
	case ReasonIDToken:
		return token("ID_TOKEN", "The token is not an access token of an accepted type")
	case ReasonCheck:
		return token("CLAIMS_REFUSED", "The access token is not accepted by this API")
	case ReasonBinding:
		return token("BINDING_NOT_PROVED", "The access token is bound to a key whose possession was not proved")
	case ReasonInsufficientScope:
		return verdict{"INSUFFICIENT_SCOPE", "INSUFFICIENT_SCOPE", http.StatusForbidden, "insufficient_scope", "The access token lacks a scope that this operation needs"}
	case ReasonForbidden:
		return verdict{"FORBIDDEN", "FORBIDDEN", http.StatusForbidden, "", "This operation is not allowed"}
	case ReasonNoRule:
		return verdict{"NO_RULE", "NO_RULE", http.StatusForbidden, "", "This operation is not allowed"}
	case ReasonUnavailable:
		return verdict{"UNAVAILABLE", "UNAVAILABLE", http.StatusServiceUnavailable, "", textUnavailable}
	case ReasonInternal:
		return verdict{"INTERNAL", "INTERNAL", http.StatusInternalServerError, "", "The request could not be judged"}
	}
	return verdict{fmt.Sprintf("Reason(%d)", uint8(r)), "INTERNAL", http.StatusInternalServerError, "", "The request could not be judged"}
}

// String returns the operators' name of r, such as "TOKEN_EXPIRED": for logs, metrics and hooks.
func (r Reason) String() string { return verdictOf(r).name }

// Code returns the callers' name of r, such as "INVALID_TOKEN": what problem documents and gRPC's ErrorInfo carry. It is coarser
// than String, so that a caller cannot tell a bad signature from an unknown key.
func (r Reason) Code() string { return verdictOf(r).code }

// known reports whether r is one of the constants.
func (r Reason) known() bool { return r > 0 && int(r) < reasons }

// Reasons returns every Reason, for tables and dashboards.
func Reasons() []Reason {
	all := make([]Reason, 0, reasons-1)
	for r := Reason(1); int(r) < reasons; r++ {
		all = append(all, r)
	}
	return all
}
