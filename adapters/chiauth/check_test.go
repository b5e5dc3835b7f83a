package chiauth_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/bearward/bearward/adapters/chiauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// findings returns what a check said, a line each, in order.
func findings(err error) []string {
	if err == nil {
		return nil
	}
	all := strings.Split(err.Error(), "\n")
	for i, line := range all {
		all[i] = strings.TrimPrefix(line, "chiauth: ")
	}
	slices.Sort(all)
	return all
}

// mounted is a handler that says that it has routes, and serves whatever it likes.
type mounted struct {
	chi.Router
	http.Handler
}

func (m mounted) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.Handler.ServeHTTP(w, r) }

func logger(next http.Handler) http.Handler { return next }

func router(add func(r chi.Router)) chi.Router {
	r := chi.NewRouter()
	add(r)
	return r
}

func TestCheckNamesWhatNoGuardCovers(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	other := authtest.NewIssuer(t, nil).Guard(nil)
	require := guard.Require("a")
	var hs handlers
	h := hs.named("h")
	for _, tt := range []struct {
		name string
		add  func(r chi.Router)
		want []string // what no guard covers
	}{
		{"no routes", func(chi.Router) {}, nil},
		{"a route of chi's own", func(r chi.Router) { r.Get("/x", h) }, []string{"GET /x"}},
		{"a route for every method", func(r chi.Router) { r.Handle("/x", h) }, []string{"/x"}},
		{"a route behind another middleware", func(r chi.Router) { r.With(logger).Get("/x", h) }, []string{"GET /x"}},
		{"a route of a router below", func(r chi.Router) { r.Route("/v1", func(r chi.Router) { r.Post("/", h) }) }, []string{"POST /v1/"}},
		{"a mounted handler", func(r chi.Router) { r.Mount("/files", h) }, []string{"/files/*"}},
		{"a mounted handler that says that it has routes", func(r chi.Router) {
			r.Mount("/x", mounted{router(func(r chi.Router) { r.With(require).Get("/y", h) }), h})
		}, []string{"/x/*"}},
		{"the handlers for what is not found", func(r chi.Router) {
			r.NotFound(h)
			r.MethodNotAllowed(h)
		}, nil},

		{"routes added through a Router", func(r chi.Router) {
			a := chiauth.NewRouter(guard, r)
			a.Get("/x", auth.AnyToken(), h)
			a.Get("/public", auth.Public(), h)
			a.Mount("/files", auth.AnyToken(), h)
			a.Mount("/v1", auth.AnyToken(), router(func(r chi.Router) { r.Get("/x", h) }))
			a.Handle("/all", auth.AnyToken(), h)
			a.Get("/all", auth.AnyToken(), h)
		}, nil},
		{"a guard's own handler", func(r chi.Router) { r.Method("GET", "/x", require(h)) }, nil},
		{"its ServeHTTP, which looks like any other function", func(r chi.Router) { r.Get("/x", require(h).ServeHTTP) }, []string{"GET /x"}},
		{"a guard inside another middleware", func(r chi.Router) { r.Method("GET", "/x", http.StripPrefix("/", require(h))) }, []string{"GET /x"}},
		{"a guard given to With", func(r chi.Router) { r.With(logger, require, logger).Get("/x", h) }, nil},
		{"two guards", func(r chi.Router) { r.With(require, other.Enforce(auth.AnyToken())).Get("/x", h) }, nil},
		{"a guard in chi's own chain", func(r chi.Router) { r.Method("GET", "/x", chi.Chain(logger, require).Handler(h)) }, nil},
		{"a guard given to Use of the router", func(r chi.Router) {
			r.Use(logger, require)
			r.Get("/x", h)
			r.Mount("/files", h)
		}, nil},
		{"a guard given to Use of a router below", func(r chi.Router) {
			r.Get("/y", h)
			r.Route("/v1", func(r chi.Router) {
				r.Use(require)
				r.Get("/x", h)
				r.Route("/deeper", func(r chi.Router) { r.Get("/x", h) })
			})
		}, []string{"GET /y"}},
		{"a guard given to Use of a group", func(r chi.Router) {
			r.Get("/y", h)
			r.Group(func(r chi.Router) {
				r.Use(require)
				r.Get("/x", h)
			})
		}, []string{"GET /y"}},
		{"a guard in front of a mount", func(r chi.Router) {
			r.With(require).Mount("/v1", router(func(r chi.Router) { r.Get("/x", h) }))
			r.With(logger).Mount("/v2", router(func(r chi.Router) { r.Get("/x", h) }))
			r.With(require).Mount("/files", h)
		}, []string{"GET /v2/x"}},
		{"a guard around what is mounted", func(r chi.Router) { r.Mount("/files", require(h)) }, []string{"/files/*"}},
		{"a mounted part of a router", func(r chi.Router) {
			api := chi.NewRouter()
			api.Get("/open", h)
			part := api.With(require)
			part.Get("/x", h)
			r.Mount("/v1", part) // chi serves /v1/open, without the guard
		}, []string{"GET /v1/open"}},
		{"a handler over a mount", func(r chi.Router) {
			r.With(require).Mount("/v1", router(func(r chi.Router) { r.With(require).Get("/x", h) }))
			r.Get("/v1/*", h)
		}, []string{"GET /v1/*"}},
		{"a guard over a mount", func(r chi.Router) {
			r.Mount("/v1", router(func(r chi.Router) { r.Get("/", h) })) // chi still serves it at /v1
			r.With(require).Handle("/v1/*", h)
		}, []string{"GET /v1/"}},
		{"a handler over one for every method", func(r chi.Router) {
			r.Handle("/x", require(h))
			r.Get("/x", h)
		}, []string{"GET /x"}},
		{"a table", func(r chi.Router) {
			r.Use(logger, chiauth.Enforce(guard, auth.Rules{"GET /x": auth.AnyToken()}, r))
			r.Get("/x", h)
		}, nil},
		{"a table in a router below", func(r chi.Router) {
			r.Get("/y", h)
			r.Route("/v1", func(r chi.Router) {
				r.Use(chiauth.Enforce(guard, auth.Rules{"GET /x": auth.AnyToken()}, r))
				r.Get("/x", h)
			})
		}, []string{"GET /y"}},
		{"a table that is not the last", func(r chi.Router) {
			r.Use(chiauth.Enforce(guard, auth.Rules{"GET /x": auth.AnyToken()}, r), logger)
			r.Get("/x", h)
		}, []string{"GET /x"}},
		{"a table of another router", func(r chi.Router) {
			r.Use(chiauth.Enforce(guard, auth.Rules{"GET /x": auth.AnyToken()}, chi.NewRouter()))
			r.Get("/x", h)
		}, []string{"GET /x"}},
		{"a table in a group", func(r chi.Router) {
			r.Group(func(r chi.Router) {
				r.Use(chiauth.Enforce(guard, auth.Rules{"GET /x": auth.AnyToken()}, r))
				r.Get("/x", h)
			})
		}, []string{"GET /x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want []string
			for _, key := range tt.want {
				want = append(want, "no guard covers "+key)
			}
			if got := findings(chiauth.Check(router(tt.add))); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestCheckOfAPartTellsTheWhole(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	var hs handlers
	r := chi.NewRouter()
	r.Get("/x", hs.named("x"))
	part := r.With(guard.Require("a"))
	part.Get("/y", hs.named("y"))
	if got, want := findings(chiauth.Check(part)), []string{"no guard covers GET /x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Get("/z", hs.named("z")) // Check leaves the router as it was
}

func TestChecksNameARouteThatIsThereTwice(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	var hs handlers
	r := chi.NewRouter()
	a := chiauth.NewRouter(guard, r)
	a.Get("/v1/x", auth.Scopes("admin"), hs.named("direct"))
	a.Route("/v1", func(a *chiauth.Router) { a.Get("/x", auth.Public(), hs.named("mounted")) })
	want := `route "GET /v1/x" is registered twice`
	if got := findings(chiauth.Check(r)); !slices.Equal(got, []string{want}) {
		t.Errorf("Check: got %q, want %q", got, want)
	}
	if got := findings(chiauth.CheckRules(r, auth.Rules{"GET /v1/x": auth.AnyToken()})); !slices.Contains(got, want) {
		t.Errorf("CheckRules: got %q, want %q", got, want)
	}
}

func TestCheckRules(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	any := auth.AnyToken()
	var hs handlers
	h := hs.named("h")
	add := func(r chi.Router) {
		r.Get("/orders", h)
		r.Post("/orders", h)
		r.Handle("/all", h)
		r.Route("/v1", func(r chi.Router) {
			r.Get("/", h)
			r.Route("/", func(r chi.Router) { r.Get("/nested", h) })
		})
		r.Mount("/files", h)
		r.Mount("/claimed", mounted{router(func(r chi.Router) { r.Get("/y", h) }), h})
	}
	for _, tt := range []struct {
		name  string
		rules auth.Rules
		want  []string
	}{
		{
			"a rule for every route", auth.Rules{"GET /orders": any, "/orders": any, "/all": any, "GET /v1/": any, "GET /v1/nested": any, "/files/*": any, "/claimed/*": any}, nil,
		},
		{
			"rules for some methods of a route for all", auth.Rules{"/orders": any, "GET /all": any, "PUT /all": any, "/v1/": any, "/v1/nested": any, "GET /files/*": any, "/claimed/*": any}, nil,
		},
		{
			"routes without rule, and rules without route",
			auth.Rules{"GET /orders": any, "GET /v1": any, "PUT /orders": any, "/files": any, "FOO /all": any, "get /all": any, "/v1/*/nested": any, "GET/orders": any, "GET /claimed/y": any},
			[]string{
				`no route uses rule "/files"`, `no route uses rule "/v1/*/nested"`, `no route uses rule "FOO /all"`, `no route uses rule "GET /claimed/y"`,
				`no route uses rule "GET /v1"`, `no route uses rule "GET/orders"`, `no route uses rule "PUT /orders"`, `no route uses rule "get /all"`,
				"no rule for /all: every request is denied", "no rule for /claimed/*: every request is denied", "no rule for /files/*: every request is denied",
				"no rule for GET /v1/: every request is denied", "no rule for GET /v1/nested: every request is denied", "no rule for POST /orders: every request is denied",
			},
		},
		{"no rules", auth.Rules{}, []string{"auth: Rules are empty: every operation would be refused"}},
		{"a rule with the zero requirement", auth.Rules{"/all": {}}, []string{`auth: rule "/all" has the zero Requirement`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := chi.NewRouter()
			table := tt.rules
			if table.Validate() != nil {
				table = auth.Rules{"/x": any}
			}
			r.Use(chiauth.Enforce(guard, table, r))
			add(r)
			if got := findings(chiauth.CheckRules(r, tt.rules)); !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestCheckRulesWantsTheTableLast(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	var hs handlers
	rules := auth.Rules{"GET /x": auth.AnyToken()}
	for _, tt := range []struct {
		name string
		use  func(r *chi.Mux)
		last bool
	}{
		{"last", func(r *chi.Mux) { r.Use(logger, chiauth.Enforce(guard, rules, r)) }, true},
		{"followed by another", func(r *chi.Mux) { r.Use(chiauth.Enforce(guard, rules, r), logger) }, false},
		{"not there", func(r *chi.Mux) { r.Use(logger) }, false},
		{"of another router", func(r *chi.Mux) { r.Use(chiauth.Enforce(guard, rules, chi.NewRouter())) }, false},
		{"none at all", func(*chi.Mux) {}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := chi.NewRouter()
			tt.use(r)
			r.Get("/x", hs.named("x"))
			var want []string
			if !tt.last {
				want = []string{"Enforce is not the last middleware that was given to Use of the router"}
			}
			if got := findings(chiauth.CheckRules(r, rules)); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestCheckRulesComparesTheTable(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	var hs handlers
	table := auth.Rules{"GET /x": auth.Scopes("read")}
	for name, tt := range map[string]struct {
		rules auth.Rules
		want  []string
	}{
		"the same, made again":       {auth.Rules{"GET /x": auth.Scopes("read")}, nil},
		"another requirement":        {auth.Rules{"GET /x": auth.Scopes("admin")}, []string{`Enforce was given other rules than CheckRules: they differ in ["GET /x"]`}},
		"another key":                {auth.Rules{"/x": auth.Scopes("read")}, []string{`Enforce was given other rules than CheckRules: they differ in ["/x" "GET /x"]`}},
		"public in place of a scope": {auth.Rules{"GET /x": auth.Public()}, []string{`Enforce was given other rules than CheckRules: they differ in ["GET /x"]`}},
	} {
		r := chi.NewRouter()
		r.Use(chiauth.Enforce(guard, table, r))
		r.Get("/x", hs.named("x"))
		if got := findings(chiauth.CheckRules(r, tt.rules)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestCheckRulesNamesRewritersBehindTheTable(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	var hs handlers
	rules := auth.Rules{"GET /v1/x": auth.AnyToken(), "GET /v1/v2/x": auth.AnyToken()}
	r := chi.NewRouter()
	r.Use(middleware.StripSlashes, chiauth.Enforce(guard, rules, r))
	r.Route("/v1", func(r chi.Router) {
		r.Use(logger, middleware.GetHead, middleware.URLFormat)
		r.Get("/x", hs.named("x"))
		r.Route("/v2", func(r chi.Router) {
			r.Use(middleware.CleanPath, middleware.StripSlashes)
			r.Get("/x", hs.named("x"))
		})
	})
	want := []string{
		`chi's CleanPath in the router that is mounted at "/v1/v2/*" has no effect: give it to Use of the outermost router, in front of Enforce`,
		`chi's StripSlashes in the router that is mounted at "/v1/v2/*" has no effect: give it to Use of the outermost router, in front of Enforce`,
		`chi's URLFormat in the router that is mounted at "/v1/*" has no effect: give it to Use of the outermost router, in front of Enforce`,
	}
	if got := findings(chiauth.CheckRules(r, rules)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
