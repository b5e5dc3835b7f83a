package authserver

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/luikyv/go-oidc/pkg/goidc"
)

// checkRegistrationToken admits a registration (RFC 7591 §3).
func (s *Server) checkRegistrationToken(_ context.Context, token string) error {
	want := s.cfg.RegistrationToken
	if want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(token)) != 1 {
		return errors.New("registration needs its initial access token")
	}
	return nil
}

// noFetch is an http.RoundTripper that refuses every request. A client that registers could name an
// address of the server's own network, such as by sector_identifier_uri.
type noFetch struct{}

func (noFetch) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	return nil, errors.New("this server fetches nothing that a client names")
}

const (
	maxURIs       = 10
	maxNameLength = 100
)

// checkRegistration narrows what an application may register to what the
// examples show: the code flow with exact redirect URIs.
func (s *Server) checkRegistration(_ context.Context, _ string, meta *goidc.ClientMeta) error {
	meta.Name = strings.TrimSpace(meta.Name)
	if meta.Name == "" || len(meta.Name) > maxNameLength {
		return fmt.Errorf("client_name is required, at most %d bytes", maxNameLength)
	}
	if len(meta.RedirectURIs) == 0 {
		return errors.New("redirect_uris is required")
	}
	if err := restoreLogoutURIs(meta); err != nil {
		return err
	}
	if len(meta.RedirectURIs) > maxURIs || len(meta.PostLogoutRedirectURIs) > maxURIs {
		return fmt.Errorf("at most %d redirect_uris and post_logout_redirect_uris", maxURIs)
	}
	for _, uri := range slices.Concat(meta.RedirectURIs, meta.PostLogoutRedirectURIs) {
		if err := checkRedirectURI(uri); err != nil {
			return err
		}
	}
	if meta.ScopeIDs == "" {
		meta.ScopeIDs = "openid"
	}
	if s.cfg.AnyScope {
		names := make([]string, len(s.cfg.Scopes))
		for i, scope := range s.cfg.Scopes {
			names[i] = scope.Name
		}
		meta.ScopeIDs = strings.Join(names, " ")
	}
	// A native application could be sent to any loopback port (RFC 8252 §7.3);
	// here a redirect URI is one string.
	meta.ApplicationType = goidc.ApplicationTypeWeb
	meta.CustomAttributes = nil
	return nil
}

const (
	applicationType   = "application_type"
	redirectURIs      = "redirect_uris"
	logoutURIs        = "post_logout_redirect_uris"
	logoutURIsCarried = "carried_post_logout_redirect_uris"
)

// checkURIs refuses redirect URIs by RFC 7591 §3.2.2's own code and in words, which go-oidc does
// not. It carries the logout URIs past go-oidc, which accepts none with http, not even on a
// loopback host; restoreLogoutURIs takes them up.
func (s *Server) checkURIs(w http.ResponseWriter, r *http.Request) bool {
	body, err := io.ReadAll(r.Body)
	var fields map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(body, &fields)
	}
	if err != nil {
		refuseRegistration(w, goidc.ErrorCodeInvalidClientMetadata, "the body is no JSON object")
		return false
	}
	if err := checkListed(fields[redirectURIs]); err != nil {
		refuseRegistration(w, goidc.ErrorCodeInvalidRedirectURI, err.Error())
		return false
	}
	if err := checkListed(fields[logoutURIs]); err != nil {
		refuseRegistration(w, goidc.ErrorCodeInvalidClientMetadata, logoutURIs+": "+err.Error())
		return false
	}
	if _, ok := fields[applicationType]; !ok && bytes.Contains(fields[redirectURIs], []byte(`"http:`)) {
		fields[applicationType] = []byte(`"native"`) // clients of MCP do not say what their loopback address makes them
	}
	delete(fields, logoutURIsCarried)
	if uris, ok := fields[logoutURIs]; ok {
		fields[logoutURIsCarried] = uris
		delete(fields, logoutURIs)
	}
	body, _ = json.Marshal(fields) // what was just decoded
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return true
}

// checkListed checks the URIs of a list. What is no list of strings is go-oidc's to refuse, or
// restoreLogoutURIs'.
func checkListed(raw json.RawMessage) error {
	var uris []string
	if json.Unmarshal(raw, &uris) != nil {
		return nil
	}
	for _, uri := range uris {
		if err := checkRedirectURI(uri); err != nil {
			return err
		}
	}
	return nil
}

func refuseRegistration(w http.ResponseWriter, code goidc.ErrorCode, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(goidc.NewError(code, text)) // the caller may be gone
}

func restoreLogoutURIs(meta *goidc.ClientMeta) error {
	carried, ok := meta.CustomAttributes[logoutURIsCarried]
	if !ok {
		return nil
	}
	uris, ok := carried.([]any)
	if !ok {
		return errors.New(logoutURIs + " is not a list")
	}
	for _, uri := range uris {
		text, ok := uri.(string)
		if !ok {
			return errors.New(logoutURIs + " is not a list of strings")
		}
		meta.PostLogoutRedirectURIs = append(meta.PostLogoutRedirectURIs, text)
	}
	return nil
}

func checkRedirectURI(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.String() != uri || u.Host == "" || u.User != nil:
		return errors.New("a redirect URI is an absolute URL in normal form, without user information")
	case u.Fragment != "" || strings.Contains(uri, "#"):
		return errors.New("a redirect URI has no fragment (RFC 6749 §3.1.2)")
	case strings.Contains(uri, "*"):
		return errors.New("a redirect URI has no wildcard")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("a redirect URI needs https (http is for loopback hosts only)")
}
