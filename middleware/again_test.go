package auth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A request may go on for long: what its first guard found does not count at a second one after the
// token's end.
func TestACachedPrincipalExpiresWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		g := issuer.Guard(nil)
		c := auth.Credentials{Authorization: []string{"Bearer " + issuer.Token("read:orders")}} // for an hour
		ctx, err := g.Authorize(t.Context(), c, auth.AnyToken())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour + 30*time.Second - time.Second)
		if _, err := g.Authorize(ctx, c, auth.Scopes("read:orders")); err != nil {
			t.Errorf("a second before: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := g.Authorize(ctx, c, auth.AnyToken()); reasonOf(err) != auth.ReasonTokenExpired {
			t.Errorf("at the end: %v, want it refused as expired", err)
		}
	})
}

// mute is a TokenVerifier that breaks its contract.
type mute struct{}

func (mute) VerifyToken(context.Context, string) (*auth.Principal, error) { return nil, nil }

func TestAVerifierThatSaysNothingLetsNobodyThrough(t *testing.T) {
	g := must(auth.NewGuard(mute{}, nil))
	for _, need := range []auth.Requirement{auth.AnyToken(), auth.Optional(), auth.Scopes("read")} {
		if _, err := g.Authorize(t.Context(), bearer("x"), need); reasonOf(err) != auth.ReasonInternal {
			t.Errorf("%v: %v, want it not judged", need, err)
		}
	}
}
