package auth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	auth "github.com/bearward/bearward/middleware"
)

// Metrics of your own count by the words that every log and metric of this module uses.
func ExampleDecision() {
	v := keylessVerifier()
	guard, err := auth.NewGuard(v, &auth.GuardOptions{OnDecision: func(ctx context.Context, d auth.Decision) {
		fmt.Printf("%s %s cause=%q\n", d.Outcome(), d.Verification(), d.Cause(ctx))
	}})
	if err != nil {
		log.Fatal(err)
	}
	get(guard.Require("read:orders")(http.HandlerFunc(ok)), "Bearer x.y.z")
	// Output:
	// refused none cause=""
	// 401 Bearer realm="api", error="invalid_token", error_description="The access token is not valid"
}
