package auth_test

import (
	"context"
	"slices"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// What is told of a JWT beside opaque tokens is what is told of it alone: the second time it is
// remembered, and one that is broken is never asked about.
func TestFormsTellOfRememberedJWTs(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	forms := must(auth.NewForms(issuer.Verifier(auth.Config{}), named("opaque")))
	var told []string
	g := must(auth.NewGuard(forms, &auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) {
		told = append(told, d.Outcome()+" "+d.Verification())
	}}))
	jwt, broken := issuer.Token("read:orders"), issuer.Token("read:orders", authtest.BadSignature)
	for _, token := range []string{jwt, jwt, broken, "opaque", "opaque"} {
		_, _ = g.Authorize(t.Context(), bearer(token), auth.AnyToken())
	}
	want := []string{"accepted full", "accepted remembered", "refused none", "accepted full", "accepted full"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if p, err := forms.VerifyToken(t.Context(), jwt); err != nil || p.Subject() == "opaque" {
		t.Errorf("%v %v", p, err)
	}
}

// A verifier of opaque tokens that says nothing accepts none, beside JWTs too.
func TestFormsOfAVerifierThatSaysNothing(t *testing.T) {
	g := must(auth.NewGuard(must(auth.NewForms(named("jwt"), mute{})), nil))
	if _, err := g.Authorize(t.Context(), bearer("opaque"), auth.AnyToken()); reasonOf(err) != auth.ReasonInternal {
		t.Errorf("%v, want it not judged", err)
	}
}
