package rules

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// A side is one of two sets of rules, parsed for what counts where an operation has no rule.
type side struct {
	rules    auth.Rules
	patterns []pattern // of HTTP and gRPC
	methods  []string  // that the patterns name
}

// A pattern is a key as http.ServeMux, and so `bearward forward`, understands it.
type pattern struct {
	key, method string
	segments    []segment
}

// A segment is a part of a path: a text, or what stands for any, or for all that follow.
type segment struct {
	text      string
	any, rest bool
}

func newSide(rules auth.Rules) *side {
	s := &side{rules: rules}
	for _, key := range Keys(rules) {
		if p, ok := parsePattern(key); ok {
			s.patterns = append(s.patterns, p)
			if p.method != "" && !slices.Contains(s.methods, p.method) {
				s.methods = append(s.methods, p.method)
			}
		}
	}
	return s
}

func parsePattern(key string) (p pattern, ok bool) {
	method, path, ok := strings.Cut(key, " ")
	if !ok {
		method, path = "", key
	}
	if !strings.HasPrefix(path, "/") { // an operation of MCP, or a host
		return pattern{}, false
	}
	p = pattern{key: key, method: method}
	parts := strings.Split(path[1:], "/")
	for i, part := range parts {
		last := i == len(parts)-1
		switch {
		case part == "{$}":
			p.segments = append(p.segments, segment{})
		case last && (part == "" || strings.HasSuffix(part, "...}")):
			p.segments = append(p.segments, segment{rest: true})
		case last && part == "*", strings.HasPrefix(part, "{"): // the star is a service's of gRPC
			p.segments = append(p.segments, segment{any: true})
		default:
			text, err := url.PathUnescape(part)
			if err != nil {
				return pattern{}, false
			}
			p.segments = append(p.segments, segment{text: text})
		}
	}
	return p, true
}

// covers reports whether p is for every path that q is for.
func (p *pattern) covers(q *pattern) bool {
	for i, s := range p.segments {
		if i == len(q.segments) {
			return false
		}
		other := q.segments[i]
		switch {
		case s.rest:
			return true
		case other.rest,
			s.any && !other.any && other.text == "", // the slash at the end is no segment
			!s.any && (other.any || s.text != other.text):
			return false
		}
	}
	return len(p.segments) == len(q.segments)
}

// accepts returns how closely p's method fits that of a request: 0 is not at all.
func (p *pattern) accepts(method string) int {
	switch {
	case p.method == method && method != "":
		return 3
	case p.method == http.MethodGet && method == http.MethodHead:
		return 2
	case p.method == "":
		return 1
	}
	return 0
}

// counts returns what counts for an operation, which the other side has a rule for.
func (s *side) counts(key string, other *side) []Rule {
	if req, ok := s.rules[key]; ok {
		return []Rule{{"", req.String(), req}}
	}
	p, ok := parsePattern(key)
	if !ok {
		by, _ := wider(s.rules, key)
		return []Rule{s.rule(by)}
	}
	methods := []string{p.method}
	switch p.method {
	case http.MethodGet:
		methods = append(methods, http.MethodHead)
	case "":
		methods = slices.Concat(s.methods, other.methods, methods) // the last is any that is not named
	}
	var all []Rule
	for _, method := range methods {
		if s.hasCloser(&p, method) || other.hasCloser(&p, method) {
			continue // which is another change, or none
		}
		by := s.next(&p, method)
		if !slices.ContainsFunc(all, func(r Rule) bool { return r.Operation == by }) {
			all = append(all, s.rule(by))
		}
	}
	return all
}

// hasCloser reports whether there is a rule for the paths of p that fits a method more closely.
func (s *side) hasCloser(p *pattern, method string) bool {
	return slices.ContainsFunc(s.patterns, func(q pattern) bool {
		return q.accepts(method) > p.accepts(method) && q.covers(p) && p.covers(&q)
	})
}

// rule returns that of a key, and no rule of none.
func (s *side) rule(key string) Rule {
	if key == "" {
		return Rule{}
	}
	return Rule{key, s.rules[key].String(), s.rules[key]}
}

// next returns the key whose rule counts for requests with a method that p would be for: of the
// patterns that cover p, the one that the others cover.
func (s *side) next(p *pattern, method string) string {
	var best *pattern
	for i := range s.patterns {
		q := &s.patterns[i]
		if q.accepts(method) == 0 || !q.covers(p) {
			continue
		}
		if best == nil || best.covers(q) && (!q.covers(best) || q.accepts(method) > best.accepts(method)) {
			best = q
		}
	}
	if best == nil {
		return ""
	}
	return best.key
}
