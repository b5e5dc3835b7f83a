package fetch

import (
	"errors"
	"net/url"
	"strings"
)

// WellKnown returns the metadata URLs of an issuer in the order in which they are tried: RFC 8414
// §3.1 with the well-known part inserted before the issuer's path, OpenID Connect inserted so,
// OpenID Connect Discovery §4 with it appended, and RFC 8414 appended (Okta).
func WellKnown(issuer *url.URL) []string {
	path := strings.TrimSuffix(issuer.EscapedPath(), "/")
	origin := issuer.Scheme + "://" + issuer.Host
	const oauth, openid = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	forms := []string{origin + oauth + path, origin + openid + path}
	if path != "" {
		forms = append(forms, origin+path+openid, origin+path+oauth)
	}
	return forms
}

// CheckNamedURL tells what is wrong with a URL that an issuer's metadata names. The error completes
// a sentence about the URL.
func CheckNamedURL(raw string, issuer *url.URL, allowHTTP bool) error {
	u, err := ParseURL(raw, allowHTTP || issuer.Scheme == "http")
	if err != nil {
		return err
	}
	if u.Scheme == "http" && issuer.Scheme == "https" && !allowHTTP { // check: named-url-downgrade
		return errors.New("has the scheme \"http\", although the issuer has https")
	}
	// What came in clear may have been changed on the way, and must not lead to another host.
	if issuer.Scheme == "http" && !SameHost(u, issuer) { // check: named-url-host
		return errors.New("is on another host, named by metadata that came over http")
	}
	return nil
}
