package fetch

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// ParseURL parses the absolute URL of a document. Its scheme is https, or http when the host is
// loopback or allowHTTP is set (RFC 8414 §2, RFC 9700 §2.6). The error completes a sentence about
// the URL.
func ParseURL(raw string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL") // the parser's error would repeat a password
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("is not an absolute URL, such as https://host/path")
	case u.User != nil: // check: url-password
		return nil, errors.New("carries a password or user name")
	case u.Fragment != "": // check: url-fragment
		return nil, errors.New("has a fragment")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && (allowHTTP || IsLoopback(u.Hostname())): // check: https
		return u, nil
	}
	return nil, fmt.Errorf("has the scheme %q: it must be https, or http on loopback", u.Scheme)
}

// RedactURL returns a URL as errors and logs tell it: without its query, which may be a secret, and
// without a name or a password, and at most 256 bytes of it.
func RedactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" {
		return "(not a URL)"
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	if u.RawQuery != "" {
		u.RawQuery = "..."
	}
	text := u.String()
	return text[:min(len(text), 256)]
}

// withoutURL returns what is in a *url.Error, whose text has the URL with its query.
func withoutURL(err error) error {
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}

// IsLoopback reports whether host names this machine.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// SameHost reports whether a and b are on one host. All names of this machine are one.
func SameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) || IsLoopback(a.Hostname()) && IsLoopback(b.Hostname())
}
