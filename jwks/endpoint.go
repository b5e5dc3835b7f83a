package jwks

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// endpoint parses the absolute URL of a document. Its scheme is https, or http when the host is loopback or plain is set (RFC 8414 §2,
// RFC 9700 §2.6).
func endpoint(raw string, plain bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL") // the parser's error would repeat a password
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("is not an absolute URL, such as https://host/path")
	case u.User != nil: // check: endpoint-password
		return nil, errors.New("carries a password or user name")
	case u.Fragment != "": // check: endpoint-fragment
		return nil, errors.New("has a fragment")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && (plain || loopback(u.Hostname())): // check: https
		return u, nil
	}
	return nil, fmt.Errorf("has the scheme %q: it must be https, or http on loopback", u.Scheme)
}

// shown returns a URL as errors and logs tell it: without its query, which may be a secret, and without a name or a password.
func shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" {
		return "(not a URL)"
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	if u.RawQuery != "" {
		u.RawQuery = "..."
	}
	return u.String()
}

// loopback tells whether host names this machine.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// wellKnown returns the metadata URLs of an issuer in the order in which they are tried: RFC 8414 §3.1 with the well-known part
// inserted before the issuer's path, OpenID Connect inserted so, and OpenID Connect Discovery §4 with it appended.
func wellKnown(issuer *url.URL) []string {
	path := strings.TrimSuffix(issuer.EscapedPath(), "/")
	origin := issuer.Scheme + "://" + issuer.Host
	forms := []string{
		origin + "/.well-known/oauth-authorization-server" + path,
		origin + "/.well-known/openid-configuration" + path,
	}
	if path != "" {
		forms = append(forms, origin+path+"/.well-known/openid-configuration")
	}
	return forms
}

// checkKeySetURL tells what is wrong with the key set URL that issuer's metadata names.
func checkKeySetURL(raw string, issuer *url.URL, plain bool) error {
	u, err := endpoint(raw, plain || issuer.Scheme == "http")
	if err != nil {
		return err
	}
	if u.Scheme == "http" && issuer.Scheme == "https" && !plain { // check: jwks-uri-downgrade
		return errors.New("has the scheme \"http\", although the issuer has https")
	}
	// What came in clear may have been changed on the way, and must not lead to another host.
	if issuer.Scheme == "http" && !sameHost(u, issuer) { // check: jwks-uri-host
		return errors.New("is on another host, named by metadata that came over http")
	}
	return nil
}

func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) || loopback(a.Hostname()) && loopback(b.Hostname())
}
