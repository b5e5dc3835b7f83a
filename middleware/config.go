package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/internal/tokencache"
)

// Defaults and bounds of a Config.
const (
	defaultLeeway        = 30 * time.Second
	maxLeeway            = 5 * time.Minute // of Config.Leeway
	defaultMaxTokenBytes = 16 << 10
	maxMaxTokenBytes     = 1 << 20
	defaultCacheSize     = 4096 // tokens
)

// Config says which tokens a [Verifier] accepts. Issuer and Audiences are required; the zero value
// of every other field is its default, which is the RFC 9068 profile.
type Config struct {
	// Issuer is the exact "iss" of the tokens. It is compared byte for byte: a trailing slash
	// matters (RFC 9068 §4).
	Issuer string
	// Audiences are the names of this API. The "aud" of a token must hold at least one of them,
	// byte for byte (RFC 9068 §4).
	Audiences []string
	// Clients is for issuers whose access tokens have no aud (Amazon Cognito). A token without
	// "aud" is accepted when its client ID is one of these. When it is set, Audiences may be empty;
	// a token with an "aud" must still name this API.
	Clients []string

	// Algorithms are the signature algorithms to accept. Default: RS, PS and ES with 256, 384 and
	// 512, and EdDSA. An RSA key that is published without "alg" is bound to the first RSA
	// algorithm named here (RS256 by default).
	Algorithms []Algorithm
	// Types are the media types that "typ" may name, without regard to case and to a leading
	// "application/"; "" stands for a token without "typ". Default: at+jwt alone (RFC 9068 §4).
	Types []string
	// IDTokenClaims are the claims that mark an ID token. A token of another type than at+jwt that
	// has one of them, and not null, is refused. Default: nonce, at_hash and c_hash (OpenID Connect
	// Core §2, §3.3.2.11). Name fewer for an issuer that also writes one of them into access
	// tokens. Then FixedClaims must tell the two apart, or a claim of RequiredClaims that OpenID
	// Connect does not define, such as uid of authentik. An empty slice that is not nil names none.
	IDTokenClaims []string

	// ScopeClaim is the claim that holds the scopes. Default "scope".
	ScopeClaim string
	// ScopeArray accepts scopes in an array too, one string each (Okta, IdentityServer). Default
	// false: they are one string, with spaces between (RFC 6749 §3.3, RFC 9068 §2.2.3).
	ScopeArray bool
	// ScopeFallback is the claim that holds the scopes of a token without ScopeClaim, in either
	// form: app roles of Entra ID, for one. Default: none, and such a token has no scopes.
	ScopeFallback string
	// RolesClaim, GroupsClaim and PermissionsClaim are what Principal.Roles, Groups and Permissions
	// return: a path of names from the top of the claims, such as {"realm_access", "roles"}.
	// Defaults {"roles"}, {"groups"} and {"permissions"}.
	RolesClaim, GroupsClaim, PermissionsClaim []string
	// ClientIDClaims are the claims that may hold the client ID; the first of them that a token has
	// is used. Default "client_id".
	ClientIDClaims []string
	// RequiredClaims are the claims that must be there, besides iss, aud and exp. Default: sub,
	// client_id, iat and jti (RFC 9068 §2.2). "client_id" stands for any of ClientIDClaims; an
	// empty string counts as missing. An empty slice that is not nil requires none.
	RequiredClaims []string
	// FixedClaims are claims that must be strings with exactly these values, such as token_use:
	// access. Where the value is Bearer, a token that has cnf may have DPoP (RFC 9449 §5,
	// Keycloak). Default: none.
	FixedClaims map[string]string

	// InsecureAllowIDTokens accepts tokens that have one of IDTokenClaims, for issuers whose access
	// tokens cannot be told from ID tokens (Dex). It departs from RFC 9068 §4: what an application
	// got to know who logged in then also opens the API.
	InsecureAllowIDTokens bool

	// Leeway is how far the issuer's clock may be from ours. Default 30 s, at most 5 min; a
	// negative value means none.
	Leeway time.Duration
	// MaxAge bounds the time since "iat", and MaxLifetime the time from "iat" to "exp". Default 0:
	// no bound. Either makes "iat" required.
	MaxAge, MaxLifetime time.Duration
	// MaxTokenBytes is the longest token that is looked at, in bytes. Default 16 KiB, at most 1
	// MiB.
	MaxTokenBytes int

	// CacheSize is how many verified tokens are cached, so that each is verified once: about this
	// many, in tokens. Default 4096, at most 2^24; a negative value caches none. A cached token is
	// still compared with the clock, and with the keys that the issuer publishes, each time.
	CacheSize int

	// Checks are the program's own, on the claims of a token whose signature was verified. They are
	// asked last, in order. The first error refuses the token with [ReasonClaimsRefused] (401); its
	// text never reaches the caller. Each must be a pure function of the claims, since its result
	// is cached with the token, and safe for concurrent use. [CheckClaims] makes one from a
	// function of a struct. Default none.
	Checks []func(*Principal) error
	// ReadyWithoutKeys makes [Verifier.Ready] return nil while this issuer's keys are not cached
	// yet.
	ReadyWithoutKeys bool
}

// withDefaults returns c with every default filled in and every slice its own, or an error that
// names the field at fault.
func (c Config) withDefaults() (Config, error) {
	return c.withDefaultsFor(false)
}

// withDefaultsFor is withDefaults, where c may name no audience when any will do.
func (c Config) withDefaultsFor(anyAudience bool) (Config, error) {
	if c.Issuer == "" { // check: config-issuer
		return c, errors.New("auth: Config.Issuer is required")
	}
	if !anyAudience { // check: config-any-audience
		if err := c.checkAudiences(); err != nil {
			return c, err
		}
	}
	var err error
	if c.Algorithms, err = algorithmsOrDefault(c.Algorithms); err != nil {
		return c, err
	}
	if c.Types, err = typesOrDefault(c.Types); err != nil {
		return c, err
	}
	if err := c.claimDefaults(); err != nil {
		return c, err
	}
	if err := c.boundDefaults(); err != nil {
		return c, err
	}
	for i, check := range c.Checks {
		if check == nil {
			return c, fmt.Errorf("auth: Config.Checks[%d] is nil", i)
		}
	}
	c.Audiences = slices.Clone(c.Audiences)
	c.Clients = slices.Clone(c.Clients)
	c.Checks = slices.Clone(c.Checks)
	return c, nil
}

func (c *Config) checkAudiences() error {
	if len(c.Audiences) == 0 && len(c.Clients) == 0 { // check: config-audiences
		return errors.New("auth: Config.Audiences is required")
	}
	if slices.Contains(c.Audiences, "") { // check: config-audience-empty
		return errors.New("auth: Config.Audiences names an empty audience")
	}
	if slices.Contains(c.Clients, "") { // check: config-client-empty
		return errors.New("auth: Config.Clients names an empty client ID")
	}
	return nil
}

func algorithmsOrDefault(as []Algorithm) ([]Algorithm, error) {
	if len(as) == 0 {
		return []Algorithm{RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA}, nil
	}
	for _, a := range as {
		if a < RS256 || a > EdDSA {
			return nil, fmt.Errorf("auth: Config.Algorithms: %v is not an algorithm", a)
		}
	}
	return slices.Clone(as), nil
}

func typesOrDefault(types []string) ([]string, error) {
	if len(types) == 0 {
		return []string{accessTokenType}, nil
	}
	out := make([]string, len(types))
	for i, t := range types {
		out[i] = jose.MediaType(t)
		if what, ok := otherTokenTypes[out[i]]; ok { // check: config-foreign-type
			return nil, fmt.Errorf("auth: Config.Types: %q is %s, not an access token", t, what)
		}
		if strings.ContainsAny(t, "* ,;") { // check: config-type
			return nil, fmt.Errorf("auth: Config.Types: %q is not a media type", t)
		}
	}
	return out, nil
}

// ownClaims are read and checked in every token; a Config cannot give them another meaning.
var ownClaims = []string{"iss", "aud", "exp", "nbf", "iat", "cnf"}

func (c *Config) claimDefaults() error {
	if c.ScopeClaim == "" {
		c.ScopeClaim = "scope"
	}
	if len(c.ClientIDClaims) == 0 {
		c.ClientIDClaims = []string{"client_id"}
	}
	if err := c.idTokenDefaults(); err != nil {
		return err
	}
	if c.RequiredClaims == nil {
		c.RequiredClaims = []string{"sub", "client_id", "iat", "jti"}
	}
	c.ClientIDClaims = slices.Clone(c.ClientIDClaims)
	c.RequiredClaims = slices.Clone(c.RequiredClaims)
	if (c.MaxAge != 0 || c.MaxLifetime != 0) && !slices.Contains(c.RequiredClaims, "iat") { // check: config-age-needs-iat
		c.RequiredClaims = append(c.RequiredClaims, "iat")
	}
	fixed := make(map[string]string, len(c.FixedClaims))
	for name, want := range c.FixedClaims {
		if name == "" || slices.Contains(ownClaims, name) { // check: config-fixed-claim
			return fmt.Errorf("auth: Config.FixedClaims cannot fix %q", name)
		}
		fixed[name] = want
	}
	c.FixedClaims = fixed
	for _, name := range slices.Concat(c.ClientIDClaims, c.RequiredClaims) {
		if name == "" {
			return errors.New("auth: Config.ClientIDClaims or Config.RequiredClaims names an empty claim")
		}
	}
	if slices.Contains(ownClaims, c.ScopeClaim) { // check: config-scope-claim
		return fmt.Errorf("auth: Config.ScopeClaim cannot be %q", c.ScopeClaim)
	}
	if slices.Contains(ownClaims, c.ScopeFallback) || c.ScopeFallback == c.ScopeClaim {
		return fmt.Errorf("auth: Config.ScopeFallback cannot be %q", c.ScopeFallback)
	}
	return c.listDefaults()
}

// idTokenDefaults fills in what marks an ID token. To leave a mark out, something else must tell ID
// tokens apart.
func (c *Config) idTokenDefaults() error {
	marks := []string{"nonce", "at_hash", "c_hash"}
	if c.IDTokenClaims == nil {
		c.IDTokenClaims = marks
		return nil
	}
	c.IDTokenClaims = slices.Clone(c.IDTokenClaims)
	if slices.Contains(c.IDTokenClaims, "") {
		return errors.New("auth: Config.IDTokenClaims names an empty claim")
	}
	onlyAccessTokens := !slices.ContainsFunc(c.Types, func(typ string) bool { return typ != accessTokenType })
	for _, mark := range marks {
		left := !slices.Contains(c.IDTokenClaims, mark)
		if left && len(c.FixedClaims) == 0 && !c.requiresOther() && !onlyAccessTokens && !c.InsecureAllowIDTokens { // check: config-id-token-claims
			return fmt.Errorf("auth: Config.IDTokenClaims leaves out %s, and neither FixedClaims nor RequiredClaims tell access tokens from ID tokens", mark)
		}
	}
	return nil
}

// ofIDTokens are claims that ID tokens may have: those of OpenID Connect Core §2 and §5.1 and of
// its logout specifications, and others of any JWT.
var ofIDTokens = strings.Fields(`iss sub aud exp nbf iat jti auth_time nonce acr amr azp client_id at_hash c_hash s_hash sid
	name given_name family_name middle_name nickname preferred_username profile picture website email email_verified
	gender birthdate zoneinfo locale phone_number phone_number_verified address updated_at`)

// requiresOther reports whether a claim is required that ID tokens do not have.
func (c *Config) requiresOther() bool {
	return slices.ContainsFunc(c.RequiredClaims, func(name string) bool {
		return !slices.Contains(ofIDTokens, name) && !slices.Contains(c.ClientIDClaims, name) // check: config-id-token-required
	})
}

// listDefaults fills in where the lists of a Principal stand.
func (c *Config) listDefaults() error {
	for _, list := range []struct {
		field string
		path  *[]string
		name  string
	}{
		{"RolesClaim", &c.RolesClaim, "roles"}, {"GroupsClaim", &c.GroupsClaim, "groups"}, {"PermissionsClaim", &c.PermissionsClaim, "permissions"},
	} {
		if slices.Contains(*list.path, "") {
			return fmt.Errorf("auth: Config.%s names an empty claim", list.field)
		}
		*list.path = slices.Clone(*list.path)
		if len(*list.path) == 0 {
			*list.path = []string{list.name}
		}
	}
	return nil
}

func (c *Config) boundDefaults() error {
	switch {
	case c.Leeway > maxLeeway: // check: leeway-bound
		return fmt.Errorf("auth: Config.Leeway %v is above %v", c.Leeway, maxLeeway)
	case c.Leeway == 0:
		c.Leeway = defaultLeeway
	case c.Leeway < 0:
		c.Leeway = 0
	}
	if c.MaxAge < 0 { // check: config-max-age
		return fmt.Errorf("auth: Config.MaxAge %v is negative", c.MaxAge)
	}
	if c.MaxLifetime < 0 { // check: config-max-lifetime
		return fmt.Errorf("auth: Config.MaxLifetime %v is negative", c.MaxLifetime)
	}
	if c.MaxTokenBytes < 0 || c.MaxTokenBytes > maxMaxTokenBytes { // check: config-token-bytes
		return fmt.Errorf("auth: Config.MaxTokenBytes %d is not between 0 and %d", c.MaxTokenBytes, maxMaxTokenBytes)
	}
	if c.MaxTokenBytes == 0 {
		c.MaxTokenBytes = defaultMaxTokenBytes
	}
	switch {
	case c.CacheSize > tokencache.MaxSize:
		return fmt.Errorf("auth: Config.CacheSize %d is above %d", c.CacheSize, tokencache.MaxSize)
	case c.CacheSize == 0:
		c.CacheSize = defaultCacheSize
	}
	return nil
}
