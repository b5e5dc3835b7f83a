package interop_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearward/bearward/examples/internal/api"
)

// A host is a person's own server in the AT Protocol: the API, with the documents by which clients
// find the person and the authorization server.
type host struct {
	*guarded
	did         string // of the person
	bearerFirst atomic.Bool
}

// startHost starts the API behind an adapter. The documents are there in front of it.
func startHost(t *testing.T, adapter, issuer string) *host {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	origin := "http://localhost:" + port // did:web knows http at localhost alone
	h := &host{did: "did:web:localhost%3A" + port}
	h.guarded = startOne(t, adapter, api.Config{
		Issuer: issuer, Audience: "https://orders.example/atproto/ES256",
		Refresh: time.Second,                                         // a withdrawn key is seen soon
		DPoP:    api.DPoP{Allow: true, Nonces: true, Origin: origin}, // plain tokens, too: challenges name both schemes
	})
	behind, err := url.Parse(h.base)
	if err != nil {
		t.Fatal(err)
	}
	h.base = origin
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/did.json", document(map[string]any{
		"@context": []string{"https://www.w3.org/ns/did/v1"}, "id": h.did,
		"service": []any{map[string]any{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": origin}},
	}))
	mux.HandleFunc("/.well-known/oauth-protected-resource", document(map[string]any{
		"resource": origin, "authorization_servers": []string{issuer},
	}))
	mux.Handle("/", &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(behind) },
		ModifyResponse: h.order,
	})
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return h
}

func document(content any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(content)
	}
}

// order puts the challenge for plain tokens first, if the test says so.
func (h *host) order(r *http.Response) error {
	if h.bearerFirst.Load() {
		slices.SortStableFunc(r.Header["Www-Authenticate"], func(a, b string) int {
			return strings.Compare(strings.Fields(a)[0], strings.Fields(b)[0])
		})
	}
	return nil
}

// atprotoJourney is one of the person whose server h is.
func atprotoJourney(t *testing.T, server *panva, h *host) journey {
	t.Helper()
	own := settings{"redirect": redirectURI, "scope": "atproto read:orders", "person": h.did}
	return journey{
		client: startClient(t, "atproto", own), apis: []*guarded{h.guarded}, nonceCost: []int{http.StatusUnauthorized}, thieves: stealFromDPoP,
		authority: authority{
			settings: own, sub: h.did, rotate: server.rotate,
			login: func(t *testing.T, start string) string {
				return browse(t, http.DefaultTransport, start, panvaForms(h.did)).String()
			},
		},
	}
}

// TestATProtocol has the AT Protocol's own client call the API as a person's server: it finds the
// authorization server by the person's identity, did:web on loopback, and pushes its requests.
func TestATProtocol(t *testing.T) {
	server := startPanva(t, nil)
	for _, adapter := range []string{"nethttp", "chi", "echo"} {
		t.Run(adapter, func(t *testing.T) {
			atprotoJourney(t, server, startHost(t, adapter, server.issuer)).walk(t)
		})
	}
	t.Run("its token's key is withdrawn", func(t *testing.T) {
		h := startHost(t, "nethttp", server.issuer)
		j := atprotoJourney(t, server, h)
		j.begin(t)
		wantStatuses(t, "before", h.ask(t, j.client, "GET /me"), []int{http.StatusUnauthorized, http.StatusOK})
		server.rotate(t)
		server.control(t, "retire")
		var done told
		until(t, "the API misses the key", func() bool {
			done = h.ask(t, j.client, "GET /me")
			return len(done.statuses()) > 1
		})
		wantStatuses(t, "it refreshes by itself", done, []int{http.StatusUnauthorized, http.StatusOK, http.StatusOK})
	})
	t.Run("it needs the scheme with the error first", func(t *testing.T) {
		h := startHost(t, "nethttp", server.issuer)
		j := atprotoJourney(t, server, h)
		j.begin(t)
		h.bearerFirst.Store(true)
		wantStatuses(t, "Bearer first", h.ask(t, j.client, "GET /me"), []int{http.StatusUnauthorized})
	})
}
