package interop_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/prover"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/dpop"
)

// TestPublicClientsProveTheirKeys has public clients get tokens that are bound to their keys, and
// call all four adapters, which ask for nonces.
func TestPublicClientsProveTheirKeys(t *testing.T) {
	const resource = "https://orders.example/ES256"
	service := settings{
		"client": "service", "authentication": "client_secret_basic", "secret": "a secret of the test", "scope": "read:orders",
		"dpop": "Ed25519", "skew": -3600, // with nonces a client's clock may be wrong
	}
	phone := settings{"dpop": "ES256"}
	for name, of := range map[string]struct {
		start   func(*testing.T, string, *certificates) authority
		clients map[string]settings
	}{
		"panva":    {panvaAuthority, map[string]settings{"phone": phone, "service": service}},
		"embedded": {embeddedAuthority, map[string]settings{"phone": phone}},
	} {
		t.Run(name, func(t *testing.T) {
			server := of.start(t, resource, nil)
			apis := startGuarded(t, api.Config{
				Issuer: server.issuer(), Audience: resource, DPoP: api.DPoP{Require: true, Nonces: true},
			})
			for client, more := range of.clients {
				for _, library := range []string{"oauth4webapi", "openid-client"} {
					t.Run(client+" by "+library, func(t *testing.T) {
						journey{
							client: startClient(t, library, server.settings.with(more)), authority: server,
							itself: client == "service", apis: apis, nonceCost: []int{http.StatusUnauthorized}, thieves: stealFromDPoP,
						}.walk(t)
					})
				}
			}
			if name == "panva" {
				t.Run("without nonces", func(t *testing.T) {
					slow := startClient(t, "oauth4webapi", server.settings.with(service))
					exact := startClient(t, "oauth4webapi", server.settings.with(service).with(settings{"skew": 0}))
					slow.do(t, "grant", nil)
					exact.do(t, "grant", nil)
					callWithoutNonces(t, exact, slow, server.issuer(), resource)
				})
			}
		})
	}
}

// callWithoutNonces has a client call paths that URLs spell in other ways than servers and RFC 3986
// do: its proof names the URL as JavaScript writes it. A client whose clock is slow is refused.
func callWithoutNonces(t *testing.T, exact, slow *client, issuer, resource string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	origin := "http://" + server.Listener.Addr().String()
	binding, err := dpop.New([]string{origin}, dpop.NewMemory(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := auth.New(issuer, resource, &auth.GuardOptions{Bindings: []auth.Binding{binding}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { guard.Close() })
	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /{path...}", auth.Bound(), func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.EscapedPath()) })
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(server.Close)
	until(t, "the guard is ready", func() bool { return guard.Ready() == nil })
	for _, path := range []string{
		"/a", "/a?x=/../b&y=%zz#z", "/a%2Fb", "/a%2fb", "/%7Ealice/~bob", "/%61", "/a/./b/../c", "/a/%2e%2E/b", "/a b", "/caf\u00e9",
		"/a|b^c`d", "/{x}", "/[x]", "/a;b=1,2/(x)'!$&*+@:", `/a"b<c>d`, "/%E2%82%AC", "/a\tb", `/a\b`, "", "?x",
	} {
		done := exact.do(t, "call", map[string]any{"method": "GET", "url": origin + path})
		if done.Status != http.StatusOK {
			t.Errorf("%q, sent as %s: %d %s", path, done.last(t).URL, done.Status, done.Body)
		}
	}
	late := slow.do(t, "call", map[string]any{"method": "GET", "url": origin + "/a"})
	if late.Status != http.StatusUnauthorized || !strings.Contains(late.Body, "clock") {
		t.Errorf("a clock that is an hour slow: %d %s", late.Status, late.Body)
	}
}

// stealFromDPoP sends what a client has just sent once more, in whole and in part.
func stealFromDPoP(t *testing.T, g *guarded, done told) {
	t.Helper()
	used := done.last(t)
	g.refuses(t, "a proof again", g.steal(t, used, nil), 401, auth.ReasonProofReplayed)

	stolen := used
	stolen.Headers = map[string]string{"authorization": "Bearer " + done.Token}
	g.refuses(t, "a bound token as a plain one", g.steal(t, stolen, nil), 401, auth.ReasonSchemeMismatch)

	stolen.Headers = map[string]string{"authorization": "DPoP " + done.Token}
	g.refuses(t, "a token without a proof", g.steal(t, stolen, nil), 401, auth.ReasonProofInvalid)

	thief, err := prover.New()
	if err != nil {
		t.Fatal(err)
	}
	if stolen.Headers["dpop"], err = thief.Proof(used.Method, used.URL, done.Token); err != nil {
		t.Fatal(err)
	}
	g.refuses(t, "a thief's proof", g.steal(t, stolen, nil), 401, auth.ReasonBindingNotProved)
}
