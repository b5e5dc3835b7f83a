package authserver

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/luikyv/go-oidc/pkg/goidc"

	"github.com/bearward/bearward/examples/internal/ui"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// shell is what stands around every page.
type shell struct {
	Title string
	Host  string // where this server is, to tell it from the application
}

func (s *Server) shell(title string) shell {
	_, host, _ := strings.Cut(s.cfg.Issuer, "://")
	return shell{Title: title, Host: host}
}

type homePage struct {
	shell
	Issuer string
}

type loginPage struct {
	shell
	App, Action, Name string
	Wrong, AskCode    bool
	Users             []User
}

type consentPage struct {
	shell
	App, User, Action, Audience, ReturnTo string
	Scopes                                []consentScope
}

type consentScope struct {
	Scope
	Fixed bool // granted with the login itself
}

type logoutPage struct {
	shell
	User, Action string
}

type errorPage struct {
	shell
	Code, Text string
}

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
	h.Set("Content-Security-Policy", ui.Policy+"; form-action "+formAction)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w)
}

// failed says why something is not possible.
func (s *Server) failed(w http.ResponseWriter, status int, code, text string) {
	s.page(w, status, "error", errorPage{shell: s.shell("Not possible"), Code: code, Text: text})
}

// renderError answers what must not be redirected.
func (s *Server) renderError(w http.ResponseWriter, _ *http.Request, err error) error {
	var oauth goidc.Error
	switch {
	case errors.Is(err, goidc.ErrNotFound): // the one thing that requests name and may not be there
		s.failed(w, http.StatusBadRequest, "invalid_request", "The application, or the page that you came from, is not known here.")
	case errors.As(err, &oauth):
		s.failed(w, oauth.StatusCode(), string(oauth.Code), inWords(oauth))
	default:
		s.failed(w, http.StatusInternalServerError, "server_error", "Something went wrong here.")
	}
	return nil
}

// inWords is an error's description, as a sentence.
func inWords(err goidc.Error) string {
	text := err.Description
	if inner := errors.Unwrap(err); inner != nil {
		text = inner.Error()
	}
	if text == "" {
		return "The request cannot be answered."
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// logError keeps the OAuth code and description, never the wrapped error:
// that one may quote what the caller sent.
func (s *Server) logError(_ context.Context, err error) {
	var oauth goidc.Error
	if errors.As(err, &oauth) {
		s.log.Info("refused", "error", string(oauth.Code), "description", oauth.Description)
		return
	}
	if errors.Is(err, goidc.ErrNotFound) {
		s.log.Info("refused", "error", "not found")
		return
	}
	s.log.Error("internal error", "err", err)
}
