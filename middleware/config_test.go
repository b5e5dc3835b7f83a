package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

func TestConfigMisconfigured(t *testing.T) {
	good := auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}}
	tests := []struct {
		name string
		edit func(*auth.Config)
		want string
	}{
		{"no issuer", func(c *auth.Config) { c.Issuer = "" }, "Config.Issuer is required"},
		{"no audience", func(c *auth.Config) { c.Audiences = nil }, "Config.Audiences is required"},
		{"an empty audience", func(c *auth.Config) { c.Audiences = []string{testAudience, ""} }, "Config.Audiences"},
		{"an empty client", func(c *auth.Config) { c.Clients = []string{""} }, "Config.Clients"},
		{"an algorithm that is none", func(c *auth.Config) { c.Algorithms = []auth.Algorithm{99} }, "Config.Algorithms"},
		{"the type of another token", func(c *auth.Config) { c.Types = []string{"application/DPoP+jwt"} }, "Config.Types"},
		{"any type", func(c *auth.Config) { c.Types = []string{"*"} }, "Config.Types"},
		{"scopes in the audience", func(c *auth.Config) { c.ScopeClaim = "aud" }, "Config.ScopeClaim"},
		{"a fixed expiry", func(c *auth.Config) { c.FixedClaims = map[string]string{"exp": "1"} }, "Config.FixedClaims"},
		{"an empty required claim", func(c *auth.Config) { c.RequiredClaims = []string{""} }, "Config.RequiredClaims"},
		{"an empty client ID claim", func(c *auth.Config) { c.ClientIDClaims = []string{""} }, "Config.ClientIDClaims"},
		{"a leeway above five minutes", func(c *auth.Config) { c.Leeway = 5*time.Minute + 1 }, "Config.Leeway"},
		{"a negative age", func(c *auth.Config) { c.MaxAge = -1 }, "Config.MaxAge"},
		{"a negative lifetime", func(c *auth.Config) { c.MaxLifetime = -1 }, "Config.MaxLifetime"},
		{"a negative size", func(c *auth.Config) { c.MaxTokenBytes = -1 }, "Config.MaxTokenBytes"},
		{"a size above 1 MiB", func(c *auth.Config) { c.MaxTokenBytes = 1<<20 + 1 }, "Config.MaxTokenBytes"},
		{"a cache above 2^24", func(c *auth.Config) { c.CacheSize = 1<<24 + 1 }, "Config.CacheSize"},
		{"a nil check", func(c *auth.Config) { c.Checks = []func(*auth.Principal) error{nil} }, "Config.Checks[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.edit(&c)
			if _, err := auth.NewVerifier(jwks.Static{}, c); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error that names %s", err, tt.want)
			}
		})
	}
	if _, err := auth.NewVerifier(nil, good); err == nil || !strings.Contains(err.Error(), "jwks.Source") {
		t.Errorf("a nil source: %v", err)
	}
	if _, err := auth.NewVerifier((*jwks.Cache)(nil), good); err == nil || !strings.Contains(err.Error(), "jwks.Source") {
		t.Errorf("a nil cache: %v", err)
	}
	good.Leeway = 5 * time.Minute
	if _, err := auth.NewVerifier(jwks.Static{}, good); err != nil {
		t.Errorf("a leeway of five minutes: %v", err)
	}
}

func TestNewMisconfigured(t *testing.T) {
	tests := []struct {
		name, issuer, audience string
		opts                   *auth.GuardOptions
		want                   string
	}{
		{"no issuer", "", testAudience, nil, "issuer"},
		{"no audience", testIssuer, "", nil, "audience"},
		{"plain http beyond loopback", "http://issuer.example", testAudience, nil, "https"},
		{"a realm with a line break", testIssuer, testAudience, &auth.GuardOptions{Realm: "\n"}, "GuardOptions.Realm"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := auth.New(tt.issuer, tt.audience, tt.opts)
			if err == nil {
				_ = g.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// TestProviderForms are the token shapes of issuers that do not follow RFC 9068.
func TestProviderForms(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	plain := `{"alg":"EdDSA","kid":"k1"}`
	lax := auth.Config{Types: []string{"", "JWT", "at+jwt"}, RequiredClaims: []string{"sub"}}
	with := func(c auth.Config, edit func(*auth.Config)) auth.Config { edit(&c); return c }
	tests := []struct {
		name   string
		config auth.Config
		header string
		edits  []string
		want   auth.Reason
		scope  string
		client string
	}{
		{"no type", lax, plain, nil, "", "read:orders", "app"},
		{"the type JWT", lax, `{"alg":"EdDSA","kid":"k1","typ":"JWT"}`, nil, "", "read:orders", "app"},
		{"an empty type is not an absent one", lax, `{"alg":"EdDSA","kid":"k1","typ":""}`, nil, auth.ReasonTokenTypeNotAccepted, "", ""},
		{"a DPoP proof", lax, `{"alg":"EdDSA","kid":"k1","typ":"dpop+jwt"}`, nil, auth.ReasonTokenTypeNotAccepted, "", ""},
		{"an ID token by its nonce", lax, plain, []string{`"jti"`, `"nonce":"n","jti"`}, auth.ReasonIDToken, "", ""},
		{"an ID token by its at_hash", lax, plain, []string{`"jti"`, `"at_hash":"n","jti"`}, auth.ReasonIDToken, "", ""},
		{"an ID token by its c_hash", lax, plain, []string{`"jti"`, `"c_hash":"n","jti"`}, auth.ReasonIDToken, "", ""},
		{"a nonce in an at+jwt", lax, k.header(), []string{`"jti"`, `"nonce":"n","jti"`}, "", "read:orders", "app"},
		{"nothing required", with(lax, func(c *auth.Config) { c.RequiredClaims = []string{} }), plain,
			[]string{`"sub":"alice",`, ``, `"jti":"id-1","client_id":"app",`, ``}, "", "read:orders", ""},
		{"another client claim", with(lax, func(c *auth.Config) { c.ClientIDClaims = []string{"azp", "client_id"} }), plain,
			[]string{`"client_id"`, `"azp"`}, "", "read:orders", "app"},
		{"the first client claim wins", with(lax, func(c *auth.Config) { c.ClientIDClaims = []string{"azp", "client_id"} }), plain,
			[]string{`"jti"`, `"azp":"other","jti"`}, "", "read:orders", "other"},
		{"scopes in an array", with(lax, func(c *auth.Config) { c.ScopeClaim, c.ScopeArray = "scp", true }), plain,
			[]string{`"scope":"read:orders"`, `"scp":["read:orders"]`}, "", "read:orders", "app"},
		{"either form, as a string", with(lax, func(c *auth.Config) { c.ScopeArray = true }), plain, nil, "", "read:orders", "app"},
		{"either form, as an array", with(lax, func(c *auth.Config) { c.ScopeArray = true }), plain,
			[]string{`"read:orders"`, `["a","read:orders"]`}, "", "read:orders", "app"},
		{"an array with a number", with(lax, func(c *auth.Config) { c.ScopeArray = true }), plain,
			[]string{`"read:orders"`, `["a",1]`}, auth.ReasonClaimInvalid, "", ""},
		{"an array with two scopes in one", with(lax, func(c *auth.Config) { c.ScopeArray = true }), plain,
			[]string{`"read:orders"`, `["read:orders admin"]`}, auth.ReasonClaimInvalid, "", ""},
		{"a fixed claim", with(lax, func(c *auth.Config) { c.FixedClaims = map[string]string{"token_use": "access"} }), plain,
			[]string{`"jti"`, `"token_use":"access","jti"`}, "", "read:orders", "app"},
		{"a fixed claim of another value", with(lax, func(c *auth.Config) { c.FixedClaims = map[string]string{"token_use": "access"} }), plain,
			[]string{`"jti"`, `"token_use":"id","jti"`}, auth.ReasonClaimInvalid, "", ""},
		{"a fixed claim that is missing", with(lax, func(c *auth.Config) { c.FixedClaims = map[string]string{"token_use": "access"} }), plain, nil, auth.ReasonClaimInvalid, "", ""},
		{"a client in place of the audience", with(lax, func(c *auth.Config) { c.Clients = []string{"app"} }), plain,
			[]string{`"aud":"https://api.example",`, ``}, "", "read:orders", "app"},
		{"another client in place of the audience", with(lax, func(c *auth.Config) { c.Clients = []string{"other"} }), plain,
			[]string{`"aud":"https://api.example",`, ``}, auth.ReasonAudienceMismatch, "", ""},
		{"another audience, though the client is known", with(lax, func(c *auth.Config) { c.Clients = []string{"app"} }), plain,
			[]string{testAudience, "https://other.example"}, auth.ReasonAudienceMismatch, "", ""},
		{"an age without iat", with(lax, func(c *auth.Config) { c.MaxAge = time.Hour }), plain, []string{`"iat":`, `"x":`}, auth.ReasonClaimInvalid, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.config
			c.Issuer, c.Audiences = testIssuer, []string{testAudience}
			v, err := auth.NewVerifier(jwks.Static{k.public()}, c)
			if err != nil {
				t.Fatal(err)
			}
			p, err := v.VerifyToken(t.Context(), k.sign(t, tt.header, claims(tt.edits...)))
			if got := reasonOf(err); got != tt.want {
				t.Fatalf("reason %v, want %v", got, tt.want)
			}
			if err != nil {
				return
			}
			if !p.HasScope(tt.scope) || p.ClientID() != tt.client {
				t.Errorf("scopes %q of client %q, want %q of %q", p.Scopes(), p.ClientID(), tt.scope, tt.client)
			}
		})
	}
}

func TestChecks(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	type tenant struct {
		Tenant string `json:"tenant"`
	}
	no := errors.New("not a tenant of ours")
	v := newVerifier(t, k, func(c *auth.Config) {
		c.Checks = []func(*auth.Principal) error{auth.CheckClaims(func(c *tenant) error {
			if c.Tenant != "ours" {
				return no
			}
			return nil
		})}
	})
	for edit, want := range map[string]auth.Reason{
		`"tenant":"ours","jti"`:  "",
		`"tenant":"other","jti"`: auth.ReasonClaimsRefused,
		`"Tenant":"ours","jti"`:  auth.ReasonClaimsRefused, // names match exactly
		`"tenant":7,"jti"`:       auth.ReasonClaimsRefused,
		`"jti"`:                  auth.ReasonClaimsRefused,
	} {
		err := verify(t, v, k.sign(t, k.header(), claims(`"jti"`, edit)))
		if got := reasonOf(err); got != want {
			t.Errorf("%s: reason %v, want %v", edit, got, want)
		}
	}
	if err := verify(t, v, k.sign(t, k.header(), claims())); !errors.Is(err, no) {
		t.Errorf("got %v, want the check's own error inside", err)
	}
}

// slow answers after a while, as a Cache does that has to fetch.
type slow struct {
	jwks.Static
	after time.Duration
}

func (s slow) Keys(ctx context.Context, kid string) ([]*jwks.Key, error) {
	time.Sleep(s.after)
	return s.Static.Keys(ctx, kid)
}

func TestATokenThatExpiresWhileItsKeyIsFetched(t *testing.T) {
	k := newSigningKey(t, "EdDSA", "k1")
	synctest.Test(t, func(t *testing.T) {
		v, err := auth.NewVerifier(slow{jwks.Static{k.public()}, 2 * time.Second}, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}, Leeway: -1})
		if err != nil {
			t.Fatal(err)
		}
		token := k.sign(t, k.header(), claims())
		time.Sleep(299 * time.Second)
		if got := reasonOf(verify(t, v, token)); got != auth.ReasonTokenExpired {
			t.Errorf("reason %v, want %v", got, auth.ReasonTokenExpired)
		}
	})
}

func TestIssuers(t *testing.T) {
	a, b := newSigningKey(t, "EdDSA", "k1"), newSigningKey(t, "EdDSA", "k1")
	verifier := func(k *signingKey, issuer string, more func(*auth.Config)) *auth.Verifier {
		return newVerifier(t, k, func(c *auth.Config) {
			c.Issuer = issuer
			if more != nil {
				more(c)
			}
		})
	}
	const other = "https://other.example"
	is, err := auth.NewIssuers(verifier(a, testIssuer, func(c *auth.Config) { c.MaxTokenBytes = 1000 }), verifier(b, other, func(c *auth.Config) { c.MaxTokenBytes = 2000 }))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, token string
		want        auth.Reason
	}{
		{"the first issuer's token", a.sign(t, a.header(), claims()), ""},
		{"the second issuer's token", b.sign(t, b.header(), claims(testIssuer, other)), ""},
		{"the first issuer's name on the second one's key", b.sign(t, b.header(), claims()), auth.ReasonSignatureInvalid},
		{"the second issuer's name on the first one's key", a.sign(t, a.header(), claims(testIssuer, other)), auth.ReasonSignatureInvalid},
		{"a stranger", a.sign(t, a.header(), claims(testIssuer, "https://stranger.example")), auth.ReasonIssuerNotTrusted},
		{"no issuer", a.sign(t, a.header(), claims(`"iss":"https://issuer.example",`, ``)), auth.ReasonIssuerNotTrusted},
		{"an issuer that is a number", a.sign(t, a.header(), claims(`"https://issuer.example"`, `1`)), auth.ReasonTokenMalformed},
		{"two issuers", a.sign(t, a.header(), claims(`"sub"`, `"iss":"https://other.example","sub"`)), auth.ReasonTokenMalformed},
		{"random text", "x", auth.ReasonTokenMalformed},
		{"above every bound", strings.Repeat("x", 2001), auth.ReasonTokenTooLarge},
		{"above its issuer's bound", a.sign(t, a.header(), claims(`"jti"`, `"x":"`+strings.Repeat("x", 800)+`","jti"`)), auth.ReasonTokenTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // once verified and once, when it is good, remembered
				if got := reasonOf(verify(t, is, tt.token)); got != tt.want {
					t.Errorf("reason %v, want %v", got, tt.want)
				}
			}
		})
	}
	if _, err := auth.NewIssuers(); err == nil {
		t.Error("no issuer was accepted")
	}
	if _, err := auth.NewIssuers(verifier(a, testIssuer, nil), nil); err == nil {
		t.Error("a nil Verifier was accepted")
	}
	if _, err := auth.NewIssuers(verifier(a, testIssuer, nil), verifier(b, testIssuer, nil)); err == nil || !strings.Contains(err.Error(), testIssuer) {
		t.Errorf("one issuer twice: %v, want an error that names it", err)
	}
}

// unready is a source that holds no keys.
type unready struct{ jwks.Static }

func (unready) Ready() error { return jwks.ErrUnavailable }

func TestReady(t *testing.T) {
	build := func(src jwks.Source, issuer string, optional bool) *auth.Verifier {
		v, err := auth.NewVerifier(src, auth.Config{Issuer: issuer, Audiences: []string{testAudience}, ReadyWithoutKeys: optional})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	cannotTell := build(jwks.Static{}, "https://a.example", false)
	waits := build(unready{}, "https://b.example", false)
	optional := build(unready{}, "https://c.example", true)
	both, err := auth.NewIssuers(cannotTell, optional)
	if err != nil {
		t.Fatal(err)
	}
	all, err := auth.NewIssuers(cannotTell, waits, optional)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		v     auth.TokenVerifier
		ready bool
	}{
		{"a source that cannot tell", cannotTell, true},
		{"a source without keys", waits, false},
		{"an optional issuer", optional, true},
		{"issuers that are ready or optional", both, true},
		{"issuers of which one is not ready", all, false},
		{"a verifier that cannot tell", newFake(t), true},
	} {
		g := must(auth.NewGuard(tt.v, nil))
		if err := g.Ready(); (err == nil) != tt.ready {
			t.Errorf("%s: %v, want ready %v", tt.name, err, tt.ready)
		}
		if err := g.Close(); err != nil {
			t.Errorf("%s: close: %v", tt.name, err)
		}
	}
	if err := all.Ready(); !strings.Contains(err.Error(), "https://b.example") {
		t.Errorf("got %v, want the issuer that is not ready named", err)
	}
}
