// Package provider has presets for common issuers: plain data that says what their access tokens
// look like.
//
// Each function takes what the issuer's console shows, and returns a [Preset]:
//
//	guard, err := provider.Auth0("tenant.eu.auth0.com", "https://api.example").Guard(nil)
//
// A preset widens the strict RFC 9068 profile as far as its issuer needs and no further. The exact
// issuer, an audience, and what tells an access token from the issuer's other tokens are always
// checked. Its Config may be changed before use, to name more audiences for one.
//
// Where an issuer's access tokens cannot guard an API at all, as Google's, the preset is an error.
// It is returned when the preset is used, and by [Preset.Err] at once.
//
// # Startup and runtime
//
// Presets do no I/O and hold nothing, but for the files that [Kubernetes] reads in a cluster. A
// value may be copied and used from many goroutines. [Preset.Guard] makes a Guard with a key cache
// of its own, which the Guard's Close stops. [Preset.Source] and [Preset.Verifier] are for settings
// of the key cache and for several issuers in front of one API. In tests, authtest.Options.Config
// makes an issuer whose tokens have a preset's form.
//
// What each issuer's tokens were seen to look like is in testdata, with the source of each sample.
package provider

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// A Preset says how one issuer's access tokens look, and where its keys are. Make one by the
// function that has the issuer's name, and a Guard of it by [Preset.Guard]. It is plain data, and
// may be copied. A mistake in what it was made from is an error when it is used.
type Preset struct {
	// Config is what a Verifier checks. The callers that a preset was given are checked besides,
	// whatever Config becomes.
	Config auth.Config
	// KeySetURL is where the keys are, when that cannot be found by the issuer's metadata. Default
	// "": by RFC 8414 or OpenID Connect discovery.
	KeySetURL string
	// IntrospectionURL is where the issuer is asked about tokens that only it can read (RFC 7662).
	// Default "": the provider has no such endpoint, or one at an address of its own, as Ory
	// Hydra's admin port. It must then be set before [Preset.Introspector] is used:
	// introspect.FromMetadata has the issuer's metadata name it.
	IntrospectionURL string
	// Header is the field of the request that has the bare token in place of Authorization, where a
	// proxy signs callers in. [Guard] has it as GuardOptions.Header, unless its options name
	// another; set it yourself where Source and Verifier are used. Default "": Authorization.
	Header string
	// Example are claims that the provider's tokens have besides those that Config names, such that
	// Config.Checks accept them: for authtest.Options.Claims. Nothing is checked by them. Default
	// nil: there are no such claims.
	Example map[string]any

	callers   func(*auth.Principal) error // who may call, of an issuer that serves everybody
	fixed     map[string]string           // Config.FixedClaims as the preset has it: they are of JWTs
	inCluster bool                        // the keys are the Kubernetes cluster's that this process runs in
	err       error
}

// Err returns what is wrong with the values that the preset was made from, or nil.
func (p Preset) Err() error { return p.err }

// Source returns a key cache for the issuer. Opts may be nil. The caller closes it. Its events name
// the issuer as their Source, whatever the URL of the keys.
func (p Preset) Source(opts *jwks.Options) (*jwks.Cache, error) {
	if p.err != nil {
		return nil, p.err
	}
	if p.inCluster && (opts == nil || opts.Client == nil) {
		client, err := InCluster(nil)
		if err != nil {
			return nil, fmt.Errorf("%w: outside the cluster, jwks.Options.Client has to reach %s", err, p.KeySetURL)
		}
		within := jwks.Options{}
		if opts != nil {
			within = *opts
		}
		within.Client, opts = client, &within
	}
	if p.KeySetURL == "" {
		return jwks.FromIssuer(p.Config.Issuer, opts)
	}
	if opts != nil && opts.OnRefresh != nil {
		named := *opts
		named.OnRefresh = func(e jwks.RefreshEvent) {
			e.Source = p.Config.Issuer
			opts.OnRefresh(e)
		}
		return jwks.New(p.KeySetURL, &named)
	}
	return jwks.New(p.KeySetURL, opts)
}

// Verifier returns a Verifier over a source of the caller's, for [auth.NewGuard] and
// [auth.NewIssuers].
func (p Preset) Verifier(keys jwks.Source) (*auth.Verifier, error) {
	if p.err != nil {
		return nil, p.err
	}
	return auth.NewVerifier(keys, p.config())
}

// refused is a preset that cannot be used.
func refused(format string, args ...any) Preset {
	return Preset{err: fmt.Errorf("provider: "+format, args...)}
}

// of returns a preset, or the reason why what it was made from cannot be right.
func of(config auth.Config, errs ...error) Preset {
	if err := errors.Join(errs...); err != nil {
		return Preset{err: err}
	}
	return Preset{Config: config, fixed: maps.Clone(config.FixedClaims)}
}

// host checks a host name, as it is copied from a console: without scheme and path.
func host(name, s string) error {
	if u, err := url.Parse("https://" + s); s == "" || err != nil || u.Host != s || strings.ContainsAny(s, "/?#@ ") { // check: host
		if u, err := url.Parse(s); err == nil && u.Host != "" {
			return fmt.Errorf("provider: %s %q is a URL: give the host name alone, %q", name, s, u.Host)
		}
		if before, _, ok := strings.Cut(s, "/"); ok && before != "" {
			return fmt.Errorf("provider: %s %q has a path: give the host name alone, %q", name, s, before)
		}
		return fmt.Errorf("provider: %s %q is not a host name", name, s)
	}
	return nil
}

// realm checks the URL of a Keycloak realm, which ends in the realm's name (before version 17, with
// /auth before /realms).
func realm(realmURL string) error {
	if realmURL == "" {
		return errors.New("provider: realm URL is required")
	}
	base, name, ok := strings.Cut(realmURL, "/realms/")
	if !ok || name == "" { // check: realm-url
		return fmt.Errorf("provider: realm URL %q names no realm: write %q", realmURL, strings.TrimRight(base, "/")+"/realms/NAME")
	}
	if strings.ContainsAny(name, "/?#") {
		return fmt.Errorf("provider: realm URL %q has more behind the realm's name: write %q", realmURL, base+"/realms/"+name[:strings.IndexAny(name, "/?#")])
	}
	return nil
}

// segmentOf checks a part of a URL's path.
func segmentOf(name, s string) error {
	if s == "" || url.PathEscape(s) != s || s == "." || s == ".." { // check: segment
		return fmt.Errorf("provider: %s %q cannot be a part of the issuer's URL", name, s)
	}
	return nil
}

// guid checks the ID of a Microsoft tenant: "common" and the like name no tenant, and would trust
// all of them.
func guid(name, s string) error {
	groups := strings.Split(s, "-")
	lengths := make([]int, len(groups))
	for i, g := range groups {
		lengths[i] = len(g)
	}
	if !slices.Equal(lengths, []int{8, 4, 4, 4, 12}) || strings.Trim(s, "0123456789abcdef-") != "" { // check: tenant-guid
		return fmt.Errorf("provider: %s %q is not a GUID in lower case: name the tenant, not common or organizations", name, s)
	}
	return nil
}

func given(name string, values []string) error {
	if len(values) == 0 || slices.Contains(values, "") { // check: audience-given
		return fmt.Errorf("provider: %s is required", name)
	}
	return nil
}
