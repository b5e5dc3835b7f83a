package auth

import (
	"context"
	"net/http"
)

// UntilExpiry returns a handler whose requests' context ends with the token that a Guard in front
// accepted ([Principal.ValidUntil]), with the cause TOKEN_EXPIRED. It is for handlers that answer
// for long, as server-sent events and WebSockets do, and that return when their context ends. A
// request without a token, or with one without a known end, goes on. It panics when next is nil.
func UntilExpiry(next http.Handler) http.Handler {
	if next == nil {
		panic("auth: UntilExpiry of a nil handler")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := PrincipalFrom(r.Context())
		if !ok || p.ValidUntil().IsZero() {
			next.ServeHTTP(w, r)
			return
		}
		expired := &Error{Reason: ReasonTokenExpired}
		deadline := p.ValidUntil()
		// check: until-expiry
		ctx, cancel := context.WithDeadlineCause(r.Context(), deadline, expired)
		defer cancel()
		inner := r.WithContext(ctx)
		defer handBack(r, inner)
		next.ServeHTTP(w, inner)
	})
}
