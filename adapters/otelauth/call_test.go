package otelauth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bearward/bearward/adapters/otelauth"
	"github.com/bearward/bearward/middleware/introspect"
)

func TestCallsAreCounted(t *testing.T) {
	b := newBench(t, &otelauth.Options{MaxIssuers: 2})
	named := mustIssuer(t, b, "main")
	named.OnCall(introspect.Call{Issuer: "https://any.example", Outcome: introspect.Active, Elapsed: time.Millisecond})
	const own = "https://issuer.example"
	for _, c := range []introspect.Call{
		{Issuer: own, Outcome: introspect.Active, Background: true},
		{Issuer: own, Outcome: introspect.Inactive},
		{Issuer: own, Outcome: introspect.Inactive},
		{Issuer: own, Outcome: introspect.Unavailable, Err: context.DeadlineExceeded},
		{Issuer: own, Outcome: introspect.Misconfigured, Err: errors.New("status 401")},
		{Issuer: own, Outcome: "made up"},
		{Issuer: "https://third.example", Outcome: introspect.Inactive},
	} {
		b.OnCall(c)
	}
	got := b.read(t)
	want := []string{
		"bearward.introspection.outcome=active bearward.introspection.renewal=false bearward.issuer=main: 1",
		"bearward.introspection.outcome=active bearward.introspection.renewal=true bearward.issuer=https://issuer.example: 1",
		"bearward.introspection.outcome=inactive bearward.introspection.renewal=false bearward.issuer=_OTHER: 1",
		"bearward.introspection.outcome=inactive bearward.introspection.renewal=false bearward.issuer=https://issuer.example: 2",
		"bearward.introspection.outcome=misconfigured bearward.introspection.renewal=false bearward.issuer=https://issuer.example error.type=_OTHER: 1",
		"bearward.introspection.outcome=unavailable bearward.introspection.renewal=false bearward.issuer=https://issuer.example error.type=timeout: 1",
		"bearward.introspection.outcome=unavailable bearward.introspection.renewal=false bearward.issuer=https://issuer.example: 1",
	}
	same(t, "calls", got["bearward.introspection.calls"].lines(), want)
	same(t, "durations", got["bearward.introspection.call.duration"].lines(), want)
}
