package auth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// Who may call what, where scopes do not say it all.
func ExampleRole() {
	rules := auth.Rules{
		"GET /orders":         auth.AnyOf(auth.Role("Order Admin"), auth.Scopes("read:orders")),
		"DELETE /orders/{id}": auth.AllOf(auth.Group("ops"), auth.Permission("orders.delete")),
		"POST /nightly":       auth.Subject(auth.Identity{Issuer: "https://issuer.example", Subject: "nightly-job", Client: true}),
		"GET /partners":       auth.AllOf(auth.Issuer("https://partner.example"), auth.Scopes("read:orders")),
	}
	text, err := rules.Text()
	fmt.Print(text, err)
	// Output:
	// POST /nightly       = client:https://issuer.example|nightly-job
	// GET /orders         = role:"Order Admin" or read:orders
	// DELETE /orders/{id} = group:ops and permission:orders.delete
	// GET /partners       = issuer:https://partner.example and read:orders
	// <nil>
}

func ExampleGroup() {
	fmt.Println(auth.Group("ops", "on call"))
	// Output: group:ops and group:"on call"
}

func ExamplePermission() {
	fmt.Println(auth.Permission("orders.read"))
	// Output: permission:orders.read
}

// A user is one issuer's: another may give its own users the same names.
func ExampleSubject() {
	fmt.Println(auth.Subject(auth.Identity{Issuer: "https://issuer.example", Subject: "auth0|1"}))
	// Output: user:https://issuer.example|auth0|1
}

func ExampleIssuer() {
	fmt.Println(auth.Issuer("https://a.example", "https://b.example"))
	// Output: issuer:https://a.example or issuer:https://b.example
}

// oneToken is a stand-in for a verifier: each token has these claims.
type oneToken struct{ claims []byte }

func (t oneToken) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return auth.NewPrincipal(t.claims)
}

// A client that is told so has the user authenticate again, and gets another token.
func ExampleACR() {
	guard, err := auth.NewGuard(oneToken{fmt.Appendf(nil, `{"sub": "alice", "scope": "read:vault", "acr": "urn:example:pwd", "auth_time": %d}`, time.Now().Unix())}, nil)
	if err != nil {
		log.Fatal(err)
	}
	h := guard.Enforce(auth.AllOf(
		auth.Scopes("read:vault"),
		auth.ACR("urn:example:phr", "urn:example:mfa"),
		auth.AuthenticatedWithin(5*time.Minute),
	))(http.NotFoundHandler())

	r := httptest.NewRequest("GET", "/vault", nil)
	r.Header.Set("Authorization", "Bearer t")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output:
	// 401 Bearer realm="api", error="insufficient_user_authentication", error_description="This operation needs a stronger or more recent authentication", acr_values="urn:example:phr urn:example:mfa", max_age="300"
}

func ExampleAuthenticatedWithin() {
	fmt.Println(auth.AuthenticatedWithin(5 * time.Minute))
	// Output: authenticated-within:5m
}

// A payment that the user agreed to (RFC 9396).
func ExampleDetail() {
	type payment struct {
		Actions []string `json:"actions"`
	}
	need := auth.Detail("payment_initiation", func(_ context.Context, p *payment) bool {
		return slices.Contains(p.Actions, "initiate")
	})
	fmt.Println(need)
	// Output: detail:payment_initiation with a check
}

// A handler asks what rules ask: whether the caller has a scope, or one that implies it.
func ExampleGuard_Grants() {
	guard, err := auth.NewGuard(oneToken{}, &auth.GuardOptions{
		Implies: map[string][]string{"admin:all": {"write:orders"}, "write:orders": {"read:orders"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	admin, err := auth.NewPrincipal([]byte(`{"sub": "alice", "scope": "admin:all"}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(guard.Grants(admin, "read:orders"), admin.HasScope("read:orders"))
	// Output: true false
}

// What a requirement names of one kind.
func ExampleRequirement_Names() {
	need := auth.AllOf(auth.Scopes("read:orders"), auth.AnyOf(auth.Role("admin", "owner"), auth.ACR("urn:example:mfa")))
	fmt.Println(need.Names("scope"), need.Names("role"), need.Names("acr"), need.Names("group"))
	// Output: [read:orders] [admin owner] [urn:example:mfa] []
}

// What a client is told of a refusal, for a transport of one's own.
func ExampleError_Params() {
	err := &auth.Error{Reason: auth.ReasonInsufficientScope, Scopes: []string{"read:orders"}}
	fmt.Println(err.Params())
	// Output: map[error:insufficient_scope scope:read:orders]
}

// What a document about the API tells clients of bound tokens.
func ExampleGuard_Bindings() {
	guard, err := auth.NewGuard(oneToken{}, &auth.GuardOptions{Bindings: []auth.Binding{&certificates{}}, RequireBound: true})
	if err != nil {
		log.Fatal(err)
	}
	bindings, required := guard.Bindings()
	fmt.Println(bindings[0].Member(), required)
	// Output: x5t#S256 true
}

// certificates is a stand-in for package mtls.
type certificates struct{ auth.Binding }

func (*certificates) Member() string   { return "x5t#S256" }
func (*certificates) Fields() []string { return nil }
