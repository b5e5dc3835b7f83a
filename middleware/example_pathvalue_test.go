package auth_test

import (
	"context"
	"errors"
	"log"
	"net/http"

	auth "github.com/bearward/bearward/middleware"
)

// Callers read their own profile, and administrators everybody's.
func ExamplePathValue() {
	guard, err := auth.NewGuard(everybody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	own := auth.AnyToken().With(func(ctx context.Context, p *auth.Principal) error {
		if id := auth.PathValue(ctx, "id"); id == "" || id != p.Subject() {
			return errors.New("another caller's profile")
		}
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", guard.Enforce(auth.AnyOf(auth.Scopes("admin:all"), own))(http.HandlerFunc(ok)))
	getPath(mux, "/users/alice", "Bearer alice")
	getPath(mux, "/users/bob", "Bearer alice")
	// Output:
	// 200
	// 403 Bearer realm="api", error="insufficient_scope", error_description="The access token lacks a scope that this operation needs", scope="admin:all"
}
