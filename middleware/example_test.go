package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

func ExampleNew() {
	guard, err := auth.New("https://issuer.example", "https://api.example", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close() // after the server has stopped

	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require("read:orders")(http.NotFoundHandler()))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/orders", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output:
	// 401 Bearer realm="api"
}

func ExampleNewVerifier() {
	_, err := auth.NewVerifier(jwks.Static{}, auth.Config{Issuer: "https://issuer.example"})
	fmt.Println(err)
	// Output:
	// auth: Config.Audiences is required
}

func ExampleNewIssuers() {
	verifier := func(issuer string) *auth.Verifier {
		v, err := auth.NewVerifier(jwks.Static{}, auth.Config{Issuer: issuer, Audiences: []string{"https://api.example"}})
		if err != nil {
			log.Fatal(err)
		}
		return v
	}
	issuers, err := auth.NewIssuers(verifier("https://one.example"), verifier("https://two.example"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = issuers.VerifyToken(context.Background(), "not a token")
	fmt.Println(err)
	// Output:
	// auth: request refused: TOKEN_MALFORMED
}

func ExampleRequirement() {
	owner := func(context.Context, *auth.Principal) error { return errors.New("not the owner") }
	for _, req := range []auth.Requirement{
		auth.Scopes("read:orders"),
		auth.AnyScope("read:orders", "admin:all"),
		auth.AllOf(auth.Scopes("write:orders"), auth.AnyScope("eu", "us")),
		auth.AnyOf(auth.Scopes("admin:all"), auth.Scopes("read:orders").With(owner)),
		auth.AnyToken(),
		auth.Optional(),
		auth.Public(),
		{},
	} {
		fmt.Println(req)
	}
	// Output:
	// read:orders
	// read:orders or admin:all
	// write:orders and (eu or us)
	// admin:all or read:orders with a check
	// any token
	// optional
	// public
	// nobody
}

// A package for another router needs no more than this.
func ExampleGuard_Authorize() {
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	handle := func(w http.ResponseWriter, r *http.Request) (int, []string) {
		ctx, err := guard.Authorize(r.Context(), auth.RequestCredentials(w, r, "GET /orders"), auth.Scopes("read:orders"))
		if err != nil {
			refused := auth.AsError(err)
			guard.SetRefusalHeader(w.Header(), refused)
			return refused.Status(), w.Header().Values("WWW-Authenticate")
		}
		_ = r.WithContext(ctx)
		return http.StatusOK, nil
	}
	fmt.Println(handle(httptest.NewRecorder(), httptest.NewRequest("GET", "/orders", nil)))
	// Output:
	// 401 [Bearer realm="api"]
}

// nobody accepts no token.
type nobody struct{}

func (nobody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonSignatureInvalid}
}

func ExampleClaimsOf() {
	p, err := auth.NewPrincipal([]byte(`{"iss":"https://issuer.example","sub":"alice","tenant":{"id":7}}`))
	if err != nil {
		log.Fatal(err)
	}
	claims, err := auth.ClaimsOf[struct {
		Tenant struct{ ID int } `json:"tenant"`
	}](p)
	fmt.Println(claims.Tenant.ID, err) // names match exactly: "id" is not "ID"
	// Output:
	// 0 <nil>
}

func ExampleCheckClaims() {
	type claims struct {
		Tenant string `json:"tenant"`
	}
	config := auth.Config{
		Issuer:    "https://issuer.example",
		Audiences: []string{"https://api.example"},
		Checks: []func(*auth.Principal) error{auth.CheckClaims(func(c *claims) error {
			if c.Tenant != "ours" {
				return errors.New("not a tenant of ours")
			}
			return nil
		})},
	}
	_, err := auth.NewVerifier(jwks.Static{}, config)
	fmt.Println(err)
	// Output:
	// <nil>
}

func ExampleWithPrincipal() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		p, _ := auth.PrincipalFrom(r.Context())
		fmt.Fprintln(w, "hello", p.Subject())
	}
	p, err := auth.NewPrincipal([]byte(`{"sub":"alice"}`))
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	w := httptest.NewRecorder()
	handler(w, r.WithContext(auth.WithPrincipal(r.Context(), p)))
	fmt.Print(w.Body)
	// Output:
	// hello alice
}

func ExampleLogRefusals() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	guard, err := auth.NewGuard(nobody{}, &auth.GuardOptions{OnDecision: auth.LogRefusals(logger)})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require("read:orders")(http.NotFoundHandler()))
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer forged")
	mux.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// level=INFO msg="request refused" operation="GET /orders" status=401 reason=SIGNATURE_INVALID
}
