package revocation_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/revocation"
)

// verified stands in for a Verifier: the tokens that it accepts.
type verified map[string]*auth.Principal

func (v verified) VerifyToken(_ context.Context, raw string) (*auth.Principal, error) {
	return v[raw], nil
}

// Somebody's laptop is gone: what was issued before is refused, and a new login is good.
func ExampleMemory() {
	stolen := time.Now()
	tokens := verified{}
	for name, issued := range map[string]time.Time{"old": stolen.Add(-time.Minute), "new": stolen.Add(time.Minute)} {
		p, err := auth.NewPrincipal(fmt.Appendf(nil, `{"iss": "https://issuer.example", "sub": "alice", "iat": %d}`, issued.Unix()))
		if err != nil {
			log.Fatal(err)
		}
		tokens[name] = p
	}

	revocations := revocation.NewMemory(0)
	guard, err := auth.NewGuard(tokens, &auth.GuardOptions{Revoked: revocations.Revoked})
	if err != nil {
		log.Fatal(err)
	}
	err = revocations.Revoke(context.Background(), revocation.Entry{
		Issuer:       "https://issuer.example",
		Subject:      "alice",
		IssuedBefore: stolen,
		Until:        stolen.Add(time.Hour), // the issuer's tokens last for an hour
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(revocations.Len())
	orders := guard.Enforce(auth.AnyToken())(http.HandlerFunc(ok))
	get(orders, "Bearer old")
	get(orders, "Bearer new")
	// Output:
	// 1
	// 401 Bearer realm="api", error="invalid_token", error_description="The access token is revoked"
	// 200
}

// A store of your own asks an Entry whether it says enough, and how long to keep it.
func ExampleEntry() {
	until := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	e := revocation.Entry{Issuer: "https://issuer.example", Subject: "alice", Until: until}
	fmt.Println(e.Validate(until))
	e.IssuedBefore = until.Add(-time.Hour)
	fmt.Println(e.Validate(until), e.End().Sub(until))
	// Output:
	// revocation: Entry.IssuedBefore is required with Subject and ClientID
	// <nil> 5m0s
}

func get(h http.Handler, authorization string) {
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", authorization)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Header().Get("WWW-Authenticate"))))
}

func ok(http.ResponseWriter, *http.Request) {}
