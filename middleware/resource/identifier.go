package resource

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// WellKnown is the path of the document of a resource that is a whole host (RFC 9728 §3). It stands
// before the path of any other.
const WellKnown = "/.well-known/oauth-protected-resource"

// URL returns where the document of a resource is (RFC 9728 §3.1): [WellKnown] stands between the
// host and the path of its identifier. Give it to [auth.GuardOptions].ResourceMetadata, so that
// every challenge tells clients. The error says why the identifier cannot be one.
func URL(resource string) (string, error) {
	u, err := parse(resource)
	if err != nil {
		return "", fmt.Errorf("resource: %w", err)
	}
	return u.Scheme + "://" + u.Host + u.Path + query(u), nil
}

// parse reads an identifier, and returns where its document is.
func parse(resource string) (*url.URL, error) {
	u, err := url.Parse(resource)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is not a URL", resource)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())): // check: resource-https
		return nil, fmt.Errorf("%q is not an https URL, nor an http one of a loopback address", resource)
	case u.Hostname() == "" || u.User != nil || u.Opaque != "": // check: resource-host
		return nil, fmt.Errorf("%q has no host, or a user", resource)
	case strings.Contains(resource, "#"): // check: resource-fragment
		return nil, fmt.Errorf("%q has a fragment (RFC 8707 §2)", resource)
	case u.EscapedPath() != u.Path || strings.ContainsAny(u.Path, "{}*:") || isDotted(u.Path): // check: resource-path
		return nil, fmt.Errorf("%q has a path that routers read in more than one way", resource)
	}
	at := *u
	at.Path = WellKnown
	if u.Path != "/" {
		at.Path += u.Path
	}
	return &at, nil
}

// isDotted reports whether a path has an empty segment, or one of dots.
func isDotted(p string) bool {
	return p != "" && strings.TrimSuffix(path.Clean(p), "/") != strings.TrimSuffix(p, "/")
}

func query(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	return "?" + u.RawQuery
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// errUnknown is what a document says that has nothing to say.
var errUnknown = errors.New("Metadata.Resource is required: the Guard's issuers have no one audience that is a URL")
