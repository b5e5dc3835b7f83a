package authserver_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/authserver"
)

// The vectors of RFC 6238 Appendix B, in six digits.
func TestCodesAreRFC6238s(t *testing.T) {
	u := authserver.User{CodeKey: []byte("12345678901234567890")}
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := u.Code(time.Unix(at, 0)); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

// Acr_values and max_age ask for another log-in, and the access token says what it was.
func TestStepUp(t *testing.T) {
	device := authserver.User{Name: "alice", Password: "wonderland", CodeKey: []byte("12345678901234567890")}
	_, issuer := start(t, func(c *authserver.Config) {
		c.Users = []authserver.User{device, {Name: "bob", Password: "builder"}}
	})
	c := register(t, issuer)
	conf := c.OAuth
	conf.Scopes = []string{"read:orders", "offline_access"}
	b := browse(t)

	// visit opens the authorization endpoint, and answers the login page, when there is one, with
	// the form. It returns how many login pages there were, and where the browser is sent in the
	// end.
	visit := func(form url.Values, verifier string, more ...oauth2.AuthCodeOption) (logins int, to *url.URL) {
		t.Helper()
		resp, err := b.Get(conf.AuthCodeURL("s", append(more, oauth2.S256ChallengeOption(verifier))...))
		for range 4 {
			_, page := read(t, resp, err)
			if to, err := resp.Location(); err == nil {
				return logins, to
			}
			answer := url.Values{"decision": {"allow"}, "scope": conf.Scopes}
			if strings.Contains(page, `name="password"`) {
				if logins++; logins > 1 {
					return logins, nil // the form was wrong
				}
				answer = form
			}
			resp, err = b.PostForm(action(t, issuer, page), answer)
		}
		t.Fatal("too many pages")
		return 0, nil
	}
	redeem := func(to *url.URL, verifier string) (map[string]any, *oauth2.Token) {
		t.Helper()
		tok, err := conf.Exchange(t.Context(), to.Query().Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatalf("%v, after %s", err, to)
		}
		return part(t, tok.AccessToken, 1), tok
	}
	ask := func(name, value string) oauth2.AuthCodeOption { return oauth2.SetAuthURLParam(name, value) }
	password := url.Values{"username": {"alice"}, "password": {"wonderland"}}
	withCode := func(code string) url.Values {
		return url.Values{"username": {"alice"}, "password": {"wonderland"}, "code": {code}}
	}
	v := oauth2.GenerateVerifier()

	_, to := visit(password, v)
	claims, _ := redeem(to, v)
	if at, ok := claims["auth_time"].(float64); claims["acr"] != authserver.ACRPassword || !ok || time.Since(time.Unix(int64(at), 0)) > time.Minute {
		t.Errorf("claims %v", claims)
	}
	if logins, _ := visit(password, v, ask("max_age", "3600")); logins != 0 {
		t.Error("asked to log in again within max_age")
	}
	if logins, _ := visit(password, v, ask("max_age", "0")); logins != 1 {
		t.Error("not asked to log in again beyond max_age")
	}
	mfa := ask("acr_values", authserver.ACRMultiFactor)
	for _, form := range []url.Values{password, withCode(""), withCode(device.Code(time.Now().Add(-time.Hour)))} {
		if logins, to := visit(form, v, mfa); logins != 2 || to != nil {
			t.Errorf("%v: %d login pages, then %v", form, logins, to)
		}
	}

	used := withCode(device.Code(time.Now()))
	logins, to := visit(used, v, mfa)
	if logins != 1 || to == nil {
		t.Fatalf("%d login pages, then %v", logins, to)
	}
	claims, tok := redeem(to, v)
	if claims["acr"] != authserver.ACRMultiFactor {
		t.Errorf("claims %v", claims)
	}
	next, err := c.Refresh(t.Context(), tok.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if after := part(t, next.AccessToken, 1); after["acr"] != claims["acr"] || after["auth_time"] != claims["auth_time"] {
		t.Errorf("after a refresh: %v, before: %v", after, claims)
	}
	if logins, _ := visit(nil, v, mfa); logins != 0 {
		t.Error("asked for a code again in the same session")
	}
	if logins, to := visit(used, v, mfa, ask("prompt", "login")); logins != 2 || to != nil {
		t.Errorf("a code that was used: %d login pages, then %v", logins, to)
	}

	if logins, to := visit(nil, v, ask("acr_values", "urn:example:other "+authserver.ACRMultiFactor)); logins != 0 || to.Query().Get("code") == "" {
		t.Errorf("an unknown acr beside a known one: %d login pages, then %v", logins, to)
	}
	if _, to := visit(nil, v, ask("acr_values", "urn:example:other")); to == nil || to.Query().Get("error") != "invalid_request" {
		t.Errorf("unknown acr values alone: %v", to)
	}

	bob := url.Values{"username": {"bob"}, "password": {"builder"}}
	again := ask("prompt", "login")
	if _, to := visit(bob, v, mfa, again); to == nil || to.Query().Get("error") != "unmet_authentication_requirements" {
		t.Errorf("without a device: %v", to)
	}
	_, to = visit(bob, v, ask("acr_values", authserver.ACRMultiFactor+" "+authserver.ACRPassword), again)
	if claims, _ := redeem(to, v); claims["acr"] != authserver.ACRPassword || claims["sub"] != "bob" {
		t.Errorf("the second best: %v", claims)
	}
}
