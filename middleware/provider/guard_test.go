package provider_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/provider"
	"github.com/bearward/bearward/middleware/revocation"
)

// byHost reaches each issuer by the client of its own.
type byHost map[string]*http.Client

func (b byHost) RoundTrip(r *http.Request) (*http.Response, error) {
	return b[r.URL.Host].Transport.RoundTrip(r)
}

// issuers are two running issuers of different makes, one of which has its keys at a URL that no
// metadata names.
type issuers struct {
	presets  []provider.Preset
	keycloak *authtest.Issuer
	other    *authtest.Issuer
	options  jwks.Options // that reach both
}

func twoIssuers(t *testing.T) issuers {
	t.Helper()
	first := provider.Keycloak("https://sso.example/realms/shop", "orders-api")
	second := provider.Preset{
		Config:    auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example"}},
		KeySetURL: "https://keys.example/set",
	}
	i := issuers{presets: []provider.Preset{first, second}}
	i.keycloak = authtest.NewIssuer(t, &authtest.Options{Config: &first.Config})
	i.other = authtest.NewIssuer(t, &authtest.Options{Config: &second.Config, KeySetURL: second.KeySetURL})
	i.options.Client = &http.Client{Transport: byHost{"sso.example": i.keycloak.Client(), "keys.example": i.other.Client()}}
	return i
}

func TestOneGuardForSeveralIssuers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := twoIssuers(t)
		i.other.Fail(http.StatusServiceUnavailable)
		var told sync.Map
		i.options.OnRefresh = func(e jwks.RefreshEvent) { told.Store(e.Source, e.Err == nil) }
		guard, err := provider.Guard(&auth.GuardOptions{Keys: &i.options, Realm: "orders"}, i.presets...)
		if err != nil {
			t.Fatal(err)
		}
		defer guard.Close()
		synctest.Wait()
		if err := guard.Ready(); err == nil || !strings.Contains(err.Error(), "issuer https://issuer.example") || strings.Contains(err.Error(), "sso.example") {
			t.Errorf("one of two has no keys: %v", err)
		}
		ask := func(token string) error {
			_, err := guard.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + token}}, auth.Scopes("read:orders"))
			return err
		}
		if err := ask(i.keycloak.Token("read:orders")); err != nil {
			t.Errorf("the issuer that is up: %v", err)
		}
		if err := ask(i.other.Token("read:orders")); auth.AsError(err).Reason != auth.ReasonUnavailable {
			t.Errorf("the issuer that is down: %v", err)
		}
		claim := authtest.Claims{"iss": i.presets[0].Config.Issuer, "aud": "orders-api", "typ": "Bearer"}
		if err := ask(i.other.Token("read:orders", claim)); err == nil {
			t.Error("one issuer speaks for the other")
		}
		for _, p := range i.presets {
			if good, ok := told.Load(p.Config.Issuer); !ok || good.(bool) != (p.KeySetURL == "") {
				t.Errorf("%s: told %v, good %v", p.Config.Issuer, ok, good)
			}
		}
		for n, s := range guard.Status() {
			if want := []string{"https://issuer.example", "https://sso.example/realms/shop"}[n]; s.Issuer != want || (s.Err == nil) != (n == 1) {
				t.Errorf("%d: %+v", n, s)
			}
		}
	})
}

// The bubble would not end if a cache went on.
func TestCloseClosesWhatGuardMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := twoIssuers(t)
		guard, err := provider.Guard(&auth.GuardOptions{Keys: &i.options}, i.presets...)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for range 2 {
			if err := guard.Close(); err != nil {
				t.Error(err)
			}
		}
		status := guard.Status()
		for _, s := range status {
			if s.Keys.State != jwks.StateClosed {
				t.Errorf("%s is %s", s.Issuer, s.Keys.State)
			}
		}
		if len(status) != 2 {
			t.Errorf("%d issuers", len(status))
		}
	})
}

// What could be made before the fault is closed again.
func TestGuardIsNotMadeOfWhatCannotBe(t *testing.T) {
	good := provider.Keycloak("https://sso.example/realms/shop", "orders-api")
	bad := provider.Okta("dev-1.okta.com", "")
	for name, tt := range map[string]struct {
		opts    *auth.GuardOptions
		presets []provider.Preset
		want    string
	}{
		"none":                           {nil, nil, "needs a Preset"},
		"a preset that cannot be used":   {nil, []provider.Preset{good, bad}, "Okta's org authorization server"},
		"two of one issuer":              {nil, []provider.Preset{good, good}, "two Verifiers for issuer"},
		"a Config that cannot be":        {nil, []provider.Preset{good, {Config: auth.Config{Issuer: "https://issuer.example"}}}, "Config.Audiences"},
		"a header, and none":             {nil, []provider.Preset{good, provider.CloudflareAccess("acme.cloudflareaccess.com", "a")}, "come in Authorization, and those of https://acme.cloudflareaccess.com in Cf-Access-Jwt-Assertion"},
		"two headers":                    {nil, []provider.Preset{provider.CloudflareAccess("acme.cloudflareaccess.com", "a"), provider.GoogleIAP("/projects/1/apps/a")}, "make a Guard for each"},
		"options of the guard":           {&auth.GuardOptions{Realm: "\n"}, []provider.Preset{good}, "GuardOptions.Realm"},
		"options of the keys":            {&auth.GuardOptions{Keys: &jwks.Options{MaxKeys: -1}}, []provider.Preset{good}, "Options.MaxKeys"},
		"one snapshot file for two sets": {&auth.GuardOptions{Keys: &jwks.Options{SnapshotFile: "keys"}}, []provider.Preset{good, {Config: auth.Config{Issuer: "https://issuer.example", Audiences: []string{"a"}}}}, "SnapshotFile"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.opts == nil {
				tt.opts = new(auth.GuardOptions)
			}
			if tt.opts.Keys == nil {
				tt.opts.Keys = &jwks.Options{Client: &http.Client{Transport: nowhere{}}}
			}
			g, err := provider.Guard(tt.opts, tt.presets...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || g != nil {
				t.Errorf("%v, want %q", err, tt.want)
			}
			stacks := make([]byte, 1<<20)
			if stacks = stacks[:runtime.Stack(stacks, true)]; bytes.Contains(stacks, []byte("bearward/jwks.(*Cache)")) {
				t.Errorf("a key cache goes on: %s", stacks)
			}
		})
	}
}

type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }

// The options of a Guard go with all presets, and stay as they are.
func TestGuardLeavesItsOptionsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := twoIssuers(t)
		opts := &auth.GuardOptions{Keys: &i.options}
		guards := []*auth.Guard{}
		for _, p := range i.presets {
			g, err := p.Guard(opts)
			if err != nil {
				t.Fatal(err)
			}
			guards = append(guards, g)
		}
		synctest.Wait()
		if opts.Keys != &i.options || slices.ContainsFunc(guards, func(g *auth.Guard) bool { return g.Ready() != nil }) {
			t.Error("the second preset does not find the first one's options")
		}
		for _, g := range guards {
			g.Close()
		}
	})
}

// A preset that names no algorithms accepts those of the Profile; what its issuer signs by
// otherwise is an error.
func TestPresetsUnderFAPI2(t *testing.T) {
	binding := must(dpop.New([]string{"https://api.example"}, dpop.NewMemory(0), &dpop.Options{Algorithms: []auth.Algorithm{auth.ES256}}))
	opts := &auth.GuardOptions{
		Profile: auth.FAPI2, Bindings: []auth.Binding{binding}, RequireBound: true, Revoked: revocation.NewMemory(0).Revoked,
	}
	presets := []provider.Preset{provider.Keycloak("https://sso.example/realms/shop", "orders-api"), provider.Hydra("https://hydra.example", "orders-api")}
	g, err := provider.Guard(opts, presets...)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	_, err = provider.Cognito("eu-west-1", "eu-west-1_a", "client").Guard(opts)
	if err == nil || !strings.Contains(err.Error(), "may sign by RS256") {
		t.Errorf("an issuer that signs by RS256 alone: %v", err)
	}
}

// A token that a proxy adds is read where the proxy puts it, and nowhere else.
func TestTheProxysHeader(t *testing.T) {
	for _, tt := range []struct {
		name   string
		preset provider.Preset
		opts   string // GuardOptions.Header
		want   string
	}{
		{"Cloudflare Access", provider.CloudflareAccess("acme.cloudflareaccess.com", "a"), "", "Cf-Access-Jwt-Assertion"},
		{"Google IAP", provider.GoogleIAP("/projects/1/apps/a"), "", "X-Goog-Iap-Jwt-Assertion"},
		{"another of the options", provider.GoogleIAP("/projects/1/apps/a"), "X-Caller", "X-Caller"},
		{"AWS's, of the options", provider.Keycloak("https://sso.example/realms/shop", "orders-api"), "X-Amzn-Oidc-Accesstoken", "X-Amzn-Oidc-Accesstoken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, &authtest.Options{Config: &tt.preset.Config, KeySetURL: tt.preset.KeySetURL, Claims: tt.preset.Example})
			guard, err := tt.preset.Guard(&auth.GuardOptions{Header: tt.opts, Keys: &jwks.Options{Client: issuer.Client()}})
			if err != nil {
				t.Fatal(err)
			}
			defer guard.Close()
			poll(t, func() bool { return guard.Ready() == nil })
			handler := guard.Enforce(auth.AnyToken())(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
			ask := func(field, value string) int {
				r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
				r.Header.Set(field, value)
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				return w.Code
			}
			token := issuer.Token("")
			if got := ask(tt.want, token); got != http.StatusNoContent {
				t.Errorf("in %s: %d", tt.want, got)
			}
			for _, field := range []string{"Authorization", "Cf-Access-Jwt-Assertion", "X-Goog-Iap-Jwt-Assertion", "X-Amzn-Oidc-Data"} {
				if field == tt.want {
					continue
				}
				if got := ask(field, "Bearer "+token); got != http.StatusUnauthorized {
					t.Errorf("in %s: %d", field, got)
				}
				if got := ask(field, token); got != http.StatusUnauthorized {
					t.Errorf("bare in %s: %d", field, got)
				}
			}
		})
	}
}
