package authserver

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bearward/bearward/examples/internal/ui"
)

const (
	pathAuthorize = "/authorize"
	pathToken     = "/token"
	pathRevoke    = "/revoke"
	pathAsk       = "/introspect"
	pathLogout    = "/logout"
	pathRegister  = "/register"
	pathOIDC      = "/.well-known/openid-configuration"
	pathRFC8414   = "/.well-known/oauth-authorization-server"
)

// ServeHTTP puts in front of go-oidc what it leaves open.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.down.Load() {
		panic(http.ErrAbortHandler)
	}
	if ui.Serve(w, r) {
		return
	}
	if !s.checkProof(w, r) {
		return
	}
	r = withCertificate(r)
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch path := r.URL.Path; {
	case path == "/":
		s.page(w, http.StatusOK, "home", homePage{shell: s.shell("Authorization server"), Issuer: s.cfg.Issuer})
		return
	case path == pathRFC8414:
		r = r.Clone(r.Context())
		r.URL.Path = pathOIDC
	case path == pathAsk:
		r = asking(r)
	case path == pathAuthorize:
		if !s.exactRedirect(w, r) {
			return
		}
		r = withKnownACRs(r)
	case path == pathRegister:
		if !s.checkURIs(w, r) {
			return
		}
	case strings.HasPrefix(path, pathAuthorize+"/"), strings.HasPrefix(path, pathLogout+"/"):
		if err := s.csrf.Check(r); err != nil {
			s.failed(w, http.StatusForbidden, "cross-origin", "This form was sent from another site.")
			return
		}
		fallthrough
	case path == pathToken, path == pathRevoke:
		_ = r.ParseForm() // so that the lock never waits for a slow body; go-oidc reports what is wrong with it
		s.stepMu.Lock()
		defer s.stepMu.Unlock()
	}
	s.handler.ServeHTTP(w, r)
}

// exactRedirect compares the redirect URI byte for byte with the registered
// ones: go-oidc compares it after a round trip through url.Parse, which
// lowers the scheme and drops an empty fragment. A parameter given twice is
// refused (RFC 6749 §3.1), but for resource (RFC 8707 §2). Nothing here
// redirects.
func (s *Server) exactRedirect(w http.ResponseWriter, r *http.Request) bool {
	refuse := func(text string) bool {
		s.failed(w, http.StatusBadRequest, "invalid_request", text)
		return false
	}
	if err := r.ParseForm(); err != nil {
		return refuse("The request cannot be read.")
	}
	for name, values := range r.Form {
		if len(values) > 1 && name != "resource" {
			return refuse("A parameter is given more than once.")
		}
	}
	client, err := s.store.Client(r.Context(), r.Form.Get("client_id"))
	if err != nil {
		return refuse("This application is not registered here.")
	}
	if !slices.Contains(client.RedirectURIs, r.Form.Get("redirect_uri")) {
		return refuse("The application asked to send you to an address that it has not registered.")
	}
	return true
}

// origin returns the scheme and host of a registered redirect URI, for the
// form-action list of the pages that end in a redirect to it.
func origin(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
