package main_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// TestReportOnly lets one operation through at every door, whatever the verdict, and no other.
func TestReportOnly(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var mu sync.Mutex
	var told []auth.Decision
	var log bytes.Buffer
	logged := auth.LogRefusals(slog.New(slog.NewTextHandler(&log, nil)))
	guard := issuer.Guard(&auth.GuardOptions{
		// The doors name the operation as each router does.
		ReportOnly: []string{"GET /admin", "/admin", "/bearward.test.Talk/Unary", "/bearward.test.Talk/Client", "/bearward.test.Talk/Server", "/bearward.test.Talk/Bidi"},
		OnDecision: func(ctx context.Context, d auth.Decision) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, d)
			logged(ctx, d)
		},
	})
	reader := issuer.Token("read:orders")
	all := doors(t, guard)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			ask := func(need string, authorization ...string) answer {
				return all[name](t, request{need: need, authorization: authorization})
			}
			mu.Lock()
			told = nil
			log.Reset()
			mu.Unlock()
			for what, want := range map[string]struct {
				authorization []string
				body          string
			}{
				"no token":      {nil, "anonymous"},
				"a bad token":   {bearer(issuer.Token("read:orders", authtest.Expired)), "anonymous"},
				"short":         {bearer(reader), "alice may read:orders"},
				"a good one":    {bearer(issuer.Token("write:orders admin:all")), "alice may write:orders admin:all"},
				"malformed":     {[]string{"Bearer"}, "anonymous"},
				"bound by DPoP": {bearer(issuer.Token("write:orders admin:all", authtest.SenderConstrained)), "anonymous"},
			} {
				if a := ask("admin", want.authorization...); a.status != 200 || a.body != want.body {
					t.Errorf("%s: %d, the handler saw %q, want %q", what, a.status, a.body, want.body)
				}
			}
			if !strings.HasPrefix(name, "grpc") { // there each operation has a server of its own, of the same name
				if a := ask("orders"); a.status != 401 {
					t.Errorf("another operation: %d", a.status)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			reported := 0
			for _, d := range told {
				if d.ReportOnly != (d.Err != nil && !strings.HasSuffix(d.Operation, "orders")) {
					t.Errorf("told %+v", d)
				}
				if d.ReportOnly {
					reported++
				}
			}
			if reported != 5 || strings.Count(log.String(), "level=WARN msg=\"request would be refused") != 5 {
				t.Errorf("%d requests reported, want 5:\n%s", reported, log.String())
			}
		})
	}
}
