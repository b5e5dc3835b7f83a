package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

func TestVerifyClaims(t *testing.T) {
	config := auth.Config{Issuer: "https://issuer.example", Audiences: []string{"api"}}
	now := time.Now()
	for name, tt := range map[string]struct {
		claims      map[string]any // nil takes a member away
		change      func(*auth.Config)
		anyAudience bool
		want        auth.Reason
	}{
		"good":                      {},
		"no iss":                    {claims: map[string]any{"iss": nil}},
		"another iss":               {claims: map[string]any{"iss": "https://other.example"}, want: auth.ReasonIssuerNotTrusted},
		"iss a number":              {claims: map[string]any{"iss": 1}, want: auth.ReasonIssuerNotTrusted},
		"no aud":                    {claims: map[string]any{"aud": nil}, want: auth.ReasonAudienceMismatch},
		"another aud":               {claims: map[string]any{"aud": "other"}, want: auth.ReasonAudienceMismatch},
		"another aud, any will do":  {claims: map[string]any{"aud": "other"}, anyAudience: true},
		"no exp":                    {claims: map[string]any{"exp": nil}},
		"exp 0":                     {claims: map[string]any{"exp": 0}, want: auth.ReasonClaimInvalid},
		"no exp, and MaxAge":        {claims: map[string]any{"exp": nil}, change: func(c *auth.Config) { c.MaxAge = time.Hour }, want: auth.ReasonClaimInvalid},
		"no exp, and MaxLifetime":   {claims: map[string]any{"exp": nil}, change: func(c *auth.Config) { c.MaxLifetime = time.Hour }, want: auth.ReasonClaimInvalid},
		"expired":                   {claims: map[string]any{"exp": now.Add(-time.Hour).Unix()}, want: auth.ReasonTokenExpired},
		"too old":                   {claims: map[string]any{"iat": now.Add(-2 * time.Hour).Unix()}, change: func(c *auth.Config) { c.MaxAge = time.Hour }, want: auth.ReasonTokenTooOld},
		"not yet valid":             {claims: map[string]any{"nbf": now.Add(time.Hour).Unix()}, want: auth.ReasonTokenNotYetValid},
		"issued in the future":      {claims: map[string]any{"iat": now.Add(time.Hour).Unix()}, want: auth.ReasonTokenIssuedInFuture},
		"no sub":                    {claims: map[string]any{"sub": nil}},
		"no sub, which is required": {claims: map[string]any{"sub": nil}, change: func(c *auth.Config) { c.RequiredClaims = []string{"sub"} }, want: auth.ReasonClaimInvalid},
		"the marks of an ID token":  {claims: map[string]any{"nonce": "x", "at_hash": "y"}},
		"a claim that is fixed":     {change: func(c *auth.Config) { c.FixedClaims = map[string]string{"tenant": "a"} }, want: auth.ReasonClaimInvalid},
		"a check that says no": {change: func(c *auth.Config) {
			c.Checks = []func(*auth.Principal) error{func(*auth.Principal) error { return errors.New("no") }}
		}, want: auth.ReasonClaimsRefused},
		"a scope that is no scope": {claims: map[string]any{"scope": "a\x7f"}, want: auth.ReasonClaimInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			claims := map[string]any{"iss": "https://issuer.example", "aud": "api", "sub": "alice", "client_id": "app", "scope": "a b",
				"exp": now.Add(time.Hour).Unix(), "iat": now.Unix()}
			maps.Copy(claims, tt.claims)
			maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
			doc, err := json.Marshal(claims)
			if err != nil {
				t.Fatal(err)
			}
			c := config
			if tt.change != nil {
				tt.change(&c)
			}
			verify, err := auth.VerifyClaims(c, tt.anyAudience)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // its memory is used again
				p, err := verify(doc)
				if got := reasonOf(err); got != tt.want {
					t.Fatalf("refused for %q, want %q", got, tt.want)
				}
				if tt.want == "" && (p.Issuer() != c.Issuer || !p.HasScope("a") || p.ValidUntil().IsZero() != (claims["exp"] == nil)) {
					t.Errorf("%v, good until %v", p, p.ValidUntil())
				}
			}
		})
	}
	verify, err := auth.VerifyClaims(config, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{``, `[]`, `{"aud":"api"`, `{"aud":"api","aud":"api"}`} {
		if _, err := verify([]byte(doc)); reasonOf(err) != auth.ReasonTokenMalformed {
			t.Errorf("%s: %v", doc, err)
		}
	}
	if _, err := auth.VerifyClaims(auth.Config{Issuer: "x"}, false); err == nil || !strings.Contains(err.Error(), "Audiences") {
		t.Errorf("without an audience: %v", err)
	}
	if _, err := auth.VerifyClaims(auth.Config{}, true); err == nil || !strings.Contains(err.Error(), "Issuer") {
		t.Errorf("without an issuer: %v", err)
	}
}

func TestTheFormOfAToken(t *testing.T) {
	v, err := auth.NewForms(named("jwt"), named("opaque"))
	if err != nil {
		t.Fatal(err)
	}
	const header, payload, signature = "eyJhbGciOiJFUzI1NiJ9", "e30", "c2ln"
	for token, want := range map[string]string{
		header + "." + payload + "." + signature:                           "jwt",
		"eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0." + payload + "." + signature: "jwt", // alg none is a JWT, and refused
		header + "." + payload + ".":                                       "opaque",
		header + ".." + signature:                                          "opaque",
		"." + payload + "." + signature:                                    "opaque",
		header + "." + payload:                                             "opaque",
		header + "." + payload + "." + signature + ".":                     "opaque",
		header + "." + payload + ".s.i.g":                                  "opaque",
		"e30." + payload + "." + signature:                                 "opaque",
		"eyJhbGciOjF9." + payload + "." + signature:                        "opaque", // alg 1
		"W10." + payload + "." + signature:                                 "opaque",
		"abcd." + payload + "." + signature:                                "opaque",
		header + "." + payload + "~." + signature:                          "opaque",
		header + "." + payload + "." + signature + "+":                     "opaque",
		"2YotnFZFEjr1zCsicMWpAA":                                           "opaque",
		"":                                                                 "opaque",
		strings.Repeat("A", 9000) + "." + payload + "." + signature:        "jwt", // and too large
	} {
		p, err := v.VerifyToken(context.Background(), token)
		if err != nil || p.Subject() != want {
			t.Errorf("%.60q is verified as %q, %v; want %q", token, p.Subject(), err, want)
		}
	}
	for _, broken := range [][2]auth.TokenVerifier{{nil, named("")}, {named(""), nil}, {(*auth.Verifier)(nil), named("")}} {
		if _, err := auth.NewForms(broken[0], broken[1]); err == nil {
			t.Errorf("NewForms(%v): no error", broken)
		}
	}
}

// full is a TokenVerifier with all that NewForms forwards.
type full struct {
	named
	err    error
	closed *int
}

func (f full) Ready() error { return f.err }
func (f full) Status() []auth.IssuerStatus {
	return []auth.IssuerStatus{{Issuer: string(f.named), Err: f.err}}
}
func (f full) Close() error { *f.closed++; return f.err }

func TestFormsForwards(t *testing.T) {
	bad, closed := errors.New("down"), 0
	v, err := auth.NewForms(full{"a", nil, &closed}, full{"a", bad, &closed})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := auth.NewGuard(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := guard.Ready(); !errors.Is(err, bad) {
		t.Errorf("Ready: %v", err)
	}
	if got := guard.Status(); len(got) != 1 || got[0].Issuer != "a" || !errors.Is(got[0].Err, bad) {
		t.Errorf("Status: %v", got)
	}
	if err := v.(interface{ Close() error }).Close(); !errors.Is(err, bad) || closed != 2 {
		t.Errorf("Close: %v, %d closed", err, closed)
	}
}
