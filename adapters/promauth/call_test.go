package promauth_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bearward/bearward/adapters/promauth"
	"github.com/bearward/bearward/middleware/introspect"
)

func callSeries(issuer, outcome string, renewal bool) string {
	return fmt.Sprintf("bearward_introspection_calls_total{issuer=%q,outcome=%q,renewal=%q}", issuer, outcome, fmt.Sprint(renewal))
}

func callDuration(issuer, outcome string) string {
	return fmt.Sprintf("bearward_introspection_call_duration_seconds{issuer=%q,outcome=%q}", issuer, outcome)
}

func TestCallsAreCounted(t *testing.T) {
	m, reg := setUp(t, &promauth.Options{MaxIssuers: 2})
	named := mustIssuer(t, m, "main")
	named.OnCall(introspect.Call{Issuer: "https://any.example", Outcome: introspect.Active, Elapsed: time.Millisecond})
	const own = "https://issuer.example"
	for _, c := range []introspect.Call{
		{Issuer: own, Outcome: introspect.Active},
		{Issuer: own, Outcome: introspect.Active, Background: true},
		{Issuer: own, Outcome: introspect.Inactive},
		{Issuer: own, Outcome: introspect.Misconfigured},
		{Issuer: own, Outcome: "made up"},
		{Issuer: "https://third.example", Outcome: introspect.Inactive},
	} {
		m.OnCall(c)
	}
	wants(t, gathered(t, reg), map[string]float64{
		callSeries("main", "active", false): 1, callSeries("main", "inactive", false): 0, callDuration("main", "active"): 1,
		callSeries(own, "active", false): 1, callSeries(own, "active", true): 1, callSeries(own, "inactive", false): 1,
		callSeries(own, "unavailable", false): 1, callSeries(own, "misconfigured", false): 1, callSeries(own, "misconfigured", true): 0,
		callDuration(own, "active"): 2, callDuration(own, "unavailable"): 1,
		callSeries("other", "inactive", false): 1, // beyond MaxIssuers
	})
}
