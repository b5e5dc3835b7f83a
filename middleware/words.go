package auth

import (
	"strconv"
	"strings"
	"time"
)

// String returns r in words, for tables of who may call what: "read:orders and (admin or
// role:owner)". A scope that is one of these words, or "nobody", is between quotes: the scope
// "public" opens nothing. So are other names that would be read otherwise, with escapes as in Go.
func (r Requirement) String() string {
	n := r.now().node
	if n == nil {
		return "nobody"
	}
	words, _ := n.words(false)
	return words
}

// word returns what stands before the colon of a term, "" for one without.
func (k nodeKind) word() string {
	switch k {
	case kindRole:
		return "role"
	case kindGroup:
		return "group"
	case kindPermission:
		return "permission"
	case kindIssuer:
		return "issuer"
	case kindACR:
		return "acr"
	case kindWithin:
		return "authenticated-within"
	case kindDetail:
		return "detail"
	}
	return ""
}

// word is the kind of what n names, "" when it names nothing.
func (n *node) word() string {
	switch {
	case n.kind == kindScope:
		return "scope"
	case n.kind == kindSubject && n.subject.Client:
		return "client"
	case n.kind == kindSubject:
		return "user"
	}
	return n.kind.word()
}

// ruleKinds are the words of the text form before a colon.
var ruleKinds = []string{"role", "group", "permission", "user", "client", "issuer", "acr", "authenticated-within", "detail"}

// kindBefore returns the word of ours that s begins with, in whatever case, and what stands behind
// its colon.
func kindBefore(s string) (kind, value string, ok bool) {
	head, value, found := strings.Cut(s, ":")
	for _, kind := range ruleKinds {
		if found && strings.EqualFold(head, kind) {
			return kind, value, true
		}
	}
	return "", "", false
}

// words returns n in words, between parentheses where it is nested and they are needed, and whether
// ParseRules reads them as n.
func (n *node) words(nested bool) (words string, parsable bool) {
	switch n.kind {
	case kindScope:
		return quotedScope(n.name), true
	case kindToken:
		return "any token", true
	case kindOptional:
		return "optional", true
	case kindPublic:
		return "public", true
	case kindBound:
		return "bound token", true
	case kindRole, kindGroup, kindPermission, kindIssuer:
		return n.word() + ":" + quotedName(n.name), true
	case kindSubject:
		return n.word() + ":" + quotedName(n.subject.Issuer+"|"+n.subject.Subject), true
	case kindACR:
		return "acr:" + quotedName(strings.Join(n.acr, " ")), true
	case kindWithin:
		return n.word() + ":" + inWords(n.within), true
	case kindDetail:
		return "detail:" + quotedName(n.name) + " with a check", false
	case kindReportOnly:
		words, parsable = n.children[0].words(false)
		return "report-only " + words, parsable
	case kindWith:
		words, _ = n.children[0].words(true)
		return words + " with a check", false
	case kindLive:
		return n.live().String(), false
	}
	if len(n.children) == 1 {
		return n.children[0].words(nested)
	}
	joint := " and "
	if n.kind == kindAny {
		joint = " or "
	}
	parsable = true
	var parts []string
	for _, c := range n.children {
		part, ok := c.words(true)
		parts, parsable = append(parts, part), parsable && ok
	}
	words = strings.Join(parts, joint)
	if nested {
		words = "(" + words + ")"
	}
	return words, parsable
}

// quotedScope returns a scope as text: between quotes where it would be taken for a word of ours.
func quotedScope(scope string) string {
	_, _, ours := kindBefore(scope)
	if ours || isRuleWord(strings.ToLower(scope)) || scope == "nobody" || strings.ContainsAny(scope, "()=#") { // check: scope-quoted
		return `"` + scope + `"`
	}
	return scope
}

// quotedName returns a name as it stands behind a colon: between quotes where it has what ends a
// word, or what text must not hold.
func quotedName(name string) string {
	if isScope(name) && !strings.ContainsAny(name, "()=#") { // check: name-quoted
		return name
	}
	return strconv.QuoteToASCII(name)
}

// inWords returns a time as time.ParseDuration reads it, without what is zero: "5m".
func inWords(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
