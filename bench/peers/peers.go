// Package peers sets the other Go token validators up, each as its documentation says, for the
// issuer, audience and keys of package tokens. All of them hold their keys in memory: what is
// compared is the verification.
package peers

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/MicahParks/keyfunc/v3"
	auth0v2 "github.com/auth0/go-jwt-middleware/v2/validator"
	auth0v3 "github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-chi/jwtauth/v5"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	capjwt "github.com/hashicorp/cap/jwt"
	jwkv2 "github.com/lestrrat-go/jwx/v2/jwk"
	jwtv2 "github.com/lestrrat-go/jwx/v2/jwt"
	jwkv3 "github.com/lestrrat-go/jwx/v3/jwk"
	jwtv3 "github.com/lestrrat-go/jwx/v3/jwt"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/bearward/bearward/bench/tokens"
)

// Verify verifies one token.
type Verify func(ctx context.Context, token string) error

// A Peer is a validator that is not Bearward's.
type Peer struct {
	Name string
	// New sets the peer up for tokens that key signs. Until ctx ends it may use set, the URL of a
	// key set server.
	New func(ctx context.Context, key *tokens.Key, set string) (Verify, error)
	// Unchecked names what the validator does not check when it is set up as documented: a test
	// holds it to be exact.
	Unchecked []string
}

// All lists the peers.
func All() []Peer {
	return []Peer{
		{Name: "golang-jwt v5 + keyfunc v3", New: golangJWT},
		{Name: "go-jose v4", New: goJose, Unchecked: []string{"missing exp"}},
		{Name: "go-oidc v3", New: goOIDC},
		{Name: "jwx v3 jwt.Parse", New: jwxV3, Unchecked: []string{"missing exp"}},
		{Name: "jwx v2 jwt.Parse", New: jwxV2, Unchecked: []string{"missing exp"}},
		{Name: "chi jwtauth v5", New: jwtAuth, Unchecked: []string{"missing exp"}},
		{Name: "auth0 go-jwt-middleware v2", New: auth0V2, Unchecked: []string{"missing exp"}},
		{Name: "auth0 go-jwt-middleware v3", New: auth0V3, Unchecked: []string{"missing exp"}},
		{Name: "zitadel oidc v3", New: zitadel, Unchecked: []string{"aud"}},
		{Name: "hashicorp cap", New: hashicorp, Unchecked: []string{"missing exp"}},
	}
}

// Named returns the peer of that name.
func Named(name string) Peer {
	all := All()
	return all[slices.IndexFunc(all, func(p Peer) bool { return p.Name == name })]
}

func golangJWT(_ context.Context, key *tokens.Key, _ string) (Verify, error) {
	keys, err := Keyfunc(key)
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithIssuer(tokens.Issuer), jwt.WithAudience(tokens.Audience), jwt.WithExpirationRequired(),
		jwt.WithValidMethods([]string{key.Alg}))
	return func(_ context.Context, token string) error {
		_, err := parser.ParseWithClaims(token, jwt.MapClaims{}, keys)
		return err
	}, nil
}

// Keyfunc returns keyfunc's function for key, which other peers are given too.
func Keyfunc(key *tokens.Key) (jwt.Keyfunc, error) {
	keys, err := keyfunc.NewJWKSetJSON(tokens.Set(key))
	if err != nil {
		return nil, err
	}
	return keys.Keyfunc, nil
}

func goJose(_ context.Context, key *tokens.Key, _ string) (Verify, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Private.Public(), KeyID: key.ID, Algorithm: key.Alg, Use: "sig"}}}
	algs := []jose.SignatureAlgorithm{jose.SignatureAlgorithm(key.Alg)}
	expected := josejwt.Expected{Issuer: tokens.Issuer, AnyAudience: josejwt.Audience{tokens.Audience}}
	return func(_ context.Context, token string) error {
		parsed, err := josejwt.ParseSigned(token, algs)
		if err != nil {
			return err
		}
		var claims josejwt.Claims
		if err := parsed.Claims(&set, &claims); err != nil {
			return err
		}
		return claims.Validate(expected)
	}, nil
}

func goOIDC(_ context.Context, key *tokens.Key, _ string) (Verify, error) {
	v := oidc.NewVerifier(tokens.Issuer, &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key.Private.Public()}},
		&oidc.Config{ClientID: tokens.Audience, SupportedSigningAlgs: []string{key.Alg}})
	return func(ctx context.Context, token string) error {
		_, err := v.Verify(ctx, token)
		return err
	}, nil
}

func jwxV2(_ context.Context, key *tokens.Key, _ string) (Verify, error) {
	set, err := jwkv2.Parse(tokens.Set(key))
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, token string) error {
		_, err := jwtv2.Parse([]byte(token), jwtv2.WithKeySet(set), jwtv2.WithIssuer(tokens.Issuer), jwtv2.WithAudience(tokens.Audience))
		return err
	}, nil
}

func jwxV3(_ context.Context, key *tokens.Key, _ string) (Verify, error) {
	set, err := jwkv3.Parse(tokens.Set(key))
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, token string) error {
		_, err := jwtv3.Parse([]byte(token), jwtv3.WithKeySet(set), jwtv3.WithIssuer(tokens.Issuer), jwtv3.WithAudience(tokens.Audience))
		return err
	}, nil
}

func jwtAuth(_ context.Context, key *tokens.Key, _ string) (Verify, error) {
	ja := JWTAuth(key)
	return func(_ context.Context, token string) error {
		_, err := jwtauth.VerifyToken(ja, token)
		return err
	}, nil
}

// JWTAuth returns chi's jwtauth for key, which checks iss and aud because it is told to.
func JWTAuth(key *tokens.Key) *jwtauth.JWTAuth {
	return jwtauth.New(key.Alg, nil, key.Private.Public(), jwtv2.WithIssuer(tokens.Issuer), jwtv2.WithAudience(tokens.Audience))
}

func auth0V2(_ context.Context, key *tokens.Key, _ string) (Verify, error) {
	v, err := auth0v2.New(func(context.Context) (any, error) { return key.Private.Public(), nil },
		auth0v2.SignatureAlgorithm(key.Alg), tokens.Issuer, []string{tokens.Audience})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, token string) error {
		_, err := v.ValidateToken(ctx, token)
		return err
	}, nil
}

// Auth0 returns auth0's validator of version 3 for key.
func Auth0(key *tokens.Key) (*auth0v3.Validator, error) {
	set, err := jwkv3.Parse(tokens.Set(key))
	if err != nil {
		return nil, err
	}
	return auth0v3.New(
		auth0v3.WithKeyFunc(func(context.Context) (any, error) { return set, nil }),
		auth0v3.WithAlgorithm(auth0v3.SignatureAlgorithm(key.Alg)),
		auth0v3.WithIssuer(tokens.Issuer),
		auth0v3.WithAudience(tokens.Audience),
	)
}

func auth0V3(_ context.Context, key *tokens.Key, _ string) (Verify, error) {
	v, err := Auth0(key)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, token string) error {
		_, err := v.ValidateToken(ctx, token)
		return err
	}, nil
}

func zitadel(_ context.Context, key *tokens.Key, set string) (Verify, error) {
	v := op.NewAccessTokenVerifier(tokens.Issuer, rp.NewRemoteKeySet(http.DefaultClient, set),
		op.WithSupportedAccessTokenSigningAlgorithms(key.Alg))
	return func(ctx context.Context, token string) error {
		_, err := op.VerifyAccessToken[*zoidc.AccessTokenClaims](ctx, token, v)
		return err
	}, nil
}

func hashicorp(_ context.Context, key *tokens.Key, _ string) (Verify, error) {
	set, err := capjwt.NewStaticKeySet([]crypto.PublicKey{key.Private.Public()})
	if err != nil {
		return nil, err
	}
	v, err := capjwt.NewValidator(set)
	if err != nil {
		return nil, err
	}
	expected := capjwt.Expected{Issuer: tokens.Issuer, Audiences: []string{tokens.Audience},
		SigningAlgorithms: []capjwt.Alg{capjwt.Alg(key.Alg)}}
	return func(ctx context.Context, token string) error {
		_, err := v.Validate(ctx, token, expected)
		return err
	}, nil
}

// Probe returns what verify lets pass that it should refuse, of signature, iss, aud, exp and
// missing exp. It fails when verify refuses a good token.
func Probe(ctx context.Context, verify Verify, key *tokens.Key) ([]string, error) {
	good, err := key.Sign(tokens.Claims())
	if err != nil {
		return nil, err
	}
	if err := verify(ctx, good); err != nil {
		return nil, fmt.Errorf("a good token: %w", err)
	}
	forged, err := key.Spoil(good)
	if err != nil {
		return nil, err
	}
	bad := []struct{ name, token string }{{"signature", forged}}
	for _, c := range []struct {
		name  string
		edits []string
	}{
		{"iss", []string{tokens.Issuer, "https://other.example"}},
		{"aud", []string{tokens.Audience, "https://other.example"}},
		{"exp", []string{`"exp":`, `"exp":1700000000,"was":`}},
		{"missing exp", []string{`"exp":`, `"was":`}},
	} {
		token, err := key.Sign(tokens.Claims(c.edits...))
		if err != nil {
			return nil, err
		}
		bad = append(bad, struct{ name, token string }{c.name, token})
	}
	var passed []string
	for _, b := range bad {
		if verify(ctx, b.token) == nil {
			passed = append(passed, b.name)
		}
	}
	if slices.Contains(passed, "signature") {
		return passed, errors.New("a bad signature passes")
	}
	return passed, nil
}
