package mtls

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	auth "github.com/bearward/bearward/middleware"
)

// Options adjust a Binding. The zero value, and nil, mean the defaults.
type Options struct {
	// From are the proxies that end TLS in front of the API, and are believed about their callers'
	// certificates. Default none: only certificates of the API's own connections count.
	From []Proxy
	// Logger is told, once, that the connection's address is unknown, so that what proxies say
	// is not read. Default slog.Default(). It is told no more.
	Logger *slog.Logger
}

// A Binding checks that the sender of a request showed the certificate that "cnf.x5t#S256" names
// (RFC 8705 §3.1). It is an auth.Binding, for GuardOptions.Bindings, and safe for concurrent use.
type Binding struct {
	proxies []Proxy
	fields  []string
	logger  *slog.Logger
	unknown sync.Once // the log line about an unknown address
}

var _ auth.Binding = (*Binding)(nil)

// New returns a Binding. opts may be nil. It returns an error that names the field of Options when
// a Proxy cannot be meant. Such a Proxy has no address and no socket, is for every address, or is
// at the addresses of another. Or it has a Field or Hop that its Form does not have.
func New(opts *Options) (*Binding, error) {
	if opts == nil {
		opts = new(Options)
	}
	b := &Binding{logger: opts.Logger}
	if b.logger == nil {
		b.logger = slog.Default()
	}
	for i := range opts.From {
		p, err := opts.From[i].checked()
		if err == nil {
			err = p.checkAgainst(b.proxies)
		}
		if err != nil {
			return nil, configError(i, err)
		}
		b.proxies = append(b.proxies, p)
		if !slices.Contains(b.fields, p.Field) {
			b.fields = append(b.fields, p.Field)
		}
	}
	return b, nil
}

// Member returns "x5t#S256" (RFC 8705 §3.1).
func (b *Binding) Member() string { return "x5t#S256" }

// Fields returns the fields of the proxies; nil without any.
func (b *Binding) Fields() []string { return slices.Clone(b.fields) }

// A fault is a constant text for operators: why a certificate does not prove a token's sender.
type fault string

func (f fault) Error() string { return "mtls: " + string(f) }

// Detail is what auth.LogRefusals tells.
func (f fault) Detail() string { return string(f) }

const (
	errConfirmed     fault = "cnf.x5t#S256 is not the SHA-256 of a certificate in base64url without padding"
	errNoCertificate fault = "the connection has no client certificate"
	errNotAProxy     fault = "the connection has no client certificate, and its address is no configured proxy's, whose field would count"
	errDiffers       fault = "the token is bound to another certificate"
	errNoField       fault = "the proxy tells of no client certificate"
	errTwoFields     fault = "the proxy's field stands there twice"
	errUnknownPeer   fault = "the connection's address is unknown, so that neither its certificate nor a proxy's field counts: " +
		"give auth.ConnContext to http.Server.ConnContext"
)

// Check implements auth.Binding. It refuses with the reason BINDING_NOT_PROVED.
func (b *Binding) Check(_ context.Context, _ string, c *auth.Credentials, _ *auth.Principal, member []byte) error {
	var thumbprint [sha256.Size]byte
	if err := b.thumbprintOf(c, &thumbprint); err != nil {
		return &auth.Error{Reason: auth.ReasonBindingNotProved, Err: err}
	}
	var text [43]byte
	base64.RawURLEncoding.Encode(text[:], thumbprint[:])
	bound, ok := bytes.CutPrefix(member, []byte{'"'})
	bound, ok2 := bytes.CutSuffix(bound, []byte{'"'})
	if !ok || !ok2 || len(bound) != len(text) { // check: confirmed-form
		return &auth.Error{Reason: auth.ReasonBindingNotProved, Err: errConfirmed}
	}
	if subtle.ConstantTimeCompare(bound, text[:]) != 1 { // check: thumbprint
		return &auth.Error{Reason: auth.ReasonBindingNotProved, Err: errDiffers}
	}
	return nil
}

// thumbprintOf sets to to the hash of the caller's certificate, as the connection or its proxy
// tells it. It is not remembered: to hash a certificate costs less than to look for its hash.
func (b *Binding) thumbprintOf(c *auth.Credentials, to *[sha256.Size]byte) error {
	if len(b.proxies) > 0 {
		if !c.Peer.IsValid() { // check: peer-unknown
			b.unknown.Do(func() { b.logger.Error(errUnknownPeer.Error()) })
			return errUnknownPeer
		}
		for i := range b.proxies {
			if p := &b.proxies[i]; p.sent(c.Peer) { // check: proxy-trusted
				return p.read(c.Header, to)
			}
		}
	}
	der := certificateOf(c.TLS)
	if der == nil { // check: certificate-missing
		if b.hasField(c.Header) {
			return errNotAProxy
		}
		return errNoCertificate
	}
	*to = sha256.Sum256(der)
	return nil
}

// certificateOf returns the client certificate of a connection, nil when there is none.
func certificateOf(state *tls.ConnectionState) []byte {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	return state.PeerCertificates[0].Raw
}

// hasField reports whether h has a field that only proxies are believed.
func (b *Binding) hasField(h http.Header) bool {
	return slices.ContainsFunc(b.fields, func(name string) bool { return len(h[name]) > 0 })
}
