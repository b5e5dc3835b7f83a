package webapp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bearward/bearward/examples/internal/client"
)

// registration is this application at the issuer. The secret is sealed for
// the client ID.
type registration struct {
	Name, ID, Kind string
	Scopes         []string
	md             client.Metadata
	sealedSecret   []byte
}

func (a *App) registration() *registration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.registered
}

// registerPage is the form, and after it the one page that shows the secret.
type registerPage struct {
	Name, Kind, Callback, Logout string
	Scopes                       []scopeChoice
	Problems                     map[string]string // by field

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

// sensible is what the form has ticked at first: not the administrator's scope.
func sensible(scope string) bool { return !strings.HasPrefix(scope, "admin") }

func (a *App) registerForm(w http.ResponseWriter, _ *http.Request) {
	form := registerPage{Name: "My first app", Kind: "web", Callback: a.callbackURL(), Logout: a.logoutURL()}
	for _, sc := range a.cfg.Scopes {
		form.Scopes = append(form.Scopes, scopeChoice{sc.Name, sc.Meaning, sensible(sc.Name)})
	}
	a.page(w, http.StatusOK, "register", form)
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
		a.page(w, http.StatusUnprocessableEntity, "register", form)
		return
	}
	if err := a.registerAt(r.Context(), &form); err != nil {
		a.log.Warn("registration", "err", err)
		form.Problems = map[string]string{"form": "The authorization server did not accept this: " + reasonOf(err)}
		a.page(w, http.StatusBadGateway, "register", form)
		return
	}
	a.page(w, http.StatusOK, "register", form)
}

// check fills in Problems with what the issuer would refuse without saying why.
func (f *registerPage) check() {
	f.Problems = make(map[string]string)
	if f.Name == "" {
		f.Problems["name"] = "Give the application a name: people see it when they are asked for consent."
	}
	if f.Kind != "web" && f.Kind != "public" {
		f.Problems["kind"] = "Choose one of the two."
	}
	for field, value := range map[string]string{"callback": f.Callback, "logout": f.Logout} {
		u, err := url.Parse(value)
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			f.Problems[field] = "This needs a whole URL, such as https://app.example/" + field + "."
		} else if strings.Contains(value, "#") {
			f.Problems[field] = "A URL with a fragment (#) cannot be used here."
		}
	}
}

func (a *App) registerAt(ctx context.Context, form *registerPage) error {
	md, err := a.discover(ctx)
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
	a.mu.Lock()
	defer a.mu.Unlock()
	a.registered = &registration{Name: form.Name, ID: form.ID, Kind: form.Kind, Scopes: scopes, md: md, sealedSecret: sealed}
	return nil
}

// reasonOf returns what people may be shown of an error of the issuer.
func reasonOf(err error) string {
	var refused *client.RefusedError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return "it does not answer."
}
