package recipes

import (
	"context"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
)

// fronts are the proxies that stand in front of an API, by the names of recipes.md's table. Each
// returns its address.
var fronts = map[string]func(t *testing.T, app string) (at string){
	"none": func(_ *testing.T, app string) string { return app },
	"net/http's ReverseProxy": func(t *testing.T, app string) string {
		return serve(t, httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: app}))
	},
	"nginx 1.22":  started(startNginx, "testdata/nginx.conf"),
	"Caddy 2.6":   started(startCaddy, "testdata/Caddyfile"),
	"HAProxy 2.6": started(startHAProxy, "testdata/haproxy.cfg"),
}

func started(run func(*testing.T, string, map[string]string), file string) func(*testing.T, string) string {
	return func(t *testing.T, app string) string {
		at := freeAddress(t)
		run(t, file, map[string]string{"127.0.0.1:8080": at, "127.0.0.1:9002": app})
		return at
	}
}

func TestSeveralAuthorizationValues(t *testing.T) {
	for name, front := range fronts {
		t.Run(name, func(t *testing.T) {
			var refused, asked atomic.Int64
			issuer, guard := newGuard(t, &auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) {
				asked.Add(1)
				if d.Err != nil && d.Err.Reason == auth.ReasonInvalidRequest {
					refused.Add(1)
				}
			}})
			mux := httpauth.NewMux(guard)
			mux.HandleFunc("GET /orders", auth.Scopes("read:orders"), listOrders)
			var lines atomic.Int64 // of the last request that arrived
			at := "http://" + front(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				lines.Store(int64(len(r.Header["Authorization"])))
				mux.ServeHTTP(w, r)
			}))) + "/orders"
			good, poor := "Bearer "+issuer.Token("read:orders"), "Bearer "+issuer.Token("write:orders")
			if got := get(t, at, []string{good}, nil); got.status != 200 {
				t.Fatalf("one value: got %d", got.status)
			}
			for _, values := range [][]string{
				{good, good}, {good, poor}, {poor, good}, {good, "Basic YTpi"}, {"Basic YTpi", good},
				{good + ", " + good}, {good + "," + poor}, {good, ""}, {"", good},
			} {
				before := asked.Load()
				got := get(t, at, values, nil)
				if got.status != 400 || asked.Load()-before != refused.Swap(0) {
					t.Errorf("%q: got %d %s, want 400", values, got.status, got.body)
				}
				if arrived := asked.Load() != before; arrived == (len(values) > 1 && name == "nginx 1.22") || arrived && int(lines.Load()) != len(values) {
					t.Errorf("%q: asked the guard: %t, with %d lines", values, arrived, lines.Load())
				}
			}
		})
	}
}
