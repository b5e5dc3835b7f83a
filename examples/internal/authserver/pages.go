package authserver

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"

	"github.com/luikyv/go-oidc/pkg/goidc"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

type loginPage struct {
	App, Action, Name string
	Wrong             bool
	Users             []User
}

type consentPage struct {
	App, User, Action, Audience, ReturnTo string
	Scopes                                []consentScope
}

type consentScope struct {
	Scope
	Fixed bool // granted with the login itself
}

type logoutPage struct{ User, Action string }

type errorPage struct{ Code, Text string }

// page writes one page. The forms may lead to this server and to the origins
// of redirectURIs: a form-action of 'self' alone makes browsers block the
// redirect that answers the form.
func (s *Server) page(w http.ResponseWriter, status int, name string, data any, redirectURIs ...string) {
	formAction := "'self'"
	for _, uri := range redirectURIs {
		if uri != "" {
			formAction += " " + origin(uri)
		}
	}
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name+".html", data); err != nil {
		s.log.Error("page", "name", name, "err", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "+formAction)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w)
}

// renderError answers what must not be redirected.
func (s *Server) renderError(w http.ResponseWriter, _ *http.Request, err error) error {
	page, status := errorPage{Code: "server_error", Text: "Something went wrong here."}, http.StatusInternalServerError
	var oauth goidc.Error
	if errors.As(err, &oauth) {
		page, status = errorPage{Code: string(oauth.Code), Text: oauth.Description}, oauth.StatusCode()
	}
	s.page(w, status, "error", page)
	return nil
}

// logError keeps the OAuth code and description, never the wrapped error:
// that one may quote what the caller sent.
func (s *Server) logError(_ context.Context, err error) {
	var oauth goidc.Error
	if errors.As(err, &oauth) {
		s.log.Info("refused", "error", string(oauth.Code), "description", oauth.Description)
		return
	}
	s.log.Error("internal error", "err", err)
}
