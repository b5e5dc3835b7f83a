package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ParseRules reads rules from text, for a file beside the program or inside it (go:embed):
//
//	# who may call what
//	GET /orders       = read:orders
//	POST /orders      = write:orders and (admin or owner)
//	GET /me           = any token
//	GET /catalogue    = optional
//	/healthz          = public
//	GET /stats        = report-only read:stats
//	/pkg.Svc/Method   = read:orders
//	DELETE /orders    = role:"Order Admin" and acr:urn:example:mfa and authenticated-within:5m
//	POST /nightly     = client:https://issuer.example|nightly-job
//	tools/call cancel = write:orders
//
// Each line is a rule: its key, an equals sign with spaces around it, and what it asks for. The key
// is an operation of HTTP, gRPC or the Model Context Protocol (adapters/mcpauth). What it asks for
// is "public", "optional", or scopes, "any token", "bound token" and the terms below, joined by
// "and" or "or". Parentheses are needed where both occur. In front of all but "public",
// "report-only" stands for [Requirement.ReportOnly].
//
// Terms with a colon are role:NAME, group:NAME, permission:NAME, issuer:NAME, user:ISSUER|SUBJECT
// and client:ISSUER|SUBJECT ([Subject]). Two more are acr:VALUE, or acr:"VALUE VALUE" for one of
// several, and authenticated-within:TIME, as in 5m. A name with a space, a parenthesis, or what is
// not printable ASCII stands in double quotes, with escapes as in Go.
//
// A scope stands in double quotes when it is one of these words, or begins with one and a colon. So
// does one with a parenthesis, an equals sign or a number sign. What only code can ask ("with a
// check": [Requirement.With], [Detail]) is refused. What follows a number sign that begins a word
// is a comment. Lines end with LF or CR LF; the text is UTF-8, its rules ASCII. A comment must not
// hold what could pass for the end of its line (a CR alone, U+2028). Nor may it turn the direction
// of writing around. People would see other rules.
//
// The error names every fault with its line and column, as "line 3, column 15: ...", both counted
// from 1, columns in bytes. No rules at all is an error.
func ParseRules(text string) (Rules, error) {
	rules := Rules{}
	lines := map[string]int{}
	var errs []error
	n := 0
	for line := range strings.Lines(text) {
		n++
		p := &ruleParser{line: n}
		p.tokens, p.err = ruleTokens(n, strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), true)
		if p.err == nil && len(p.tokens) == 0 {
			continue
		}
		key, req := p.rule()
		switch {
		case p.err != nil:
			errs = append(errs, p.err)
		case lines[key] > 0: // check: rules-text-twice
			errs = append(errs, fmt.Errorf("line %d, column %d: a second rule for %q, after line %d", n, p.tokens[0].column, key, lines[key]))
		default:
			lines[key] = n
			rules[key] = req
		}
	}
	if len(errs) == 0 && len(rules) == 0 {
		errs = append(errs, fmt.Errorf("line %d, column 1: no rules: every operation would be refused", max(n, 1)))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("auth: ParseRules: %w", errors.Join(errs...))
	}
	return rules, nil
}

// ParseRequirement reads what one operation asks for, as it stands behind the equals sign of
// [ParseRules]: "read:orders and (admin or owner)". It is for a value in a file of another format,
// which may join lines, as YAML does. So a comment is refused: it would hide what follows. The
// error names the column of the fault.
func ParseRequirement(text string) (Requirement, error) {
	p := &ruleParser{line: 1}
	p.tokens, p.err = ruleTokens(1, text, false)
	req := p.need()
	if t, more := p.peek(); more { // check: requirement-text-end
		p.failEnd(t, "the end")
	}
	if p.err != nil {
		return Requirement{}, fmt.Errorf("auth: ParseRequirement: %w", p.err)
	}
	return req, nil
}

// A ruleParser reads one line. It keeps the first fault.
type ruleParser struct {
	line   int
	tokens []ruleToken
	next   int
	err    error
}

func (p *ruleParser) fail(t ruleToken, format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("line %d, column %d: %s", p.line, t.column, fmt.Sprintf(format, args...))
	}
}

// failEnd refuses what stands behind a rule.
func (p *ruleParser) failEnd(t ruleToken, wanted string) {
	if t.text == "with" && !t.quoted { // check: rules-text-with
		p.fail(t, "\"with a check\" is what only code can ask (Requirement.With): text cannot")
	}
	p.fail(t, "expected %s, not %q", wanted, t.text)
}

// end is the place after the last word.
func (p *ruleParser) end() ruleToken {
	if len(p.tokens) == 0 {
		return ruleToken{column: 1}
	}
	last := p.tokens[len(p.tokens)-1]
	return ruleToken{column: last.column + len(last.text)}
}

func (p *ruleParser) peek() (ruleToken, bool) {
	if p.err != nil || p.next == len(p.tokens) {
		return p.end(), false
	}
	return p.tokens[p.next], true
}

// accept takes the next word when it is word, unquoted.
func (p *ruleParser) accept(word string) bool {
	if t, ok := p.peek(); ok && !t.quoted && t.text == word {
		p.next++
		return true
	}
	return false
}

// rule = [ METHOD ] pattern "=" need
func (p *ruleParser) rule() (string, Requirement) {
	equals := slices.IndexFunc(p.tokens, func(t ruleToken) bool { return !t.quoted && t.text == "=" })
	if p.err == nil && equals < 0 {
		p.fail(p.end(), `expected " = " and what the operation asks for`)
	}
	if p.err != nil {
		return "", Requirement{}
	}
	key := p.tokens[:equals]
	p.next = equals + 1
	var words []string
	for _, t := range key {
		if t.quoted || t.text == "(" || t.text == ")" { // check: rules-text-key
			p.fail(t, "expected a method and a pattern, or a pattern alone, before the equals sign")
		}
		words = append(words, t.text)
	}
	switch {
	case len(key) == 0:
		p.fail(p.tokens[equals], "expected an operation before the equals sign")
	case len(key) > 2:
		p.fail(key[2], "expected an equals sign: an operation is a method and a pattern, or a pattern alone")
	case len(key) == 2 && slices.Contains(namedOperations, words[0]):
	case !strings.Contains(words[len(words)-1], "/"):
		p.fail(key[len(key)-1], "expected a pattern with a slash, as in GET /orders or /pkg.Service/Method")
	case len(key) == 2 && strings.Trim(words[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "":
		p.fail(key[0], "expected a method in upper case, as in GET")
	case len(key) == 2 && !slices.Contains(methods, words[0]): // check: rules-text-method
		p.fail(key[0], "%q is no method of HTTP (one of IANA's registry, such as GET)", words[0])
	}
	req := p.need()
	if t, more := p.peek(); more { // check: rules-text-end
		p.failEnd(t, `"and", "or" or the end of the line`)
	}
	return strings.Join(words, " "), req
}

// namedOperations are the methods of the Model Context Protocol that a name follows, or a URI.
var namedOperations = []string{"tools/call", "prompts/get", "resources/read"}

// methods are those of IANA's registry (RFC 9110 §16.1.1).
var methods = strings.Fields("ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LINK LOCK MERGE MKACTIVITY MKCALENDAR " +
	"MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PATCH POST PRI PROPFIND PROPPATCH PUT QUERY REBIND REPORT SEARCH TRACE UNBIND " +
	"UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL")

// need = "public" / [ "report-only" ] ( "optional" / term )
func (p *ruleParser) need() Requirement {
	if p.err != nil {
		return Requirement{}
	}
	if p.accept("report-only") {
		t, _ := p.peek()
		req := p.need()
		if req.IsPublic() || req.isReportOnly() {
			// check: rules-text-report-only
			p.fail(t, "report-only stands once, before what is reported on: not %s", req)
		}
		if p.err != nil {
			return Requirement{}
		}
		return req.ReportOnly()
	}
	for word, req := range map[string]func() Requirement{"public": Public, "optional": Optional} {
		if p.accept(word) {
			if t, more := p.peek(); more { // check: rules-text-alone
				p.fail(t, "%s stands alone", word)
			}
			return req()
		}
	}
	return p.term(1)
}

// maxRuleDepth bounds how deep parentheses go.
const maxRuleDepth = 20

// term = factor *( "and" factor ) / factor *( "or" factor )
func (p *ruleParser) term(depth int) Requirement {
	all := []Requirement{p.factor(depth)}
	joint := ""
	for {
		t, more := p.peek()
		if !more || t.quoted || t.text != "and" && t.text != "or" {
			break
		}
		if joint != "" && t.text != joint { // check: rules-text-mixed
			p.fail(t, "expected %q: put parentheses where both \"and\" and \"or\" occur", joint)
		}
		joint = t.text
		p.next++
		all = append(all, p.factor(depth))
	}
	if p.err != nil {
		return Requirement{}
	}
	if len(all) == 1 {
		return all[0]
	}
	var nodes []*node
	for _, r := range all {
		nodes = append(nodes, r.node)
	}
	if _, ok := possibleACR(nodes); !ok && joint == "and" { // check: rules-text-acr-contradiction
		p.fail(p.tokens[p.next-1], "no token could have both values of acr")
		return Requirement{}
	}
	return join(joint, all)
}

// join is AllOf or AnyOf, or Scopes or AnyScope of nothing but scopes.
func join(joint string, all []Requirement) Requirement {
	var scopes []string
	for _, r := range all {
		if n := r.node; n.kind == kindAll && len(n.children) == 1 && n.children[0].kind == kindScope {
			scopes = append(scopes, n.children[0].name)
		}
	}
	switch {
	case len(scopes) == len(all) && joint == "and":
		return Scopes(scopes[0], scopes[1:]...)
	case len(scopes) == len(all):
		return AnyScope(scopes[0], scopes[1:]...)
	case joint == "and":
		return AllOf(all[0], all[1:]...)
	}
	return AnyOf(all[0], all[1:]...)
}

// factor = "(" term ")" / "any" "token" / "bound" "token" / kind ":" name / scope
func (p *ruleParser) factor(depth int) Requirement {
	t, ok := p.peek()
	if !ok {
		p.fail(t, "expected a scope, \"any token\", \"bound token\", \"optional\" or \"public\"")
		return Requirement{}
	}
	p.next++
	if _, _, ok := kindBefore(t.text); ok && (t.named || !t.quoted) { // check: rules-text-kind
		return p.named(t)
	}
	switch {
	case !isScope(t.text):
		p.fail(t, "%q is not a scope (RFC 6749 §3.3)", t.text)
	case t.quoted:
		return Scopes(t.text)
	case t.text == "(":
		if depth == maxRuleDepth {
			p.fail(t, "more than %d parentheses inside each other", maxRuleDepth)
			return Requirement{}
		}
		req := p.term(depth + 1)
		if end, _ := p.peek(); !p.accept(")") { // check: rules-text-parenthesis
			p.fail(end, "expected a closing parenthesis")
		}
		return req
	case t.text == "any" || t.text == "bound":
		if after, _ := p.peek(); !p.accept("token") {
			p.fail(after, `expected "token" after %q`, t.text)
		}
		if t.text == "bound" {
			return Bound()
		}
		return AnyToken()
	case !isRuleWord(t.text) && isRuleWord(strings.ToLower(t.text)): // check: rules-text-word-case
		p.fail(t, "expected %q in lower case, not %q: a scope of that name stands in quotes", strings.ToLower(t.text), t.text)
	case isRuleWord(t.text): // check: rules-text-word
		p.fail(t, "expected a scope, not %q: a scope of that name stands in quotes", t.text)
	case strings.ContainsAny(t.text, "=#"):
		p.fail(t, "a scope with %q in it stands in quotes", "=#"[strings.IndexAny("=#", t.text):][:1])
	default:
		return Scopes(t.text)
	}
	return Requirement{}
}

// named reads a term whose name stands behind a colon.
func (p *ruleParser) named(t ruleToken) Requirement {
	kind, name, _ := kindBefore(t.text)
	if t.named {
		name = t.name
	}
	issuer, subject, whole := strings.Cut(name, "|")
	switch {
	case !strings.HasPrefix(t.text, kind): // check: rules-text-kind-case
		p.fail(t, "expected %q in lower case: a scope of that name stands in quotes", kind+":")
	case !isName(name): // check: rules-text-name
		p.fail(t, "expected a name behind %q", kind+":")
	case !t.named && strings.ContainsAny(name, "=#\\"):
		p.fail(t, "a name with an equals sign, a number sign or a backslash stands in quotes")
	case kind == "role":
		return Role(name)
	case kind == "group":
		return Group(name)
	case kind == "permission":
		return Permission(name)
	case kind == "issuer":
		return Issuer(name)
	case kind == "user" || kind == "client":
		if whole && issuer != "" && subject != "" { // check: rules-text-subject
			return Subject(Identity{Issuer: issuer, Subject: subject, Client: kind == "client"})
		}
		p.fail(t, "expected %s:ISSUER|SUBJECT: a scope of that name stands in quotes", kind)
	case kind == "acr":
		values := strings.Split(name, " ")
		if !slices.ContainsFunc(values, func(s string) bool { return !isScope(s) }) { // check: rules-text-acr
			return ACR(values[0], values[1:]...)
		}
		p.fail(t, "expected values of acr, a space between them: printable ASCII without quote and backslash")
	case kind == "authenticated-within":
		d, err := time.ParseDuration(name)
		if err == nil && d >= time.Second && d%time.Second == 0 { // check: rules-text-within
			return AuthenticatedWithin(d)
		}
		p.fail(t, "expected a time of whole seconds, as in authenticated-within:5m")
	default: // detail
		p.fail(t, "%s:%s has a check, which only code can make (auth.Detail)", kind, name)
	}
	return Requirement{}
}

// isRuleWord reports whether s is a word of the text form.
func isRuleWord(s string) bool {
	switch s {
	case "and", "or", "any", "bound", "token", "optional", "public", "report-only", "(", ")", "=":
		return true
	}
	return false
}
