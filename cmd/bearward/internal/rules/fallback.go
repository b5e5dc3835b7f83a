package rules

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// A fallback finds the rule that counts where the one of an operation is missing.
type fallback struct {
	rules   auth.Rules
	mux     *http.ServeMux // of the rules that are its patterns
	methods []string       // that rules name, GET first
}

// A found is a key of the rules as a handler. It answers nothing: it is looked for.
type found string

func (found) ServeHTTP(http.ResponseWriter, *http.Request) {}

func newFallback(rules auth.Rules) *fallback {
	f := &fallback{rules, http.NewServeMux(), []string{http.MethodGet}}
	for _, key := range Keys(rules) {
		if _, named := namedOperation(key); named {
			continue
		}
		if method, _, ok := strings.Cut(key, " "); ok && !slices.Contains(f.methods, method) {
			f.methods = append(f.methods, method)
		}
		f.handle(key)
	}
	return f
}

// handle adds a key to the mux, unless it is no pattern of one, or lies across another.
func (f *fallback) handle(key string) {
	defer func() { _ = recover() }() // what ServeMux says of such a pattern
	f.mux.Handle(key, found(key))
}

// rule returns what counts for an operation, and by which other rule.
func (f *fallback) rule(key string) (req auth.Requirement, words, by string) {
	req, ok := f.rules[key]
	if !ok {
		if by, ok = f.by(key); !ok {
			return auth.Requirement{}, "", ""
		}
		req = f.rules[by]
	}
	return req, req.String(), by
}

// by returns the key whose rule counts for an operation without a rule of its own: the wider one,
// or the one that http.ServeMux, and so `bearward forward`, goes on to.
func (f *fallback) by(key string) (string, bool) {
	if other, ok := wider(f.rules, key); ok {
		return other, true
	}
	if _, named := namedOperation(key); named {
		return "", false
	}
	methods, path := f.methods, key
	if method, rest, ok := strings.Cut(key, " "); ok {
		methods, path = []string{method}, rest
	}
	path = anySegments.ReplaceAllString(path, "x/x")
	path = anySegment.ReplaceAllString(path, "x")
	if strings.HasSuffix(path, "/") {
		path += "x/x" // a folder means all that is in it
	}
	path = strings.TrimSuffix(path, "{$}")
	for _, method := range methods {
		h, _ := f.mux.Handler(&http.Request{Method: method, URL: &url.URL{Path: path}})
		other, ok := h.(found)                     // and no redirect
		if ok && string(other) != method+" "+key { // which it was not for before either
			return string(other), true
		}
	}
	return "", false
}

// Segments of a pattern of http.ServeMux that stand for others.
var (
	anySegments = regexp.MustCompile(`\{[^/{}]+\.\.\.\}`)
	anySegment  = regexp.MustCompile(`\{[^/{}$]+\}`)
)
