package webapp

import (
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// openingOf says what the login brought.
func openingOf(l *login, t tokens) string {
	got := "an access token without any scope of the API"
	if scopes := apiScopes(factsOf(t.Access)); len(scopes) > 0 {
		got = "an access token with " + list(scopes)
	}
	if t.Refresh == "" {
		got += ", and no refresh token"
	} else {
		got = "a refresh token, and " + got
	}
	return "You logged in as " + l.Subject + ". The application got " + got + "."
}

// frontChannel tells the two steps that went through the browser.
func frontChannel(conf *oauth2.Config, resource string, answer url.Values) []part {
	there := url.Values{
		"response_type": {"code"}, "client_id": {conf.ClientID}, "redirect_uri": {conf.RedirectURL},
		"scope": {strings.Join(conf.Scopes, " ")}, "resource": {resource}, "code_challenge_method": {"S256"},
		"code_challenge": {"."}, "state": {"."}, "nonce": {"."},
	}
	return []part{{Exchange: &exchange{
		Title: "The application sends your browser to the issuer", From: "browser", To: "issuer", OK: true,
		Request: append([]string{"GET " + conf.Endpoint.AuthURL, ""}, formLines(there)...), Status: "page",
		Response: []string{"You logged in and chose what to allow."},
	}}, {Exchange: &exchange{
		Title: "The issuer sends your browser back with a code that works once", From: "browser", To: "application", OK: true,
		Request: append([]string{"GET " + conf.RedirectURL, ""}, formLines(answer)...), Status: "303",
		Response: []string{"The state is the one that this browser was given, and iss is the issuer that was asked."},
	}}}
}
