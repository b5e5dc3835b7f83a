package provider_test

import (
	"slices"
	"testing"

	auth "github.com/bearward/bearward/middleware"
)

// Tokens without scopes are named by rules: these are the texts that examples/README.md shows.
func TestRulesNameWorkloads(t *testing.T) {
	for _, tt := range []struct{ of, rule string }{
		{"Kubernetes, for this API", "user:https://kubernetes.default.svc.cluster.local|system:serviceaccount:default:default"},
		{"GitHub Actions", "user:https://token.actions.githubusercontent.com|repo:octo-org/octo-repo:environment:prod"},
		{"GitLab CI", "user:https://gitlab.example.com|project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1"},
		{"Google Cloud", "client:https://accounts.google.com|108876543210987654321"},
		{"Google IAP", "user:https://cloud.google.com/iap|accounts.google.com:115213256022324326041"},
		{"Cloudflare Access, person", "user:https://yourteam.cloudflareaccess.com|7335d417-61da-459d-899c-0a01c76a2f94"},
		{"Firebase", "user:https://securetoken.google.com/my-project|x7bZkq3QWcO1"},
	} {
		t.Run(tt.of, func(t *testing.T) {
			rules, err := auth.ParseRules("GET /orders = " + tt.rule)
			if err != nil {
				t.Fatal(err)
			}
			c := cases[slices.IndexFunc(cases, func(c sampleCase) bool { return c.name == tt.of })]
			r := newRig(t, c.file, c.sample, c.preset, c.edits)
			guard, err := auth.NewGuard(r.verifier, nil)
			if err != nil {
				t.Fatal(err)
			}
			ask := func(subject string) auth.Reason {
				claims := shift(r.claims, nil)
				claims["sub"] = subject
				_, err := guard.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + sign(t, r.header, claims)}}, rules["GET /orders"])
				return reason(err)
			}
			own := r.claims["sub"].(string)
			if got := ask(own); got != "" {
				t.Errorf("who is named: %v", got)
			}
			if got := ask(own + "2"); got != auth.ReasonForbidden {
				t.Errorf("another: %v", got)
			}
		})
	}
}
