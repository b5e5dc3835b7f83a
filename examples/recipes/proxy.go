package recipes

import (
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
)

// newProxy returns a proxy that guards the API at upstream.
//
// region: proxy
func newProxy(guard *auth.Guard, upstream *url.URL) *httpauth.Mux {
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(upstream)
		r.Out.Header.Del("Authorization")
		for name := range r.Out.Header { // X_Auth_Subject is the same to CGI and WSGI
			if strings.EqualFold(strings.ReplaceAll(name, "_", "-"), "X-Auth-Subject") {
				delete(r.Out.Header, name)
			}
		}
		caller, _ := auth.PrincipalFrom(r.In.Context())
		r.Out.Header.Set("X-Auth-Subject", url.PathEscape(caller.Subject()))
	}}
	mux := httpauth.NewMux(guard)
	mux.Handle("GET /orders", auth.Scopes("read:orders"), proxy)
	mux.Handle("GET /stats", auth.Scopes("admin:all"), proxy)
	return mux
}

// endregion
