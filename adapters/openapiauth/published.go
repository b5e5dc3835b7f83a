package openapiauth

import (
	"fmt"
	"slices"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// published returns what security can say of a requirement that needs a token: its alternatives,
// each with its scopes, and what they come to. What else an alternative asks for is left out, so
// that the requirement never asks for less than what is published. Without withScopes it asks for
// any token.
func published(need auth.Requirement, withScopes bool) (view auth.Requirement, all [][]string, err error) {
	p := &wordsParser{rest: need.String()}
	found, err := p.any()
	if err != nil {
		return view, nil, err
	}
	if p.rest != "" {
		return view, nil, fmt.Errorf("cannot say %q", need)
	}
	var each []auth.Requirement
	for _, scopes := range found {
		if !withScopes {
			scopes = nil
		}
		if slices.ContainsFunc(all, func(other []string) bool { return slices.Equal(other, scopes) }) {
			continue
		}
		all = append(all, scopes)
		if len(scopes) == 0 {
			each = append(each, auth.AnyToken())
		} else {
			each = append(each, auth.Scopes(scopes[0], scopes[1:]...))
		}
	}
	if len(each) == 1 {
		return each[0], all, nil
	}
	return auth.AnyOf(each[0], each[1:]...), all, nil
}

// A wordsParser reads a requirement's own words, which are well formed, as alternatives of scopes.
type wordsParser struct{ rest string }

// any reads alternatives.
func (p *wordsParser) any() (all [][]string, err error) {
	for {
		more, err := p.every()
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
		if !p.accept(" or ") {
			return all, nil
		}
	}
}

// every reads terms that are all asked for: each alternative of one goes with each of the others.
func (p *wordsParser) every() ([][]string, error) {
	all := [][]string{nil}
	for {
		more, err := p.term()
		if err != nil {
			return nil, err
		}
		var both [][]string
		for _, x := range all {
			for _, y := range more {
				both = append(both, union(slices.Clone(x), y))
			}
		}
		if all = both; len(all) > maxTerms { // check: published-product
			return nil, fmt.Errorf("more than %d alternatives when it is multiplied out", maxTerms)
		}
		if !p.accept(" and ") {
			return all, nil
		}
	}
}

// term reads one term: the scope that it asks for, or none.
func (p *wordsParser) term() ([][]string, error) {
	if p.accept("(") {
		all, err := p.any()
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("cannot say %q", p.rest)
		}
		return all, err
	}
	word := p.word()
	need, err := auth.ParseRequirement(word)
	if err != nil {
		return nil, fmt.Errorf("cannot say %q", word)
	}
	return [][]string{need.Names("scope")}, nil
}

// word takes the text of a term: up to a space or a parenthesis outside quotes.
func (p *wordsParser) word() string {
	end, quoted := 0, false
	for ; end < len(p.rest); end++ {
		c := p.rest[end]
		switch {
		case quoted && c == '\\':
			end++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ')' || c == ' ' && !strings.HasPrefix(p.rest[end:], " token")):
			word := p.rest[:end]
			p.rest = p.rest[end:]
			return word
		}
	}
	word := p.rest
	p.rest = ""
	return word
}

func (p *wordsParser) accept(text string) bool {
	rest, ok := strings.CutPrefix(p.rest, text)
	if ok {
		p.rest = rest
	}
	return ok
}
