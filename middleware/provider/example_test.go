package provider_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/provider"
)

func ExampleAuth0() {
	guard, err := provider.Auth0("tenant.eu.auth0.com", "https://api.example").Guard(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer guard.Close()
	fmt.Println(guard.Ready() == nil) // the keys are fetched in the background
	// Output:
	// false
}

func ExampleGoogle() {
	_, err := provider.Google().Guard(nil)
	fmt.Println(errors.Unwrap(err) == nil, err)
	// Output:
	// true provider: Google's access tokens are opaque and cannot guard an API; let your own authorization server log people in with Google
}

// A preset is data: what is expected of a token of each issuer.
func ExamplePreset() {
	for _, p := range []provider.Preset{
		provider.Auth0("tenant.eu.auth0.com", "https://api.example"),
		provider.Cognito("eu-central-1", "eu-central-1_AbCdEfGhI", "7lhlkkfbfb4q5kpp90urffao"),
		provider.Dex("https://dex.example", "orders-api"),
		provider.Entra("b1a2c3d4-0000-4000-8000-123456789abc", "4d5e6f70-0000-4000-8000-123456789abc"),
		provider.EntraV1("b1a2c3d4-0000-4000-8000-123456789abc", "api://orders"),
		provider.FusionAuth("https://auth.example", "auth.example", "e9fdb985-9173-4e01-9d73-ac2d60d1dc8e"),
		provider.Hydra("https://hydra.example/", "https://api.example"),
		provider.IdentityServer("https://id.example", "orders"),
		provider.Keycloak("https://sso.example/realms/shop", "orders-api"),
		provider.Okta("dev-1234.okta.com", "default", "api://default"),
		provider.PingOne("eu", "a1b2c3d4-0000-4000-8000-123456789abc", "https://api.example"),
		provider.ZITADEL("https://tenant.zitadel.cloud", "270000000000000000"),
		provider.Okta("dev-1234.okta.com", "", "api://default"), // its org authorization server
	} {
		if err := p.Err(); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%s %q\n", p.Config.Issuer, p.Config.Types)
	}
	// Output:
	// https://tenant.eu.auth0.com/ ["JWT" "at+jwt"]
	// https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI [""]
	// https://dex.example [""]
	// https://login.microsoftonline.com/b1a2c3d4-0000-4000-8000-123456789abc/v2.0 ["JWT"]
	// https://sts.windows.net/b1a2c3d4-0000-4000-8000-123456789abc/ ["JWT"]
	// auth.example ["JWT"]
	// https://hydra.example/ ["JWT" "at+jwt"]
	// https://id.example ["at+jwt"]
	// https://sso.example/realms/shop ["JWT" "at+jwt"]
	// https://dev-1234.okta.com/oauth2/default ["" "JWT" "at+jwt"]
	// https://auth.pingone.eu/a1b2c3d4-0000-4000-8000-123456789abc/as ["" "at+jwt"]
	// https://tenant.zitadel.cloud ["JWT" "at+jwt"]
	// provider: Okta's org authorization server cannot guard an API: the keys of its access tokens are not published. Create a custom authorization server, and name it, such as default
}

// A program that takes its issuer from a flag.
func ExampleNamed() {
	p, err := provider.Named("okta", "https://dev-1234.okta.com/oauth2/default", "api://default")
	fmt.Println(p.Config.Issuer, err)
	p, err = provider.Named("github-actions", "https://token.actions.githubusercontent.com", "https://api.example", "9919")
	fmt.Println(p.Config.FixedClaims, err)
	_, err = provider.Named("keycloack", "https://sso.example/realms/shop", "orders-api")
	fmt.Println(err)
	// Output:
	// https://dev-1234.okta.com/oauth2/default <nil>
	// map[repository_owner_id:9919] <nil>
	// provider: "keycloack" is no preset; there are [auth0 aws-alb clerk cloudflare-access cognito dex entra entra-v1 firebase fusionauth github-actions gitlab-ci google google-cloud google-iap hydra identityserver keycloak kubernetes okta pingone supabase workos zitadel]
}

// For a program's usage text.
func ExampleNames() {
	fmt.Println(provider.Names())
	// Output:
	// [auth0 aws-alb clerk cloudflare-access cognito dex entra entra-v1 firebase fusionauth github-actions gitlab-ci google google-cloud google-iap hydra identityserver keycloak kubernetes okta pingone supabase workos zitadel]
}

// The long way: a key cache with settings, and two issuers in front of one API.
func ExamplePreset_Verifier() {
	var verifiers []*auth.Verifier
	for _, p := range []provider.Preset{
		provider.Keycloak("https://sso.example/realms/shop", "orders-api"),
		provider.Auth0("tenant.eu.auth0.com", "https://api.example"),
	} {
		keys, err := p.Source(&jwks.Options{OnRefresh: func(jwks.RefreshEvent) {}})
		if err != nil {
			log.Fatal(err)
		}
		defer keys.Close()
		v, err := p.Verifier(keys)
		if err != nil {
			log.Fatal(err)
		}
		verifiers = append(verifiers, v)
	}
	both, err := auth.NewIssuers(verifiers...)
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	orders := must(auth.NewGuard(both, nil)).Require("read:orders")(http.NotFoundHandler())
	orders.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), "GET", "/orders", nil))
	fmt.Println(w.Code)
	// Output: 401
}
