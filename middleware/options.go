package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/bearward/bearward/jwks"
)

// GuardOptions adjust a Guard. The zero value, and nil, mean the defaults.
type GuardOptions struct {
	// Realm names the API in challenges (RFC 9110 §11.5). Default "api". Printable ASCII.
	Realm string
	// ResourceMetadata is the URL of the API's RFC 9728 document, named in challenges. Default
	// none.
	ResourceMetadata string
	// Keys adjust the key cache that [New], and each preset of package provider, makes: its log,
	// hooks, client, snapshot file. With several issuers they adjust the cache of each. Default:
	// the defaults of jwks.Options. It is an error where the caller brings the keys.
	Keys *jwks.Options
	// Header names the one field that carries the bare token in place of Authorization. It is for
	// an API behind a proxy that signs callers in: Cf-Access-Jwt-Assertion,
	// X-Goog-Iap-Jwt-Assertion. Authorization is then not read at all. A request needs exactly one
	// value, without "Bearer"; over gRPC it is that of the metadata's key. Before the handler runs,
	// every answer gets "Vary" of the field, and that to a token "Cache-Control: private". Caches
	// know Authorization alone (RFC 9111 §3.5). Challenges stay those of Bearer, since a 401 needs
	// one (RFC 9110 §11.6.1): what helps is to come by the proxy. It cannot be Authorization,
	// Cookie, DPoP, Host or Proxy-Authorization, and does not go with a [SchemeBinding]. Default
	// none.
	Header string
	// Bindings check the members of "cnf". Each checks one member, and may have an authentication
	// scheme of its own. Default none: every sender-constrained token is refused.
	Bindings []Binding
	// RequireBound refuses every token that no Binding proved to be its sender's, at every
	// operation that is not Public, Optional ones included. It needs Bindings. Default false: plain
	// tokens are accepted beside bound ones. [Bound] asks it of one operation.
	RequireBound bool
	// Profile names a published set of rules that the configuration must keep to: NewGuard's error
	// names all that does not. [New], and presets whose Config names no Algorithms, accept those of
	// the Profile. Default none; [FAPI2] is the one there is.
	Profile Profile
	// Implies says which scopes imply which others, as in {"admin:all": {"read:orders"}}, by
	// however many steps. A rule's scope is then met by one that implies it; the challenge of a
	// refusal still names the rule's own. It serves every kind of token. Default none.
	Implies map[string][]string
	// ScopeInChallenge names the scopes of the operation in every 401 too, as clients of MCP
	// servers expect, and not only when scopes are missing. Default false: it tells strangers what
	// the scopes of the API are.
	ScopeInChallenge bool
	// Revoked tells whether a token that was found good is revoked all the same (package revocation
	// has such a store). It is asked on every request, once, also about a cached token, and when an
	// open stream is rechecked. True refuses the token with ReasonTokenRevoked. An error, a panic,
	// and no answer within 250 ms mean that the request is not judged (503). Its context ends then,
	// and it must return. It must be safe for concurrent use. Default none.
	Revoked func(context.Context, *Principal) (bool, error)
	// OnDecision is told of every decision, before the handler runs or the refusal is written. It
	// must be quick and safe for concurrent use; a panic in it is contained; [Hooks] joins
	// several. Default none. Requests to a Public operation are not judged and not told.
	OnDecision func(context.Context, Decision)
	// WriteRefusal writes the answer to a refused request. The challenge, Retry-After and
	// Cache-Control are set when it is called, Content-Type is not, and the status is err.Status
	// unless it writes another. Default: problem documents (RFC 9457). gRPC and Echo do not use it:
	// Echo has an HTTPErrorHandler.
	WriteRefusal func(w http.ResponseWriter, r *http.Request, err *Error)
}

// takeKeys returns what adjusts the Guard alone, and the options of the key cache that is made for
// it.
func (o *GuardOptions) takeKeys() (*GuardOptions, *jwks.Options) {
	if o == nil {
		return nil, nil
	}
	own := *o
	own.Keys = nil
	return &own, o.Keys
}

// NewGuard returns a Guard that verifies tokens by v. The error names what is wrong: a nil v, or
// the option that cannot be used.
func NewGuard(v TokenVerifier, opts *GuardOptions) (*Guard, error) {
	if isNil(v) {
		return nil, errors.New("auth: NewGuard needs a TokenVerifier")
	}
	if opts == nil {
		opts = new(GuardOptions)
	}
	if opts.Keys != nil { // check: keys-ignored
		return nil, errors.New("auth: GuardOptions.Keys is set, but the keys were made before: give the options to what made them")
	}
	g := &Guard{
		verifier: v, revoked: opts.Revoked, requireBound: opts.RequireBound, tellScopes: opts.ScopeInChallenge,
		onDecision: opts.OnDecision, override: opts.WriteRefusal, metadata: opts.ResourceMetadata,
	}
	if err := g.addImplies(opts.Implies); err != nil {
		return nil, err
	}
	realm := opts.Realm
	if realm == "" {
		realm = "api"
	}
	quoted, err := quote(realm)
	if err != nil {
		return nil, fmt.Errorf("auth: GuardOptions.Realm: %w", err)
	}
	g.challenge = "realm=" + quoted
	if g.metadata != "" {
		if err := checkMetadataURL(g.metadata); err != nil {
			return nil, fmt.Errorf("auth: GuardOptions.ResourceMetadata: %w", err)
		}
		g.challenge += `, resource_metadata="` + g.metadata + `"`
	}
	if err := g.addBindings(opts.Bindings); err != nil {
		return nil, err
	}
	if err := g.useHeader(opts.Header); err != nil {
		return nil, err
	}
	if g.requireBound && len(g.bindings) == 0 { // check: require-bound-by-nothing
		return nil, errors.New("auth: GuardOptions.RequireBound needs Bindings: no token could pass")
	}
	if err := g.keepProfile(v, opts); err != nil {
		return nil, err
	}
	g.prepare()
	return g, nil
}

// CanEnforce returns why g cannot enforce req, nil when it can. It cannot when req is the zero
// Requirement, or is only reported on and g has no OnDecision to tell, or has a Profile. Nor can it
// when req needs a bound token ([Bound]) and g has no Bindings. Enforce and the adapters panic with
// its error when they are given req.
func (g *Guard) CanEnforce(req Requirement) error {
	switch n := req.now().node; {
	case g == nil || g.verifier == nil:
		return errors.New("the Guard is nil, or was not made by a constructor")
	case n == nil:
		return errors.New("the zero Requirement denies every request")
	case n.kind == kindReportOnly && g.onDecision == nil: // check: report-only-untold-start
		return errors.New("ReportOnly needs GuardOptions.OnDecision: nobody would be told")
	case n.kind == kindReportOnly && g.profile != 0: // check: profile-report-only-start
		return errors.New("ReportOnly accepts what GuardOptions.Profile does not allow")
	case n.bound && len(g.bindings) == 0: // check: bound-by-nothing
		return errors.New("Bound needs GuardOptions.Bindings: no token could pass")
	}
	return nil
}

// isNil reports whether v is nil, or holds a nil pointer, as the result of a constructor does whose
// error was not looked at.
func isNil(v any) bool {
	p := reflect.ValueOf(v)
	return v == nil || p.Kind() == reflect.Pointer && p.IsNil()
}

func checkMetadataURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Fragment != "" || strings.Contains(s, "#") { // check: metadata-url
		return errors.New("not an absolute http(s) URL without fragment")
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' { // check: metadata-characters
			return errors.New("has a character that a URL must percent-encode")
		}
	}
	return nil
}
