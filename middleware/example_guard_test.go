package auth_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// keylessVerifier trusts an issuer that publishes no key.
func keylessVerifier() *auth.Verifier {
	v, err := auth.NewVerifier(jwks.Static{}, auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example"}})
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// get asks h for /orders and prints what came back.
func get(h http.Handler, authorization string) { getPath(h, "/orders", authorization) }

func getPath(h http.Handler, path, authorization string) {
	r := httptest.NewRequest("GET", path, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Header().Get("WWW-Authenticate"))))
}

func ok(http.ResponseWriter, *http.Request) {}

func ExampleNewGuard() {
	guard, err := auth.NewGuard(everybody{}, &auth.GuardOptions{
		Realm:            "orders",
		ResourceMetadata: "https://api.example/.well-known/oauth-protected-resource",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(guard.ResourceMetadata())
	get(guard.Require("admin:all")(http.HandlerFunc(ok)), "Bearer alice")
	// Output:
	// https://api.example/.well-known/oauth-protected-resource
	// 403 Bearer realm="orders", resource_metadata="https://api.example/.well-known/oauth-protected-resource", error="insufficient_scope", error_description="The access token lacks a scope that this operation needs", scope="admin:all"
}

// Every setting, for an issuer whose tokens are not of the RFC 9068 form.
func ExampleNewWithKeys() {
	keys, err := jwks.New("https://issuer.example/keys", &jwks.Options{SameHostRedirects: true})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := auth.NewWithKeys(keys, auth.Config{
		Issuer:     "https://issuer.example",
		Audiences:  []string{"https://api.example"},
		Types:      []string{"JWT"},
		ScopeClaim: "scp",
		ScopeArray: true,
	}, nil)
	if err != nil {
		_ = keys.Close()
		log.Fatal(err)
	}
	defer guard.Close()               // closes keys
	fmt.Println(guard.Ready() == nil) // they are fetched in the background
	// Output: false
}

func ExampleGuard_Enforce() {
	guard, err := auth.NewGuard(everybody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Enforce(auth.AnyOf(auth.Scopes("admin:all"), auth.Scopes("read:orders")))(http.HandlerFunc(ok)))
	get(mux, "Bearer alice")
	get(mux, "")
	// Output:
	// 200
	// 401 Bearer realm="api"
}

// An adapter for another router tells the route as that router writes it, and what it found in the
// path.
func ExampleGuard_EnforceCredentials() {
	guard, err := auth.NewGuard(everybody{}, &auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { fmt.Println(d.Operation, d.Err == nil) }})
	if err != nil {
		log.Fatal(err)
	}
	routed := func(w http.ResponseWriter, r *http.Request) auth.Credentials {
		c := auth.RequestCredentials(w, r, "GET /orders/:id")
		c.Params = params{"id": "7"}
		return c
	}
	get(guard.EnforceCredentials(routed, auth.Scopes("read:orders"))(http.HandlerFunc(ok)), "Bearer alice")
	// Output:
	// GET /orders/:id true
	// 200
}

type params map[string]string

func (p params) Param(name string) string { return p[name] }

// Every refusal of a Guard looks alike, an adapter's and a handler's own.
func ExampleGuard_Refuse() {
	guard, err := auth.NewGuard(everybody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	owners := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, _ := auth.PrincipalFrom(r.Context()); p.Subject() != "bob" {
			guard.Refuse(w, r, &auth.Error{Reason: auth.ReasonForbidden})
		}
	})
	get(guard.Require("read:orders")(owners), "Bearer bob")
	get(guard.Require("read:orders")(owners), "Bearer alice")
	// Output:
	// 200
	// 403
}

// For answers that are not written by Refuse: the headers that go with a refusal.
func ExampleGuard_SetRefusalHeader() {
	guard, err := auth.NewGuard(everybody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	guard.SetRefusalHeader(w.Header(), &auth.Error{Reason: auth.ReasonUnavailable})
	fmt.Println(w.Header())
	// Output:
	// map[Cache-Control:[no-store] Content-Type:[application/problem+json] Retry-After:[5]]
}

// For readiness, never for liveness: a restart does not bring an issuer back.
func ExampleGuard_ReadyHandler() {
	guard, err := auth.New("https://issuer.example", "https://api.example", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()
	mux := http.NewServeMux()
	mux.Handle("GET /readyz", guard.ReadyHandler())
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	fmt.Println(w.Code, w.Header().Get("Retry-After") != "") // seconds until the next fetch is due
	// Output:
	// 503 true
}

// A Guard without Bindings reads no field but Authorization.
func ExampleGuard_ReadsFields() {
	guard, err := auth.NewGuard(everybody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(guard.ReadsFields() == nil)
	// Output: true
}

func ExampleRequestCredentials() {
	r := httptest.NewRequest("POST", "https://api.example/orders?sort=date", nil)
	r.Header.Set("Authorization", "Bearer alice")
	c := auth.RequestCredentials(httptest.NewRecorder(), r, "POST /orders")
	fmt.Println(c.Operation, c.Authorization, c.Method, c.TLS != nil, c.Answer != nil)
	// Output:
	// POST /orders [Bearer alice] POST true true
}

// For adapters: what cannot be enforced is an error at start.
func ExampleGuard_CanEnforce() {
	guard, err := auth.NewGuard(everybody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(guard.CanEnforce(auth.Bound()))
	fmt.Println(guard.CanEnforce(auth.AnyToken().ReportOnly()))
	fmt.Println(guard.CanEnforce(auth.Scopes("read:orders")))
	// Output:
	// Bound needs GuardOptions.Bindings: no token could pass
	// ReportOnly needs GuardOptions.OnDecision: nobody would be told
	// <nil>
}

// An adapter for streams rechecks one that is open.
func ExampleGuard_Recheck() {
	guard, err := auth.NewGuard(everybody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	c := auth.Credentials{Authorization: []string{"Bearer alice"}}
	ctx, err := guard.Authorize(context.Background(), c, auth.AnyToken())
	if err != nil {
		log.Fatal(err)
	}
	_, err = guard.Recheck(ctx, c, auth.Scopes("admin:all")) // the rule has changed
	fmt.Println(err)
	// Output: auth: request refused: INSUFFICIENT_SCOPE
}

// An API behind Cloudflare Access, whose tokens come in a field of their own.
func ExampleGuard_TokenField() {
	guard, err := auth.NewGuard(everybody{}, &auth.GuardOptions{Header: "Cf-Access-Jwt-Assertion"})
	if err != nil {
		log.Fatal(err)
	}
	orders := guard.Require("read:orders")(http.HandlerFunc(ok))
	for _, field := range []string{guard.TokenField(), "Authorization"} {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set(field, "TOKEN")
		w := httptest.NewRecorder()
		orders.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("Vary"), w.Header().Get("Cache-Control"))
	}
	// Output:
	// 200 Cf-Access-Jwt-Assertion private
	// 401 Cf-Access-Jwt-Assertion no-store
}

// The address of the connection, for Bindings that believe one proxy.
func ExampleConnContext() {
	server := &http.Server{ConnContext: auth.ConnContext}
	fmt.Println(server.ConnContext != nil)
	// Output: true
}

// For checks at start: is there a guard in front of this handler?
func ExampleIsGuarded() {
	guard, err := auth.NewGuard(everybody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(auth.IsGuarded(guard.Require("read:orders")(http.HandlerFunc(ok))), auth.IsGuarded(http.HandlerFunc(ok)))
	// Output: true false
}

// For routers that tell their middlewares: is one of them a guard?
func ExampleIsGuard() {
	guard, err := auth.NewGuard(everybody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(auth.IsGuard(guard.Require("read:orders")), auth.IsGuard(http.NewCrossOriginProtection().Handler))
	// Output: true false
}

func ExampleVerifier() {
	v := keylessVerifier()
	_, err := v.VerifyToken(context.Background(), "not a token")
	fmt.Println(v.Issuer(), err)
	fmt.Println(v.Ready()) // a Static holds what there is
	// Output:
	// https://issuer.example auth: request refused: TOKEN_MALFORMED
	// <nil>
}

func ExampleIssuers() {
	keys, err := jwks.FromIssuer("https://partner.example", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	partner, err := auth.NewVerifier(keys, auth.Config{Issuer: "https://partner.example", Audiences: []string{"https://api.example"}})
	if err != nil {
		log.Fatal(err)
	}
	both, err := auth.NewIssuers(keylessVerifier(), partner)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(both.Ready() == nil) // not before all of them are; Config.ReadyWithoutKeys leaves one out
	// Output: false
}

// Metrics and a log: each of the hooks is told of every decision.
func ExampleHooks() {
	count := 0
	counted := func(context.Context, auth.Decision) { count++ } // in a program: promauth's or otelauth's
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: onlyWhatStays}))
	guard, err := auth.NewGuard(everybody{}, &auth.GuardOptions{OnDecision: auth.Hooks(counted, auth.LogRefusals(logger))})
	if err != nil {
		log.Fatal(err)
	}
	_, _ = guard.Authorize(context.Background(), auth.Credentials{Operation: "GET /orders"}, auth.AnyToken())
	fmt.Println(count)
	// Output:
	// level=INFO msg="request refused" operation="GET /orders" status=401 reason=CREDENTIALS_MISSING detail="no Authorization header"
	// 1
}

// Keys from two sources of the program's own, which the Guard closes.
func ExampleNewWithVerifiers() {
	var verifiers []*auth.Verifier
	for _, issuer := range []string{"https://staff.example", "https://partners.example"} {
		keys, err := jwks.New(issuer+"/keys", nil)
		if err != nil {
			log.Fatal(err)
		}
		v, err := auth.NewVerifier(keys, auth.Config{Issuer: issuer, Audiences: []string{"https://api.example"}})
		if err != nil {
			log.Fatal(err)
		}
		verifiers = append(verifiers, v)
	}
	guard, err := auth.NewWithVerifiers(nil, verifiers...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(guard.Close())
	for _, s := range guard.Status() {
		fmt.Println(s.Issuer, s.Keys.State)
	}
	both, err := auth.NewIssuers(verifiers...) // what the Guard asks
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(both.Status()), len(verifiers[0].Status()))
	// Output:
	// <nil>
	// https://partners.example closed
	// https://staff.example closed
	// 2 1
}
