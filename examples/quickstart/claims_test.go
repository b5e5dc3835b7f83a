package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The tabs of the dashboard.
const (
	bearerTab = "Bearer tokens"
	boundTab  = "Bound tokens"
	opaqueTab = "Opaque, and revoked"
)

var tabs = []string{bearerTab, boundTab, opaqueTab, toolTab}

// issued is a token beside that of the login.
type issued struct {
	scopes   []string
	expiries []string // as the page may say it: the application reckons that of an opaque token
	key      string
	id       string // of a token for the tools
	revoked  bool
}

// The tokens beside that of the login, as the page calls them, and the button that each comes by.
const (
	boundToKey         = "bound"
	boundToCertificate = "certified"
	readByIssuer       = "opaque"
)

var getting = map[string]string{boundToKey: "Get a bound token", boundToCertificate: "Get a TLS-bound token", readByIssuer: "Get an opaque token"}

// onTab are the tokens that each tab is about.
var onTab = map[string][]string{boundTab: {boundToKey, boundToCertificate}, opaqueTab: {readByIssuer}, toolTab: {forTools}}

// learn takes in the tokens that were issued after the first n answers.
func (r *random) learn(n int) {
	for _, call := range r.spy.since(n) {
		if call.path != "/token" || call.status != "200" {
			continue
		}
		var said struct {
			Type    string `json:"token_type"`
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
			Scope   string
			Lives   int `json:"expires_in"`
		}
		r.must(json.Unmarshal(call.body, &said))
		if !strings.Contains(said.Access, ".") {
			further := issued{scopes: strings.Fields(said.Scope), key: said.Access}
			for later := range 5 { // seconds, before the application reckons
				at := call.at.Add(time.Duration(said.Lives+later) * time.Second)
				further.expiries = append(further.expiries, at.Format(time.TimeOnly))
			}
			r.further[readByIssuer] = further
			continue
		}
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(said.Access, ".")[1])
		r.must(err)
		var claims struct {
			Aud   string
			Jti   string
			Scope string
			Exp   int64
			Cnf   struct {
				Jkt         string
				Certificate string `json:"x5t#S256"`
			}
		}
		r.must(json.Unmarshal(raw, &claims))
		if (said.Type == "DPoP") != (claims.Cnf.Jkt != "") {
			r.t.Errorf("a token of the type %q has cnf.jkt %q", said.Type, claims.Cnf.Jkt)
		}
		further := issued{
			scopes: strings.Fields(claims.Scope), expiries: []string{time.Unix(claims.Exp, 0).Format(time.TimeOnly)},
			key: claims.Cnf.Jkt + claims.Cnf.Certificate,
		}
		switch {
		case claims.Cnf.Jkt != "":
			r.further[boundToKey] = further
			continue
		case claims.Cnf.Certificate != "":
			r.further[boundToCertificate] = further
			continue
		case claims.Aud == r.stack.tools.url:
			further.id = claims.Jti
			r.further[forTools] = further
			continue
		}
		r.scopes = strings.Fields(claims.Scope)
		r.expiries = append(r.expiries, time.Unix(claims.Exp, 0).Format(time.TimeOnly))
		r.refresh = "none"
		if said.Refresh != "" {
			r.refresh = "kept"
		}
	}
}

// hold holds what a page says of how things stand.
func (r *random) hold(p page, after string) {
	r.t.Helper()
	wrong := func(format string, values ...any) {
		r.t.Helper()
		r.t.Errorf("after %s: %s", after, fmt.Sprintf(format, values...))
	}
	names := onTab[p.Tab]
	for _, name := range names {
		want, has := r.further[name]
		if name == readByIssuer {
			want.key = "" // which the page does not show
		}
		if got := p.Tokens[name]; has && want.revoked {
			if got.Expiry != "revoked: no API accepts it" {
				wrong("the page says of a revoked token %+v", got)
			}
		} else if has {
			r.holdToken(got, want.scopes, want.expiries, want.key, wrong)
		} else if got.Expiry != "There is none yet" || len(got.Scopes) > 0 || got.Key != "" {
			wrong("the page says of the token %s %+v, there is none", name, got)
		}
	}
	if len(names) == 0 {
		names = []string{"token"}
		r.holdToken(p.Tokens["token"], r.scopes, r.expiries, "", wrong)
		if !strings.HasPrefix(p.Refresh, r.refresh) {
			wrong("the page says of the refresh token %q, it is %s", p.Refresh, r.refresh)
		}
	}
	if len(p.Tokens) != len(names) {
		wrong("the page shows the tokens %v, want %v", p.Tokens, names)
	}
	down := r.stack.issuer.Down()
	if strings.HasPrefix(p.Issuer, "down") != down || strings.HasPrefix(p.Issuer, "up") == down {
		wrong("the page says of the issuer %q, down is %t", p.Issuer, down)
	}
	if p.Verdict != "promised" || p.Headline == "" || !strings.Contains(p.Title, p.Headline) {
		wrong("the headline is %q (%s), the title %q", p.Headline, p.Verdict, p.Title)
	}
	r.holdButtons(p, down, wrong)
}

// holdToken holds what a page says of one token.
func (r *random) holdToken(got shown, scopes, expiries []string, key string, wrong func(string, ...any)) {
	scopes = slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return !slices.Contains(apiScopes, scope) })
	if !slices.Equal(got.Scopes, scopes) {
		wrong("the page shows the scopes %v, the token has %v", got.Scopes, scopes)
	}
	if !slices.ContainsFunc(expiries, func(at string) bool { return strings.HasPrefix(got.Expiry, "expires at "+at) }) {
		wrong("the page says %q, such tokens of this login expire at %v", got.Expiry, expiries)
	}
	if got.Key != key {
		wrong("the page says that the token is bound to %q, it is to %q", got.Key, key)
	}
}

// needIssuer are the buttons that are off while the issuer is down.
var needIssuer = []string{
	"Ask for more scopes", "Log in again", "Let a token expire", "Replay a refresh token", "Rotate the keys",
	"Take the issuer down", "Get a bound token", "Get a TLS-bound token", "Get an opaque token",
}

func (r *random) holdButtons(p page, down bool, wrong func(string, ...any)) {
	missing := slices.ContainsFunc(r.registered, func(scope string) bool { return !slices.Contains(r.scopes, scope) })
	noRefresh := map[string]string{"none": "you did not allow", "worthless": "Yours is worthless"}[r.refresh]
	if want := map[string]int{bearerTab: 8, boundTab: 9, opaqueTab: 4, toolTab: 4}[p.Tab]; len(p.Buttons) != want {
		wrong("%d buttons, want %d", len(p.Buttons), want)
	}
	for _, b := range p.Buttons {
		why := ""
		switch b.Name {
		case "Let a token expire", "Replay a refresh token", "Rotate the keys":
			why = noRefresh
		case "Ask for more scopes":
			if !missing {
				why = "has every scope"
			}
		case "Call with the key", "Use it without the key", "Use another key", "Replay a proof":
			if _, has := r.further[boundToKey]; !has {
				why = "Needs a bound token"
			}
		case "Show the certificate", "Show no certificate", "Show another one":
			if _, has := r.further[boundToCertificate]; !has {
				why = "Get a TLS-bound token first"
			}
		}
		if down && slices.Contains(needIssuer, b.Name) {
			why = "The issuer is down"
		}
		if p.Tab == toolTab {
			why = r.whyToolOff(b.Name, down)
		}
		if p.Tab == opaqueTab {
			why = r.whyOpaqueOff(b.Name, down, why)
		}
		if b.Off != (why != "") || !strings.Contains(b.Why, why) || b.Why == "" {
			wrong("%q is off: %t, because %q; want off because %q", b.Name, b.Off, b.Why, why)
		}
	}
}

// whyOpaqueOff is why a button of the tab of opaque tokens is off.
func (r *random) whyOpaqueOff(button string, down bool, why string) string {
	token, has := r.further[readByIssuer]
	switch {
	case button != "Call with the token" && button != "Revoke the token" && button != "Take the issuer down":
		return why
	case !has:
		return "Needs an opaque token"
	case button != "Call with the token" && token.revoked:
		return "It is revoked"
	case button == "Revoke the token" && down:
		return "The issuer is down"
	}
	return why
}
