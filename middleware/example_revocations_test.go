package auth_test

import (
	"context"
	"fmt"
	"log"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// Somebody's laptop is gone: what was issued before is refused, and a new login is good.
func ExampleRevocations() {
	revocations := auth.NewRevocations(0)
	stolen := time.Now()
	err := revocations.Revoke(context.Background(), auth.Revocation{
		Issuer:       "https://issuer.example",
		Subject:      "alice",
		IssuedBefore: stolen,
		Until:        stolen.Add(time.Hour), // the issuer's tokens last for an hour
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(revocations.Len())
	for _, issued := range []time.Time{stolen.Add(-time.Minute), stolen.Add(time.Minute)} {
		token, err := auth.NewPrincipal(fmt.Appendf(nil, `{"iss": "https://issuer.example", "sub": "alice", "iat": %d}`, issued.Unix()))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(revocations.Revoked(context.Background(), token))
	}
	// Output:
	// 1
	// true <nil>
	// false <nil>
}
