package forwardauth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// A Form is how a gateway tells of the client's request.
type Form int

const (
	// Forwarded is the zero value: the fields X-Forwarded-Method, X-Forwarded-Proto,
	// X-Forwarded-Host and X-Forwarded-Uri, each once. Caddy and Traefik write them by themselves;
	// the recipes for nginx and HAProxy do so too.
	Forwarded Form = iota
	// Direct is the method, path and Host of the question itself, and X-Forwarded-Proto: Envoy's
	// http_service asks so.
	Direct
)

// Options say who asks, and about which API. For is mandatory, and one of Gateways and UnixSocket.
type Options struct {
	// For are the origins that clients call the API by: scheme, host and, where it is not the
	// scheme's own, port. At least one. Requests to others are refused with 400.
	For []string
	// Gateways are the addresses that gateways connect from, and no more than these. Ranges of
	// every address (/0) are errors.
	Gateways []netip.Prefix
	// UnixSocket is the name of the Unix socket that the server listens on for the gateway, as
	// given to net.Listen. Who may connect to it is heard.
	UnixSocket string
	// Form is how the gateway tells of the request. The zero value is Forwarded.
	Form Form
	// Prefix is for Direct: what the gateway puts in front of the path, such as Envoy's
	// path_prefix. It begins with a slash and ends with none. Default none.
	Prefix string
	// Fields name the identity fields.
	Fields Fields
	// OnRefused is told why a request was refused before any token was read.
	// GuardOptions.OnDecision is told the rest. It must be quick and safe for concurrent use.
	// Default none.
	OnRefused func(context.Context, Fault)
}

// Fields are the names of the identity fields. "" means the default, and "-" leaves the field out.
type Fields struct {
	// Subject has Principal.Subject. Default X-Auth-Subject.
	Subject string
	// Issuer has Principal.Issuer. Default X-Auth-Issuer. It can be left out with one issuer alone:
	// two may give one subject to different callers.
	Issuer string
	// Client has Principal.ClientID. Default X-Auth-Client.
	Client string
	// Scopes has Principal.Scopes, with a space between them. Default X-Auth-Scopes.
	Scopes string
}

var errOneOf = errors.New("forwardauth: Options.Gateways or Options.UnixSocket is needed: without, nobody is heard")

// check returns what is wrong with o.
func (o *Options) check() error {
	if len(o.For) == 0 { // check: for-missing
		return errors.New("forwardauth: Options.For is empty: it names the API's origins, such as https://api.example.com")
	}
	if len(o.Gateways) == 0 && o.UnixSocket == "" { // check: gateways-missing
		return errOneOf
	}
	for i, p := range o.Gateways {
		if !p.IsValid() || p.Addr().Is4In6() { // check: gateways-prefix
			return fmt.Errorf("forwardauth: Options.Gateways[%d] is %v: not a range of IPv4 or IPv6 addresses", i, p)
		}
		if p.Bits() == 0 { // check: gateways-everybody
			return fmt.Errorf("forwardauth: Options.Gateways[%d] is %v: every caller would be heard", i, p)
		}
	}
	if o.Form != Forwarded && o.Form != Direct {
		return fmt.Errorf("forwardauth: Options.Form is %d, which is none", o.Form)
	}
	if p := o.Prefix; p != "" {
		if o.Form != Direct {
			return errors.New("forwardauth: Options.Prefix is for Direct alone")
		}
		if _, ok := readPath(p); !ok || strings.HasSuffix(p, "/") {
			return fmt.Errorf("forwardauth: Options.Prefix is %q: it begins with a slash and ends with none", p)
		}
	}
	return nil
}

// An origin is a scheme and a host in one form: lower case, without the scheme's own port.
type origin struct{ scheme, host string }

func parseOrigin(s string) (origin, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.TrimSuffix(u.Path, "/") != "" {
		return origin{}, fmt.Errorf("%q is not a scheme and a host, such as https://api.example.com", s)
	}
	return originOf(u.Scheme, u.Host), nil
}

func originOf(scheme, host string) origin {
	scheme, host = strings.ToLower(scheme), strings.ToLower(host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return origin{scheme, host}
}
