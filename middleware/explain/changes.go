package explain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// The sides of a Change.
const (
	api     = "api"
	issuer  = "issuer"
	client  = "client"
	network = "network"
)

// fixed are what to change for a Reason, whatever else is known.
var fixed = map[auth.Reason][]Change{
	auth.ReasonCredentialsMissing: {{client, "Send Authorization: Bearer TOKEN."}},
	auth.ReasonInvalidRequest:     {{client, "Send the token alone, without spaces, commas or quotes, in one Authorization field."}},
	auth.ReasonTokenTooLarge: {
		{issuer, "Write less into access tokens: lists of groups and roles, for one."},
		{api, "Config.MaxTokenBytes: 64 << 10, and as much for headers in every proxy before the API."},
	},
	auth.ReasonExtensionNotSupported: {{issuer, "Leave the member out of the header: no API but the issuer's own understands it."}},
	auth.ReasonTokenExpired: {
		{client, "Get a new token (refresh it before its end)."},
		{network, "If it was issued just now, set the clocks of issuer and API (NTP). Config.Leeway allows for 30s, at most for 5m."},
	},
	auth.ReasonKeyUnknown: {
		{issuer, "Publish the key that signs, under its kid and for its alg. `bearward doctor ISSUER` shows what is published."},
		{api, "Config.Issuer: name the issuer that made the token, if it is of another environment."},
	},
	auth.ReasonKeyNotYetKnown: {{client, "Try again in a few seconds: the key may be newer than the keys that were fetched last."}},
	auth.ReasonSignatureInvalid: {
		{client, "Send the token as it was issued, every character of it."},
		{issuer, "Sign with the key that is published under the token's kid. `bearward doctor ISSUER` shows it."},
	},
	auth.ReasonTokenNotYetValid: {
		{network, "Set the clocks of issuer and API (NTP). Config.Leeway allows for 30s, at most for 5m."},
		{client, "Wait until then, if the issuer means a time to come."},
	},
	auth.ReasonTokenIssuedInFuture: {{network, "Set the clocks of issuer and API (NTP). Config.Leeway allows for 30s, at most for 5m."}},
	auth.ReasonIDToken:             {{client, "Send the access token. This one is an ID token: it tells the client who logged in."}},
	auth.ReasonClaimsRefused:       {{api, "Config.Checks: look at the check that refused it."}},
	auth.ReasonTokenInactive:       {{client, "Get a new token: its issuer says that this one is not good, or no longer."}},
	auth.ReasonTokenRevoked:        {{client, "Get a new token: this one was revoked (GuardOptions.Revoked)."}},
	auth.ReasonBindingRequired:     {{client, "Get a token that is bound to the client's key (DPoP, RFC 9449) or certificate (RFC 8705)."}},
	auth.ReasonSchemeMismatch:      {{client, "Send the token under the scheme of what it is bound by: DPoP, or Bearer for a plain one."}},
	auth.ReasonProofInvalid:        {{client, "Make a new proof for each request, of its method and URL (RFC 9449 §4.2)."}},
	auth.ReasonProofExpired:        {{network, "Set the client's clock (NTP), and make each proof just before its request."}},
	auth.ReasonProofNonceRequired:  {{client, "Put the DPoP-Nonce of the last answer into the proof (RFC 9449 §8)."}},
	auth.ReasonProofReplayed:       {{client, "Make a new proof for each request (RFC 9449 §11.1)."}},
	auth.ReasonBindingNotProved: {
		{api, "GuardOptions.Bindings: add dpop.New for a cnf with jkt, mtls.New for one with x5t#S256."},
		{client, "Get a plain token, if the API is not to check the binding."},
	},
	auth.ReasonInsufficientUserAuthentication: {{client, "Have the user authenticate again, as acr_values and max_age of the challenge say (RFC 9470 §4)."}},
	auth.ReasonNoRule:                         {{api, "Rules: add one for the operation. Without one it is refused to everybody."}},
	auth.ReasonUnavailable:                    {{network, "Have the API reach the issuer's keys. `bearward doctor ISSUER` shows what is in the way."}},
	auth.ReasonInternal:                       {{api, "The guard is wired wrongly: see the log of the API."}},
}

// changes says what to change for a fault.
func (d documents) changes(s Step, e *auth.Error) []Change {
	switch e.Reason {
	case auth.ReasonTokenMalformed:
		return malformed(s.Detail)
	case auth.ReasonAlgorithmNotAllowed:
		return algorithm(s.Has)
	case auth.ReasonTokenTypeNotAccepted:
		return tokenType(s.Has)
	case auth.ReasonIssuerNotTrusted:
		return []Change{
			{api, "Config.Issuer: " + d.quoted("iss", "the token's iss, byte for byte, if it is the issuer that you trust") + "."},
			{client, "Get the token from " + e.Expected() + "."},
		}
	case auth.ReasonAudienceMismatch:
		return []Change{
			{client, "Ask for a token for this API: " + e.Expected() + " (resource or audience, RFC 8707 §2)."},
			{api, "Config.Audiences: " + d.quoted("aud", "add the token's aud, if it names this API alone") + "."},
		}
	case auth.ReasonTokenTooOld:
		if s.Claim == "iat" {
			return []Change{{client, "Get a new token."}, {api, "Config.MaxAge: allow more, or 0 for no bound."}}
		}
		return []Change{{issuer, "Make tokens that end sooner."}, {api, "Config.MaxLifetime: allow more, or 0 for no bound."}}
	case auth.ReasonClaimInvalid:
		return claim(s)
	case auth.ReasonInsufficientScope, auth.ReasonForbidden:
		return permission(s)
	}
	return fixed[e.Reason]
}

// quoted returns what a field is to be: the token's own value with -claims, or words for it.
func (d documents) quoted(claim, words string) string {
	if !d.values {
		return words
	}
	switch v, _ := find(d.claims, claim); v := v.(type) {
	case string:
		if claim == "aud" {
			return "[]string{" + strconv.QuoteToASCII(v) + "}, if it names this API alone"
		}
		return strconv.QuoteToASCII(v) + ", if it is the issuer that you trust"
	}
	return words
}

func malformed(detail string) []Change {
	switch {
	case strings.HasPrefix(detail, "opaque"):
		return []Change{
			{issuer, "Give out JWT access tokens for this API (RFC 9068)."},
			{api, "auth.NewGuard(introspector, nil), or auth.NewForms: only the issuer can read it (package introspect)."},
		}
	case strings.HasPrefix(detail, "encrypted"):
		return []Change{{issuer, "Sign access tokens and do not encrypt them."}}
	}
	return []Change{
		{client, "Send the whole token as it was issued: three parts of base64url with dots between."},
		{issuer, "Write header and claims as strict JSON, each name once."},
	}
}

func algorithm(has string) []Change {
	strong := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	if slices.Contains(strong, has) {
		return []Change{{api, "Config.Algorithms: add auth." + has + "."}, {issuer, "Sign with an algorithm that the API accepts."}}
	}
	return []Change{{issuer, "Sign with RS256, PS256, ES256 or EdDSA. An API cannot accept this one: anybody could forge its tokens, or nobody can verify them."}}
}

func tokenType(has string) []Change {
	switch has {
	case "jwt", "absent":
		name := map[string]string{"jwt": "JWT", "absent": ""}[has]
		return []Change{
			{api, fmt.Sprintf("Config.Types: []string{%q}, with FixedClaims that tell access tokens from ID tokens. Presets of package provider have both.", name)},
			{client, "Send the access token, if this is an ID token."},
			{issuer, `Give access tokens the typ "at+jwt" (RFC 9068 §2.1).`},
		}
	case "at+jwt":
		return []Change{{api, `Config.Types: add "at+jwt".`}}
	}
	return []Change{{client, "Send the access token: this is a token of another kind."}}
}

// claim is for a claim that is missing or wrong.
func claim(s Step) []Change {
	name := strconv.Quote(s.Claim)
	if s.Part == "rule" {
		return []Change{{issuer, "Write " + s.Claim + " as the rule needs it."}}
	}
	switch {
	case s.Claim == "exp" || s.Claim == "":
		return []Change{{issuer, "Give access tokens an end: exp, in seconds since the epoch (RFC 9068 §2.2)."}}
	case s.Accepted == "a value":
		return []Change{
			{issuer, "Write " + name + " into access tokens (RFC 9068 §2.2)."},
			{api, "Config.RequiredClaims: leave out " + name + ", or use the preset of your issuer (package provider)."},
		}
	case strings.HasPrefix(s.Accepted, "a ") || strings.HasPrefix(s.Accepted, "an ") || strings.HasPrefix(s.Accepted, "seconds"):
		return []Change{{issuer, "Write " + name + " as " + s.Accepted + "."}}
	case strings.Contains(s.Accepted, "scopes"):
		return []Change{
			{issuer, "Write " + name + " as scopes with spaces between (RFC 6749 §3.3)."},
			{api, "Config.ScopeArray: true, if the issuer writes an array (Okta, IdentityServer)."},
		}
	}
	return []Change{{client, "Send a token whose " + name + " is the one of Config.FixedClaims."}, {api, "Config.FixedClaims: change what " + name + " must be."}}
}

// permission is for what a rule needs and the token lacks.
func permission(s Step) []Change {
	if s.Reason == auth.ReasonInsufficientScope {
		return []Change{
			{client, "Ask for a token with " + s.Accepted + "."},
			{issuer, "Allow the client that scope."},
			{api, "Rules: ask for less, if the operation may be called without."},
		}
	}
	return []Change{{issuer, "Give the user or client " + s.Name + "."}, {api, "Rules: ask for less, if the operation may be called without."}}
}
