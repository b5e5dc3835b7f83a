package webapp

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"

	"github.com/bearward/bearward/examples/internal/ui"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.New("").
	Funcs(template.FuncMap{"clip": clip, "icon": ui.Icon}).ParseFS(pageFiles, "pages/*.html"))

// shell is what stands around every page.
type shell struct {
	Title   string
	Wide    bool
	Tabs    []lesson // nil: none are shown
	Tab     string   // the path of the one that is open
	Account *account // nil: nobody is logged in
	Pressed string   // the action that led here
}

// account is who is logged in.
type account struct{ Name, Subject, App string }

func (a *App) account(r *http.Request) *account {
	l := a.current(r.Context())
	if l == nil {
		return nil
	}
	return &account{Name: l.Name, Subject: l.Subject, App: l.reg.Name}
}

type homePage struct {
	shell
	App    *registration
	Issuer string
	URL    string
	APIs   []API
	Tools  string // the URL of the MCP server
	Down   bool
}

// home tells where one stands.
func (a *App) home(w http.ResponseWriter, r *http.Request) {
	if a.current(r.Context()) != nil {
		http.Redirect(w, r, firstLesson, http.StatusSeeOther)
		return
	}
	a.page(w, http.StatusOK, "home", homePage{
		shell: shell{Title: "Start"}, App: a.registration(), Issuer: a.cfg.IssuerURL, URL: a.cfg.URL, APIs: a.cfg.APIs, Tools: a.cfg.Tools.URL,
		Down: a.cfg.Issuer.Down(),
	})
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

// failedPage says what did not work, in words.
type failedPage struct {
	shell
	Title, Text string
	Calm        bool // it was the person's own choice
	Down        bool // the issuer is, and can be brought up here
	CanLogIn    bool
}

func (a *App) failed(w http.ResponseWriter, status int, p failedPage) {
	p.shell.Title = p.Title
	p.CanLogIn = a.registration() != nil && !p.Down && status != http.StatusNotFound
	a.page(w, status, "failed", p)
}

// unreadable answers when the application cannot read what it stored itself.
func (a *App) unreadable(w http.ResponseWriter, err error) {
	a.log.Error("storage", "err", err)
	a.failed(w, http.StatusInternalServerError, failedPage{Title: "This cannot be read", Text: "What the application stored does not open with its key. Start again."})
}
