package webapp

import (
	"net/http"
	"strings"
	"time"
)

// dashboardPage is what stands on the dashboard: the actions at the left, what came of the last one
// at the right.
type dashboardPage struct {
	shell
	Lesson  lesson
	Blocked []blockedActions
	Now     now
	Result  result
	Tokens  []tokenView
}

// now is how things stand.
type now struct {
	Subject, App string
	Scopes       []string
	Expires      string
	Expired      bool
	Refresh      string
	RefreshGood  bool
	Down         bool
	LogInAgain   bool
	Further      []tokenNow // what the tab is about, when it is not the token of the login
	Issuer       string
}

// tokenNow is how things stand with a further token.
type tokenNow struct {
	ID, Label string
	Any       bool // there is one, which may have expired
	Scopes    []string
	Expires   string
	To, ToID  string // what it is bound to
	Note      string
}

// tokenView is an access token without its signature.
type tokenView struct {
	Label          string
	Header, Claims string
	Size           int
}

func viewOf(label, token string) []tokenView {
	if token == "" {
		return nil
	}
	return []tokenView{{label, pretty(decodePart(token, 0)), pretty(decodePart(token, 1)), len(token)}}
}

func (a *App) dashboard(w http.ResponseWriter, r *http.Request) {
	l := a.current(r.Context())
	if l == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := a.openTokens(l)
	if err != nil {
		a.unreadable(w, err)
		return
	}
	a.showDashboard(w, http.StatusOK, r.URL.Path, l, t)
}

// showDashboard writes the dashboard with the lesson of path. The caller has the lock of l.
func (a *App) showDashboard(w http.ResponseWriter, status int, path string, l *login, t tokens) {
	a.settleTools(l)
	s := a.situation(l, t)
	tabs := lessons(s)
	open := lessonAt(tabs, path)
	last, n := l.results[open.Path], a.now(l, t, s)
	views := viewOf("The access token, decoded", t.Access)
	switch open.Path {
	case opaqueLesson:
		n, views = opaqueNow(n, t), nil
	case toolLesson:
		token := l.tools.token()
		n, views = toolNow(n, a.cfg.Tools.URL, s.Tools, token), viewOf("The client’s token, decoded", token)
	case boundLesson:
		n = boundNow(n, t)
		views = append(viewOf("The token bound to a key, decoded", t.Bound.Access),
			viewOf("The token bound to a certificate, decoded", t.Certified.Access)...)
	}
	title := open.Label
	if last.Title != "" {
		title = last.Headline() + " " + last.Title
	}
	a.page(w, status, "dashboard", dashboardPage{
		shell: shell{
			Title: title, Wide: true, Tabs: tabs, Tab: open.Path,
			Account: &account{Name: l.Name, Subject: l.Subject, App: l.reg.Name}, Pressed: successor(last.Action, s),
		},
		Lesson:  open,
		Blocked: blockedByReason(open),
		Now:     n,
		Result:  last,
		Tokens:  views,
	})
}

// successor is the button that stands where the pressed one stood: there the keyboard goes on.
func successor(pressed string, s situation) string {
	if pressed == "down" || pressed == "up" {
		return outageAction(s.Down).Name
	}
	if pressed == "outage" || pressed == "restore" {
		return opaqueOutage(s.Down).Name
	}
	return pressed
}

func (a *App) now(l *login, t tokens, s situation) now {
	facts := factsOf(t.Access)
	n := now{
		Subject: l.Subject, App: l.reg.Name, Down: s.Down, Issuer: strings.TrimPrefix(strings.TrimPrefix(a.cfg.IssuerURL, "http://"), "https://"),
		Scopes: apiScopes(facts),
	}
	if n.Expired = facts.expired(); n.Expired {
		n.Expires = "expired at " + clock(facts.expiry)
	} else {
		n.Expires = "expires at " + clock(facts.expiry) + ", in " + span(time.Until(facts.expiry))
	}
	switch s.Refresh {
	case refreshKept:
		n.Refresh, n.RefreshGood = "kept by the application", true
	case refreshNone:
		n.Refresh = "none: you did not allow it"
	case refreshEnded:
		n.Refresh = "worthless: the issuer refused it"
	}
	n.LogInAgain = n.Expired && s.Refresh != refreshKept
	return n
}
