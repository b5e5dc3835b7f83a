package authserver

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
)

// What an authorization session remembers between its pages.
const (
	keepBrowser  = "browser"
	keepFailures = "failures"
	keepDone     = "done"
	keepAuthTime = "auth_time"
	keepACR      = "acr"
)

// maxFailures wrong passwords end an authorization request.
const maxFailures = 5

// authenticate is one visit to the authorization endpoint: it shows the login
// page until somebody logged in, then the consent page until somebody decided.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request, as *goidc.AuthnSession, c *goidc.Client) (goidc.Status, error) {
	browser := digest(s.sessions.browser(w, r))
	if as.Store[keepBrowser] == nil {
		as.Store = map[string]any{keepBrowser: browser}
	}
	if as.Store[keepBrowser] != browser {
		s.failed(w, http.StatusBadRequest, "invalid_request", "This login was started in another browser.")
		return goidc.StatusPending, nil
	}
	if as.Store[keepDone] != nil {
		s.failed(w, http.StatusBadRequest, "invalid_request", "This login is already finished.")
		return goidc.StatusPending, nil
	}
	// The session ID in the path tells a page's form from the first request,
	// whose parameters are the client's.
	submitted := r.Method == http.MethodPost && r.PathValue("callback") == as.ID

	if as.Subject == "" {
		status, err := s.logIn(w, r, as, c, submitted)
		if status != goidc.StatusSuccess {
			return status, err
		}
		submitted = false
	}
	return s.consent(w, r, as, c, submitted)
}

func (s *Server) logIn(w http.ResponseWriter, r *http.Request, as *goidc.AuthnSession, c *goidc.Client, submitted bool) (goidc.Status, error) {
	if current, ok := s.sessions.current(r); ok && !submitted && !mustLogIn(as, current) {
		return accepted(as, current)
	}
	if promptIs(as, goidc.PromptTypeNone) {
		return goidc.StatusFailure, goidc.NewError(goidc.ErrorCodeLoginRequired, "nobody is logged in")
	}
	page := loginPage{shell: s.shell("Log in"), App: c.Name, Action: pathAuthorize + "/" + as.ID, Users: s.cfg.Users, AskCode: wanted(as) == ACRMultiFactor}
	if submitted {
		name, password := r.PostForm.Get("username"), r.PostForm.Get("password")
		acr, err := s.authenticateUser(as, name, password, r.PostForm.Get("code"))
		if err != nil {
			return goidc.StatusFailure, err
		}
		if acr != "" {
			return accepted(as, s.sessions.start(w, name, acr))
		}
		failures, _ := as.Store[keepFailures].(int)
		as.Store[keepFailures] = failures + 1
		if failures+1 >= maxFailures {
			return goidc.StatusFailure, errors.New("too many wrong passwords")
		}
		page.Name, page.Wrong, page.Title = name, true, "Error: log in"
		s.page(w, http.StatusUnprocessableEntity, "login", page, as.RedirectURI)
		return goidc.StatusPending, nil
	}
	s.page(w, http.StatusOK, "login", page, as.RedirectURI)
	return goidc.StatusPending, nil
}

func accepted(as *goidc.AuthnSession, current login) (goidc.Status, error) {
	as.Subject, as.Username = current.user, current.user
	as.Store[keepAuthTime], as.Store[keepACR] = current.at.Unix(), current.acr
	if wanted(as) == ACRPassword {
		as.Store[keepACR] = ACRPassword // which every login meets
	}
	return goidc.StatusSuccess, nil
}

func mustLogIn(as *goidc.AuthnSession, current login) bool {
	if promptIs(as, goidc.PromptTypeLogin) || promptIs(as, goidc.PromptTypeSelectAccount) {
		return true
	}
	if !meets(current, as) {
		return true
	}
	return as.MaxAuthnAgeSecs != nil && time.Since(current.at) > time.Duration(*as.MaxAuthnAgeSecs)*time.Second
}

func promptIs(as *goidc.AuthnSession, want goidc.PromptType) bool {
	return slices.Contains(strings.Fields(string(as.Prompt)), string(want))
}

func (s *Server) passwordIs(name, password string) bool {
	user, known := s.user(name)
	same := subtle.ConstantTimeCompare([]byte(digest(user.Password)), []byte(digest(password))) == 1
	return known && same
}

func (s *Server) user(name string) (User, bool) {
	i := slices.IndexFunc(s.cfg.Users, func(u User) bool { return u.Name == name })
	if i < 0 {
		return User{}, false
	}
	return s.cfg.Users[i], true
}

// consent asks every time, and grants what stays ticked: the user may give
// less than the application asked for.
func (s *Server) consent(w http.ResponseWriter, r *http.Request, as *goidc.AuthnSession, c *goidc.Client, submitted bool) (goidc.Status, error) {
	if promptIs(as, goidc.PromptTypeNone) {
		return goidc.StatusFailure, goidc.NewError("consent_required", "the user has to consent")
	}
	asked := strings.Fields(as.Scopes)
	if !submitted {
		s.page(w, http.StatusOK, "consent", s.consentPage(as, c, asked), as.RedirectURI)
		return goidc.StatusPending, nil
	}
	as.Store[keepDone] = true
	if r.PostForm.Get("decision") != "allow" {
		return goidc.StatusFailure, goidc.NewError(goidc.ErrorCodeAccessDenied, "the user said no")
	}
	ticked := r.PostForm["scope"]
	granted := slices.DeleteFunc(asked, func(scope string) bool {
		return scope != goidc.ScopeOpenID.ID && !slices.Contains(ticked, scope)
	})
	as.GrantedScopes = strings.Join(granted, " ")
	as.GrantedResources = s.resources(as)
	return goidc.StatusSuccess, nil
}

// resources are the APIs that the application asked for: without a resource
// parameter, the first one.
func (s *Server) resources(as *goidc.AuthnSession) goidc.Resources {
	if len(as.Resources) == 0 {
		return goidc.Resources{s.cfg.Audiences[0]}
	}
	return as.Resources
}

func (s *Server) consentPage(as *goidc.AuthnSession, c *goidc.Client, asked []string) consentPage {
	page := consentPage{
		shell: s.shell("Allow access"), App: c.Name, User: as.Subject, Action: pathAuthorize + "/" + as.ID,
		Audience: strings.Join(s.resources(as), ", "), ReturnTo: origin(as.RedirectURI),
	}
	for _, sc := range s.cfg.Scopes {
		if slices.Contains(asked, sc.Name) {
			page.Scopes = append(page.Scopes, consentScope{Scope: sc, Fixed: sc.Name == goidc.ScopeOpenID.ID})
		}
	}
	return page
}

// identityClaims go into the ID token and the userinfo answer.
func (s *Server) identityClaims(_ context.Context, g *goidc.Grant) map[string]any {
	claims := loginClaims(g)
	if slices.Contains(strings.Fields(g.Scopes), goidc.ScopeProfile.ID) {
		user, _ := s.user(g.Subject)
		claims[goidc.ClaimName] = user.FullName
		claims[goidc.ClaimPreferredUsername] = user.Name
	}
	return claims
}

// logout ends the login session at once when the request carries the ID token
// of the person who is logged in, and asks otherwise
// (OpenID Connect RP-Initiated Logout 1.0 §2).
func (s *Server) logout(w http.ResponseWriter, r *http.Request, ls *goidc.LogoutSession) (goidc.Status, error) {
	current, ok := s.sessions.current(r)
	submitted := r.Method == http.MethodPost && r.PathValue("callback") == ls.ID
	if ok && !submitted && ls.IDTokenHintClaims[goidc.ClaimSubject] != current.user {
		s.page(w, http.StatusOK, "logout", logoutPage{shell: s.shell("Log out"), User: current.user, Action: pathLogout + "/" + ls.ID}, ls.PostLogoutRedirectURI)
		return goidc.StatusPending, nil
	}
	s.sessions.end(w, r)
	return goidc.StatusSuccess, nil
}

func (s *Server) loggedOut(w http.ResponseWriter, _ *http.Request, _ *goidc.LogoutSession) error {
	s.page(w, http.StatusOK, "loggedout", s.shell("Logged out"))
	return nil
}
