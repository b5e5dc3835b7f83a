package auth_test

import (
	"context"
	"fmt"
	"log"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// Tenants that come and go while the API serves.
func ExampleIssuers_Add() {
	keys := jwks.Static{} // in earnest a jwks.Cache for each issuer
	tenant := func(name string) *auth.Verifier {
		v, err := auth.NewVerifier(keys, auth.Config{Issuer: "https://" + name + ".example", Audiences: []string{"https://api.example.com"}})
		if err != nil {
			log.Fatal(err)
		}
		return v
	}
	issuers, err := auth.NewIssuers(tenant("red"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issuers.Add(tenant("blue")))
	fmt.Println(issuers.Add(tenant("blue")))
	removed := issuers.Remove("https://red.example")
	fmt.Println(removed.Issuer(), issuers.Remove("https://red.example") == nil)
	// Output:
	// <nil>
	// auth: Issuers.Add: there is a Verifier for issuer "https://blue.example"
	// https://red.example true
}

func TestTenantsComeAndGo(t *testing.T) {
	stays, goes := authtest.NewIssuer(t, nil), authtest.NewIssuer(t, &authtest.Options{URL: "https://goes.example"})
	v := goes.Verifier(auth.Config{})
	is, err := auth.NewIssuers(stays.Verifier(auth.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	token := goes.Token("read:orders")
	verify := func(when string, want auth.Reason) {
		t.Helper()
		if _, err := is.VerifyToken(t.Context(), token); reasonOf(err) != want {
			t.Errorf("%s: refused for %q, want %q", when, reasonOf(err), want)
		}
	}
	verify("before", auth.ReasonIssuerNotTrusted)
	if err := is.Add(v); err != nil {
		t.Fatal(err)
	}
	verify("added", "")
	verify("added, and cached", "")
	if len(is.Status()) != 2 || is.Add(v) == nil || is.Add(nil) == nil {
		t.Error("added twice, or nothing")
	}
	if got := is.Remove(goes.URL); got != v {
		t.Errorf("Remove returned %v", got)
	}
	verify("removed", auth.ReasonIssuerNotTrusted)
	namesake := authtest.NewIssuer(t, nil)
	again, err := auth.NewVerifier(namesake.Keys(), auth.Config{Issuer: goes.URL, Audiences: []string{goes.Audience}})
	if err != nil {
		t.Fatal(err)
	}
	if err := is.Add(again); err != nil {
		t.Fatal(err)
	}
	verify("of that name, with other keys", auth.ReasonSignatureInvalid) // though its token is cached
	if is.Remove("unknown") != nil {
		t.Error("an unknown issuer is removed")
	}
}

func TestAGrantEndsWithItsIssuer(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	is, err := auth.NewIssuers(issuer.Verifier(auth.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	guard, err := auth.NewGuard(is, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := auth.Credentials{Authorization: []string{"Bearer " + issuer.Token("read:orders")}}
	ctx, err := guard.Authorize(t.Context(), c, auth.AnyToken())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := guard.Authorize(ctx, c, auth.AnyToken()); err != nil {
		t.Fatal(err)
	}
	is.Remove(issuer.URL)
	if _, err := guard.Authorize(ctx, c, auth.AnyToken()); reasonOf(err) != auth.ReasonIssuerNotTrusted {
		t.Errorf("the grant of a removed issuer: %v", err)
	}
	if _, err := guard.Recheck(ctx, c, auth.AnyToken()); reasonOf(err) != auth.ReasonIssuerNotTrusted {
		t.Errorf("an open stream of a removed issuer: %v", err)
	}
}

func TestThereMayBeAThousandIssuers(t *testing.T) {
	v := func(n int) *auth.Verifier {
		v, err := auth.NewVerifier(jwks.Static{}, auth.Config{Issuer: fmt.Sprint("https://issuer.example/", n), Audiences: []string{"a"}, CacheSize: -1})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	is, err := auth.NewIssuers(v(0))
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 1000; n++ {
		if err := is.Add(v(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := is.Add(v(1000)); err == nil || !strings.Contains(err.Error(), "1000 issuers") {
		t.Errorf("the thousand and first: %v", err)
	}
	is.Remove("https://issuer.example/7")
	if err := is.Add(v(1000)); err != nil {
		t.Error(err)
	}
}

// TestTenantsUnderLoad has each request see all of a change or nothing of it: a token is accepted
// while its issuer is there, and never while it is not.
func TestTenantsUnderLoad(t *testing.T) {
	stays, goes := authtest.NewIssuer(t, nil), authtest.NewIssuer(t, &authtest.Options{URL: "https://goes.example"})
	v := goes.Verifier(auth.Config{})
	is, err := auth.NewIssuers(stays.Verifier(auth.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	good, token := stays.Token("read:orders"), goes.Token("read:orders")
	var begun, done atomic.Int64 // changes: odd while the issuer is there
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for ctx.Err() == nil {
				if _, err := is.VerifyToken(context.Background(), good); err != nil {
					t.Error("of an issuer that stays:", err)
					return
				}
				before := done.Load()
				_, err := is.VerifyToken(context.Background(), token)
				if after := begun.Load(); before == after && (err == nil) != (before%2 == 1) {
					t.Errorf("the issuer is there: %t, and %v", before%2 == 1, err)
					return
				}
			}
		})
	}
	for range 200 {
		begun.Add(1)
		if done.Load()%2 == 0 {
			if err := is.Add(v); err != nil {
				t.Error(err)
			}
		} else if is.Remove(goes.URL) != v {
			t.Error("Remove returned another Verifier")
		}
		done.Add(1)
		runtime.Gosched()
	}
	cancel()
	wait.Wait()
}
