package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// A verified token, as a handler sees it.
func ExamplePrincipal() {
	p, err := auth.NewPrincipal([]byte(`{
		"iss": "https://issuer.example", "sub": "alice", "client_id": "web-shop", "jti": "token-1",
		"aud": ["https://api.example", "https://stock.example"], "scope": "read:orders write:orders",
		"iat": 1767225600, "exp": 1767229200,
		"roles": ["buyer"], "groups": [{"value": "eu"}], "permissions": ["refund"], "entitlements": ["beta"]
	}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Subject(), "by", p.ClientID(), "of", p.Issuer(), "with", p.TokenID())
	fmt.Println(p.IsClient(), p.Identity() == auth.Identity{Issuer: "https://issuer.example", Subject: "alice"})
	fmt.Println(p.Audience())
	fmt.Println(p.Scopes(), p.HasScope("write:orders"), p.HasScope("write"))
	fmt.Println(p.IssuedAt().UTC().Format(time.TimeOnly), p.Expiry().UTC().Format(time.TimeOnly), p.ValidUntil().Equal(p.Expiry()))
	fmt.Println(p.Roles(), p.Groups(), p.Permissions(), p.Entitlements())
	fmt.Println(p) // for logs: no claim's value but the issuer
	// Output:
	// alice by web-shop of https://issuer.example with token-1
	// false true
	// [https://api.example https://stock.example]
	// [read:orders write:orders] true false
	// 00:00:00 01:00:00 true
	// [buyer] [eu] [refund] [beta]
	// Principal of https://issuer.example
}

// Claims of one's own are decoded when they are asked for.
func ExamplePrincipal_Claims() {
	p, err := auth.NewPrincipal([]byte(`{"sub": "alice", "tenant": "acme", "cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}`))
	if err != nil {
		log.Fatal(err)
	}
	var claims struct {
		Tenant string `json:"tenant"`
	}
	if err := p.Claims(&claims); err != nil {
		log.Fatal(err)
	}
	fmt.Println(claims.Tenant)
	fmt.Println(p.Confirmation() != nil) // sender-constrained
	// Output:
	// acme
	// true
}

func ExamplePrincipalFrom() {
	hello := func(ctx context.Context) string {
		p, ok := auth.PrincipalFrom(ctx)
		if !ok {
			return "hello, anonymous caller" // behind Optional and Public
		}
		return "hello " + p.Subject()
	}
	guard, err := auth.NewGuard(everybody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := guard.Authorize(context.Background(), auth.Credentials{Authorization: []string{"Bearer alice"}}, auth.AnyToken())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(hello(ctx))
	fmt.Println(hello(context.Background()))
	// Output:
	// hello alice
	// hello, anonymous caller
}

// everybody takes a name for a token, and trusts it: a stand-in for a verifier of another kind.
type everybody struct{}

func (everybody) VerifyToken(_ context.Context, raw string) (*auth.Principal, error) {
	return auth.NewPrincipal(fmt.Appendf(nil, `{"sub": %q, "scope": "read:orders"}`, raw))
}

// A verifier of another kind says what it knows as an Error; any other error means that the token
// could not be judged.
func ExampleAsError() {
	for _, err := range []error{
		&auth.Error{Reason: auth.ReasonTokenExpired},
		&auth.Error{Reason: auth.ReasonInsufficientScope, Scopes: []string{"read:orders"}},
		fmt.Errorf("ask the issuer: %w", errors.New("connection refused")),
	} {
		e := auth.AsError(err)
		fmt.Printf("%d %v %s; again after %v\n", e.Status(), e.Params(), e.Description(), e.RetryAfter())
	}
	// Output:
	// 401 map[error:invalid_token] The access token expired; again after 0s
	// 403 map[error:insufficient_scope scope:read:orders] The access token lacks a scope that this operation needs; again after 0s
	// 503 map[] The request could not be judged now; try again later; again after 5s
}

// Operators are told which claim was at fault and what was expected. Seen comes from the caller:
// show it to no log.
func ExampleError() {
	guard, err := auth.NewGuard(keylessVerifier(), &auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) {
		fmt.Printf("%s: %s is not %s (seen: %q)\n", d.Err.Reason, d.Err.Claim(), d.Err.Expected(), d.Err.Seen())
	}})
	if err != nil {
		log.Fatal(err)
	}
	c := auth.Credentials{Authorization: []string{"Bearer eyJhbGciOiJub25lIn0.e30.c2ln"}}
	_, err = guard.Authorize(context.Background(), c, auth.AnyToken())
	fmt.Println(err) // what callers cause is in no error text
	// Output:
	// ALGORITHM_NOT_ALLOWED: alg is not [RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA] (seen: "none")
	// auth: request refused: ALGORITHM_NOT_ALLOWED
}

// Reasons are a closed set. Operators see String; callers see Code, which is coarser.
func ExampleReasons() {
	for _, reason := range auth.Reasons() {
		if status := (&auth.Error{Reason: reason}).Status(); status >= 500 {
			fmt.Println(status, reason)
		}
	}
	fmt.Println(auth.ReasonSignatureInvalid, "is", auth.ReasonSignatureInvalid.Code(), "to callers")
	// Output:
	// 503 KEY_NOT_YET_KNOWN
	// 503 UNAVAILABLE
	// 500 INTERNAL
	// SIGNATURE_INVALID is INVALID_TOKEN to callers
}

// What an operator is told beyond the Reason is a constant text: it fits a log, and an alert.
func ExampleError_Detail() {
	keys := jwks.Static{}
	v, err := auth.NewVerifier(keys, auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, token := range []string{"oat_8f3a1c", "eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA"} {
		_, err := v.VerifyToken(context.Background(), token)
		fmt.Println(auth.AsError(err).Reason, auth.AsError(err).Detail())
	}
	// Output:
	// TOKEN_MALFORMED opaque: it has no dots, so it is no JWT
	// TOKEN_MALFORMED encrypted (5 parts)
}
