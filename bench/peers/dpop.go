package peers

import (
	"context"
	"errors"
	"net/http"
	"time"

	auth0mw "github.com/auth0/go-jwt-middleware/v3"
	auth0core "github.com/auth0/go-jwt-middleware/v3/core"
	"github.com/zitadel/oidc/v3/pkg/client/rs"
	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/bearward/bearward/bench/tokens"
)

// Auth0DPoP returns auth0's middleware for tokens of key that are bound to a DPoP key, with the age
// and leeway that Bearward has by default.
func Auth0DPoP(key *tokens.Key) (func(http.Handler) http.Handler, error) {
	v, err := Auth0(key)
	if err != nil {
		return nil, err
	}
	m, err := auth0mw.New(auth0mw.WithValidator(v), auth0mw.WithDPoPMode(auth0core.DPoPRequired),
		auth0mw.WithDPoPProofOffset(60*time.Second), auth0mw.WithDPoPIATLeeway(30*time.Second))
	if err != nil {
		return nil, err
	}
	return m.CheckJWT, nil
}

// Auth0DPoPUnchecked names what Auth0DPoP does not check: a test in package differential holds it
// to be exact.
var Auth0DPoPUnchecked = []string{"scopes", "replay", "nonce", "the host of htu (it believes Host)"}

// ZITADELIntrospection asks an issuer's introspection endpoint by zitadel/oidc's resource server.
func ZITADELIntrospection(ctx context.Context, endpoint string) (Verify, error) {
	server, err := rs.NewResourceServerClientCredentials(ctx, tokens.Issuer, "orders-api", "secret",
		rs.WithStaticEndpoints(endpoint, endpoint), rs.WithClient(&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, token string) error {
		answer, err := rs.Introspect[*zoidc.IntrospectionResponse](ctx, server, token)
		if err != nil {
			return err
		}
		if !answer.Active {
			return errors.New("not active")
		}
		return nil
	}, nil
}

// ZITADELIntrospectionUnchecked names what ZITADELIntrospection leaves to its caller: a test in
// package differential holds it to be exact.
var ZITADELIntrospectionUnchecked = []string{"iss", "aud", "exp", "nbf", "cnf"}
