package webapp

import (
	"context"
	"slices"
)

// lesson is one tab of the dashboard: what one kind of token can show. To add one, add it to
// lessons: its path is routed, and its actions are found, from there.
type lesson struct {
	Label, Path string
	Intro       []string // what stands there before anything was tried; the first tab has a login's result
	Groups      []group
}

// group is some actions under a heading.
type group struct {
	Label   string
	Actions []action
}

// action is one button.
type action struct {
	Name  string // in the address, and of the icon
	Label string
	Short string // where there is little room
	Hint  string // what it does, in a line
	// Blocked is why it is not possible now; "" when it is.
	Blocked string

	need need
	run  func(*App, context.Context, *recorder, *login, tokens) error
	// ask makes the button a login that asks for these scopes.
	ask string
}

// Ask tells whether the button starts a login, and which.
func (act action) Ask() string { return act.ask }

// need is what an action cannot be without.
type need int

const (
	needNothing    need = iota
	needIssuer          // up
	needRefresh         // a refresh token that works, and the issuer up
	needMore            // something left to ask for, and the issuer up
	needBound           // a token that is bound to a key, and has not expired
	needCertified       // one that is bound to a certificate
	needOpaque          // an opaque token that has not expired
	needGoodOpaque      // one that is not revoked either, and the issuer up

	needIssuerElsewhere // up; it is brought up on another tab

	needListTool   // no call that waits; and the issuer, when the client cannot call the tool without
	needPlaceTool  // likewise
	needWaiting    // a call that waits, and the issuer up
	needToolClient // something that the client can forget
)

// refreshState is what became of the refresh token.
type refreshState int

const (
	refreshNone  refreshState = iota // never given
	refreshKept                      // given, and not known to be worthless
	refreshEnded                     // refused: the grant is over
)

// situation is what decides which actions are possible.
type situation struct {
	Down    bool
	Refresh refreshState
	Bound   tokenState
	// Certified is that of the token which is bound to a certificate.
	Certified tokenState
	Opaque    tokenState
	Tools     toolSituation
	Missing   []string // scopes that the registration allows and the token has not
}

// Reasons why an action is not possible.
const (
	blockedDown   = "The issuer is down. Bring it up first."
	blockedNone   = "Needs a refresh token, which you did not allow. Ask for more scopes, and let it keep access."
	blockedEnded  = "Needs a refresh token. Yours is worthless since the replay: log in again."
	blockedThere  = "The issuer is down. Bring it up on the tab “Bearer tokens”."
	blockedUnmade = "Needs a bound token. Get one first."
	blockedOld    = "The bound token has expired. Get another one."
	blockedUncert = "Get a TLS-bound token first."
	blockedOldCrt = "The TLS-bound token has expired. Get another one."
	blockedNoOpaq = "Needs an opaque token. Get one first."
	blockedOldOpq = "The opaque token has expired. Get another one."
	blockedRevokd = "It is revoked. Get another one."
	blockedNoMore = "The token has every scope that this registration may ask for."
)

func (s situation) blocked(n need) string {
	switch {
	case n == needNothing:
		return ""
	case n == needBound:
		return s.Bound.blocked(blockedUnmade, blockedOld)
	case n == needCertified:
		return s.Certified.blocked(blockedUncert, blockedOldCrt)
	case n == needOpaque && s.Opaque == tokenRevoked:
		return ""
	case n == needOpaque, n == needGoodOpaque && s.Opaque != tokenGood:
		return s.Opaque.blocked(blockedNoOpaq, blockedOldOpq)
	case n >= needListTool:
		return s.Tools.blocked(n, s.Down)
	case n == needIssuerElsewhere && s.Down:
		return blockedThere
	case s.Down:
		return blockedDown
	case n == needRefresh && s.Refresh == refreshNone:
		return blockedNone
	case n == needRefresh && s.Refresh == refreshEnded:
		return blockedEnded
	case n == needMore && len(s.Missing) == 0 && s.Refresh != refreshEnded:
		return blockedNoMore
	}
	return ""
}

// blocked is why a token of that state cannot be used; "" when it can.
func (state tokenState) blocked(none, expired string) string {
	switch state {
	case tokenNone:
		return none
	case tokenExpired:
		return expired
	case tokenRevoked:
		return blockedRevokd
	}
	return ""
}

// firstLesson is the path of the dashboard after a login.
const firstLesson = "/dashboard"

// lessons are the tabs, as they stand in a situation.
func lessons(s situation) []lesson {
	all := []lesson{{
		Label: "Bearer tokens", Path: firstLesson,
		Groups: []group{
			{"Call the API", []action{
				{Name: "read", Label: "Read the orders", Short: "Read", Hint: "GET /orders needs read:orders", run: (*App).doRead},
				{Name: "place", Label: "Place an order", Short: "Place", Hint: "POST /orders needs write:orders", run: (*App).doPlace},
				{Name: "stats", Label: "Read the figures", Short: "Figures", Hint: "GET /admin/stats needs admin:all", run: (*App).doStats},
				askAction(s),
			}},
			{"See what happens", []action{
				{Name: "expire", Label: "Let a token expire", Short: "Expire", Hint: "One that lives four seconds, and then a refresh",
					need: needRefresh, run: (*App).doExpire},
				{Name: "replay", Label: "Replay a refresh token", Short: "Replay", Hint: "A used one, as a thief would",
					need: needRefresh, run: (*App).doReplay},
				{Name: "rotate", Label: "Rotate the keys", Short: "Rotate", Hint: "The next token is signed with a key that no API has met",
					need: needRefresh, run: (*App).doRotate},
				outageAction(s.Down),
			}},
		},
	}, boundTab(), opaqueTab(s.Down), toolTab(s.Tools)}
	for _, l := range all {
		for _, g := range l.Groups {
			for i := range g.Actions {
				g.Actions[i].Blocked = s.blocked(g.Actions[i].need)
			}
		}
	}
	return all
}

// askAction logs in again: for what is missing, or for a refresh token that works.
func askAction(s situation) action {
	if s.Refresh == refreshEnded {
		return action{Name: "more", Label: "Log in again", Short: "Log in", Hint: "For a refresh token that works", need: needIssuer, ask: askAll}
	}
	return action{Name: "more", Label: "Ask for more scopes", Short: "More", Hint: "You are asked for " + list(s.Missing), need: needMore, ask: askAll}
}

// outageAction takes the issuer down or up, whichever it is not.
func outageAction(down bool) action {
	if down {
		return action{Name: "up", Label: "Bring the issuer up", Short: "Issuer up", Hint: "The APIs find it again by themselves", run: (*App).doUp}
	}
	return action{Name: "down", Label: "Take the issuer down", Short: "Issuer down", Hint: "Then no API can fetch a key that it does not have", need: needIssuer, run: (*App).doDown}
}

// findAction returns an action that runs here, and the path of its lesson.
func findAction(s situation, name string) (act action, path string, ok bool) {
	for _, l := range lessons(s) {
		for _, g := range l.Groups {
			if i := slices.IndexFunc(g.Actions, func(act action) bool { return act.Name == name && act.run != nil }); i >= 0 {
				return g.Actions[i], l.Path, true
			}
		}
	}
	return action{}, firstLesson, false
}

// lessonAt returns the lesson of a path, and the first one when there is none.
func lessonAt(ls []lesson, path string) lesson {
	return ls[max(0, slices.IndexFunc(ls, func(l lesson) bool { return l.Path == path }))]
}

// blockedActions are the actions that are not possible, together by their reason.
type blockedActions struct {
	Why    string
	Labels string
}

func blockedByReason(l lesson) (all []blockedActions) {
	labels := make(map[string][]string)
	var order []string
	for _, g := range l.Groups {
		for _, act := range g.Actions {
			if act.Blocked == "" {
				continue
			}
			if labels[act.Blocked] == nil {
				order = append(order, act.Blocked)
			}
			labels[act.Blocked] = append(labels[act.Blocked], "“"+act.Short+"”")
		}
	}
	for _, why := range order {
		all = append(all, blockedActions{why, list(labels[why])})
	}
	return all
}
