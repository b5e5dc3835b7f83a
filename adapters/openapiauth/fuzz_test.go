package openapiauth_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/adapters/openapiauth"
	auth "github.com/bearward/bearward/middleware"
)

// Whatever the document, there are rules or an error, and the rules are ones that can be used.
func FuzzRules(f *testing.F) {
	names, err := filepath.Glob("testdata/*.*")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(append(op("[{login: [a]}]"), "COMPONENTS", "schemas: {S: {required: [externalDocs]}}").document()))
	for _, c := range faulty {
		f.Add([]byte(c.document()))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		for _, router := range []openapiauth.Router{openapiauth.NetHTTP, openapiauth.Chi, openapiauth.Echo} {
			rules, err := openapiauth.Rules(document, router, &openapiauth.Options{MaxBytes: 64 << 10})
			if err != nil {
				if rules != nil {
					t.Errorf("rules beside the error %v", err)
				}
				continue
			}
			if err := rules.Validate(); err != nil {
				t.Error(err)
			}
			for key := range rules {
				if method, path, ok := strings.Cut(key, " "); !ok || method == "" || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " *\t\n") {
					t.Errorf("a rule with key %q", key)
				}
			}
			text, err := rules.Text()
			if err != nil { // a parenthesis is not part of a path in the text form
				if !strings.ContainsAny(strings.Join(slices.Collect(maps.Keys(rules)), ""), "()") {
					t.Error(err)
				}
				continue
			}
			if again, err := auth.ParseRules(text); err != nil || len(again) != len(rules) {
				t.Errorf("the rules are other ones as text: %v", err)
			}
		}
	})
}
