package doctor

import "strings"

// A challenge is one of a WWW-Authenticate field (RFC 9110 §11.6.1).
type challenge struct {
	scheme string // in lower case
	params map[string]string
}

// challenges reads WWW-Authenticate fields. What it does not understand it passes over: it is
// looked at, and nothing is decided by it.
func challenges(fields []string) (all []challenge) {
	for _, field := range fields {
		for _, part := range splitList(field) {
			name, value, isParam := strings.Cut(part, "=")
			scheme, param, hasScheme := strings.Cut(strings.TrimSpace(name), " ")
			switch {
			case hasScheme: // Bearer realm="x"
				all = append(all, challenge{strings.ToLower(scheme), map[string]string{}})
				name = strings.TrimSpace(param)
			case !isParam && scheme != "": // Bearer
				all = append(all, challenge{strings.ToLower(scheme), map[string]string{}})
			}
			if isParam && len(all) > 0 {
				all[len(all)-1].params[strings.ToLower(strings.TrimSpace(name))] = unquote(strings.TrimSpace(value))
			}
		}
	}
	return all
}

// splitList splits at commas outside of quoted strings.
func splitList(field string) (parts []string) {
	quoted, escaped, from := false, false, 0
	for i := range len(field) {
		switch c := field[i]; {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			parts = append(parts, strings.TrimSpace(field[from:i]))
			from = i + 1
		}
	}
	return append(parts, strings.TrimSpace(field[from:]))
}

// unquote returns the value of a token or of a quoted string.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
