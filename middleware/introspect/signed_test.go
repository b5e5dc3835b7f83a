package introspect_test

import (
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/bearward/bearward/internal/issuer"
	"github.com/bearward/bearward/jwks"
	"github.com/bearward/bearward/middleware/introspect"

	auth "github.com/bearward/bearward/middleware"
)

// A signedIssuer signs answers as an issuer.
type signedIssuer struct {
	*issuer.Issuer
	*endpoint
}

func newSignedIssuer(t *testing.T, alg auth.Algorithm) *signedIssuer {
	t.Helper()
	is, err := issuer.New(issuer.Options{URL: issuerURL, Audience: audience, Algorithm: alg})
	if err != nil {
		t.Fatal(err)
	}
	return &signedIssuer{is, newEndpoint()}
}

// answers makes every answer the JWT that change makes of a good one.
func (s *signedIssuer) answers(t *testing.T, change func(header, claims map[string]any), mediaType string) {
	s.set(func(e *endpoint) {
		e.answer = func(w http.ResponseWriter, token string) bool {
			told := e.tokens[token]
			if told == nil {
				told = map[string]any{"active": false}
			}
			raw, err := s.Token("read:orders", issuer.Change{At: issuer.OnMembers, Apply: func(d *issuer.Draft) error {
				d.Header["typ"] = "token-introspection+jwt"
				clear(d.Claims)
				maps.Copy(d.Claims, map[string]any{"iss": issuerURL, "aud": "orders-api", "iat": time.Now().Unix(), "token_introspection": told,
					"sub": "somebody else", "exp": 1, "active": true}) // RFC 9701 §5: these say nothing
				if change != nil {
					change(d.Header, d.Claims)
				}
				return nil
			}})
			if err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Type", mediaType)
			fmt.Fprint(w, raw)
			return true
		}
	})
}

const signedType = "application/token-introspection+jwt"

func TestSignedAnswers(t *testing.T) {
	issuers := []*signedIssuer{newSignedIssuer(t, auth.RS256), newSignedIssuer(t, auth.ES256)}
	set := func(in string, name string, value any) func(header, claims map[string]any) {
		return func(header, claims map[string]any) {
			to := claims
			if in == "header" {
				to = header
			}
			if to[name] = value; value == nil {
				delete(to, name)
			}
		}
	}
	for name, tt := range map[string]struct {
		change func(header, claims map[string]any)
		media  string
		want   auth.Reason
	}{
		"good":                       {},
		"aud is an audience of ours": {change: set("claims", "aud", audience)},
		"aud is an array":            {change: set("claims", "aud", []string{"x", "orders-api"})},
		"aud is another":             {change: set("claims", "aud", "other"), want: auth.ReasonUnavailable},
		"no aud":                     {change: set("claims", "aud", nil), want: auth.ReasonUnavailable},
		"aud is a number":            {change: set("claims", "aud", 1), want: auth.ReasonUnavailable},
		"another typ":                {change: set("header", "typ", "at+jwt"), want: auth.ReasonUnavailable},
		"no typ":                     {change: set("header", "typ", nil), want: auth.ReasonUnavailable},
		"another iss":                {change: set("claims", "iss", "https://other.example"), want: auth.ReasonUnavailable},
		"no iat":                     {change: set("claims", "iat", nil), want: auth.ReasonUnavailable},
		"no token_introspection":     {change: set("claims", "token_introspection", nil), want: auth.ReasonUnavailable},
		"token_introspection a text": {change: set("claims", "token_introspection", `{"active":true}`), want: auth.ReasonUnavailable},
		"crit":                       {change: set("header", "crit", []string{"exp"}), want: auth.ReasonUnavailable},
		"another kid":                {change: set("header", "kid", "unknown"), want: auth.ReasonUnavailable},
		"called JSON":                {media: "application/json", want: auth.ReasonUnavailable},
		"called a JWT":               {media: "application/jwt", want: auth.ReasonUnavailable},
	} {
		for _, s := range issuers {
			t.Run(fmt.Sprint(name, " ", s.Algorithm()), func(t *testing.T) {
				s.endpoint = newEndpoint()
				s.give(opaque, nil)
				media := tt.media
				if media == "" {
					media = signedType
				}
				s.answers(t, tt.change, media)
				i := mustNew(t, s.endpoint, func(c *introspect.Config) { c.Signed = s.Keys() })
				want(t, i, opaque, tt.want)
				if got := s.headers[0].Get("Accept"); got != signedType {
					t.Errorf("Accept is %q", got)
				}
				if tt.want == "" {
					want(t, i, "unknown-1", auth.ReasonTokenInactive)
				}
			})
		}
	}
}

func TestSignedMeansNothingElse(t *testing.T) {
	s := newSignedIssuer(t, auth.ES256)
	s.give(opaque, nil)
	i := mustNew(t, s.endpoint, func(c *introspect.Config) { c.Signed = s.Keys() })
	want(t, i, opaque, auth.ReasonUnavailable) // plain JSON
	other := newSignedIssuer(t, auth.ES256)
	other.give(opaque, nil)
	other.answers(t, nil, signedType)
	i = mustNew(t, other.endpoint, func(c *introspect.Config) { c.Signed = s.Keys() })
	want(t, i, opaque, auth.ReasonUnavailable) // another's key
	s.answers(t, nil, signedType)
	i = mustNew(t, s.endpoint, func(c *introspect.Config) {
		c.Signed, c.Claims.Algorithms = s.Keys(), []auth.Algorithm{auth.RS256}
	})
	want(t, i, opaque, auth.ReasonUnavailable) // another algorithm
}

func TestAKeyVerifiesTheOneAlgorithmThatItIsPublishedFor(t *testing.T) {
	s := newSignedIssuer(t, auth.RS256)
	s.give(opaque, nil)
	s.answers(t, nil, signedType)
	var other jwks.Static
	for _, k := range s.Keys() {
		other = append(other, &jwks.Key{ID: k.ID, Algorithm: "PS256", Public: k.Public})
	}
	want(t, mustNew(t, s.endpoint, func(c *introspect.Config) { c.Signed = other }), opaque, auth.ReasonUnavailable)
	for _, k := range other {
		k.Algorithm = "RS256"
	}
	want(t, mustNew(t, s.endpoint, func(c *introspect.Config) { c.Signed = other }), opaque, "")
}
