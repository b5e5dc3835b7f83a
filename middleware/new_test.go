package auth_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// GuardOptions.Keys adjust the cache that New makes, and are an error where nobody would read them.
func TestKeysAreUsedOrRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		told := 0
		opts := &auth.GuardOptions{Keys: &jwks.Options{Client: issuer.Client(), OnRefresh: func(jwks.RefreshEvent) { told++ }}}
		guard, err := auth.New(issuer.URL, issuer.Audience, opts)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c := auth.Credentials{Authorization: []string{"Bearer " + issuer.Token("read:orders")}}
		if _, err := guard.Authorize(t.Context(), c, auth.Scopes("read:orders")); err != nil || told != 1 {
			t.Errorf("%v, the hook is told %d times", err, told)
		}
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
		if _, err := auth.New(issuer.URL, issuer.Audience, &auth.GuardOptions{Keys: &jwks.Options{MaxKeys: -1}}); err == nil || !strings.Contains(err.Error(), "Options.MaxKeys") {
			t.Errorf("New with options that cannot be: %v", err)
		}
		v := issuer.Verifier(auth.Config{})
		for name, made := range map[string]func() (*auth.Guard, error){
			"NewGuard":         func() (*auth.Guard, error) { return auth.NewGuard(v, opts) },
			"NewWithKeys":      func() (*auth.Guard, error) { return auth.NewWithKeys(issuer.Source(nil), issuer.Config(), opts) },
			"NewWithVerifiers": func() (*auth.Guard, error) { return auth.NewWithVerifiers(opts, v) },
		} {
			if _, err := made(); err == nil || !strings.Contains(err.Error(), "GuardOptions.Keys") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// closed is a key source that counts how often it was closed.
type closed struct {
	jwks.Static
	times *int
}

func (c closed) Close() error { *c.times++; return http.ErrServerClosed }

func TestAGuardOfVerifiersClosesTheirKeys(t *testing.T) {
	times := 0
	config := auth.Config{Issuer: "https://a.example", Audiences: []string{"api"}}
	a := must(auth.NewVerifier(closed{nil, &times}, config))
	config.Issuer = "https://b.example"
	b := must(auth.NewVerifier(closed{nil, &times}, config))
	config.Issuer = "https://c.example"
	c := must(auth.NewVerifier(jwks.Static{}, config))
	guard := must(auth.NewWithVerifiers(nil, a, b, c))
	if err := guard.Close(); times != 2 || err == nil {
		t.Errorf("%d sources closed, %v", times, err)
	}
	if err := must(auth.NewGuard(a, nil)).Close(); times != 2 || err != nil {
		t.Errorf("NewGuard's keys are its maker's, and %d sources are closed, %v", times, err)
	}
	for _, vs := range [][]*auth.Verifier{nil, {nil}, {a, nil}, {a, a}} {
		if _, err := auth.NewWithVerifiers(nil, vs...); err == nil {
			t.Errorf("a Guard of %v", vs)
		}
	}
}
