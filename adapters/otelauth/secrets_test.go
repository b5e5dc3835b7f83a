package otelauth_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// What a token says is nowhere, whatever is wrong with it.
func TestNothingOfATokenIsRecorded(t *testing.T) {
	b := newBench(t, nil)
	issuer := authtest.NewIssuer(t, nil)
	keys := issuer.Source(nil)
	mustWatch(t, mustIssuer(t, b, "main"), keys)
	verifier, err := auth.NewVerifier(keys, issuer.Config())
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	guard := must(auth.NewGuard(verifier, &auth.GuardOptions{OnDecision: func(ctx context.Context, d auth.Decision) {
		b.OnDecision(ctx, d)
		if d.Err == nil {
			return
		}
		// The names of algorithms, "none" and "absent" are words of this package too.
		const words = "none absent RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA"
		if seen := d.Err.Seen(); seen != "" && !slices.Contains(strings.Fields(words), seen) && !strings.Contains(d.Err.Expected(), seen) {
			secrets = append(secrets, seen)
		}
	}}))
	marked := authtest.Claims{"sub": "mark-sub", "client_id": "mark-client", "jti": "mark-jti", "tenant": "mark-tenant"}
	tokens := []string{
		issuer.Token("mark:scope", marked), issuer.Token("read:orders", marked),
		issuer.Token("read:orders", marked, authtest.Header{"kid": "mark-kid"}), issuer.Token("read:orders", authtest.Header{"typ": "mark-typ"}),
		issuer.Token("read:orders", marked, authtest.Header{"alg": "mark-alg"}), issuer.Token("read:orders", authtest.Claims{"iss": "https://mark.example"}),
		issuer.Token("read:orders", authtest.Claims{"aud": "mark-aud"}), issuer.Token("read:orders", authtest.Claims{"sub": 77777}),
		"mark token", "mark.token.\xff",
	}
	for _, d := range issuer.Defects() {
		tokens = append(tokens, issuer.Token("read:orders", marked, d))
	}
	ctx, span := b.tracer.Tracer("test").Start(t.Context(), "request")
	for _, token := range tokens {
		_, _ = guard.Authorize(ctx, auth.Credentials{Operation: "GET /orders", Authorization: []string{"Bearer " + token}}, auth.Scopes("read:orders"))
		for part := range strings.SplitSeq(token, ".") {
			if len(part) > 16 {
				secrets = append(secrets, part)
			}
		}
	}
	span.End()
	secrets = append(append(secrets, "mark", "77777"), issuer.KeyIDs()...)

	var all strings.Builder
	for _, r := range b.read(t) {
		fmt.Fprintln(&all, r.lines())
	}
	fmt.Fprintln(&all, b.events())
	if n := len(b.events()); n < len(tokens)/2 {
		t.Errorf("got %d events of %d tokens", n, len(tokens))
	}
	for _, secret := range secrets {
		if i := strings.Index(all.String(), secret); i >= 0 {
			t.Errorf("%q is recorded: ...%s", secret, all.String()[max(0, i-100):min(all.Len(), i+100)])
		}
	}
}

// The URL of a key set may have a secret in its query.
func TestNoSecretOfAURLIsRecorded(t *testing.T) {
	b := newBench(t, nil)
	keys, err := jwks.New("http://127.0.0.1:1/keys?key=sesame", &jwks.Options{OnRefresh: mustIssuer(t, b, "main").OnRefresh})
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Refresh(t.Context()); err == nil {
		t.Error("nobody listens, and there were keys")
	}
	_ = keys.Close() // waits for the hook
	spans := b.spans.Ended()
	if len(spans) == 0 || spans[0].Status().Description == "" {
		t.Fatalf("got %d spans", len(spans))
	}
	for _, s := range spans {
		if all := fmt.Sprint(s.Status(), s.Attributes(), s.Events()); strings.Contains(all, "sesame") {
			t.Errorf("the secret is recorded: %s", all)
		}
	}
}
