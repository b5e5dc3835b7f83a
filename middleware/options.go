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
	// Proofs check the members of "cnf". Default none: every sender-constrained token is refused.
	Proofs []Proof
	// Keys adjust the key cache that [New], and each preset of package provider, makes: its log,
	// hooks, client, snapshot file. With several issuers they adjust the cache of each. Default:
	// the defaults of jwks.Options. It is an error where the caller brings the keys.
	Keys *jwks.Options
	// OnDecision is told of every verdict, before the handler runs or the refusal is written. It
	// must be quick and safe for concurrent use; a panic in it is contained; [Hooks] joins
	// several. Default none. Requests to a Public operation are not judged and not told.
	OnDecision func(context.Context, Decision)
	// ReportOnly names operations whose requests are judged, and told to OnDecision, but let
	// through whatever the verdict: for the time in which a guard is put before an API that is in
	// use. A handler then finds the Principal of a token that was good but short of scopes, and
	// none otherwise. Each name is the exact key of a rule, such as "GET /orders"; there is no name
	// for all operations, an operation that no rule names stays refused, and OnDecision must be
	// set. Default none: every operation is enforced.
	ReportOnly []string
	// WriteRefusal writes the answer to a refused request; the challenge, Retry-After and
	// Cache-Control are set when it is called, and the status is err.Status unless it writes
	// another. Default: problem documents (RFC 9457). gRPC and Echo do not use it: Echo has an
	// HTTPErrorHandler.
	WriteRefusal func(w http.ResponseWriter, r *http.Request, err *Error)
}

// takeKeys returns what adjusts the Guard alone, and the options of the key cache that is made for it.
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
	g := &Guard{verifier: v, onDecision: opts.OnDecision, override: opts.WriteRefusal, metadata: opts.ResourceMetadata}
	realm := opts.Realm
	if realm == "" {
		realm = "api"
	}
	quoted, err := quote(realm)
	if err != nil {
		return nil, fmt.Errorf("auth: GuardOptions.Realm: %w", err)
	}
	g.challenge = "Bearer realm=" + quoted
	if g.metadata != "" {
		if err := checkMetadataURL(g.metadata); err != nil {
			return nil, fmt.Errorf("auth: GuardOptions.ResourceMetadata: %w", err)
		}
		g.challenge += `, resource_metadata="` + g.metadata + `"`
	}
	g.proofs = make(map[string]Proof, len(opts.Proofs))
	for i, p := range opts.Proofs {
		if p == nil {
			return nil, fmt.Errorf("auth: GuardOptions.Proofs[%d] is nil", i)
		}
		if _, ok := g.proofs[p.Confirms()]; ok { // check: proof-twice
			return nil, fmt.Errorf("auth: GuardOptions.Proofs: two proofs for %q", p.Confirms())
		}
		g.proofs[p.Confirms()] = p
	}
	if len(opts.ReportOnly) > 0 && g.onDecision == nil { // check: report-only-untold
		return nil, errors.New("auth: GuardOptions.ReportOnly needs OnDecision: nobody would be told")
	}
	g.reportOnly = make(map[string]bool, len(opts.ReportOnly))
	for _, name := range opts.ReportOnly {
		if !namesOneOperation(name) { // check: report-only-name
			return nil, fmt.Errorf("auth: GuardOptions.ReportOnly: %q is not the key of a rule for one part of an API", name)
		}
		g.reportOnly[name] = true
	}
	g.prepare()
	return g, nil
}

// namesOneOperation reports whether name is "/path" or "METHOD /path" whose path begins with a
// literal: nothing that stands for a whole API.
func namesOneOperation(name string) bool {
	method, path, ok := strings.Cut(name, " ")
	if !ok {
		method, path = "", name
	}
	rest, ok := strings.CutPrefix(path, "/")
	return ok && !strings.ContainsAny(method, "/*") && rest != "" && !strings.ContainsRune("/*{:", rune(rest[0])) && !strings.ContainsAny(path, " \t")
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
