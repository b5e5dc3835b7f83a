// Package issuer is the core of an authorization server for tests and for local development: it
// holds signing keys, makes access tokens, and serves metadata and a key set. It does not link
// testing, so that a command can use it. Package authtest is the kit for tests on top of it.
package issuer

import (
	"crypto"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync/atomic"

	auth "github.com/bearward/bearward/middleware"
)

// Options say what an Issuer is.
type Options struct {
	// URL is the issuer's identifier (RFC 8414 §2), an http or https URL without query and
	// fragment; any text with a KeySetURL. Required, but with Form.
	URL string
	// Audience is the API that tokens are for. Default "": tokens without "aud".
	Audience string
	// KeySetURL is where the key set is. Default "": below URL, and found by metadata. With a
	// KeySetURL no metadata is served.
	KeySetURL string
	// Algorithm signs the tokens. Default the first of Form, or RS256.
	Algorithm auth.Algorithm
	// Form gives the tokens the form that a verifier of this configuration expects. Its Issuer, and
	// the first of its Audiences, stand where URL and Audience are empty. Default nil: that of RFC
	// 9068.
	Form *auth.Config
	// Claims are put into every good token, in place of what stands there. Default none.
	Claims map[string]any
	// NewKey makes a private key for an algorithm. It is called under a lock, and must not call the
	// Issuer. Default GenerateKey.
	NewKey func(auth.Algorithm) (crypto.Signer, error)
	// ThumbprintIDs has the ID of each key be its thumbprint (RFC 7638). Issuers that follow each
	// other at one URL then never give one ID to two keys. Default false: key-1, key-2 and so on.
	ThumbprintIDs bool
}

// An Issuer is an authorization server's public face: an http.Handler of its documents, and a maker
// of tokens. It does no I/O of its own, holds no goroutine, and is safe for concurrent use.
type Issuer struct {
	url, audience, keySet string
	form                  *auth.Config // nil: RFC 9068
	claims                map[string]any
	keys                  keyring
	served                served
	issued                atomic.Int64 // tokens, for their IDs
}

// New returns a healthy Issuer. As after a rotation it publishes two keys: its predecessor, and the
// one that signs. The error names the option that cannot be used.
func New(opts Options) (*Issuer, error) {
	is := &Issuer{url: opts.URL, audience: opts.Audience, keySet: opts.KeySetURL, claims: maps.Clone(opts.Claims)}
	alg := opts.Algorithm
	if opts.Form != nil {
		form := *opts.Form
		if is.form = &form; is.url == "" {
			is.url = form.Issuer
		}
		form.Issuer = is.url
		if is.audience == "" && len(form.Audiences) > 0 {
			is.audience = form.Audiences[0]
		}
		if alg == 0 && len(form.Algorithms) > 0 {
			alg = form.Algorithms[0]
		}
	}
	if alg == 0 {
		alg = auth.RS256
	}
	if alg > auth.EdDSA {
		return nil, fmt.Errorf("Options.Algorithm: %v is not an algorithm", alg)
	}
	if is.keySet != "" {
		if err := checkURL(is.keySet); err != nil {
			return nil, fmt.Errorf("Options.KeySetURL: %w", err)
		}
	} else if err := checkURL(is.url); err != nil {
		return nil, fmt.Errorf("Options.URL: %w", err)
	}
	is.keys = keyring{alg: alg, newKey: opts.NewKey, byThumbprint: opts.ThumbprintIDs}
	if is.keys.newKey == nil {
		is.keys.newKey = GenerateKey
	}
	for range 2 {
		if _, err := is.Rotate(); err != nil {
			return nil, err
		}
	}
	return is, nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || strings.Contains(s, "#") {
		return fmt.Errorf("%q is not an http or https URL without query and fragment", s)
	}
	return nil
}

// URL returns the issuer's identifier, the "iss" of its tokens.
func (is *Issuer) URL() string { return is.url }

// Audience returns the API that tokens are for, or "".
func (is *Issuer) Audience() string { return is.audience }

// Algorithm returns what signs the tokens.
func (is *Issuer) Algorithm() auth.Algorithm { return is.keys.alg }

// Config returns the configuration of an API that trusts the issuer: Options.Form, or else URL,
// Audience and the defaults of RFC 9068.
func (is *Issuer) Config() auth.Config {
	if is.form != nil {
		return *is.form
	}
	return auth.Config{Issuer: is.url, Audiences: []string{is.audience}}
}

// HasMetadata reports whether the key set is found by metadata.
func (is *Issuer) HasMetadata() bool { return is.keySet == "" }

// KeySetURL returns where the key set is published.
func (is *Issuer) KeySetURL() string {
	if is.keySet != "" {
		return is.keySet
	}
	return is.base() + "/jwks.json"
}

// base is what the issuer's endpoints begin with.
func (is *Issuer) base() string { return strings.TrimSuffix(is.url, "/") }
