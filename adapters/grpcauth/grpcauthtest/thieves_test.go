package grpcauthtest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// A careless Binding is a real one that overlooks some of what it finds.
type careless struct {
	*dpop.Binding
	overlook func(proofs []string, reason auth.Reason) bool
}

func (b *careless) Check(ctx context.Context, token string, c *auth.Credentials, p *auth.Principal, member []byte) error {
	err := b.Binding.Check(ctx, token, c, p, member)
	var e *auth.Error
	if errors.As(err, &e) && b.overlook(c.Header["Dpop"], e.Reason) {
		return nil
	}
	return err
}

// bearerBinding takes bound tokens under Bearer, without a proof.
type bearerBinding struct{}

func (*bearerBinding) Member() string   { return "jkt" }
func (*bearerBinding) Fields() []string { return nil }

func (*bearerBinding) Check(context.Context, string, *auth.Credentials, *auth.Principal, []byte) error {
	return nil
}

// forgetful is a ReplayStore that remembers nothing.
type forgetful struct{}

func (*forgetful) First(context.Context, string, string, time.Duration) (bool, error) {
	return true, nil
}

func realBinding(t *testing.T, opts *dpop.Options) *dpop.Binding {
	t.Helper()
	return must(dpop.New([]string{proveOrigin}, dpop.NewMemory(0), opts))
}

// askThieves returns what AssertGuarded says of a server with bindings whose guard has the rules
// served.
func askThieves(t *testing.T, served auth.Rules, o *auth.GuardOptions) []string {
	t.Helper()
	rules := with(rpctest.Unary, auth.AllOf(auth.Scopes("read"), auth.Bound()))
	if served == nil {
		served = rules
	}
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	server := newServer(grpcauth.ServerOptions(issuer.Guard(o), served))
	defer server.Stop()
	said := &recorder{TB: t}
	grpcauthtest.AssertGuarded(said, issuer, server, rules, &grpcauthtest.Options{Prover: authtest.NewProver(t, auth.ES256), Origin: proveOrigin})
	return said.errors
}

func TestServersThatThievesCannotUsePass(t *testing.T) {
	for name, opts := range map[string]*dpop.Options{"times": nil, "nonces": {Nonces: must(dpop.NewNonces(0))}} {
		for _, required := range []bool{false, true} {
			if errs := askThieves(t, nil, &auth.GuardOptions{Bindings: []auth.Binding{realBinding(t, opts)}, RequireBound: required}); len(errs) > 0 {
				t.Errorf("%s, RequireBound %t:\n%s", name, required, strings.Join(errs, "\n"))
			}
		}
	}
}

func TestWhatThievesCanUseIsFound(t *testing.T) {
	overlooking := func(f func(proofs []string, reason auth.Reason) bool) auth.Binding {
		return &careless{realBinding(t, nil), f}
	}
	for name, hole := range map[string]struct {
		binding   auth.Binding
		served    auth.Rules
		row, says string
	}{
		"a bound token is a bearer token": {&bearerBinding{}, nil, "D-21", "under Bearer"},
		"no proof is needed":              {overlooking(func(proofs []string, _ auth.Reason) bool { return len(proofs) == 0 }), nil, "D-03", "without a proof"},
		"any key will do":                 {overlooking(func(_ []string, r auth.Reason) bool { return r == auth.ReasonBindingNotProved }), nil, "D-19", "another key"},
		"proofs are not remembered":       {must(dpop.New([]string{proveOrigin}, new(forgetful), nil)), nil, "D-34", "that was used"},
		"what a proof says is not compared": {overlooking(func(proofs []string, r auth.Reason) bool {
			return len(proofs) == 1 && r == auth.ReasonProofInvalid
		}), nil, "D-02", "ProofWrongMethod"},
		"a method takes plain tokens": {realBinding(t, nil), talk(), "D-43", "not bound"},
	} {
		t.Run(name, func(t *testing.T) {
			errs := askThieves(t, hole.served, &auth.GuardOptions{Bindings: []auth.Binding{hole.binding}})
			if !slices.ContainsFunc(errs, func(s string) bool { return strings.Contains(s, "("+hole.row+")") && strings.Contains(s, hole.says) }) {
				t.Errorf("no failure names %s and %q:\n%s", hole.row, hole.says, strings.Join(errs, "\n"))
			}
		})
	}
}
