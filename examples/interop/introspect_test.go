package interop_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// TestPanvaIntrospection asks panva's oidc-provider about its opaque tokens: in plain JSON, and in
// answers that it signs, across a rotation of its keys.
func TestPanvaIntrospection(t *testing.T) {
	server := startPanva(t, nil)
	issuer := server.issuer
	keys, err := jwks.FromIssuer(issuer, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	const resource = "https://orders.example/opaque"
	for client, signed := range map[string]jwks.Source{"orders-api": nil, "orders-api-signed": keys} {
		t.Run(client, func(t *testing.T) {
			secret := introspect.FixedSecret("a secret of the test: 100%")
			tokens, err := introspect.New(issuer+"/token/introspection", introspect.Basic(client, secret), introspect.Config{
				Claims: auth.Config{Issuer: issuer, Audiences: []string{resource}},
				Signed: signed, MaxAge: measuredMaxAge, NegativeAge: measuredMaxAge,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer tokens.Close()
			config, granted := panvaLogin(t, issuer, resource, "openid offline_access read:orders")
			if strings.Count(granted.AccessToken, ".") != 0 {
				t.Fatal("the access token is not opaque")
			}
			p, err := tokens.VerifyToken(t.Context(), granted.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			if !p.HasScope("read:orders") || p.ClientID() != config.ClientID || p.Subject() == "" || p.Expiry().IsZero() {
				t.Errorf("%v %v %v", p.Scopes(), p.ClientID(), p.Expiry())
			}
			verify := func(token string, want auth.Reason) {
				t.Helper()
				_, err := tokens.VerifyToken(context.Background(), token)
				if err == nil && want != "" || err != nil && auth.AsError(err).Reason != want {
					t.Errorf("%v, want %q", err, want)
				}
			}
			verify("no-token-of-this-issuer", auth.ReasonTokenInactive)
			verify(granted.Extra("id_token").(string), auth.ReasonTokenInactive)
			// The server calls a refresh token active, and says of it neither what it is nor whom
			// it is for.
			verify(granted.RefreshToken, auth.ReasonAudienceMismatch)

			server.control(t, "publish")
			server.control(t, "promote")
			until(t, "the token is good across a rotation", func() bool {
				_, err := tokens.VerifyToken(context.Background(), granted.AccessToken)
				return err == nil
			})
			revokedAndMeasured(t, tokens, granted.AccessToken, auth.ReasonTokenInactive, func() {
				form := url.Values{"token": {granted.AccessToken}}
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/token/revocation", strings.NewReader(form.Encode()))
				if err != nil {
					t.Fatal(err)
				}
				r.SetBasicAuth(url.QueryEscape(config.ClientID), url.QueryEscape(config.ClientSecret))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				resp, err := http.DefaultClient.Do(r)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Fatal(resp, err)
				}
				resp.Body.Close()
			})
		})
	}
}
