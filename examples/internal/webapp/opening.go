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
	return throughBrowser("application", conf.Endpoint.AuthURL, there, conf.RedirectURL, answer)
}

// throughBrowser tells the two steps of a login that go through the browser.
func throughBrowser(who, issuer string, there url.Values, back string, answer url.Values) []part {
	said, brought := "You logged in and chose what to allow.", "The issuer sends your browser back with a code that works once"
	if answer.Get("error") != "" {
		said, brought = "You did not allow it.", "The issuer sends your browser back without a code"
	}
	return []part{{Exchange: &exchange{
		Title: "The " + who + " sends your browser to the issuer", From: "browser", To: "issuer", OK: true,
		Request: append([]string{"GET " + issuer, ""}, formLines(there)...), Status: "page",
		Response: []string{said},
	}}, {Exchange: &exchange{
		Title: brought, From: "browser", To: who, OK: true,
		Request: append([]string{"GET " + back, ""}, formLines(answer)...), Status: "303",
		Response: []string{"The state is the one that this browser was given, and iss is the issuer that was asked."},
	}}}
}
