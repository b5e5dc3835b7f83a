package auth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// verified stands in for a Verifier: the tokens that it accepts.
type verified map[string]*auth.Principal

func (v verified) VerifyToken(_ context.Context, raw string) (*auth.Principal, error) {
	return v[raw], nil
}

// Somebody's laptop is gone: what was issued before is refused, and a new login is good.
func ExampleRevocations() {
	stolen := time.Now()
	tokens := verified{}
	for name, issued := range map[string]time.Time{"old": stolen.Add(-time.Minute), "new": stolen.Add(time.Minute)} {
		p, err := auth.NewPrincipal(fmt.Appendf(nil, `{"iss": "https://issuer.example", "sub": "alice", "iat": %d}`, issued.Unix()))
		if err != nil {
			log.Fatal(err)
		}
		tokens[name] = p
	}

	revocations := auth.NewRevocations(0)
	guard, err := auth.NewGuard(tokens, &auth.GuardOptions{Revoked: revocations.Revoked})
	if err != nil {
		log.Fatal(err)
	}
	err = revocations.Revoke(context.Background(), auth.Revocation{
		Issuer:       "https://issuer.example",
		Subject:      "alice",
		IssuedBefore: stolen,
		Until:        stolen.Add(time.Hour), // the issuer's tokens last for an hour
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(revocations.Len())
	orders := guard.Enforce(auth.AnyToken())(http.HandlerFunc(ok))
	get(orders, "Bearer old")
	get(orders, "Bearer new")
	// Output:
	// 1
	// 401 Bearer realm="api", error="invalid_token", error_description="The access token is revoked"
	// 200
}
