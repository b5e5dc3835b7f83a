package mtls

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// A Form is how a proxy writes a certificate into a header field, for [Proxy].Form. The zero value
// is RFC9440.
type Form int

const (
	// RFC9440 is the field Client-Cert of RFC 9440 §2.2: the certificate's DER in base64, between
	// colons. It is a single value: a list is refused.
	RFC9440 Form = iota
	// EscapedPEM is PEM in percent-encoding: nginx's $ssl_client_escaped_cert.
	EscapedPEM
	// XFCC is the field X-Forwarded-Client-Cert of Envoy: elements between commas. Each has a Hash,
	// the certificate's SHA-256 in hex, or else a Cert, its PEM in percent-encoding.
	XFCC
	// Base64DER is the certificate's DER in standard base64, and nothing else.
	Base64DER
)

var formNames = []string{RFC9440: "RFC9440", EscapedPEM: "EscapedPEM", XFCC: "XFCC", Base64DER: "Base64DER"}

// String returns the constant's name.
func (f Form) String() string {
	if f < 0 || int(f) >= len(formNames) {
		return fmt.Sprintf("Form(%d)", int(f))
	}
	return formNames[f]
}

// A Proxy is one that ends TLS in front of the API, or a group of such proxies.
type Proxy struct {
	// Addresses are those that the proxy connects from: its own, and no more than its own. Ranges
	// of every address (/0), and ranges that overlap those of another Proxy, are errors. They are
	// compared with auth.Credentials.Peer, the connection's own address.
	Addresses []netip.Prefix
	// UnixSocket is the name of the Unix socket that the API listens on for the proxy, as given to
	// net.Listen. All who may connect to it are believed: who may is a matter of the permissions
	// of the socket and its folder. At least one of Addresses and UnixSocket is needed.
	UnixSocket string
	// Field is the header field that the proxy writes. Default Client-Cert for RFC9440 and
	// X-Forwarded-Client-Cert for XFCC; needed for the other forms.
	Field string
	// Form is how the field is written. The zero value is RFC9440.
	Form Form
	// Hop is for XFCC, where each proxy in a row may add an element. 0 is the element that the
	// nearest proxy added, the last one. 1 is the one before it, and so on. With Hop n, n+1 proxies
	// in a row are believed. At most 15.
	Hop int
}

const maxHop = 15

// configError names the element of Options.From.
func configError(i int, err error) error { return fmt.Errorf("mtls: Options.From[%d]%w", i, err) }

var defaultFields = map[Form]string{RFC9440: "Client-Cert", XFCC: "X-Forwarded-Client-Cert"}

// notForCertificates are fields that mean something else.
var notForCertificates = []string{"Authorization", "Cookie", "Dpop", "Host", "Proxy-Authorization"}

// checked returns p with its defaults, or what is wrong with it.
func (p Proxy) checked() (Proxy, error) {
	if len(p.Addresses) == 0 && p.UnixSocket == "" { // check: proxy-nobody
		return p, errors.New(" needs Addresses or a UnixSocket: without, nobody is believed")
	}
	p.Addresses = slices.Clone(p.Addresses)
	for i, a := range p.Addresses {
		switch {
		case !a.IsValid() || a.Addr().Is4In6(): // check: proxy-prefix
			return p, fmt.Errorf(".Addresses[%d] is %v: not a range of IPv4 or IPv6 addresses", i, a)
		case a.Bits() == 0: // check: proxy-everybody
			return p, fmt.Errorf(".Addresses[%d] is %v: every caller would be believed", i, a)
		}
		p.Addresses[i] = a.Masked()
	}
	if p.Form < 0 || int(p.Form) >= len(formNames) { // check: proxy-form
		return p, fmt.Errorf(".Form is %v, which is none", p.Form)
	}
	switch {
	case p.Hop < 0 || p.Hop > maxHop: // check: proxy-hop
		return p, fmt.Errorf(".Hop is %d: 0 to %d", p.Hop, maxHop)
	case p.Hop > 0 && p.Form != XFCC: // check: proxy-hop-form
		return p, fmt.Errorf(".Hop is %d: the form %v has one element", p.Hop, p.Form)
	}
	if p.Field == "" {
		p.Field = defaultFields[p.Form]
	}
	if !isFieldName(p.Field) { // check: proxy-field
		return p, fmt.Errorf(".Field is %q: not the name of a header field", p.Field)
	}
	p.Field = http.CanonicalHeaderKey(p.Field)
	if slices.Contains(notForCertificates, p.Field) { // check: proxy-field-taken
		return p, fmt.Errorf(".Field is %s, which has another meaning", p.Field)
	}
	return p, nil
}

// checkAgainst refuses a proxy that another one may be taken for.
func (p *Proxy) checkAgainst(others []Proxy) error {
	for i := range others {
		o := &others[i]
		if p.UnixSocket != "" && p.UnixSocket == o.UnixSocket { // check: proxy-socket-twice
			return fmt.Errorf(".UnixSocket is that of From[%d]", i)
		}
		for _, a := range p.Addresses {
			if at := slices.IndexFunc(o.Addresses, a.Overlaps); at >= 0 { // check: proxy-overlap
				return fmt.Errorf(".Addresses has %v, which overlaps %v of From[%d]", a, o.Addresses[at], i)
			}
		}
	}
	return nil
}

// isFieldName reports whether s is a token (RFC 9110 §5.1).
func isFieldName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// sent reports whether a connection of peer is one of the proxy's.
func (p *Proxy) sent(peer netip.Addr) bool {
	if p.UnixSocket != "" && peer == netip.IPv6Unspecified().WithZone(p.UnixSocket) { // check: proxy-socket
		return true
	}
	for _, a := range p.Addresses {
		if a.Contains(peer) { // check: proxy-address
			return true
		}
	}
	return false
}

// read sets to to the hash of the certificate that the proxy tells of.
func (p *Proxy) read(h http.Header, to *[sha256.Size]byte) error {
	values := h[p.Field]
	switch {
	case len(values) > 1: // check: field-twice
		return errTwoFields
	case len(values) == 0 || values[0] == "":
		return errNoField
	}
	if err := readField(values[0], p.Form, p.Hop, to); err != nil {
		return fieldFault{p, err}
	}
	return nil
}

// A fieldFault says what is wrong with a proxy's field: its name and form, as configured, and a
// constant text.
type fieldFault struct {
	proxy *Proxy
	err   error
}

func (f fieldFault) Error() string { return "mtls: " + f.Detail() }

// Detail is what auth.LogRefusals tells.
func (f fieldFault) Detail() string {
	return fmt.Sprintf("the proxy's field %s in the form %v: %v", f.proxy.Field, f.proxy.Form, f.err)
}
