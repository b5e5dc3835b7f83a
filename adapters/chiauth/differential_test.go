package chiauth_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/bearward/bearward/adapters/chiauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A plan is a random router that can be built again and again: with the table or without.
type plan struct {
	seed     uint64
	patterns map[string]bool // of its endpoints, whole
}

var (
	segments = []string{"/a", "/b", "/{p}", "/{p:[a-b]+}", "/{p}.json", "/a{q}"}
	methods  = []string{"GET", "POST", "HEAD", "DELETE"}
)

// build adds the routes of the plan to r, with wrap as a middleware of every router below.
func (p *plan) build(r chi.Router, h *handlers, wrap wrapper) {
	p.patterns = map[string]bool{}
	p.add(rand.New(rand.NewPCG(p.seed, 0)), r, "", 2, h, wrap)
}

func (p *plan) add(rng *rand.Rand, r chi.Router, prefix string, depth int, h *handlers, wrap wrapper) {
	for range 1 + rng.IntN(6) {
		pattern := ""
		for range rng.IntN(3) {
			pattern += segments[rng.IntN(len(segments))]
		}
		if rng.IntN(3) == 0 || pattern == "" {
			pattern += "/"
		}
		end, method := pattern, methods[rng.IntN(len(methods))]
		if rng.IntN(4) == 0 {
			end = strings.TrimSuffix(end, "/") + "/*"
		}
		switch kind := rng.IntN(8); {
		case kind < 4:
			p.endpoint(r, method, prefix, end, h)
		case kind == 4:
			p.endpoint(r, "", prefix, end, h)
		case kind == 5:
			p.mount(r, pattern, h.named(collapsed(prefix+strings.TrimSuffix(pattern, "/")+"/*")), collapsed(prefix+strings.TrimSuffix(pattern, "/")+"/*"))
		case depth > 0:
			below := chi.NewRouter()
			below.Use(wrap)
			p.add(rng, below, prefix+strings.TrimSuffix(pattern, "/"), depth-1, h, wrap)
			p.mount(r, pattern, below, "")
		}
	}
}

// endpoint and mount leave out what chi refuses, such as one parameter twice.
func (p *plan) endpoint(r chi.Router, method, prefix, pattern string, h *handlers) {
	defer func() { _ = recover() }()
	whole := collapsed(prefix + pattern)
	if method == "" {
		r.Handle(pattern, h.named(whole))
	} else {
		r.Method(method, pattern, h.named(whole))
	}
	p.patterns[whole] = true
}

func (p *plan) mount(r chi.Router, pattern string, h http.Handler, whole string) {
	defer func() { _ = recover() }()
	r.Mount(pattern, h)
	if whole != "" {
		p.patterns[whole] = true
	}
}

func collapsed(pattern string) string { return strings.ReplaceAll(pattern, "/*/", "/") }

// requests returns random requests for routers of the segments above.
func requests(rng *rand.Rand, n int) (all [][2]string) {
	for range n {
		path := ""
		for range rng.IntN(5) {
			path += "/" + []string{"a", "b", "c", "ab", "a.json", "", "a%2Fb", ".."}[rng.IntN(8)]
		}
		if path == "" || rng.IntN(3) == 0 {
			path += "/"
		}
		all = append(all, [2]string{append(methods, "PUT", "FOO")[rng.IntN(len(methods)+2)], path})
	}
	return all
}

// Behind the table a request reaches the handler that it reaches without, and the rule that it was
// authorized by is the one of that handler: over random routers, chi being asked itself.
func TestTheTableAgreesWithChi(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	token := issuer.Token("read")
	var told []string
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { told = append(told, d.Operation) }})
	reached := 0
	for seed := range uint64(120) {
		var bare, behind handlers
		p := &plan{seed: seed}
		plain := chi.NewRouter()
		p.build(plain, &bare, rewriters["none"])
		rules := auth.Rules{}
		for pattern := range p.patterns {
			rules[pattern] = auth.AnyToken()
			for _, m := range methods {
				rules[m+" "+pattern] = auth.AnyToken()
			}
		}
		if len(rules) == 0 {
			continue
		}
		for name, inside := range rewriters {
			r := chi.NewRouter()
			r.Use(chiauth.Enforce(guard, rules, r))
			p.build(r, &behind, inside)
			for _, request := range requests(rand.New(rand.NewPCG(seed, 1)), 40) {
				method, path := request[0], request[1]
				bare.entered, behind.entered, told = nil, nil, nil
				want := send(plain, method, path, token, nil)
				if method == "HEAD" && len(bare.entered) == 0 {
					want = send(plain, "GET", path, token, nil)
				}
				w := send(r, method, path, token, http.Header{"X-Http-Method-Override": {methods[seed%4]}})
				what := fmt.Sprintf("seed %d, %s: %s %s", seed, name, method, path)
				if len(behind.entered) > 0 {
					reached++
					if len(told) != 1 || strings.TrimLeft(told[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ ") != behind.entered[0] {
						t.Fatalf("%s reached %q, authorized by %q", what, behind.entered, told)
					}
				}
				if name == "a reset" && len(behind.entered) == 0 {
					continue // a router below it answers 405
				}
				if !slices.Equal(bare.entered, behind.entered) {
					t.Fatalf("%s: %d, entered %q; chi without a table: %d, %q", what, w.Code, behind.entered, want.Code, bare.entered)
				}
			}
		}
	}
	if reached < 2_000 {
		t.Errorf("only %d requests reached a handler", reached)
	}
}
