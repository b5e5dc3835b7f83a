package main_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/bearward/bearward/adapters/grpcauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// TestReportOnly accepts requests of one rule everywhere, whatever the decision, and of no other.
func TestReportOnly(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var mu sync.Mutex
	var told []auth.Decision
	var log bytes.Buffer
	logged := auth.LogRefusals(slog.New(slog.NewTextHandler(&log, nil)))
	guard := issuer.Guard(&auth.GuardOptions{
		OnDecision: func(ctx context.Context, d auth.Decision) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, d)
			logged(ctx, d)
		},
	})
	tried := maps.Clone(needs)
	tried["admin"] = tried["admin"].ReportOnly()
	reader := issuer.Token("read:orders")
	all := setup{guard: guard, needs: tried}.transports(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run("W-08/"+name, func(t *testing.T) {
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
			reports := 0
			for what, authorization := range map[string][]string{"no token": nil, "short": bearer(issuer.Token("write:orders"))} {
				if a := ask("orders", authorization...); a.status == 200 {
					t.Errorf("another operation, %s: accepted", what)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for _, d := range told {
				if d.ReportOnly {
					reports++
				}
			}
			if reports != 5 || strings.Count(log.String(), "level=WARN msg=\"request would be refused") != 5 {
				t.Errorf("%d requests reported, want 5:\n%s", reports, log.String())
			}
		})
	}
}

// TestReportOnlyGoesByNoName has two operations of one name, of which one is enforced: in a router
// that is mounted below a prefix, and on a second server with the same Guard.
func TestReportOnlyGoesByNoName(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: func(context.Context, auth.Decision) {}})
	enforced := map[string]auth.Requirement{"orders": auth.Scopes("read:orders")}
	reported := map[string]auth.Requirement{"orders": auth.Scopes("read:orders").ReportOnly()}
	for name, router := range httpRouters {
		root := http.NewServeMux()
		root.Handle("/", router(guard, reported))
		root.Handle("/below/", http.StripPrefix("/below", router(guard, enforced)))
		ask := overHTTP(t, root)
		t.Run("W-08/"+name, func(t *testing.T) {
			if a := ask(t, request{need: "orders"}); a.status != 200 {
				t.Errorf("%d for what is only reported on", a.status)
			}
			if a := ask(t, request{need: "below/orders"}); a.status != 401 {
				t.Errorf("%d for what is enforced", a.status)
			}
		})
	}
	report, enforce := setup{guard: guard, needs: reported}.transports(t), setup{guard: guard, needs: enforced}.transports(t)
	for name := range report {
		if !isRPC(name) {
			continue
		}
		t.Run("W-08/"+name, func(t *testing.T) {
			if a := report[name](t, request{need: "orders"}); a.status != 200 {
				t.Errorf("%d for what is only reported on", a.status)
			}
			if a := enforce[name](t, request{need: "orders"}); a.status != 401 {
				t.Errorf("%d for what is enforced", a.status)
			}
		})
	}
}

// behind returns interceptors of other guards, in front.
func behind(guards ...func(method string) []grpc.ServerOption) func(method string) []grpc.ServerOption {
	return func(method string) (all []grpc.ServerOption) {
		for _, g := range guards {
			all = append(all, g(method)...)
		}
		return all
	}
}

// interceptorsOf are those of one guard and requirement.
func interceptorsOf(guard *auth.Guard, need auth.Requirement) func(method string) []grpc.ServerOption {
	return func(method string) []grpc.ServerOption {
		return grpcauth.ServerOptions(guard, auth.Rules{method: need})
	}
}
