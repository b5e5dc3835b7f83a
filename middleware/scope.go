package auth

import (
	"errors"
	"fmt"
	"strings"
)

var errScope = errors.New("not a scope of RFC 6749 §3.3")

// isScope reports whether s is one scope-token: %x21 / %x23-5B / %x5D-7E (RFC 6749 §3.3).
func isScope(s string) bool { return s != "" && isScopeList(s) && !strings.Contains(s, " ") }

// isScopeList reports whether s holds nothing but scope-tokens and spaces.
func isScopeList(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// mustScope panics when s cannot be a scope.
func mustScope(s string) {
	if !isScope(s) { // check: rule-scope-syntax
		panic(fmt.Sprintf("auth: %q is not a scope: RFC 6749 §3.3 allows printable ASCII without space, quote and backslash", s))
	}
}
