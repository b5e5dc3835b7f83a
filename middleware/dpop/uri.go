package dpop

import (
	"errors"
	"fmt"
	"strings"
)

// An origin is what clients call the API by: scheme, host, port, and what a proxy takes from the
// front of the path. It is normalized, without a slash at its end.
type origin string

// parseOrigin reads a setting of New.
func parseOrigin(s string) (origin, error) {
	n, err := normalize(s)
	switch {
	case err != nil:
		return "", fmt.Errorf("dpop: origin %q: %w", s, err)
	case strings.ContainsAny(s, "?#"):
		return "", fmt.Errorf("dpop: origin %q: has a query or a fragment", s)
	}
	return origin(strings.TrimRight(n, "/")), nil
}

var (
	errURI  = errors.New("not an absolute http or https URI")
	errPath = errors.New("a path with a character that must be percent-encoded")
)

// normalize returns an http or https URI without its query and fragment, in the one form that RFC
// 3986 §6.2.2 and §6.2.3 give it (RFC 9449 §4.3 asks for that): scheme and host in lower case, no
// default port, no dot segments, percent-encodings in upper case and none of unreserved characters.
// "%2F" stays apart from "/", and the path keeps its case.
func normalize(uri string) (string, error) {
	scheme, rest, ok := strings.Cut(uri, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return "", errURI
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, ok := normalizeAuthority(scheme, rest[:end])
	if !ok { // check: uri-authority
		return "", errURI
	}
	path, err := normalizePath(rest[end:])
	if err != nil {
		return "", err
	}
	return scheme + "://" + host + path, nil
}

// normalizeAuthority takes a host with or without a port: no user, nothing percent-encoded.
func normalizeAuthority(scheme, s string) (string, bool) {
	host, port := strings.ToLower(s), ""
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		host, port = host[:colon], host[colon+1:]
	}
	if host == "" || strings.Trim(port, "0123456789") != "" {
		return "", false
	}
	name, isV6 := host, false
	if inner, ok := strings.CutPrefix(host, "["); ok {
		name, isV6 = strings.CutSuffix(inner, "]")
	}
	for i := range len(name) {
		if c := name[i]; !isUnreserved(c) && (c != ':' || !isV6) {
			return "", false
		}
	}
	if name == "" || isV6 != (host[0] == '[') {
		return "", false
	}
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		return host, true
	}
	return host + ":" + port, true
}

// normalizePath returns the path of what stands behind an authority, or of a request target,
// without query and fragment.
func normalizePath(target string) (string, error) {
	if end := strings.IndexAny(target, "?#"); end >= 0 {
		target = target[:end]
	}
	if target == "" {
		return "/", nil
	}
	if target[0] != '/' {
		return "", errPath
	}
	decoded, err := decodeUnreserved(target)
	if err != nil {
		return "", err
	}
	return removeDotSegments(decoded), nil
}

// decodeUnreserved decodes what needs no percent-encoding, and writes the other ones in upper case.
func decodeUnreserved(path string) (string, error) {
	if strings.ContainsFunc(path, isNoPathCharacter) { // check: uri-path
		return "", errPath
	}
	if strings.IndexByte(path, '%') < 0 {
		return path, nil
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		if i+2 >= len(path) {
			return "", errPath
		}
		if !isHex(path[i+1]) || !isHex(path[i+2]) { // check: uri-percent
			return "", errPath
		}
		if decoded := unhex(path[i+1])<<4 | unhex(path[i+2]); isUnreserved(decoded) {
			b.WriteByte(decoded)
		} else {
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String(), nil
}

// removeDotSegments is RFC 3986 §5.2.4 for a path that begins with a slash.
func removeDotSegments(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(path[1:], "/")
	var kept []string
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, s)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}

// isUnreserved is RFC 3986 §2.3.
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// isNoPathCharacter reports whether c cannot stand in a path as it is (RFC 3986 §3.3): control
// characters, spaces and what is beyond ASCII; and a backslash, which some take for a slash.
// Servers take further characters in a path all the same.
func isNoPathCharacter(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// pathOf returns the normalized path of a request target in origin-form or absolute-form (RFC 9112
// §3.2). The host of the latter is what the client says, as Host is: only its path counts.
func pathOf(target string) (string, error) {
	if strings.HasPrefix(target, "/") {
		return normalizePath(target)
	}
	_, rest, ok := strings.Cut(target, "://")
	if !ok {
		return "", errURI
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return normalizePath(rest[end:])
}
