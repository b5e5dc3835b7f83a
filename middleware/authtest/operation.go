package authtest

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// An operation is one rule, and how to ask for it.
type operation struct {
	key, method, host, pattern, path string
	every                            bool // methods
	need                             auth.Requirement
	paths                            *regexp.Regexp // that its route may match, generously
}

var parameters = regexp.MustCompile(`\{[^{}]*\}|:[A-Za-z_]\w*|\*`)

func newOperation(key string, need auth.Requirement, opts *GuardedOptions) (operation, error) {
	method, pattern, ok := strings.Cut(key, " ")
	if !ok {
		method, pattern = http.MethodGet, key
	}
	slash := strings.IndexByte(pattern, '/')
	if slash < 0 {
		return operation{}, fmt.Errorf("rule %q has no path", key)
	}
	o := operation{key: key, method: method, every: !ok, host: pattern[:slash], pattern: pattern, need: need}
	o.paths = matching(pattern[slash:])
	if o.path, ok = opts.Paths[key]; !ok {
		o.path = parameters.ReplaceAllStringFunc(pattern[slash:], func(p string) string {
			if p == "{$}" {
				return ""
			}
			return "1"
		})
	}
	if !strings.HasPrefix(o.path, "/") {
		return o, fmt.Errorf("GuardedOptions.Paths[%q] is %q, which is no path", key, o.path)
	}
	return o, nil
}

// matching returns what matches the paths of a pattern, whichever router it is for: with a slash
// more or less, in other cases, and all below a slash.
func matching(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?is)^`)
	rest, deep := pattern, false
	for rest != "" {
		at := parameters.FindStringIndex(rest)
		if at == nil {
			at = []int{len(rest), len(rest)}
		}
		b.WriteString(regexp.QuoteMeta(rest[:at[0]]))
		switch p := rest[at[0]:at[1]]; {
		case p == "" || p == "{$}":
			deep = deep || p == "{$}"
		case p == "*" || strings.HasSuffix(p, "...}"):
			b.WriteString(`.*`)
		default:
			b.WriteString(`[^/]*`)
		}
		rest = rest[at[1]:]
	}
	if strings.HasSuffix(pattern, "/") && !deep {
		b.WriteString(`.*`)
	}
	b.WriteString(`/?$`)
	return regexp.MustCompile(b.String())
}

// mayServe reports whether the operation's route may be what serves a request by one of the methods
// for one of the paths, however a router reads them.
func (o operation) mayServe(methods, paths []string) bool {
	if !o.every && !slices.ContainsFunc(methods, func(m string) bool { return strings.EqualFold(m, o.method) }) {
		return false
	}
	for _, p := range paths {
		p, _, _ = strings.Cut(p, "?")
		once, err := url.PathUnescape(p)
		if err != nil {
			once = p
		}
		twice, err := url.PathUnescape(once)
		if err != nil {
			twice = once
		}
		bare, _, _ := strings.Cut(once, ";")
		for _, read := range []string{p, path.Clean(p), once, path.Clean(once), twice, path.Clean(twice), bare, strings.TrimRight(once, " \x00")} {
			if o.paths.MatchString(read) {
				return true
			}
		}
	}
	return false
}
