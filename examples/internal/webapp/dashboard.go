package webapp

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

type homePage struct {
	App              *registration
	Issuer, Adapters string
	Down             bool
}

type dashboardPage struct {
	Subject, Name, App string
	Scopes             []string
	Header, Claims     string // of the access token; never its signature
	Size               int
	Expires            string
	CanRefresh         bool
	Down               bool
	Actions            []action
	Title              string
	Steps              []Step
}

func (a *App) dashboard(w http.ResponseWriter, r *http.Request) {
	l := a.current(r.Context())
	reg := a.registration()
	if l == nil || reg == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := a.held(l)
	if err != nil {
		a.log.Error("dashboard", "err", err)
		a.failed(w, http.StatusInternalServerError, "What is stored cannot be read. Log in again.")
		return
	}
	claims := decodePart(t.Access, 1)
	scope, _ := claims["scope"].(string)
	down := a.cfg.Issuer.Down()
	a.page(w, http.StatusOK, "dashboard", dashboardPage{
		Subject: l.Subject, Name: l.Name, App: reg.Name,
		Scopes: strings.Fields(scope),
		Header: pretty(decodePart(t.Access, 0)), Claims: pretty(claims), Size: len(t.Access),
		Expires: expiresText(t.Expiry), CanRefresh: t.Refresh != "", Down: down,
		Actions: append(actions(), outageAction(down)),
		Title:   l.title, Steps: l.steps,
	})
}

func expiresText(at time.Time) string {
	left := time.Until(at).Round(time.Second)
	if left <= 0 {
		return "expired at " + at.Format(time.TimeOnly)
	}
	return fmt.Sprintf("expires at %s, in %s", at.Format(time.TimeOnly), left)
}

// page writes one page.
func (a *App) page(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name+".html", data); err != nil {
		a.log.Error("page", "name", name, "err", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w)
}

// failed writes the page that says what went wrong.
func (a *App) failed(w http.ResponseWriter, status int, text string) {
	a.page(w, status, "failed", text)
}
