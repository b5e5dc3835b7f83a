package jose

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrDuplicate refuses a member that appears twice: readers that take the first and readers that take the last would see two
// documents in one (RFC 8259 §4).
var ErrDuplicate = errors.New("a member appears twice")

// A Published is one JSON value that a trusted issuer publishes: a key set, a key, a document of metadata. It is bounded by the size
// of its document, and read apart from tokens. Duplicates deeper inside are left to whoever reads the value, so that one bad key
// does not spoil its set.
type Published []byte

// Members calls each for every member of the one JSON object that p holds, in order. It refuses a second member of a name, when the
// name is one of once; with none given, of any name.
func (p Published) Members(once []string, each func(name string, value Published) error) error {
	r := Reader{small: true}
	seen := map[string]bool{}
	member := func(raw []byte, v Value) error {
		name := string(raw)
		if once == nil || slices.Contains(once, name) {
			if seen[name] { // check: duplicate-member
				return ErrDuplicate
			}
			seen[name] = true
		}
		return each(name, p[v.Start:v.End])
	}
	return r.walk(p, member, jsontext.AllowDuplicateNames(true))
}

// Elements calls each for every element of the array that p holds, in order.
func (p Published) Elements(each func(value Published) error) error {
	dec := jsontext.NewDecoder(bytes.NewReader(p), jsontext.AllowDuplicateNames(true))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '[' {
		return ErrWrongType
	}
	for dec.PeekKind() != ']' {
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if err := each(Published(value.Clone())); err != nil {
			return err
		}
	}
	return nil
}

// IsArray reports whether p is an array.
func (p Published) IsArray() bool { return jsontext.Value(p).Kind() == '[' }

// Text returns the string that p holds.
func (p Published) Text() (string, bool) {
	s, err := Text(string(p), Value{Kind: jsontext.Value(p).Kind(), End: len(p)})
	return s, err == nil
}

// Texts returns the strings of the array that p holds.
func (p Published) Texts() ([]string, bool) {
	var all []string
	err := p.Elements(func(value Published) error {
		s, ok := value.Text()
		if !ok {
			return ErrWrongType
		}
		all = append(all, s)
		return nil
	})
	return all, err == nil
}

// Octets returns what p holds in base64url without padding, strictly (RFC 7515 §2). An empty string holds nothing.
func (p Published) Octets() ([]byte, bool) {
	s, ok := p.Text()
	if !ok || s == "" {
		return nil, false
	}
	if strings.ContainsAny(s, "\r\n") { // check: base64-newline
		return nil, false // encoding/base64 passes over these, in its strict form too
	}
	b, err := DecodeBase64(nil, s)
	return b, err == nil
}
