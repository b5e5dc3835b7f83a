package auth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Text returns the rules in the form that ParseRules reads, sorted by pattern and then by method,
// with the equals signs below each other. It is an error when a rule cannot be written. Such a rule
// has a check of the user's own (With), is one of LiveRules, or has a key of another form.
func (r Rules) Text() (string, error) {
	if err := r.Validate(); err != nil {
		return "", err
	}
	var errs []error
	width := 0
	for key := range r {
		width = max(width, len(key))
	}
	var b strings.Builder
	for _, key := range r.sorted() {
		need, ok := r[key].node.words(false)
		if !ok {
			errs = append(errs, fmt.Errorf("auth: Rules.Text: rule %q asks for what only code can", key))
			continue
		}
		line := fmt.Sprintf("%-*s = %s\n", width, key, need)
		if again, err := ParseRules(line); err != nil || len(again) != 1 || again[key].String() != r[key].String() {
			errs = append(errs, fmt.Errorf("auth: Rules.Text: rule %q cannot be written as text", key))
		}
		b.WriteString(line)
	}
	if len(errs) > 0 {
		return "", errors.Join(errs...)
	}
	return b.String(), nil
}

// sorted returns the keys by pattern and then by method.
func (r Rules) sorted() []string {
	return slices.SortedFunc(maps.Keys(r), func(a, b string) int {
		methodA, patternA := cutOperation(a)
		methodB, patternB := cutOperation(b)
		if c := strings.Compare(patternA, patternB); c != 0 {
			return c
		}
		return strings.Compare(methodA, methodB)
	})
}

// cutOperation splits a key into its method, "" when it has none, and its pattern.
func cutOperation(key string) (method, pattern string) {
	if method, pattern, ok := strings.Cut(key, " "); ok {
		return method, pattern
	}
	return "", key
}

// Table returns a Markdown table of who may call what, for people to review. It has one row for
// each rule, sorted by pattern and then by method. Keep it in a file that a test compares, and a
// pull request shows what it opens.
func (r Rules) Table() string {
	var b strings.Builder
	b.WriteString("| method | operation | who may call it |\n|---|---|---|\n")
	for _, key := range r.sorted() {
		method, pattern := cutOperation(key)
		if method == "" {
			method = "any"
			if strings.Count(pattern, "/") == 2 && strings.Contains(pattern[:strings.LastIndexByte(pattern, '/')], ".") {
				method = "gRPC"
			}
		}
		need := r[key].String()
		switch need {
		case "public":
			need = "everybody: public"
		case "optional":
			need = "everybody; a token is checked when there is one"
		case "any token":
			need = "every good token"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", method, strings.ReplaceAll(pattern, "|", `\|`), strings.ReplaceAll(need, "|", `\|`))
	}
	return b.String()
}
