package openapiauth

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	auth "github.com/bearward/bearward/middleware"
)

// Options adjust how a document is read. The zero value, and nil, mean the defaults.
type Options struct {
	// Prefix stands before every path, as in "/v1": the part of the servers' URLs that the router
	// sees. The document's own servers are not read, since only who runs the router knows what a
	// gateway in front of it takes away. It begins with a slash, does not end with one, and has no
	// parameters. Default none.
	Prefix string
	// TokenSchemes names the security schemes whose tokens the Guard takes, of type oauth2,
	// openIdConnect, or http with the scheme bearer. A Guard does not tell the tokens of one scheme
	// from those of another. So name schemes together only when their issuers are trusted alike.
	// Default: the one scheme of these types, and an error when the document defines several.
	TokenSchemes []string
	// IgnoreSchemes names security schemes that no Guard checks, such as apiKey and mutualTLS,
	// where the document has them as alternatives to a token. A caller who has nothing else is
	// refused. Default none: each use of such a scheme is an error. An operation that asks for it
	// together with a token is always an error.
	IgnoreSchemes []string
	// SkipOperations names operations that get no rule, in the document's words: "GET
	// /orders/{id}". They are refused, unless the program adds a rule of its own. Default none.
	SkipOperations []string
	// AllowOwnServers gives operations and paths with servers of their own rules like all others.
	// Default: each is an error, since it may be another host's.
	AllowOwnServers bool
	// HTTPScopes also takes the scopes of a scheme of type http, bearer, in OpenAPI 3.0 documents,
	// as some generators write them. The token must have them, as OpenAPI 3.1 allows. Default: each
	// is an error, since before 3.1 they mean nothing there.
	HTTPScopes bool
	// MaxBytes is the size in bytes of the largest document that is read. Default
	// [DefaultMaxBytes]; negative is an error.
	MaxBytes int
}

// DefaultMaxBytes is the size of the largest document that is read, in bytes, unless Options say
// otherwise.
const DefaultMaxBytes = 2 << 20

// Rules returns the rules of the operations in an OpenAPI 3.0 or 3.1 document, YAML or JSON, in the
// words of a router. The package comment says what each part of a document means.
//
// It does no I/O. The error names every fault with its line and column, as "line 12, column 7: GET
// /orders: ...", at most 100 of them. Both count from 1; in JSON, columns count an escaped slash as
// one. A fault of the options has neither. No rules are returned then.
func Rules(document []byte, router Router, opts *Options) (auth.Rules, error) {
	if opts == nil {
		opts = new(Options)
	}
	r := &reader{router: router, opts: opts, rules: auth.Rules{}}
	if err := errors.Join(router.check(), opts.check()); err != nil {
		return nil, err
	}
	if err := r.read(document); err != nil {
		return nil, fmt.Errorf("openapiauth: %w", err)
	}
	return r.rules, nil
}

func (o *Options) check() error {
	var errs []error
	if err := checkPrefix(o.Prefix); err != nil {
		errs = append(errs, fmt.Errorf("openapiauth: Options.Prefix %q: %w", o.Prefix, err))
	}
	if o.MaxBytes < 0 {
		errs = append(errs, fmt.Errorf("openapiauth: Options.MaxBytes is %d", o.MaxBytes))
	}
	for _, name := range o.IgnoreSchemes {
		if slices.Contains(o.TokenSchemes, name) { // check: options-both
			errs = append(errs, fmt.Errorf("openapiauth: %q is in Options.TokenSchemes and in Options.IgnoreSchemes", name))
		}
	}
	return errors.Join(errs...)
}

// Diff returns every difference between rules, such as those in a program's code, and what the
// document says. Each is a sentence; those of the document's operations come first. A requirement
// with a check of the program's own (With) is a difference. When the document cannot be read, the
// error is that of [Rules].
func Diff(rules auth.Rules, document []byte, router Router, opts *Options) ([]string, error) {
	published, err := Rules(document, router, opts)
	if err != nil {
		return nil, err
	}
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	idle := maps.Clone(rules)
	for _, key := range slices.Sorted(maps.Keys(published)) {
		method, pattern := cutKey(key)
		used, need, ok := rules.Find(method, pattern)
		delete(idle, used)
		switch {
		case !ok: // check: check-unnamed
			add("no rule names %s, which the document has as %q", key, published[key])
		case need.String() != published[key].String(): // check: check-words
			add("%s: the rule is %q, the document says %q", key, need, published[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(idle)) {
		add("the document has no operation for rule %q", key) // check: check-idle
	}
	return all, nil
}

// Check returns an error that names every difference that [Diff] finds. Use it in a test that the
// published document is right.
func Check(rules auth.Rules, document []byte, router Router, opts *Options) error {
	all, err := Diff(rules, document, router, opts)
	if err != nil {
		return err
	}
	var errs []error
	for _, difference := range all {
		errs = append(errs, errors.New("openapiauth: "+difference))
	}
	return errors.Join(errs...)
}
