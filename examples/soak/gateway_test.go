//go:build unix

package soak_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"

	"github.com/bearward/bearward/adapters/forwardauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A gateway asks a Handler of forwardauth about each request, as nginx's auth_request does, and
// sends on to the API what may go on.
type gateway struct {
	gate   string // the Handler's URL
	client *http.Client
	proxy  *httputil.ReverseProxy
}

var identity = []string{"X-Auth-Subject", "X-Auth-Issuer", "X-Auth-Client", "X-Auth-Scopes"}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, g.gate, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	ask.Header = r.Header.Clone()
	ask.Header.Set("X-Forwarded-Method", r.Method)
	ask.Header.Set("X-Forwarded-Proto", "https")
	ask.Header.Set("X-Forwarded-Host", strings.TrimPrefix(origin, "https://"))
	ask.Header.Set("X-Forwarded-Uri", r.RequestURI)
	told, err := g.client.Do(ask)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer told.Body.Close()
	if told.StatusCode != http.StatusOK {
		maps.Copy(w.Header(), told.Header)
		w.WriteHeader(told.StatusCode)
		_, _ = io.Copy(w, told.Body)
		return
	}
	_, _ = io.Copy(io.Discard, told.Body)
	for _, name := range identity {
		r.Header[name] = told.Header[name]
	}
	r.Header.Del("Authorization")
	g.proxy.ServeHTTP(w, r)
}

// serveGateway serves an API that knows nothing of tokens, behind a gateway.
func (r *replica) serveGateway(w *world, ca *authtest.CA, guard *auth.Guard) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range identity {
			if len(r.Header[name]) != 1 {
				http.Error(w, "no identity", http.StatusInternalServerError)
				return
			}
		}
		subject, err := url.PathUnescape(r.Header.Get("X-Auth-Subject"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprintln(w, saying(subject))
	}))
	r.closeFirst(api.Close)

	rules := auth.Rules{}
	for what, rule := range w.rules() {
		rules["GET "+pages[what].path] = rule
	}
	decides, err := forwardauth.New(guard, rules, forwardauth.Options{
		For: []string{origin}, Gateways: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	to, err := url.Parse(api.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	r.closeFirst(transport.CloseIdleConnections)
	g := &gateway{
		// The gateway has a certificate of its own, which some tokens are bound to.
		gate: r.listen(ca, decides), client: r.shown,
		proxy: &httputil.ReverseProxy{Transport: transport, Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }},
	}
	r.addHTTP(front{name: "gateway", url: r.listen(ca, g), targets: pages, checked: true, hidden: true})
}
