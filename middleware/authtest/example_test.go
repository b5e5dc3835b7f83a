package authtest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// exampleT stands in for the *testing.T that a test is given and an example is not.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                           {}
func (t *exampleT) Log(...any)                        {}
func (t *exampleT) Context() context.Context          { return context.Background() }
func (t *exampleT) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (t *exampleT) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (t *exampleT) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (t *exampleT) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

// call asks h for /orders with token and returns the status.
func call(h http.Handler, token string) int {
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func ExampleNewIssuer() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	ours := authtest.NewIssuer(t, nil)
	partner := authtest.NewIssuer(t, &authtest.Options{URL: "https://partner.example", Algorithm: auth.ES256})
	both, err := auth.NewIssuers(ours.Verifier(auth.Config{}), partner.Verifier(auth.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	orders := must(auth.NewGuard(both, nil)).Require("read:orders")(http.HandlerFunc(listOrders))

	fmt.Println(call(orders, ours.Token("read:orders")))
	fmt.Println(call(orders, partner.Token("read:orders")))
	fmt.Println(call(orders, partner.Token("read:orders", authtest.Claims{"iss": ours.URL})))
	// Output:
	// 200
	// 200
	// 401
}

func ExampleIssuer_Token() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	for _, token := range []string{
		issuer.Token("read:orders write:orders"),
		issuer.Token("read:orders", authtest.Claims{"sub": "bob", "tenant": "acme"}),
		issuer.Token("read:orders", authtest.Claims{"sub": authtest.Absent}),
		issuer.Token("read:orders", authtest.Header{"typ": "JWT"}),
		issuer.Token("read:orders", authtest.AlgNone),
	} {
		c := auth.Credentials{Authorization: []string{"Bearer " + token}}
		ctx, err := guard.Authorize(context.Background(), c, auth.Scopes("read:orders"))
		if err != nil {
			fmt.Println(err)
			continue
		}
		p, _ := auth.PrincipalFrom(ctx)
		fmt.Println(p.Subject(), p.Scopes())
	}
	// Output:
	// alice [read:orders write:orders]
	// bob [read:orders]
	// auth: request refused: CLAIM_INVALID
	// auth: request refused: TOKEN_TYPE_NOT_ACCEPTED
	// auth: request refused: TOKEN_MALFORMED
}

func ExampleIssuer_Rotate() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, nil)
	orders := issuer.Guard(nil).Require("read:orders")(http.HandlerFunc(listOrders))
	before := issuer.Token("read:orders")
	fmt.Println(call(orders, before))

	issuer.Rotate()
	fmt.Println(call(orders, before), call(orders, issuer.Token("read:orders")))
	// Output:
	// 200
	// 200 200
}

func ExampleIssuer_Fail() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, nil)
	issuer.Fail(http.StatusServiceUnavailable) // before the first fetch: no keys are held
	orders := issuer.Guard(nil).Require("read:orders")(http.HandlerFunc(listOrders))
	fmt.Println(call(orders, issuer.Token("read:orders")))
	// Output: 503
}

func ExampleIssuer_Defects() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, nil)
	orders := issuer.Guard(nil).Require("read:orders")(http.HandlerFunc(listOrders))
	for _, d := range issuer.Defects() {
		want := (&auth.Error{Reason: d.Reason()}).Status()
		if got := call(orders, issuer.Token("read:orders", d)); got != want {
			t.Errorf("%s: got %d, want %d", d, got, want)
		}
	}
	// Output:
}

func ExampleWithPrincipal() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	r := httptest.NewRequest("GET", "/orders", nil)
	w := httptest.NewRecorder()
	listOrders(w, authtest.WithPrincipal(t, r, authtest.Claims{"sub": "bob"}))
	fmt.Print(w.Body)
	// Output: orders of bob
}

func ExamplePrincipal() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	p := authtest.Principal(t, authtest.Claims{"scope": "read:orders write:orders"})
	fmt.Println(p.Subject(), p.HasScope("write:orders"))
	// Output: alice true
}

func ExampleIssuer_Withdraw() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, nil)
	keys := issuer.Source(nil)
	v, err := auth.NewVerifier(keys, issuer.Config())
	if err != nil {
		t.Fatal(err)
	}
	orders := must(auth.NewGuard(v, nil)).Require("read:orders")(http.HandlerFunc(listOrders))
	before := issuer.Token("read:orders")
	fmt.Println(call(orders, before))

	issuer.Rotate()
	issuer.Withdraw()
	if err := keys.Refresh(context.Background()); err != nil { // or wait for the refresh, in a testing/synctest bubble
		t.Fatal(err)
	}
	fmt.Println(call(orders, before), call(orders, issuer.Token("read:orders")))
	// Output:
	// 200
	// 401 200
}

func ExampleDefect_Config() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, nil)
	v := issuer.Verifier(authtest.TooOld.Config(issuer.Config())) // with a MaxAge
	_, err := v.VerifyToken(context.Background(), issuer.Token("read:orders", authtest.TooOld))
	fmt.Println(err, authtest.TooOld.Reason())
	// Output: auth: request refused: TOKEN_TOO_OLD TOKEN_TOO_OLD
}

// An API is asked as its attackers would.
func ExampleAssertGuarded() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer := authtest.NewIssuer(t, nil)
	rules := auth.Rules{"GET /orders": auth.Scopes("read:orders"), "GET /stats": auth.Scopes("admin:all")}
	guard := issuer.Guard(nil)
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require("read:orders")(ok))
	mux.Handle("GET /stats", guard.Require("read:orders")(ok)) // not what the rules say
	authtest.AssertGuarded(t, issuer, mux, rules, nil)
	// Output:
	// GET /stats: RFC 6750 §3.1 (B-25): a good token with scopes []: got 403 with error="insufficient_scope", scope="read:orders", want a Bearer challenge with scope="admin:all"
	// GET /stats: RFC 6750 §2.1 (B-01): a good token with scopes ["admin:all"]: got 403 with error="insufficient_scope", scope="read:orders", want it accepted: the rule is admin:all
	// GET /stats: RFC 6750 §3.1 (B-25): a good token with scopes ["read:orders"]: got 200, want 403: the rule is admin:all
}
