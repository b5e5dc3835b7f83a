package authtest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// An attempt asks for an operation in another way than the plain one.
type attempt struct {
	row, what string
	// ask returns the request for what stands at a path: the operation's, or that of a path where
	// nothing is.
	ask func(path string) request
	// names are the headers of the request of which one may be the hole.
	names []string
	// plain returns the request without what it adds, nil where that is the operation's own.
	plain func(path string) request
	// elsewhere is true when the request may reach a route of another path.
	elsewhere bool
}

// A holder is who makes an attempt.
type holder struct{ what, token string }

func (h holder) tokens() []string {
	if h.token == "" {
		return nil
	}
	return []string{h.token}
}

// bypassAttempts asks for the operation in other ways, without a token and with one that is good
// for all the API but this operation. None may reach a handler, unless a rule says that it is open
// to that caller.
func (a *assertion) bypassAttempts() {
	a.tb.Helper()
	poor := holder{"with an expired token", a.issuer.Token(a.everyScope(), append(a.bound(), Expired)...)}
	if scopes := a.poorScopes(); a.refusalOf(a.token(strings.Join(scopes, " ")), a.need) != nil {
		poor = holder{fmt.Sprintf("with a good token of scopes %q", scopes), a.token(strings.Join(scopes, " "))}
	}
	short := a.claims.Short()
	for _, what := range slices.Sorted(maps.Keys(short)) {
		if token := a.tokenWith(a.everyScope(), short[what]); a.refusalOf(token, a.need) != nil {
			poor = holder{"with a good token of every scope, " + what, token}
			break
		}
	}
	var more []string
	failed := 0
	for _, t := range slices.Concat(a.methods(), a.overrides(), a.otherURLs(), a.otherHosts(), a.identities(), a.kinds(), a.otherPaths()) {
		for _, h := range []holder{{"without a token", ""}, poor} {
			got, passed := a.passes(t, h)
			if !passed {
				continue
			}
			at := a.pattern + " " + t.what
			if a.told[at] { // by another rule for the same path
				break
			}
			a.told[at] = true
			if failed++; failed > mostLines {
				more = append(more, t.what)
				break
			}
			what := a.narrow(t, h)
			reached := "a handler was reached"
			if a.stable && a.reference != nil && alike(got, *a.reference) {
				reached = "the answer to a good token, so the guard was not asked"
			}
			a.failf(t.row, what+", "+h.what, "got %s: %s; want it refused: the rule is %s", got, reached, a.need)
			break
		}
	}
	if len(more) > 0 {
		a.failf("O-11", fmt.Sprintf("%d more ways around the guard", len(more)), "%s", strings.Join(more, "; "))
	}
}

// narrow returns what of the attempt is the hole.
func (a *assertion) narrow(t attempt, h holder) string {
	a.tb.Helper()
	for _, name := range t.names {
		one := t
		one.ask = func(path string) request {
			q := t.ask(path)
			for _, other := range t.names {
				if other != name {
					q.header = maps.Clone(q.header)
					delete(q.header, other)
				}
			}
			return q
		}
		if _, passed := a.passes(one, h); passed {
			return fmt.Sprintf("%s, by the header %s: %s", t.what, name, one.ask(a.path).header[name])
		}
	}
	return t.what
}

// passes makes an attempt and reports whether it passed the guard.
func (a *assertion) passes(t attempt, h holder) (reply, bool) {
	a.tb.Helper()
	q := t.ask(a.path)
	got := a.send(q, h.tokens()...)
	like := a.stable && a.reference != nil && alike(got, *a.reference)
	switch {
	case got.status == 401 || got.status == 403 || !got.reached() && !like:
		return got, false
	case q.method == http.MethodOptions && isAutomatic(got) && !(like && len(got.body) > 0):
		return got, false
	case t.elsewhere && a.stable && !like && got.status < 500: // another route's, which its own rule is asked about
		return got, false
	}
	if t.plain != nil && same(got, a.send(t.plain(a.path), h.tokens()...)) {
		return got, false // it has no effect
	}
	return got, !a.isAnothers(q, h, got, like) && !a.isFallback(t, h, got)
}

// isAutomatic reports whether an answer to OPTIONS is what a router or CORS makes of it (RFC 9110
// §9.3.7).
func isAutomatic(r reply) bool {
	if r.status >= 500 || len(r.body) > 0 {
		return false
	}
	for name := range r.header {
		if name == "Allow" || strings.HasPrefix(name, "Access-Control-") {
			return true
		}
	}
	return false
}

// isAnothers reports whether the answer may be that of another rule's route, to which the caller
// has a right.
func (a *assertion) isAnothers(q request, h holder, got reply, like bool) bool {
	a.tb.Helper()
	methods := []string{cmp.Or(q.method, a.method)}
	if methods[0] == http.MethodHead {
		methods = append(methods, http.MethodGet)
	}
	paths := []string{cmp.Or(q.path, a.path)}
	for _, value := range q.header {
		if strings.HasPrefix(value, "/") {
			paths = append(paths, value)
		} else {
			methods = append(methods, value)
		}
	}
	for _, text := range []string{paths[0], q.form} {
		if _, value, ok := strings.Cut(text, "_method="); ok {
			methods = append(methods, value)
		}
	}
	for key, o := range a.operations {
		if key == a.key || !o.mayServe(methods, paths) {
			continue
		}
		admitted := o.need.IsPublic() || o.need.IsOptional() && h.token == "" || h.token != "" && a.refusalOf(h.token, o.need) == nil
		if admitted && !like {
			return true
		}
		other := &assertion{kit: a.kit, operation: o} // if it has a hole, its own rule is asked about that
		if same(got, other.send(request{}, h.tokens()...)) {
			return true
		}
	}
	return false
}

// isFallback reports whether a path where nothing is gets that answer, too: from a page at "/" or
// "/api/", a NotFound handler, or the fallback of a single-page application.
func (a *assertion) isFallback(t attempt, h holder, got reply) bool {
	a.tb.Helper()
	bare, query, _ := strings.Cut(a.path, "?")
	for i := range len(bare) {
		if bare[i] != '/' {
			continue
		}
		nothing := bare[:i+1] + noSuchPath(len(bare)-i-1) // as long, since a page may show its path
		if a.mayServe([]string{a.method}, []string{nothing}) {
			continue
		}
		if query != "" {
			nothing += "?" + query
		}
		q := t.ask(nothing)
		there := a.send(q, h.tokens()...)
		if alike(got, there) {
			return true
		}
		if got.status == there.status && got.mediaType() == there.mediaType() && !alike(there, a.send(q, h.tokens()...)) {
			return true // a page that is another each time
		}
	}
	return false
}

// noSuchPath returns n bytes that are no part of a path.
func noSuchPath(n int) string {
	const text = "bearward-no-such-path"
	return strings.Repeat(text, n/len(text)+1)[:max(n, 1)]
}
