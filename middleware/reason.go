package auth

import (
	"net/http"
	"slices"
)

// A Reason says why a request was refused. Its text is its name for operators, in logs, metrics and
// hooks. The set is closed: nothing that a caller sends can add one. The zero Reason means that
// nothing was refused.
type Reason string

// The reasons, in the order in which the checks are made. Where the key need not be fetched, it and
// the signature come before all claims: what is forged is refused for that, whatever it says.
const (
	ReasonCredentialsMissing    Reason = "CREDENTIALS_MISSING"     // no Authorization value, or one of another scheme
	ReasonInvalidRequest        Reason = "INVALID_REQUEST"         // two Authorization values, or broken header syntax
	ReasonTokenTooLarge         Reason = "TOKEN_TOO_LARGE"         // longer than Config.MaxTokenBytes
	ReasonTokenMalformed        Reason = "TOKEN_MALFORMED"         // not a well-formed compact JWS with a JSON object for header and claims
	ReasonAlgorithmNotAllowed   Reason = "ALGORITHM_NOT_ALLOWED"   // "alg" is not one of Config.Algorithms
	ReasonExtensionNotSupported Reason = "EXTENSION_NOT_SUPPORTED" // "crit", "b64", or a "zip" other than NONE: extensions that this package does not implement
	ReasonTokenTypeNotAccepted  Reason = "TOKEN_TYPE_NOT_ACCEPTED" // "typ" is not one of Config.Types
	ReasonIssuerNotTrusted      Reason = "ISSUER_NOT_TRUSTED"      // "iss" is missing or another issuer's
	ReasonAudienceMismatch      Reason = "AUDIENCE_MISMATCH"       // "aud" does not name this API
	ReasonTokenExpired          Reason = "TOKEN_EXPIRED"           // "exp" has passed
	ReasonKeyUnknown            Reason = "KEY_UNKNOWN"             // the issuer publishes no key that fits
	ReasonKeyNotYetKnown        Reason = "KEY_NOT_YET_KNOWN"       // not judged: the key may be newer than those that were fetched last
	ReasonSignatureInvalid      Reason = "SIGNATURE_INVALID"       // the signature is not that key's
	ReasonTokenNotYetValid      Reason = "TOKEN_NOT_YET_VALID"     // "nbf" has not come
	ReasonTokenIssuedInFuture   Reason = "TOKEN_ISSUED_IN_FUTURE"  // "iat" has not come
	ReasonTokenTooOld           Reason = "TOKEN_TOO_OLD"           // older, or longer-lived, than Config.MaxAge or Config.MaxLifetime allow
	ReasonClaimInvalid          Reason = "CLAIM_INVALID"           // a claim is missing, has the wrong type, or not the value that Config fixes
	ReasonIDToken               Reason = "ID_TOKEN"                // the token bears the marks of an ID token
	ReasonClaimsRefused         Reason = "CLAIMS_REFUSED"          // one of Config.Checks said no
	ReasonTokenInactive         Reason = "TOKEN_INACTIVE"          // its issuer was asked, and says that the token is not, or no longer, good
	ReasonTokenRevoked          Reason = "TOKEN_REVOKED"           // GuardOptions.Revoked says so
	ReasonBindingRequired       Reason = "BINDING_REQUIRED"        // a plain token, where GuardOptions.RequireBound or Bound asks for a bound one
	ReasonSchemeMismatch        Reason = "SCHEME_MISMATCH"         // a bound token not under its Binding's scheme, or another token under it
	ReasonProofInvalid          Reason = "PROOF_INVALID"           // no proof, two, or one that is broken or of another request
	ReasonBindingNotProved      Reason = "BINDING_NOT_PROVED"      // "cnf" binds the token to a key whose possession was not proved
	ReasonProofExpired          Reason = "PROOF_EXPIRED"           // the proof is of another time: it is old, or a clock is wrong
	ReasonProofNonceRequired    Reason = "PROOF_NONCE_REQUIRED"    // the proof has no nonce, or not one of this API's
	ReasonProofReplayed         Reason = "PROOF_REPLAYED"          // the proof was used before
	// ReasonInsufficientUserAuthentication: the user must authenticate again, in another way or
	// more recently (ACR, AuthenticatedWithin).
	ReasonInsufficientUserAuthentication Reason = "INSUFFICIENT_USER_AUTHENTICATION"

	ReasonInsufficientScope Reason = "INSUFFICIENT_SCOPE" // the operation needs scopes, or a Detail, that the token lacks
	ReasonForbidden         Reason = "FORBIDDEN"          // a role or the like is missing, or a check given to Requirement.With said no
	ReasonNoRule            Reason = "NO_RULE"            // no rule names the operation
	ReasonUnavailable       Reason = "UNAVAILABLE"        // not judged: keys, or another needed thing, could not be had
	ReasonInternal          Reason = "INTERNAL"           // not judged: the guard is wired wrongly
)

// reasons are the constants, in their order.
var reasons = [...]Reason{
	ReasonCredentialsMissing,
	ReasonInvalidRequest,
	ReasonTokenTooLarge,
	ReasonTokenMalformed,
	ReasonAlgorithmNotAllowed,
	ReasonExtensionNotSupported,
	ReasonTokenTypeNotAccepted,
	ReasonIssuerNotTrusted,
	ReasonAudienceMismatch,
	ReasonTokenExpired,
	ReasonKeyUnknown,
	ReasonKeyNotYetKnown,
	ReasonSignatureInvalid,
	ReasonTokenNotYetValid,
	ReasonTokenIssuedInFuture,
	ReasonTokenTooOld,
	ReasonClaimInvalid,
	ReasonIDToken,
	ReasonClaimsRefused,
	ReasonTokenInactive,
	ReasonTokenRevoked,
	ReasonBindingRequired,
	ReasonSchemeMismatch,
	ReasonProofInvalid,
	ReasonBindingNotProved,
	ReasonProofExpired,
	ReasonProofNonceRequired,
	ReasonProofReplayed,
	ReasonInsufficientUserAuthentication,
	ReasonInsufficientScope,
	ReasonForbidden,
	ReasonNoRule,
	ReasonUnavailable,
	ReasonInternal,
}

// What callers are told. Signature, key and structure faults share one text, so that nobody can use
// the API to tell them apart. "expired" and "not meant for this API" tell an attacker only what he
// put in himself (RFC 6750 §3.1).
const (
	textInvalid     = "The access token is not valid"
	textUnavailable = "The request could not be judged now; try again later"
)

// A response is what callers are told of one Reason.
type response struct {
	code   string // Reason.Code
	status int    // HTTP
	error  string // RFC 6750 §3.1, empty when the challenge carries none
	text   string // error_description, and detail of the problem document
}

// responseFor is the one place where a Reason becomes a status, a challenge and a text.
func responseFor(r Reason) response {
	token := func(text string) response {
		return response{"INVALID_TOKEN", http.StatusUnauthorized, "invalid_token", text}
	}
	switch r {
	case ReasonCredentialsMissing:
		return response{"CREDENTIALS_MISSING", http.StatusUnauthorized, "", "An access token is required"}
	case ReasonInvalidRequest:
		return response{"INVALID_REQUEST", http.StatusBadRequest, "invalid_request", "The request needs exactly one well-formed Authorization header"}
	case ReasonTokenTooLarge, ReasonTokenMalformed, ReasonAlgorithmNotAllowed, ReasonExtensionNotSupported, ReasonKeyUnknown, ReasonSignatureInvalid,
		ReasonTokenInactive: // RFC 7662 §2.2: why, the issuer does not say either
		return token(textInvalid)
	case ReasonTokenTypeNotAccepted, ReasonIDToken:
		return token("The token is not an access token of an accepted type")
	case ReasonIssuerNotTrusted:
		return token("The access token is of another issuer")
	case ReasonAudienceMismatch:
		return token("The access token is not meant for this API")
	case ReasonTokenExpired:
		return token("The access token expired")
	case ReasonTokenNotYetValid, ReasonTokenIssuedInFuture:
		return token("The access token is not valid yet")
	case ReasonTokenTooOld:
		return token("The access token is older than this API accepts")
	case ReasonClaimInvalid:
		return token("The access token lacks a claim that this API needs")
	case ReasonClaimsRefused:
		return token("The access token is not accepted by this API")
	case ReasonTokenRevoked:
		return token("The access token is revoked")
	case ReasonBindingRequired:
		return token("This API needs an access token that is bound to its sender")
	case ReasonSchemeMismatch:
		return token("The access token is not one for this authentication scheme")
	case ReasonProofInvalid, ReasonProofReplayed:
		return response{"INVALID_DPOP_PROOF", http.StatusUnauthorized, "invalid_dpop_proof", "The DPoP proof is not valid"}
	case ReasonProofExpired:
		return response{"INVALID_DPOP_PROOF", http.StatusUnauthorized, "invalid_dpop_proof", "The DPoP proof was not made just now; check the clock"}
	case ReasonProofNonceRequired:
		return response{"USE_DPOP_NONCE", http.StatusUnauthorized, "use_dpop_nonce", "The DPoP proof needs the nonce of this answer"}
	case ReasonBindingNotProved:
		return token("The access token is bound to a key whose possession was not proved")
	case ReasonInsufficientUserAuthentication: // RFC 9470 §3
		return response{"INSUFFICIENT_USER_AUTHENTICATION", http.StatusUnauthorized, "insufficient_user_authentication", "This operation needs a stronger or more recent authentication"}
	case ReasonInsufficientScope:
		return response{"INSUFFICIENT_SCOPE", http.StatusForbidden, "insufficient_scope", "The access token lacks a scope that this operation needs"}
	case ReasonForbidden:
		return response{"FORBIDDEN", http.StatusForbidden, "", "This operation is not allowed"}
	case ReasonNoRule:
		return response{"NO_RULE", http.StatusForbidden, "", "This operation is not allowed"}
	case ReasonUnavailable, ReasonKeyNotYetKnown:
		return response{"UNAVAILABLE", http.StatusServiceUnavailable, "", textUnavailable}
	case ReasonInternal:
		return response{"INTERNAL", http.StatusInternalServerError, "", "The request could not be judged"}
	}
	return response{"INTERNAL", http.StatusInternalServerError, "", "The request could not be judged"}
}

// Code returns the callers' name of r, such as "INVALID_TOKEN": what problem documents and gRPC's
// ErrorInfo carry. It is coarser than the Reason, so that a caller cannot tell a bad signature from
// an unknown key.
func (r Reason) Code() string { return responseFor(r).code }

// known reports whether r is one of the constants.
func (r Reason) known() bool { return slices.Contains(reasons[:], r) }

// Reasons returns every Reason, for tables and dashboards.
func Reasons() []Reason { return slices.Clone(reasons[:]) }
