package recipes

import (
	"net/http"
	"net/url"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
)

// newAuthRequest returns what nginx's auth_request asks: a path for each requirement.
//
// region: auth-request
func newAuthRequest(guard *auth.Guard) *httpauth.Mux {
	mux := httpauth.NewMux(guard)
	mux.HandleFunc("/guard/read-orders", auth.Scopes("read:orders"), nameCaller)
	mux.HandleFunc("/guard/write-orders", auth.Scopes("write:orders"), nameCaller)
	return mux
}

func nameCaller(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.PrincipalFrom(r.Context())
	w.Header().Set("X-Auth-Subject", url.PathEscape(caller.Subject()))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// endregion
