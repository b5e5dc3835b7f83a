package echoauth_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestCheck(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	table := echoauth.EnforceRules(guard, auth.Rules{"GET /orders": auth.AnyToken()})
	use := func(e *echo.Echo) { e.Use(pass, table, pass) }
	orders := func(e *echo.Echo) { use(e); e.GET("/orders", ok) }
	token := auth.AnyToken()
	for _, tt := range []struct {
		name  string
		build func(*echo.Echo)
		rules auth.Rules
		want  []string // without "echoauth: "
	}{
		{"every route has a rule and every rule a route", func(e *echo.Echo) {
			orders(e)
			e.POST("/orders", ok)
			e.Group("/group", pass).GET("/x", ok)
			e.Any("/any", ok)
			e.Host("api.example", pass).GET("/orders", ok)
			e.Static("/files", ".")
		}, auth.Rules{"GET /orders": token, "/orders": token, "GET /group/x": token, "/any": token, "api.example/orders": token, "GET /files*": token}, nil},
		{"routes without rule and rules without route", func(e *echo.Echo) {
			orders(e)
			e.POST("/orders", ok)
			e.Group("/group", pass).GET("/x", ok)
			e.Match([]string{"PUT", "PATCH"}, "/match", ok)
		}, auth.Rules{"GET /orders": token, "GET /nothing": token, "PUT /match": token, "/group": token, "/group/*": token}, []string{
			"no rule for GET /group/x: every request is denied", "no rule for PATCH /match: every request is denied",
			"no rule for POST /orders: every request is denied", `no route uses rule "/group"`, `no route uses rule "/group/*"`, `no route uses rule "GET /nothing"`,
		}},
		{"a rule that does not name the host", func(e *echo.Echo) {
			orders(e)
			e.Host("api.example").GET("/orders", ok)
		}, auth.Rules{"GET /orders": token}, []string{"no rule for GET api.example/orders: every request is denied"}},
		{"keys that are written as no route is", orders, auth.Rules{"GET /orders": token, "get /orders": token, "GET orders": token, "GET  /orders": token}, []string{
			`no route uses rule "GET  /orders"`, `no route uses rule "GET orders"`, `no route uses rule "get /orders"`,
		}},
		{"a route that is hidden by one with another name of its parameter", func(e *echo.Echo) {
			use(e)
			e.GET("/orders/:id", ok)
			e.GET("/orders/:name", ok)
			e.POST("/orders/:other", ok)
		}, auth.Rules{"GET /orders/:id": token, "GET /orders/:name": token, "POST /orders/:other": token}, []string{"another route takes all requests of GET /orders/:id"}},
		{"a star behind a parameter that takes everything", func(e *echo.Echo) {
			use(e)
			e.GET("/orders/", ok)
			e.GET("/orders/:id", ok)
			e.GET("/orders/*", ok)
		}, auth.Rules{"/orders/": token, "/orders/:id": token, "/orders/*": token}, []string{"another route takes all requests of GET /orders/*"}},
		{"groups whose own 404 is hidden", func(e *echo.Echo) {
			use(e)
			e.Group("/:a", pass).GET("/x", ok)
			e.Group("/:b", pass).GET("/y", ok)
		}, auth.Rules{"/:a/x": token, "/:b/y": token}, nil},
		{"a handler of RouteNotFound without rule", func(e *echo.Echo) {
			orders(e)
			e.RouteNotFound("/*", ok)
		}, auth.Rules{"GET /orders": token}, []string{"no rule names echo_route_not_found /*: Echo's own 404 takes its place"}},
		{"a handler of RouteNotFound with a rule for every method alone", func(e *echo.Echo) {
			orders(e)
			e.GET("/*", ok)
			e.RouteNotFound("/*", ok)
		}, auth.Rules{"GET /orders": token, "/*": token}, []string{"no rule names echo_route_not_found /*: Echo's own 404 takes its place"}},
		{"handlers of RouteNotFound with a rule, Echo's included", func(e *echo.Echo) {
			orders(e)
			e.RouteNotFound("/*", ok)
			e.Group("/blog", pass)
		}, auth.Rules{"GET /orders": token, echo.RouteNotFound + " /*": token, echo.RouteNotFound + " /blog/*": token}, nil},
		{"the table was given to nothing", func(e *echo.Echo) { e.Use(pass); e.GET("/orders", ok) }, auth.Rules{"GET /orders": token},
			[]string{"EnforceRules was not given to Use: no route is guarded by it"}},
		{"the table was given to a group", func(e *echo.Echo) { e.Group("", table).GET("/orders", ok) }, auth.Rules{"GET /orders": token},
			[]string{"EnforceRules was not given to Use: no route is guarded by it"}},
		{"the table was given to Pre", func(e *echo.Echo) { e.Pre(table); e.GET("/orders", ok) }, auth.Rules{"GET /orders": token},
			[]string{"EnforceRules was given to Pre, where no route is known yet: every request is answered with 404"}},
		{"the table was given to Pre and Use", func(e *echo.Echo) { orders(e); e.Pre(table) }, auth.Rules{"GET /orders": token},
			[]string{"EnforceRules was given to Pre, where no route is known yet: every request is answered with 404"}},
		{"Enforce is no table", func(e *echo.Echo) { e.Use(echoauth.Enforce(guard, token)); e.GET("/orders", ok) }, auth.Rules{"GET /orders": token},
			[]string{"EnforceRules was not given to Use: no route is guarded by it"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table = echoauth.EnforceRules(guard, tt.rules)
			e := echo.New()
			tt.build(e)
			var got []string
			if err := echoauth.Check(e, tt.rules); err != nil {
				got = strings.Split(strings.ReplaceAll(fmt.Sprint(err), "echoauth: ", ""), "\n")
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestCheckOfNothing(t *testing.T) {
	for name, err := range map[string]error{
		"no Echo":     echoauth.Check(nil, auth.Rules{"/": auth.Public()}),
		"empty":       echoauth.Check(echo.New(), nil),
		"Requirement": echoauth.Check(echo.New(), auth.Rules{"/": {}}),
	} {
		if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(name, "no ")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckComparesTheTable(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	table := auth.Rules{"GET /orders": auth.Scopes("read")}
	differ := func(keys string) string {
		return "echoauth: EnforceRules was given other rules than Check: they differ in [" + keys + "]"
	}
	for name, tt := range map[string]struct {
		rules auth.Rules
		want  string
	}{
		"the same, made again":       {auth.Rules{"GET /orders": auth.Scopes("read")}, ""},
		"another requirement":        {auth.Rules{"GET /orders": auth.Scopes("admin")}, differ(`"GET /orders"`)},
		"another key":                {auth.Rules{"/orders": auth.Scopes("read")}, differ(`"/orders" "GET /orders"`)},
		"public in place of a scope": {auth.Rules{"GET /orders": auth.Public()}, differ(`"GET /orders"`)},
	} {
		e := echo.New()
		e.Use(pass, echoauth.EnforceRules(guard, table))
		e.GET("/orders", ok)
		got := ""
		if err := echoauth.Check(e, tt.rules); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
