package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestReportOnlyNeedsSomebodyToTell(t *testing.T) {
	g := must(auth.NewGuard(newFake(t), nil))
	if err := g.CanEnforce(auth.Scopes("admin").ReportOnly()); err == nil || !strings.Contains(err.Error(), "OnDecision") {
		t.Errorf("without a hook: %v", err)
	}
	// Rules that come later are enforced.
	if _, err := g.Authorize(t.Context(), auth.Credentials{}, auth.Scopes("admin").ReportOnly()); reasonOf(err) != auth.ReasonCredentialsMissing {
		t.Errorf("without a hook: %v, want it enforced", err)
	}
}

func TestReportOnlyIsTheOutermost(t *testing.T) {
	need := auth.Scopes("admin").ReportOnly()
	for name, build := range map[string]func(){
		"the zero Requirement": func() { auth.Requirement{}.ReportOnly() },
		"Public":               func() { auth.Public().ReportOnly() },
		"twice":                func() { need.ReportOnly() },
		"inside AllOf":         func() { auth.AllOf(need) },
		"inside AnyOf":         func() { auth.AnyOf(auth.AnyToken(), need) },
		"with a check":         func() { need.With(func(context.Context, *auth.Principal) error { return nil }) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			build()
		})
	}
	if !auth.Optional().ReportOnly().IsOptional() || need.IsZero() || need.IsPublic() {
		t.Error("what is reported on is not what it was")
	}
}

// Whatever the operations are called, the rule alone tells what is reported on.
func TestAReportRefusesNothing(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	g := issuer.Guard(&auth.GuardOptions{OnDecision: func(context.Context, auth.Decision) {}})
	for _, raw := range []string{issuer.Token("read:orders"), issuer.Token("admin", authtest.Expired), "x"} {
		c := auth.Credentials{Operation: "GET /orders", Authorization: []string{"Bearer " + raw}}
		ctx, err := g.Authorize(t.Context(), c, auth.Scopes("admin").ReportOnly())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Authorize(ctx, c, auth.Scopes("admin")); err == nil {
			t.Errorf("%.10s... is accepted where nothing is reported on only", raw)
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
