package mcpauth

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/yosida95/uritemplate/v3"

	auth "github.com/bearward/bearward/middleware"
)

// The methods whose operations have a name.
const (
	callTool     = "tools/call"
	getPrompt    = "prompts/get"
	readResource = "resources/read"
)

// responseKey is the key of the rule for the client's answers to the server, which have no method.
const responseKey = "response"

// Protocol returns rules for what every client of the protocol sends, whatever the server offers:
// any token. They are for the handshake, the notifications, the log level, and the lists of tools,
// prompts and resources. They are also for answers to questions of the server, and the session's
// stream and end. Calls of tools, reading of resources, prompts, subscriptions and completions are
// not among them: add rules of your own. The map is the caller's.
func Protocol() auth.Rules {
	rules := make(auth.Rules)
	for _, key := range []string{
		"initialize", "server/discover", "ping", "notifications/initialized", "notifications/cancelled", "notifications/progress",
		"notifications/roots/list_changed", "tools/list", "prompts/list", "resources/list", "resources/templates/list",
		"logging/setLevel", responseKey, "GET", "DELETE",
	} {
		rules[key] = auth.AnyToken()
	}
	return rules
}

// An operation is what a message asks for. It is comparable: Enforce compares two of them.
type operation struct {
	method string // "" for a response
	name   string // of the tool or prompt, or the resource's URI; "" for methods without
}

func isNamed(method string) bool {
	return method == callTool || method == getPrompt || method == readResource
}

// A rule is one row of a table.
type rule struct {
	key         string
	requirement auth.Requirement
}

// unruled denies every request; hooks are told no operation, since its name is the caller's.
var unruled = []rule{{}}

// A template is a rule for all the URIs that match it.
type template struct {
	rule
	matches *regexp.Regexp
}

// A table finds the rules of an operation.
type table struct {
	rules     auth.Rules
	templates []template // sorted by key
}

func newTable(rules auth.Rules) (*table, error) {
	if err := rules.Validate(); err != nil {
		return nil, err
	}
	t := &table{rules: maps.Clone(rules)}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		method, name, hasName := strings.Cut(key, " ")
		if isNamed(method) != hasName || hasName && name == "" || method == readResource && name == "*" { // check: rule-form
			errs = append(errs, fmt.Errorf("rule %q is none of tools/call NAME, prompts/get NAME, resources/read URI and METHOD", key))
			continue
		}
		if method != readResource || !strings.Contains(name, "{") {
			continue
		}
		uri, err := uritemplate.New(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %q is no URI template: %w", key, err))
			continue
		}
		t.templates = append(t.templates, template{rule{key, rules[key]}, uri.Regexp()})
	}
	return t, errors.Join(errs...)
}

// find returns the rules that the operation must meet, every one of them. There is at least one.
func (t *table) find(op operation) []rule {
	key := op.method
	switch {
	case op.method == "":
		key = responseKey
	case isNamed(op.method):
		key += " " + op.name
	case op.method == responseKey || op.method == "GET" || op.method == "DELETE": // check: method-in-disguise
		return unruled
	}
	return t.byKey(key)
}

// byKey is find for the key of an operation.
func (t *table) byKey(key string) []rule {
	if req, ok := t.rules[key]; ok {
		return []rule{{key, req}}
	}
	var all []rule
	if method, uri, _ := strings.Cut(key, " "); method == readResource {
		for _, t := range t.templates {
			if t.matches.MatchString(uri) {
				all = append(all, t.rule)
			}
		}
	} else if req, ok := t.rules[method+" *"]; ok {
		all = []rule{{method + " *", req}}
	}
	if len(all) == 0 { // check: no-rule
		return unruled
	}
	return all
}

// takesAnonymous reports whether a request without a token may meet the requirement.
func takesAnonymous(req auth.Requirement) bool {
	return req.IsPublic() || req.IsOptional() || strings.HasPrefix(req.String(), "report-only ")
}

// anonymous reports whether some operation takes requests without a token.
func (t *table) anonymous() bool {
	for _, req := range t.rules {
		if takesAnonymous(req) {
			return true
		}
	}
	return false
}

// scopes returns the scopes that the rules ask for, some of them several times.
func (t *table) scopes() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, req := range t.rules {
			for _, scope := range req.Names("scope") {
				if !yield(scope) {
					return
				}
			}
		}
	}
}
