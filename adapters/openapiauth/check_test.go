package openapiauth_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearward/bearward/adapters/openapiauth"
	auth "github.com/bearward/bearward/middleware"
)

func ask(t *testing.T, h http.Handler, target, token string) int {
	t.Helper()
	method, path, _ := strings.Cut(target, " ")
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestCheckNamesEveryDifference(t *testing.T) {
	document := mustRead(t, "testdata/orders.yaml")
	published, err := openapiauth.Rules(document, openapiauth.Chi, options)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(auth.Rules)
		want   string
	}{
		{"none", func(auth.Rules) {}, ""},
		{"a rule for every method", func(r auth.Rules) { delete(r, "GET /v1/healthz"); r["/v1/healthz"] = auth.Public() }, ""},
		{"a rule that asks for less", func(r auth.Rules) { r["GET /v1/orders"] = auth.Public() }, `openapiauth: GET /v1/orders: the rule is "public", the document says "read:orders"`},
		{"a rule with a check", func(r auth.Rules) {
			r["GET /v1/orders"] = r["GET /v1/orders"].With(func(context.Context, *auth.Principal) error { return nil })
		}, `the document says "read:orders"`},
		{"a rule that is gone", func(r auth.Rules) { delete(r, "POST /v1/orders") }, `openapiauth: no rule names POST /v1/orders, which the document has as "write:orders"`},
		{"a rule that the document does not have", func(r auth.Rules) { r["GET /v1/admin"] = auth.AnyToken() }, `openapiauth: the document has no operation for rule "GET /v1/admin"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules := maps.Clone(published)
			c.change(rules)
			err := openapiauth.Check(rules, document, openapiauth.Chi, options)
			if (c.want == "") != (err == nil) || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if err := openapiauth.Check(published, []byte("{}"), openapiauth.Chi, options); err == nil {
		t.Error("a document that cannot be read was not an error")
	}
}

// The words of a requirement are not all of it: a scope may be named as what is public.
func TestCheckTellsScopesFromWords(t *testing.T) {
	for word, rule := range map[string]auth.Requirement{"public": auth.Public(), "optional": auth.Optional(), "nobody": {}} {
		document := strings.Replace(op("[{login: ["+word+"]}]").document(), "a: A", word+": A", 1)
		if err := openapiauth.Check(auth.Rules{"GET /x": auth.Scopes(word)}, []byte(document), openapiauth.Chi, nil); err != nil {
			t.Errorf("the scope %s: %v", word, err)
		}
		if err := openapiauth.Check(auth.Rules{"GET /x": rule}, []byte(document), openapiauth.Chi, nil); err == nil {
			t.Errorf("a rule that is %q agrees with a document that asks for the scope %q", rule, word)
		}
	}
}
