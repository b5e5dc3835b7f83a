package authtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/provider"
)

// An issuer whose tokens look like those of the provider that the API really has.
func ExampleIssuer_Config() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	preset := provider.Okta("dev-1234.okta.com", "default", "api://default")
	issuer := authtest.NewIssuer(t, &authtest.Options{Config: &preset.Config})
	p, err := issuer.Verifier(issuer.Config()).VerifyToken(t.Context(), issuer.Token("read:orders"))
	if err != nil {
		t.Fatal(err)
	}
	claims, err := auth.ClaimsOf[struct {
		ID     string   `json:"cid"`
		Scopes []string `json:"scp"`
	}](p)
	fmt.Println(p.Issuer(), claims, err)
	// Output: https://dev-1234.okta.com/oauth2/default {client [read:orders]} <nil>
}

// A careful rotation in steps: the new key is published a while before it signs.
func ExampleIssuer_Publish() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, nil)
	fmt.Println(issuer.KeyIDs(), "signing:", issuer.KeyID())
	issuer.Publish()
	fmt.Println(issuer.KeyIDs(), "signing:", issuer.KeyID())
	issuer.Promote()
	issuer.Withdraw("key-1", "key-2")
	fmt.Println(issuer.KeyIDs(), "signing:", issuer.KeyID())
	// Output:
	// [key-1 key-2] signing: key-2
	// [key-1 key-2 key-3] signing: key-2
	// [key-3] signing: key-3
}

// What can happen to an issuer. In a testing/synctest bubble, waiting for it to get well, or for
// keys to become too old, takes no time.
func ExampleIssuer_Recover() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, nil)
	fetch := func(ctx context.Context) error {
		keys := issuer.Source(nil)
		defer keys.Close()
		return keys.Refresh(ctx)
	}
	for _, spoil := range []func(){
		issuer.Drop,
		func() { issuer.Fail(http.StatusBadGateway) },
		func() { issuer.Garbage("<html>") },
		func() { issuer.Impersonate("https://other.example") },
	} {
		spoil()
		err := fetch(t.Context())
		fmt.Println(err != nil, errors.Is(err, jwks.ErrMisconfigured))
		issuer.Recover()
	}
	for _, spoil := range []func(){issuer.Hang, func() { issuer.Slow(time.Hour) }} {
		spoil()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		fmt.Println(errors.Is(fetch(ctx), context.DeadlineExceeded))
		cancel()
		issuer.Recover()
	}
	fmt.Println(fetch(t.Context()))
	// Output:
	// true false
	// true false
	// true false
	// true true
	// true
	// true
	// <nil>
}

// An API may ask for keys only so often.
func ExampleIssuer_Fetches() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, nil)
	orders := issuer.Guard(nil).Require("read:orders")(http.HandlerFunc(listOrders))
	for range 100 {
		call(orders, issuer.Token("read:orders"))
	}
	fmt.Println("discovered", issuer.Discoveries(), "and fetched", issuer.Fetches())
	for range 100 {
		call(orders, issuer.Token("read:orders", authtest.UnknownKid))
	}
	fmt.Println("discovered", issuer.Discoveries(), "and fetched", issuer.Fetches())
	// Output:
	// discovered 1 and fetched 1
	// discovered 1 and fetched 3
}

// Whatever else fetches keys can be given the issuer's client: here, a look at what is published.
func ExampleIssuer_Client() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, nil)
	resp, err := issuer.Client().Get(issuer.KeySetURL())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, issuer.KeySetURL(), resp.Header.Get("Content-Type"))
	// Output: 200 https://issuer.example/jwks.json application/jwk-set+json
}

// Where keys that follow no rotation will do.
func ExampleIssuer_Keys() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.EdDSA})
	fmt.Println(issuer.Keys())
	// Output: [key-1 (EdDSA) key-2 (EdDSA)]
}

// Some defects ask for an algorithm or a Config: Issuer.Defects leaves them out.
func ExampleDefects() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	ours := authtest.NewIssuer(t, nil).Defects()
	for _, d := range authtest.Defects() {
		if !slices.Contains(ours, d) {
			fmt.Println(d, d.Reason())
		}
	}
	// Output:
	// DERSignature SIGNATURE_INVALID
	// TooOld TOKEN_TOO_OLD
	// LongLived TOKEN_TOO_OLD
	// WrongFixedClaim CLAIM_INVALID
	// IDToken ID_TOKEN
	// ClaimsRefused CLAIMS_REFUSED
}
