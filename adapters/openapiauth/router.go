package openapiauth

import (
	"errors"
	"fmt"
	"strings"
)

// A Router says for which router the rules are: its syntax of paths with parameters. The zero
// Router is invalid.
type Router int

const (
	NetHTTP Router = iota + 1 // net/http.ServeMux and httpauth: "GET /orders/{id}"
	Chi                       // chi and chiauth: "GET /orders/{id}"
	Echo                      // Echo and echoauth: "GET /orders/:id"
)

func (r Router) check() error {
	if r < NetHTTP || r > Echo {
		return errors.New("openapiauth: a Router is required: NetHTTP, Chi or Echo")
	}
	return nil
}

// checkPrefix reports what is wrong with Options.Prefix.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if !strings.HasPrefix(prefix, "/") || strings.HasSuffix(prefix, "/") { // check: prefix-slash
		return errors.New("begins with a slash, and does not end with one")
	}
	for _, segment := range strings.Split(prefix[1:], "/") {
		if err := checkLiteral(segment); err != nil {
			return err
		}
		if strings.Contains(segment, ":") { // check: prefix-colon
			// It begins a parameter for Echo.
			return errors.New("a prefix has no colon")
		}
	}
	return nil
}

// pattern returns a path of the document as the router has it, and its shape: the same for paths
// that differ in the names of their parameters alone.
func (r Router) pattern(path string) (pattern, shape string, err error) {
	if !strings.HasPrefix(path, "/") { // check: path-slash
		return "", "", errors.New("a path begins with a slash")
	}
	segments := strings.Split(path[1:], "/")
	shapes := make([]string, len(segments))
	names := map[string]bool{}
	for i, segment := range segments {
		last := i == len(segments)-1
		switch {
		case segment == "" && last: // OpenAPI's trailing slash means itself, ServeMux's all that is below
			if r == NetHTTP { // check: trailing-slash
				segments[i] = "{$}"
			}
			continue
		case strings.ContainsAny(segment, "{}"):
			name, err := r.parameter(segment)
			if err != nil {
				return "", "", err
			}
			if names[name] { // check: parameter-twice
				return "", "", fmt.Errorf("two parameters are %q", name)
			}
			names[name] = true
			shapes[i] = "{}"
			segments[i] = "{" + name + "}"
			if r == Echo {
				segments[i] = ":" + name
			}
			continue
		}
		if err := checkLiteral(segment); err != nil {
			return "", "", err
		}
		if r == Echo && strings.Contains(segment, ":") { // check: echo-colon
			return "", "", fmt.Errorf("the colon in %q begins a parameter for Echo", segment)
		}
		shapes[i] = segment
	}
	return "/" + strings.Join(segments, "/"), "/" + strings.Join(shapes, "/"), nil
}

// parameter returns the name of the parameter that a segment is, as the router can have it.
func (r Router) parameter(segment string) (string, error) {
	name, opened := strings.CutPrefix(segment, "{")
	name, closed := strings.CutSuffix(name, "}")
	if !opened || !closed || strings.ContainsAny(name, "{}") {
		return "", fmt.Errorf("%q: a parameter is a whole segment here, since routers differ in what others match", segment)
	}
	if name == "" || strings.Trim(name, letters+digits+"_-.~") != "" { // check: parameter-name
		// "$" and "path..." mean something else to ServeMux, "id:.*" to chi.
		return "", fmt.Errorf("%q: the name of a parameter is made of letters, digits and \"_-.~\"", segment)
	}
	if r != NetHTTP {
		return name, nil
	}
	name = strings.NewReplacer("-", "_", ".", "_", "~", "_").Replace(name)
	if strings.ContainsRune(digits, rune(name[0])) {
		name = "_" + name
	}
	return name, nil
}

const (
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
)

// checkLiteral accepts a segment that all routers take for itself: RFC 3986 §3.3 without
// percent-encoding, whose decoding differs, and without the asterisk.
func checkLiteral(segment string) error {
	switch {
	case segment == "": // check: segment-empty
		return errors.New("an empty segment")
	case segment == "." || segment == "..": // check: segment-dots
		return fmt.Errorf("a segment %q", segment)
	case strings.Trim(segment, letters+digits+"-._~!$&'()+,;=:@") != "": // check: segment-characters
		return fmt.Errorf("%q: a segment is made of letters, digits and \"-._~!$&'()+,;=:@\"", segment)
	}
	return nil
}

// cutKey splits the key of a rule of this package.
func cutKey(key string) (method, pattern string) {
	method, pattern, _ = strings.Cut(key, " ")
	return method, pattern
}
