package forward

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
	"github.com/bearward/bearward/middleware/provider"
)

// An Introspection says how an issuer is asked about its opaque tokens (RFC 7662).
type Introspection struct {
	Endpoint   string    `json:"endpoint"`           // a URL, or metadata, which is the default: the issuer's names it
	Method     string    `json:"auth"`               // basic, the default, or post
	ClientID   string    `json:"client_id"`          // without one, nothing says who asks
	SecretFile string    `json:"client_secret_file"` // beside the configuration unless its path is absolute
	TTL        *duration `json:"ttl"`                // how long answers are used; 0s: not at all
}

// A duration is written as time.ParseDuration reads it, and not below zero.
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil && v < 0 { // check: config-ttl-negative
		err = errors.New("below zero")
	}
	*d = duration(v)
	return err
}

// client is who asks.
func (i *Introspection) client(dir string) (introspect.ClientAuth, error) {
	var none introspect.ClientAuth
	if i.ClientID == "" {
		if i.SecretFile != "" || i.Method != "" { // check: config-client-id
			return none, errors.New("no \"client_id\"")
		}
		return introspect.NoClientAuth(), nil
	}
	file := i.SecretFile
	if file == "" { // check: config-client-secret
		return none, errors.New("no \"client_secret_file\"")
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	secret := introspect.SecretFile(file)
	if text, err := secret(); err != nil || text == "" { // check: config-secret-file
		return none, fmt.Errorf("\"client_secret_file\": %w", cmp.Or(err, fmt.Errorf("%s is empty", file)))
	}
	switch i.Method {
	case "", "basic":
		return introspect.Basic(i.ClientID, secret), nil
	case "post":
		return introspect.Post(i.ClientID, secret), nil
	}
	return none, fmt.Errorf("\"auth\" is %q: basic or post", i.Method)
}

// introspector asks the issuer of p.
func (i *Introspection) introspector(p provider.Preset, dir string, config introspect.Config) (*introspect.Introspector, error) {
	client, err := i.client(dir)
	if err != nil {
		return nil, err
	}
	p.IntrospectionURL = cmp.Or(i.Endpoint, introspect.FromMetadata)
	if i.TTL != nil {
		config.MaxAge = time.Duration(*i.TTL)
		// A refusal is never remembered longer than a good answer: 5 s is its default.
		config.NegativeAge = min(config.MaxAge, 5*time.Second)
		if config.MaxAge == 0 { // check: config-ttl-zero
			config.MaxAge, config.NegativeAge = -1, 0
		}
	}
	return p.Introspector(client, &config)
}

// guardWithForms makes the Guard of issuers of which one is asked about opaque tokens. With an
// error, nothing is left running.
func guardWithForms(opts *auth.GuardOptions, presets []provider.Preset, opaque *introspect.Introspector) (g *auth.Guard, all closers, err error) {
	all = closers{opaque}
	defer func() {
		if err != nil {
			err = errors.Join(err, all.Close())
			all = nil
		}
	}()
	options := *opts
	options.Keys = nil
	var verifiers []*auth.Verifier
	for _, p := range presets {
		if p.Header != "" { // check: config-header
			return nil, all, fmt.Errorf("tokens of %s come in %s, where no opaque token can be: leave \"introspection\" out", p.Config.Issuer, p.Header)
		}
		cache, err := p.Source(opts.Keys)
		if err != nil {
			return nil, all, err
		}
		all = append(all, cache)
		v, err := p.Verifier(cache)
		if err != nil {
			return nil, all, err
		}
		verifiers = append(verifiers, v)
	}
	jwts, err := auth.NewIssuers(verifiers...)
	if err != nil {
		return nil, all, err
	}
	forms, err := auth.NewForms(jwts, opaque)
	if err != nil {
		return nil, all, err
	}
	g, err = auth.NewGuard(forms, &options)
	return g, all, err
}

// closers are closed in their order.
type closers []io.Closer

func (all closers) Close() error {
	var errs []error
	for _, c := range all {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
