// Package rules is what `bearward rules` says of rules in the text form of auth.ParseRules: what is
// wrong with them, and who gains and who loses access from one text to the next.
package rules

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// A Remark is about one line of a text.
type Remark struct {
	Line   int    `json:"line"`   // from 1
	Column int    `json:"column"` // from 1, in bytes
	Fault  bool   `json:"fault"`  // false: a warning
	Text   string `json:"text"`
}

// Check reads rules, and returns every fault of the text, or else what is worth a second look, by
// line. With a fault the Rules are nil.
func Check(text string) (auth.Rules, []Remark) {
	rules, err := auth.ParseRules(text)
	if err != nil {
		return nil, faults(err)
	}
	w := warner{rules: rules, patterns: map[string]place{}, names: map[string]place{}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		one, err := auth.ParseRules(line)
		if err != nil { // the text has no fault: this line has no rule
			continue
		}
		for key, req := range one {
			w.look(n, 1+len(line)-len(strings.TrimLeft(line, " \t")), key, req)
		}
	}
	return rules, w.remarks
}

// faults are what ParseRules says: an error for each, which begins with its place.
func faults(err error) (all []Remark) {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []Remark{{Fault: true, Text: err.Error()}}
	}
	for _, one := range joined.Unwrap() {
		r := Remark{Fault: true, Text: one.Error()}
		if place, text, ok := strings.Cut(r.Text, ": "); ok {
			if _, err := fmt.Sscanf(place, "line %d, column %d", &r.Line, &r.Column); err == nil {
				r.Text = text
			}
		}
		all = append(all, r)
	}
	return all
}

// A place is where something stood first.
type place struct {
	line int
	what string
}

// A warner collects what is worth a second look.
type warner struct {
	rules    auth.Rules
	patterns map[string]place // by the key without the names of parameters
	names    map[string]place // scopes, roles and the like, in lower case
	remarks  []Remark
}

func (w *warner) look(line, column int, key string, req auth.Requirement) {
	warn := func(format string, args ...any) {
		w.remarks = append(w.remarks, Remark{Line: line, Column: column, Text: fmt.Sprintf(format, args...)})
	}
	if req.IsPublic() {
		warn("%s is public: everybody may call it, and a token is not looked at", key)
	}
	if strings.HasPrefix(req.String(), "report-only ") {
		warn("%s is report-only: nobody is refused yet", key)
	}
	if other, ok := wider(w.rules, key); ok && w.rules[other].String() == req.String() {
		warn("%s says what %s says already", key, other)
	}
	shape := key
	if _, ok := namedOperation(key); !ok { // templates of URIs may differ in that: all that match are asked
		shape = parameter.ReplaceAllString(key, "/{}")
	}
	if first, ok := w.patterns[shape]; ok {
		warn("%s differs from line %d in the names of parameters alone: no router has both, and one is never asked", key, first.line)
	} else {
		w.patterns[shape] = place{line, key}
	}
	for _, kind := range []string{"scope", "role", "group", "permission"} {
		for _, name := range req.Names(kind) {
			folded := kind + ":" + strings.ToLower(name)
			first, ok := w.names[folded]
			if !ok {
				w.names[folded] = place{line, name}
			} else if first.what != name {
				warn("the %s %q differs from %q of line %d in case alone: they are two", kind, name, first.what, first.line)
			}
		}
	}
}

// parameter is a segment of a path that stands for any: {id} and {id...} of net/http and chi, :id
// and *path of Echo and gin.
var parameter = regexp.MustCompile(`/(\{[^/]*\}|:[^/]+|\*[^/]*)`)

// namedOperation returns the method of a key of the Model Context Protocol that has a name.
func namedOperation(key string) (method string, ok bool) {
	method, _, ok = strings.Cut(key, " ")
	return method, ok && strings.Contains(method, "/")
}

// wider returns the key whose rule counts where the one of key is missing: the pattern for all
// methods, the whole gRPC service, or the tools and prompts without a rule of their own.
func wider(rules auth.Rules, key string) (string, bool) {
	other := key
	if method, ok := namedOperation(key); ok {
		other = method + " *"
	} else if _, pattern, ok := strings.Cut(key, " "); ok {
		other = pattern
	} else if i := strings.LastIndexByte(key, '/'); i > 0 && strings.Contains(key[:i], ".") && strings.Count(key, "/") == 2 {
		other = key[:i] + "/*"
	}
	if _, ok := rules[other]; !ok || other == key {
		return "", false
	}
	return other, true
}

// Keys returns the operations of rules in the order of Rules.Table: by pattern, then by method.
func Keys(rules auth.Rules) []string {
	keys := make([]string, 0, len(rules))
	for key := range rules {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(order(a), order(b)) })
	return keys
}

func order(key string) string {
	if method, pattern, ok := strings.Cut(key, " "); ok {
		return pattern + " " + method
	}
	return key
}
