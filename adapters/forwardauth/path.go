package forwardauth

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// readPath returns the path of a request target, decoded. It is false for one that is not in
// origin-form (RFC 9112 §3.2.1), and for one that two readers might read differently.
func readPath(target string) (decoded string, ok bool) {
	path, _, _ := strings.Cut(target, "?")
	if !strings.HasPrefix(path, "/") { // check: origin-form
		return "", false
	}
	if isPlain(path) {
		return path, true
	}
	return readAny(path)
}

// readAny is readPath for a path that begins with a slash.
func readAny(path string) (decoded string, ok bool) {
	if strings.Contains(path, "//") { // check: doubled-slash
		return "", false
	}
	if strings.ContainsFunc(path, isNoPathCharacter) { // check: path-character
		return "", false
	}
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return "", false
	}
	if hasNeedlessEncoding(path) { // check: needless-encoding
		return "", false
	}
	if strings.Count(decoded, "/") != strings.Count(path, "/") { // check: encoded-slash
		return "", false
	}
	for segment := range strings.SplitSeq(decoded, "/") {
		if segment != strings.TrimRight(segment, ".") { // check: dot-segment
			return "", false
		}
		if segment != strings.TrimSpace(segment) { // check: space-segment
			return "", false
		}
	}
	if strings.ContainsFunc(decoded, isAmbiguous) { // check: decoded-character
		return "", false
	}
	if !utf8.ValidString(decoded) { // check: path-utf8
		return "", false
	}
	if again, err := url.PathUnescape(decoded); err == nil && again != decoded { // check: decoded-twice
		return "", false
	}
	return decoded, true
}

// isPlain reports whether everybody reads a path, which begins with a slash, as it stands. It
// spares the usual ones what the others are asked.
func isPlain(path string) bool {
	last := byte(0)
	for i := range len(path) {
		c := path[i]
		if !plain[c] { // check: plain-character
			return false
		}
		if c == '/' && (last == '/' || last == '.') { // check: plain-slash
			return false
		}
		last = c
	}
	return last != '.' // check: plain-end
}

// plain has the bytes of plain paths: what is unreserved (RFC 3986 §2.3), and the slash.
var plain = func() (all [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/" {
		all[c] = true
	}
	return all
}()

// isNoPathCharacter reports whether c cannot stand in a path as it is (RFC 3986 §3.3).
func isNoPathCharacter(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune("\"#<>\\^`{|}", c)
}

// isAmbiguous reports whether c is left out, cut at or replaced by some readers: what follows a
// semicolon is a parameter to Servlets, and a backslash is a slash to others.
func isAmbiguous(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' || c == ';' }

// hasNeedlessEncoding reports whether a letter, a digit, or one of "-._" is percent-encoded (RFC
// 3986 §6.2.2.2): routers that do not decode it have another route for it. A tilde may be encoded,
// which old libraries do.
func hasNeedlessEncoding(path string) bool {
	for i := range len(path) - 2 {
		if path[i] != '%' {
			continue
		}
		c, err := url.PathUnescape(path[i : i+3])
		if err == nil && strings.Trim(strings.ToLower(c), "abcdefghijklmnopqrstuvwxyz0123456789-._") == "" {
			return true
		}
	}
	return false
}
