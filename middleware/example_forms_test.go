package auth_test

import (
	"context"
	"fmt"
	"log"

	auth "github.com/bearward/bearward/middleware"
)

// named is a TokenVerifier that tells its name.
type named string

func (n named) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return auth.NewPrincipal([]byte(`{"sub": "` + string(n) + `"}`))
}

// An issuer that gives out JWTs and opaque tokens: an [auth.Verifier] beside an
// introspect.Introspector.
func ExampleNewForms() {
	tokens, err := auth.NewForms(named("the verifier of JWTs"), named("the introspector"))
	if err != nil {
		log.Fatal(err)
	}
	for _, token := range []string{"eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl", "2YotnFZFEjr1zCsicMWpAA"} {
		p, err := tokens.VerifyToken(context.Background(), token)
		fmt.Println(p.Subject(), err)
	}
	// Output:
	// the verifier of JWTs <nil>
	// the introspector <nil>
}

// Claims that an issuer told, and did not sign.
func ExampleVerifyClaims() {
	verify, err := auth.VerifyClaims(auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example.com"}}, false)
	if err != nil {
		log.Fatal(err)
	}
	p, err := verify([]byte(`{"active": true, "aud": "https://api.example.com", "sub": "alice", "scope": "read:orders"}`))
	fmt.Println(p.Issuer(), p.Subject(), p.Scopes(), err)
	_, err = verify([]byte(`{"active": true, "aud": "https://other.example", "sub": "alice"}`))
	fmt.Println(err)
	// Output:
	// https://issuer.example alice [read:orders] <nil>
	// auth: request refused: AUDIENCE_MISMATCH
}
