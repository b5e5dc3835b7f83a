package forwardauth

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	auth "github.com/bearward/bearward/middleware"
)

// A table finds the rule of a request as http.ServeMux does.
type table struct {
	exact  *http.ServeMux
	folded *http.ServeMux // of the same rules in lower case
	// cased tells that the two differ.
	cased bool
	// slashed are the paths that rules name with a slash behind them, in lower case, and all the
	// rest or nothing behind that. slashedNames tells that a rule does so whose path has names.
	slashed      map[string]bool
	slashedNames bool
	// ends are the last parts of the rules' paths that are no names, in lower case.
	ends       map[string]bool
	longestEnd int
	// literal has what search found for the paths that rules name as a whole.
	literal map[operation]*match
}

// An operation is what a match depends on.
type operation struct{ method, path string }

// A route is a rule in a ServeMux. It answers nothing: it tells a match that it was reached.
type route struct {
	key    string
	method string // "" for all
	path   string // if it is for one alone, decoded; "" if it is not
	bare   string // the pattern in lower case, with all names alike, before a slash at its end
	slash  bool   // there is one, which a name for all the rest may follow
	req    auth.Requirement
}

func (r *route) ServeHTTP(w http.ResponseWriter, reached *http.Request) {
	m := w.(*match)
	m.route, m.request = r, reached
}

// onlyPath is the path that a pattern is for, "" when it has names for parts of it.
func onlyPath(pattern string) string {
	path, err := url.PathUnescape(strings.TrimSuffix(pattern, "{$}"))
	if err != nil || strings.Contains(path, "{") { // check: literal-values
		return ""
	}
	return path
}

// A match is what a ServeMux found. It takes the answers of its redirects and drops them.
type match struct {
	route   *route        // noRoute where there is none
	request *http.Request // with its values of the path, nil when it has none
}

// noRoute stands for the rule of what no rule names. Its Requirement is zero.
var noRoute = new(route)

func (*match) Header() http.Header         { return http.Header{} }
func (*match) Write(p []byte) (int, error) { return len(p), nil }
func (*match) WriteHeader(int)             {}

// Param is for auth.PathValue.
func (m *match) Param(name string) string {
	if m.request == nil {
		return ""
	}
	return m.request.PathValue(name)
}

// find asks mux which route a request reaches. Match, request and URL are one allocation.
func find(mux *http.ServeMux, method, path string) *match {
	asked := new(struct {
		match
		request http.Request
		url     url.URL
	})
	asked.route = noRoute
	asked.url.Path = path
	asked.request = http.Request{Method: method, URL: &asked.url, RequestURI: path}
	mux.ServeHTTP(&asked.match, &asked.request)
	return &asked.match
}

// newTable returns a table of rules, or an error that names each that cannot be one.
func newTable(guard *auth.Guard, rules auth.Rules) (*table, error) {
	if err := rules.Validate(); err != nil {
		return nil, fmt.Errorf("forwardauth: %w", err)
	}
	t := &table{exact: http.NewServeMux(), folded: http.NewServeMux(), slashed: map[string]bool{}, ends: map[string]bool{}, literal: map[operation]*match{}}
	var errs []error
	var routes []*route
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		if err := guard.CanEnforce(rules[key]); err != nil { // check: rule-enforceable
			errs = append(errs, fmt.Errorf("forwardauth: rule %q: %w", key, err))
			continue
		}
		r, err := t.add(key, rules[key])
		if err != nil {
			errs = append(errs, fmt.Errorf("forwardauth: rule %q: %w", key, err))
			continue
		}
		routes = append(routes, r)
	}
	for _, r := range routes {
		t.addLiteral(r)
	}
	return t, errors.Join(errs...)
}

// add puts a rule into both multiplexers.
func (t *table) add(key string, req auth.Requirement) (*route, error) {
	method, pattern, ok := strings.Cut(key, " ")
	if !ok {
		method, pattern = "", key
	}
	if !strings.HasPrefix(pattern, "/") { // check: rule-host
		return nil, errors.New("a pattern begins with a slash: the host is in Options.For")
	}
	if service, grpc := strings.CutSuffix(pattern, "/*"); grpc {
		pattern = service + "/{method}"
	}
	r := &route{key: key, method: method, path: onlyPath(pattern), req: req}
	r.bare = parameter.ReplaceAllString(strings.TrimSuffix(foldPattern(pattern), "{$}"), "{")
	r.bare, r.slash = strings.CutSuffix(strings.TrimSuffix(r.bare, "{...}"), "/")
	if text := handle(t.exact, method, pattern, r); text != "" {
		return nil, errors.New(text)
	}
	if text := handle(t.folded, method, foldPattern(pattern), r); text != "" { // check: rule-case
		return nil, fmt.Errorf("without regard to case, %s", text)
	}
	t.cased = t.cased || foldPattern(pattern) != pattern
	if bare, err := url.PathUnescape(r.bare); err != nil || strings.Contains(r.bare, "{") {
		t.slashedNames = t.slashedNames || r.slash
	} else if r.slash {
		t.slashed[bare] = true
	}
	if end, err := url.PathUnescape(r.bare[strings.LastIndexByte(r.bare, '/')+1:]); err == nil {
		t.ends[end] = true
		t.longestEnd = max(t.longestEnd, len(end))
	}
	return r, nil
}

// addLiteral keeps what search finds for the one path of a rule, so that it is searched for once.
// All rules must have been added.
func (t *table) addLiteral(r *route) {
	methods := []string{r.method}
	switch r.method {
	case "":
		methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	case http.MethodGet:
		methods = append(methods, http.MethodHead)
	}
	if r.path == "" {
		return
	}
	for _, method := range methods {
		if m, ok := t.search(method, r.path); ok && m.route == r {
			t.literal[operation{method, r.path}] = &match{route: r}
		}
	}
}

// handle returns what mux panics with where it cannot take a pattern.
func handle(mux *http.ServeMux, method, pattern string, r *route) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text, _, _ = strings.Cut(fmt.Sprint(v), "\n")
			text = registered.ReplaceAllString(strings.TrimSuffix(text, ":"), "")
		}
	}()
	mux.Handle(strings.TrimLeft(method+" "+pattern, " "), r)
	return ""
}

// parameter is a name in a pattern. Those of one part of the path differ from those of all the
// rest.
var parameter = regexp.MustCompile(`\{[^{}.]+`)

// registered is a line of this package, which says nothing to who wrote the rules.
var registered = regexp.MustCompile(` \(registered at [^)]*\)`)

// fold writes a path in lower case, and letters that some take for ASCII's, too: the dotless i and
// the long s have their capitals (Python's re.IGNORECASE, Java's equalsIgnoreCase).
func fold(path string) string {
	if strings.ContainsFunc(path, func(c rune) bool { return c >= utf8.RuneSelf }) {
		path = strings.ToUpper(path) // check: path-fold
	}
	return strings.ToLower(path)
}

// foldPattern writes the literal parts of a pattern in lower case.
func foldPattern(pattern string) string {
	parts := strings.Split(pattern, "/")
	for i, p := range parts {
		if literal, err := url.PathUnescape(p); err == nil && !strings.HasPrefix(p, "{") {
			parts[i] = url.PathEscape(fold(literal))
		}
	}
	return strings.Join(parts, "/")
}

// find returns the rule of a request, a match with noRoute when there is none. It is false where a
// router that reads less of the path would choose another rule.
func (t *table) find(method, path string) (m *match, ok bool) {
	if m := t.literal[operation{method, path}]; m != nil {
		return m, true
	}
	return t.search(method, path)
}

// search is find, by as many questions as it takes.
func (t *table) search(method, path string) (m *match, ok bool) {
	m = find(t.exact, method, path)
	if m.route == noRoute {
		return m, true
	}
	folded := fold(path)
	if t.cased || folded != path {
		if other := find(t.folded, method, folded); other.route != m.route { // check: path-case
			return m, false
		}
	}
	if m.route.path == path || path == "/" {
		return m, true
	}
	return m, t.isClear(method, folded, m.route)
}

// isClear reports whether routers choose the same rule for a path in lower case that stop at what
// may begin a query, ignore the last slash, and take what follows a dot for a format. Each may do
// so in addition to those before.
func (t *table) isClear(method, path string, r *route) bool {
	if t.hasOtherWithSlash(method, path, r) { // check: path-no-slash
		return false
	}
	if i := strings.IndexAny(path, "?#"); i > 0 {
		path = path[:i]
		if t.hasOther(method, path, r) { // check: path-query
			return false
		}
	}
	if without, slash := strings.CutSuffix(path, "/"); slash && without != "" {
		path = without
		if t.hasOther(method, path, r) { // check: path-last-slash
			return false
		}
	}
	return t.isClearOfFormats(method, path, r)
}

// isClearOfFormats reports whether routers choose the same rule for a path in lower case that take
// for a format what follows a dot of its last part: the last dot (Rails), or the first (Spring,
// Restlet). What no rule ends in has one rule, wherever it is cut, and is asked about once.
func (t *table) isClearOfFormats(method, path string, r *route) bool {
	segment := strings.LastIndexByte(path, '/') + 1
	begin := len(path) - len(strings.TrimLeft(path[segment:], "."))
	asked := false
	for i := begin + 1; i < len(path) && (!asked || i-segment <= t.longestEnd); i++ {
		if path[i] != '.' || asked && !t.ends[path[segment:i]] {
			continue
		}
		if asked = true; t.hasOther(method, path[:i], r) { // check: path-format
			return false
		}
	}
	return true
}

// hasOther reports whether a path in lower case has another rule than r, as it is or with a slash
// behind it.
func (t *table) hasOther(method, path string, r *route) bool {
	other := find(t.folded, method, path).route
	return other != noRoute && other != r || t.hasOtherWithSlash(method, path, r) // check: path-cut-no-slash
}

// hasOtherWithSlash reports whether a rule that ends in a slash is for a path in lower case with
// one behind it, and not r, which is not the same rule without the slash either.
func (t *table) hasOtherWithSlash(method, path string, r *route) bool {
	if !t.slashedNames && !t.slashed[path] {
		return false
	}
	other := find(t.folded, method, path+"/").route
	return other != r && other.slash && other.bare != r.bare && strings.Count(other.bare, "/") == strings.Count(path, "/")
}
