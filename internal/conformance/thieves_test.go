package main_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// forThieves are the library's rules, with one that needs a bound token.
func forThieves() auth.Rules {
	return auth.Rules{
		"GET /books":          auth.AllOf(auth.Scopes("read:books"), auth.Bound()),
		"GET /api/loans/{id}": auth.Optional(),
		"GET /healthz":        auth.Public(),
	}
}

// A careless Binding is a real one that overlooks some of what it finds.
type careless struct {
	*dpop.Binding
	overlook func(proofs []string, err *auth.Error) bool
}

func (b *careless) Check(ctx context.Context, token string, c *auth.Credentials, p *auth.Principal, member []byte) error {
	err := b.Binding.Check(ctx, token, c, p, member)
	var e *auth.Error
	if errors.As(err, &e) && b.overlook(c.Header["Dpop"], e) {
		return nil
	}
	return err
}

// bearerBinding is a Binding of the same member whose tokens come under Bearer, without a proof.
type bearerBinding struct{}

func (*bearerBinding) Member() string   { return "jkt" }
func (*bearerBinding) Fields() []string { return nil }

func (*bearerBinding) Check(context.Context, string, *auth.Credentials, *auth.Principal, []byte) error {
	return nil
}

// An apiForThieves is a router with a guard of options.
type apiForThieves struct {
	issuer *authtest.Issuer
	client *authtest.Prover
	router router
}

// ask returns what AssertGuarded says of it. Raw are routes under other rules than the API's.
func (a apiForThieves) ask(t *testing.T, o *auth.GuardOptions, raw func(*auth.Guard) map[string]http.Handler) []string {
	t.Helper()
	return a.askWith(t, o, raw, &authtest.GuardedOptions{Prover: a.client, Origin: dpopOrigin})
}

func (a apiForThieves) askWith(t *testing.T, o *auth.GuardOptions, raw func(*auth.Guard) map[string]http.Handler, opts *authtest.GuardedOptions) []string {
	t.Helper()
	guard := a.issuer.Guard(o)
	rules, handlers := forThieves(), map[string]http.Handler{}
	for rule := range rules {
		handlers[rule] = book(rule)
	}
	var routes map[string]http.Handler
	if raw != nil {
		routes = in(a.router, raw(guard))
	}
	rules = in(a.router, rules)
	said := &recorder{TB: t}
	authtest.AssertGuarded(said, a.issuer, a.router.build(guard, rules, in(a.router, handlers), routes, nil), rules, opts)
	return said.errors
}

func real(t *testing.T, opts *dpop.Options) *dpop.Binding {
	t.Helper()
	return must(dpop.New([]string{dpopOrigin}, dpop.NewMemory(0), opts))
}

// An API that is guarded as it should be has no failure, however it takes proofs.
func TestAssertGuardedPassesAPIsThatThievesCannotUse(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	for i, r := range routers {
		for name, opts := range map[string]*dpop.Options{
			"times": nil, "the widest times": {MaxAge: 5 * time.Minute, Leeway: 5 * time.Minute}, "nonces": {Nonces: must(dpop.NewNonces(0))},
			"one algorithm": {Algorithms: []auth.Algorithm{auth.EdDSA}},
		} {
			for _, required := range []bool{false, true} {
				if i > 0 && (required || opts == nil || opts.Nonces == nil) {
					continue // the router matters little to these
				}
				a := apiForThieves{issuer, authtest.NewProver(t, auth.EdDSA), r}
				if errs := a.ask(t, &auth.GuardOptions{Bindings: []auth.Binding{real(t, opts)}, RequireBound: required}, nil); len(errs) > 0 {
					t.Errorf("%s, %s, RequireBound %t:\n%s", r.name, name, required, strings.Join(errs, "\n"))
				}
			}
		}
	}
}

// Each hole is found over every router, by its row.
func TestAssertGuardedFindsWhatThievesCanUse(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	always := storeFunc(func(context.Context, time.Duration) (bool, error) { return true, nil })
	overlooking := func(f func(proofs []string, err *auth.Error) bool) auth.Binding {
		return &careless{real(t, nil), f}
	}
	for name, hole := range map[string]struct {
		binding   auth.Binding
		raw       func(*auth.Guard) map[string]http.Handler
		row, says string
	}{
		"a bound token is a bearer token": {&bearerBinding{}, nil, "D-21", "under Bearer"},
		"no proof is needed": {overlooking(func(proofs []string, _ *auth.Error) bool { return len(proofs) == 0 }), nil,
			"D-03", "without a proof"},
		"any key will do": {overlooking(func(_ []string, e *auth.Error) bool { return e.Reason == auth.ReasonBindingNotProved }), nil,
			"D-19", "another key"},
		"proofs are not remembered": {must(dpop.New([]string{dpopOrigin}, always, nil)), nil, "D-34", "that was used"},
		"what a proof says is not compared": {overlooking(func(proofs []string, e *auth.Error) bool {
			return len(proofs) == 1 && e.Reason == auth.ReasonProofInvalid
		}), nil, "D-02", "ProofWrongMethod"},
		"times are not compared": {overlooking(func(_ []string, e *auth.Error) bool { return e.Reason == auth.ReasonProofExpired }), nil,
			"D-02", "ProofOld"},
		"a route takes plain tokens": {real(t, nil), func(g *auth.Guard) map[string]http.Handler {
			return map[string]http.Handler{"GET /books": g.Enforce(auth.Scopes("read:books"))(book("GET /books"))}
		}, "D-43", "not bound"},
	} {
		for _, r := range routers {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				a := apiForThieves{issuer, authtest.NewProver(t, auth.ES256), r}
				errs := a.ask(t, &auth.GuardOptions{Bindings: []auth.Binding{hole.binding}}, hole.raw)
				if !slices.ContainsFunc(errs, func(s string) bool { return strings.Contains(s, "("+hole.row+")") && strings.Contains(s, hole.says) }) {
					t.Errorf("no failure names %s and %q:\n%s", hole.row, hole.says, strings.Join(errs, "\n"))
				}
			})
		}
	}
}
