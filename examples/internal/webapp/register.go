package webapp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bearward/bearward/examples/internal/client"
)

// registration is this application at the issuer. The secret is sealed for the client ID.
type registration struct {
	Name, ID, Kind string
	Logout         string // the logout URL
	Scopes         []string
	md             client.Metadata
	sealedSecret   []byte
}

// maxRegistrations bounds the registrations that are remembered; the oldest leaves first.
const maxRegistrations = 100

// registration is the last one, which new logins use; nil when there is none.
func (a *App) registration() *registration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.registered) == 0 {
		return nil
	}
	return a.registered[len(a.registered)-1]
}

func (a *App) registrationOf(id string) *registration {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.registered, func(reg *registration) bool { return reg.ID == id })
	if i < 0 {
		return nil
	}
	return a.registered[i]
}

func (a *App) remember(reg *registration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.registered = append(a.registered, reg)
	if len(a.registered) > maxRegistrations {
		a.registered = slices.Delete(a.registered, 0, 1)
	}
}

// registerPage is the form, and after it the one page that shows the secret.
type registerPage struct {
	shell
	Name, Kind, Callback, Logout string
	Scopes                       []scopeChoice
	Problems                     map[string]string // by field
	Down                         bool

	Done       bool
	ID, Secret string
	Usable     bool // its callback is ours
}

type scopeChoice struct {
	Name, Meaning string
	Ticked        bool
}

// identityScopes go with every registration: who logged in, and refresh.
var identityScopes = []string{"openid", "profile", "offline_access"}

// everyday tells whether every login asks for scope, which is so for all but the administrator's.
func everyday(scope string) bool { return !strings.HasPrefix(scope, "admin") }

// missing are the registered scopes that were not granted.
func missing(registered, granted []string) []string {
	return slices.DeleteFunc(slices.Clone(registered), func(scope string) bool { return slices.Contains(granted, scope) })
}

func (a *App) registerForm(w http.ResponseWriter, r *http.Request) {
	form := registerPage{Name: "My first app", Kind: "web", Callback: a.callbackURL(), Logout: a.logoutURL()}
	for _, sc := range a.cfg.Scopes {
		form.Scopes = append(form.Scopes, scopeChoice{sc.Name, sc.Meaning, true})
	}
	a.showForm(w, r, http.StatusOK, form)
}

func (a *App) showForm(w http.ResponseWriter, r *http.Request, status int, form registerPage) {
	form.shell = shell{Title: "Register", Account: a.account(r)}
	form.Down = a.cfg.Issuer.Down()
	switch {
	case form.Done:
		form.Title = "Registered"
	case len(form.Problems) > 0:
		form.Title = "Error: register"
	}
	a.page(w, status, "register", form)
}

func (a *App) register(w http.ResponseWriter, r *http.Request) {
	form := registerPage{
		Name:     strings.TrimSpace(r.PostFormValue("name")),
		Kind:     r.PostFormValue("kind"),
		Callback: strings.TrimSpace(r.PostFormValue("callback")),
		Logout:   strings.TrimSpace(r.PostFormValue("logout")),
	}
	for _, sc := range a.cfg.Scopes {
		form.Scopes = append(form.Scopes, scopeChoice{sc.Name, sc.Meaning, slices.Contains(r.PostForm["scope"], sc.Name)})
	}
	if form.check(); len(form.Problems) > 0 {
		a.showForm(w, r, http.StatusUnprocessableEntity, form)
		return
	}
	if a.cfg.Issuer.Down() {
		a.showForm(w, r, http.StatusConflict, form)
		return
	}
	if err := a.registerAt(r.Context(), &form); err != nil {
		a.log.Warn("registration", "err", err)
		form.Problems = problemsOf(err)
		a.showForm(w, r, http.StatusUnprocessableEntity, form)
		return
	}
	a.showForm(w, r, http.StatusOK, form)
}

// check fills in Problems with what can be told without asking the issuer.
func (f *registerPage) check() {
	f.Problems = make(map[string]string)
	if f.Name == "" {
		f.Problems["name"] = "Give the application a name: people see it when they are asked for consent."
	}
	if f.Kind != "web" && f.Kind != "public" {
		f.Problems["kind"] = "Choose one of the two."
	}
	for field, value := range map[string]string{"callback": f.Callback, "logout": f.Logout} {
		if problem := urlProblem(value); problem != "" {
			f.Problems[field] = problem
		}
	}
}

// urlProblem says in words what the issuer would refuse a URL for.
func urlProblem(value string) string {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return "Write a whole URL, such as https://app.example/callback."
	case strings.Contains(value, "#"):
		return "Leave out the part from # on: a URL with a fragment is not accepted here."
	case u.User != nil:
		return "Leave out the user name: a URL with one is not accepted here."
	case u.Scheme == "http" && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback():
		return "Use https. Plain http is accepted for this machine alone (localhost and 127.0.0.1)."
	}
	return ""
}

// problemsOf puts the issuer's error beside the field that it is about.
func problemsOf(err error) map[string]string {
	var refused *client.RefusedError
	if !errors.As(err, &refused) {
		return map[string]string{"form": "The authorization server did not answer. Nothing was registered."}
	}
	said := refused.Description
	if said == "" {
		said = refused.Code
	}
	text := "The authorization server did not accept this: " + said + "."
	field := "form"
	switch {
	case refused.Code == "invalid_redirect_uri":
		field = "callback"
	case strings.HasPrefix(said, "post_logout_redirect_uris"):
		field = "logout"
	case strings.HasPrefix(said, "client_name"):
		field = "name"
	}
	return map[string]string{field: text}
}

func (a *App) registerAt(ctx context.Context, form *registerPage) error {
	md, err := client.Discover(ctx, a.hc, a.cfg.IssuerURL)
	if err != nil {
		return err
	}
	scopes := slices.Clone(identityScopes)
	for _, sc := range form.Scopes {
		if sc.Ticked {
			scopes = append(scopes, sc.Name)
		}
	}
	authentication := "client_secret_basic"
	if form.Kind == "public" {
		authentication = "none"
	}
	c, err := client.Register(ctx, a.hc, md, client.Registration{
		Name:           form.Name,
		RedirectURIs:   []string{form.Callback},
		LogoutURIs:     []string{form.Logout},
		Scope:          strings.Join(scopes, " "),
		Authentication: authentication,
	}, a.cfg.Audience)
	if err != nil {
		return err
	}
	form.Done, form.ID, form.Secret = true, c.OAuth.ClientID, c.OAuth.ClientSecret
	form.Usable = form.Callback == a.callbackURL()
	if !form.Usable {
		return nil
	}
	sealed, err := a.vault.seal(form.ID, form.Secret)
	if err != nil {
		return err
	}
	a.remember(&registration{
		Name: form.Name, ID: form.ID, Kind: form.Kind, Logout: form.Logout, Scopes: scopes, md: md, sealedSecret: sealed,
	})
	return nil
}
