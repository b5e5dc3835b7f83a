package auth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestReportOnlyNames(t *testing.T) {
	v := newFake(t)
	hook := func(context.Context, auth.Decision) {}
	for _, name := range []string{"", "*", "/", "/*", "GET /", "GET /*", "GET *", "/{path...}", "GET /{$}", "/:any", "//orders", "orders", "GET", "* /orders", "GET  /orders", "GET /orders "} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, "GuardOptions.ReportOnly") {
					t.Errorf("%q: %s", name, said)
				}
			}()
			must(auth.NewGuard(v, &auth.GuardOptions{OnDecision: hook, ReportOnly: []string{"GET /orders", name}}))
		}()
	}
	for _, name := range []string{"GET /orders", "/orders", "/pkg.Svc/Method", "/pkg.Svc/*", "GET /files/*", "api.example/orders"[11:]} {
		must(auth.NewGuard(v, &auth.GuardOptions{OnDecision: hook, ReportOnly: []string{name}}))
	}
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "OnDecision") {
			t.Errorf("without a hook: %s", said)
		}
	}()
	must(auth.NewGuard(v, &auth.GuardOptions{ReportOnly: []string{"GET /orders"}}))
}

// An operation without a rule stays refused, even when its name is on the list, and so does one without a name.
func TestReportOnlyOpensNothingWithoutARule(t *testing.T) {
	g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{OnDecision: func(context.Context, auth.Decision) {}, ReportOnly: []string{"GET /orders"}}))
	for _, c := range []struct {
		operation string
		need      auth.Requirement
		pass      bool
	}{{"GET /orders", auth.Scopes("admin"), true}, {"GET /orders", auth.Requirement{}, false}, {"", auth.Scopes("admin"), false}, {"GET /Orders", auth.Scopes("admin"), false}} {
		_, err := g.Authorize(t.Context(), auth.Credentials{Operation: c.operation}, c.need)
		if (err == nil) != c.pass {
			t.Errorf("%q, %v: %v", c.operation, c.need, err)
		}
	}
}

// A principal that was let through in a report counts for nothing at the next guard.
func TestAReportIsNoVerdict(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	g := issuer.Guard(&auth.GuardOptions{OnDecision: func(context.Context, auth.Decision) {}, ReportOnly: []string{"GET /orders"}})
	for _, raw := range []string{issuer.Token("read:orders"), issuer.Token("admin", authtest.Expired), "x"} {
		c := auth.Credentials{Operation: "GET /orders", Authorization: []string{"Bearer " + raw}}
		ctx, err := g.Authorize(t.Context(), c, auth.Scopes("admin"))
		if err != nil {
			t.Fatal(err)
		}
		c.Operation = "GET /admin"
		if _, err := g.Authorize(ctx, c, auth.Scopes("admin")); err == nil {
			t.Errorf("%.10s... is let through where nothing is reported on only", raw)
		}
	}
}

func TestDecisionsTellOfCacheAndKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		other := authtest.NewIssuer(t, &authtest.Options{URL: "https://other.example"})
		several, err := auth.NewIssuers(issuer.Verifier(auth.Config{}), other.Verifier(auth.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		static, err := auth.NewVerifier(issuer.Keys(), issuer.Config())
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]auth.TokenVerifier{"one issuer": issuer.Verifier(auth.Config{}), "several": several, "static keys": static} {
			var d auth.Decision
			g := must(auth.NewGuard(v, &auth.GuardOptions{OnDecision: func(_ context.Context, told auth.Decision) { d = told }}))
			ask := func(raw string) auth.Decision {
				d = auth.Decision{}
				_, _ = g.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + raw}}, auth.AnyToken())
				return d
			}
			good := issuer.Token("read:orders")
			first := ask(good)
			if first.Cached || first.Principal == nil {
				t.Errorf("%s, the first time: %+v", name, first)
			}
			time.Sleep(time.Minute)
			want := first.KeyAge + time.Minute
			if name == "static keys" {
				want = 0
			}
			if d := ask(good); !d.Cached || d.KeyAge != want {
				t.Errorf("%s, a minute later: cached %t, key age %v, want %v", name, d.Cached, d.KeyAge, want)
			}
			if d := ask(issuer.Token("read:orders", authtest.BadSignature)); d.Cached || d.KeyAge != 0 {
				t.Errorf("%s, a bad token: %+v", name, d)
			}
			if d := ask(good + " x"); d.Err == nil || d.Err.Reason != auth.ReasonInvalidRequest {
				t.Errorf("%s, two tokens: %+v", name, d.Err)
			}
		}
	})
}

func TestReadyHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		issuer.Fail(503)
		h := issuer.Guard(nil).ReadyHandler()
		ask := func() *http.Response {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
			return w.Result()
		}
		time.Sleep(time.Second)
		if r := ask(); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
			t.Errorf("without keys: %v", r)
		}
		issuer.Recover()
		time.Sleep(10 * time.Second)
		if r := ask(); r.StatusCode != 200 || r.Header.Get("Retry-After") != "" {
			t.Errorf("with keys: %v", r)
		}
	})
}
