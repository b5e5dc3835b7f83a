package house_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/introspect"
)

// TestFAQ reproduces each answer of FAQ.md: the request that it is about, and the reason that it
// names.
func TestFAQ(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	lax := auth.Config{Types: []string{"at+jwt", "JWT"}}
	type request struct {
		authorization []string
		config        auth.Config
		verifier      auth.TokenVerifier // nil: of the issuer's JWTs, by config
	}
	bearer := func(changes ...authtest.Change) request {
		return request{authorization: []string{"Bearer " + issuer.Token("read:orders", changes...)}}
	}
	under := func(c auth.Config, r request) request { r.config = c; return r }
	down := authtest.NewIssuer(t, nil)
	down.Fail(503)

	for heading, requests := range map[string][]request{
		"1. The token is meant for another API":   {bearer(authtest.WrongAudience), bearer(authtest.Claims{"aud": issuer.Audience + "/"})},
		"2. The issuer is written otherwise":      {bearer(authtest.IssuerTrailingSlash)},
		"3. The application sends its ID token":   {bearer(authtest.WrongType, authtest.Claims{"nonce": "x"}), under(lax, bearer(authtest.WrongType, authtest.Claims{"nonce": "x"}))},
		"4. The issuer does not write typ at+jwt": {bearer(authtest.WrongType), bearer(authtest.NoType)},
		"5. The token expired":                    {bearer(authtest.Expired)},
		"6. The token is no JWT that can be read": {
			{authorization: []string{"Bearer 3yKkd8aGh2vDmlQ0p5Xc"}},
			{authorization: []string{"Bearer eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA"}}, // as Auth0 makes them
			bearer(authtest.DuplicateClaim),
		},
		"7. The scheme is missing":             {{authorization: []string{issuer.Token("read:orders")}}, {}},
		"8. The key is not the issuer's":       {bearer(authtest.UnknownKid), bearer(authtest.WrongAlgorithm), bearer(authtest.NoKid)},
		"9. A claim is missing":                {bearer(authtest.NoClientID), bearer(authtest.NoTokenID), bearer(authtest.NoSubject)},
		"10. The token is bound to a key":      {bearer(authtest.SenderConstrained)},
		"11. The token is for Microsoft Graph": {under(auth.Config{Types: []string{"JWT"}}, bearer(authtest.Header{"typ": "JWT", "nonce": "AQABAAAA"}, authtest.BadSignature))},
		"12. The issuer does not call the token active": {
			{authorization: []string{"Bearer 3yKkd8aGh2vDmlQ0p5Xc"}, verifier: asking(t, http.StatusOK)},
		},
	} {
		t.Run(heading, func(t *testing.T) {
			named, seen := reasonsUnder(t, heading), map[string]bool{}
			for _, r := range requests {
				if r.verifier == nil {
					r.verifier = issuer.Verifier(r.config)
				}
				status, reason := ask(r.verifier, r.authorization, auth.Scopes("read:orders"))
				if status != http.StatusUnauthorized {
					t.Errorf("%d %s", status, reason)
				}
				seen[reason] = true
				if line := logged(r.verifier, r.authorization); !strings.Contains(section(t, heading), "\n"+line) {
					t.Errorf("FAQ.md does not show under this heading:\n%s", line)
				}
			}
			if !maps.Equal(named, seen) {
				t.Errorf("the reasons are %v, and FAQ.md names %v", seen, named)
			}
		})
	}
	t.Run("And when it is another status", func(t *testing.T) {
		named := reasonsUnder(t, "And when it is another status")
		good := []string{"Bearer " + issuer.Token("read:orders")}
		for _, tt := range []struct {
			v             auth.TokenVerifier
			authorization []string
			need          auth.Requirement
			status        int
		}{
			{issuer.Verifier(auth.Config{}), append(good, good...), auth.AnyToken(), 400},
			{issuer.Verifier(auth.Config{}), good, auth.Scopes("admin"), 403},
			{issuer.Verifier(auth.Config{}), good, auth.Requirement{}, 403},
			{issuer.Verifier(auth.Config{}), good, auth.Role("admin"), 403},
			{issuer.Verifier(auth.Config{}), good, auth.ACR("urn:example:mfa"), 401},
			{newerKey(t, issuer.Config()), good, auth.AnyToken(), 503},
			{down.Verifier(auth.Config{}), []string{"Bearer " + down.Token("read:orders")}, auth.AnyToken(), 503},
			{asking(t, http.StatusUnauthorized), []string{"Bearer opaque"}, auth.AnyToken(), 500},
		} {
			status, reason := ask(tt.v, tt.authorization, tt.need)
			if status != tt.status || !named[reason] {
				t.Errorf("%d %s, want %d, and FAQ.md names %v", status, reason, tt.status, named)
			}
			delete(named, reason)
		}
		if len(named) > 0 {
			t.Errorf("FAQ.md names %v, which no request had", named)
		}
	})
}

// asking is an Introspector whose endpoint answers with a status, and calls no token active.
func asking(t *testing.T, status int) *introspect.Introspector {
	t.Helper()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"active":false}`))
	}))
	t.Cleanup(endpoint.Close)
	i, err := introspect.New(endpoint.URL, introspect.Basic("orders-api", introspect.FixedSecret("secret")), introspect.Config{
		Claims: auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example"}}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

// anHourOld is a Source whose keys were asked for an hour ago, and have none of any ID.
type anHourOld struct{}

func (anHourOld) Keys(context.Context, string) ([]*jwks.Key, error) {
	return nil, &jwks.LookupError{Err: jwks.ErrUnknownKey, AskedAt: time.Now().Add(-time.Hour)}
}

func newerKey(t *testing.T, config auth.Config) auth.TokenVerifier {
	t.Helper()
	v, err := auth.NewVerifier(anHourOld{}, config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// logged returns the line that is logged of a refusal, without its time.
func logged(v auth.TokenVerifier, authorization []string) string {
	var b bytes.Buffer
	withoutTime := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	guard, err := auth.NewGuard(v, &auth.GuardOptions{OnDecision: auth.LogRefusals(slog.New(slog.NewTextHandler(&b, withoutTime)))})
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header["Authorization"] = authorization
	_, _ = guard.Authorize(r.Context(), auth.RequestCredentials(httptest.NewRecorder(), r, "GET /orders"), auth.Scopes("read:orders"))
	return b.String()
}

// ask returns the status of a refusal, and the reason that an operator is told.
func ask(v auth.TokenVerifier, authorization []string, need auth.Requirement) (int, string) {
	reason := ""
	guard, err := auth.NewGuard(v, &auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) {
		if d.Err != nil {
			reason = string(d.Err.Reason)
		}
	}})
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header["Authorization"] = authorization
	w := httptest.NewRecorder()
	if _, err := guard.Authorize(r.Context(), auth.RequestCredentials(w, r, "GET /orders"), need); err != nil {
		guard.Refuse(w, r, err)
	}
	return w.Code, reason
}

// section returns what FAQ.md has under a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("FAQ.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("FAQ.md has no heading %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// reasonsUnder returns the reasons that FAQ.md names under a heading.
func reasonsUnder(t *testing.T, heading string) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, r := range auth.Reasons() {
		known[string(r)] = true
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`([A-Z_]{4,})`").FindAllStringSubmatch(section(t, heading), -1) {
		if known[m[1]] {
			named[m[1]] = true
		}
	}
	return named
}
