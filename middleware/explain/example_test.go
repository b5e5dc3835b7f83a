package explain_test

import (
	"context"
	"fmt"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/explain"
)

// An expired token of another API. The Guard tells the first fault, and Token all of them.
func ExampleToken() {
	issuer := authtest.NewIssuer(new(testing.T), nil)
	guard := issuer.Guard(nil)
	token := issuer.Token("read:orders", authtest.WrongAudience, authtest.Expired)

	orders := auth.Scopes("write:orders")
	report := explain.Token(context.Background(), guard, token, &explain.Options{Requirement: &orders})
	fmt.Println(report.Outcome, report.Reason)
	for _, s := range report.Faults() {
		fmt.Printf("%s %s: %s\n", s.Part, s.Name, s.Reason)
	}
	// Output:
	// refused AUDIENCE_MISMATCH
	// claims aud: AUDIENCE_MISMATCH
	// claims exp: TOKEN_EXPIRED
	// rule write:orders: INSUFFICIENT_SCOPE
}

func ExampleReport_Faults() {
	issuer := authtest.NewIssuer(new(testing.T), nil)
	report := explain.Token(context.Background(), issuer.Guard(nil), issuer.Token("", authtest.WrongType), nil)
	for _, s := range report.Faults() {
		fmt.Printf("%s has %s, accepted is %s\n", s.Claim, s.Has, s.Accepted)
		for _, c := range s.Changes {
			fmt.Println(c.Side)
		}
	}
	// Output:
	// typ has jwt, accepted is at+jwt
	// api
	// client
	// issuer
}
