package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
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
//
// Each line is a rule: its key, an equals sign with spaces around it, and what it asks for. That is
// "public", "optional", or scopes, "any token" and "bound token", joined by "and" or "or".
// Parentheses are needed where both occur. In front of all but "public", "report-only" stands for
// [Requirement.ReportOnly]. A scope that is one of these words, or holds a parenthesis, an equals
// sign or a number sign, stands in double quotes. What follows a number sign that begins a word is
// a comment. Lines end with LF or CR LF; the text is UTF-8, its rules ASCII. A comment must not
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
		p.tokens, p.err = ruleTokens(n, strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
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
// [ParseRules]: "read:orders and (admin or owner)". The error names the column of the fault.
func ParseRequirement(text string) (Requirement, error) {
	p := &ruleParser{line: 1}
	p.tokens, p.err = ruleTokens(1, text)
	req := p.need()
	if t, more := p.peek(); more { // check: requirement-text-end
		p.fail(t, "expected the end, not %q", t.text)
	}
	if p.err != nil {
		return Requirement{}, fmt.Errorf("auth: ParseRequirement: %w", p.err)
	}
	return req, nil
}

// A ruleToken is a word of a line.
type ruleToken struct {
	text   string
	column int
	quoted bool
}

// ruleTokens splits a line at spaces, tabs and parentheses, and drops its comment.
func ruleTokens(line int, text string) ([]ruleToken, error) {
	var tokens []ruleToken
	at := func(i int, format string, args ...any) error {
		return fmt.Errorf("line %d, column %d: %s", line, i+1, fmt.Sprintf(format, args...))
	}
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t':
			i++
		case c == '#':
			if !utf8.ValidString(text[i:]) {
				return nil, at(i, "a comment that is not UTF-8")
			}
			if hidden := strings.IndexFunc(text[i:], isDeceptive); hidden >= 0 { // check: rules-text-deceptive
				return nil, at(i+hidden, "a comment with a character that may look like the end of the line, or turns it around")
			}
			return tokens, nil
		case c == '(' || c == ')':
			tokens = append(tokens, ruleToken{string(c), i + 1, false})
			i++
		case c == '"':
			end := strings.IndexByte(text[i+1:], '"')
			if end < 0 {
				return nil, at(i, "a quote without its end")
			}
			tokens = append(tokens, ruleToken{text[i+1 : i+1+end], i + 1, true})
			i += end + 2
			if i < len(text) && !strings.ContainsRune(" \t()#", rune(text[i])) {
				return nil, at(i, "expected a space after the quote")
			}
		default:
			end := i
			for end < len(text) && strings.IndexByte(" \t()\"", text[end]) < 0 {
				if b := text[end]; b < ' ' || b > '~' { // check: rules-text-ascii
					return nil, at(end, "byte %#x is not printable ASCII", b)
				}
				end++
			}
			tokens = append(tokens, ruleToken{text[i:end], i + 1, false})
			i = end
		}
	}
	return tokens, nil
}

// isDeceptive reports whether r can make people see another text than the one that is read: control
// characters and the separators of lines, which many editors end a line at, so that what stands
// behind them looks like a rule and is a comment; and those that turn the direction of writing
// around.
func isDeceptive(r rune) bool {
	return r != '\t' && unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
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
	case !strings.Contains(words[len(words)-1], "/"):
		p.fail(key[len(key)-1], "expected a pattern with a slash, as in GET /orders or /pkg.Service/Method")
	case len(key) == 2 && strings.Trim(words[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "":
		p.fail(key[0], "expected a method in upper case, as in GET")
	case len(key) == 2 && !slices.Contains(methods, words[0]): // check: rules-text-method
		p.fail(key[0], "%q is no method of HTTP (one of IANA's registry, such as GET)", words[0])
	}
	req := p.need()
	if t, more := p.peek(); more { // check: rules-text-end
		p.fail(t, "expected \"and\", \"or\" or the end of the line, not %q", t.text)
	}
	return strings.Join(words, " "), req
}

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
	return join(joint, all)
}

// join is AllOf or AnyOf, or Scopes or AnyScope of nothing but scopes.
func join(joint string, all []Requirement) Requirement {
	var scopes []string
	for _, r := range all {
		if n := r.node; n.kind == kindAll && len(n.children) == 1 && n.children[0].kind == kindScope {
			scopes = append(scopes, n.children[0].scope)
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

// factor = "(" term ")" / "any" "token" / "bound" "token" / scope
func (p *ruleParser) factor(depth int) Requirement {
	t, ok := p.peek()
	if !ok {
		p.fail(t, "expected a scope, \"any token\", \"bound token\", \"optional\" or \"public\"")
		return Requirement{}
	}
	p.next++
	switch {
	case t.quoted && !isScope(t.text), !t.quoted && !isScope(t.text):
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

// isRuleWord reports whether s is a word of the text form.
func isRuleWord(s string) bool {
	switch s {
	case "and", "or", "any", "bound", "token", "optional", "public", "report-only", "(", ")", "=":
		return true
	}
	return false
}
