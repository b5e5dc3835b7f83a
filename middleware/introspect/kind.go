package introspect

import (
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

var errOtherKind = &auth.Error{Reason: auth.ReasonTokenTypeNotAccepted, Err: note("the issuer says that this is a refresh token or an ID token")}

// isOtherKind reports whether an answer's token_use (Ory Hydra, Cognito), token_type or typ
// (Keycloak) names a token that is no access token.
func isOtherKind(kind string) bool {
	switch strings.ToLower(kind) {
	case "refresh", "refresh_token", "offline", "id", "id_token",
		"urn:ietf:params:oauth:token-type:refresh_token", "urn:ietf:params:oauth:token-type:id_token":
		return true
	}
	return false
}

// A note is a constant text, which operators are told (auth.Error.Detail).
type note string

func (n note) Error() string { return "introspect: " + string(n) }

// Detail tells operators of it.
func (n note) Detail() string { return string(n) }
