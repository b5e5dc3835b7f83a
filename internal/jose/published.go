package jose

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A Published is one JSON value that a trusted issuer publishes: a key set, a key, a document of
// metadata. It is bounded by the size of its document, and read apart from tokens. Duplicates
// deeper inside are left to the reader of the value, so that one bad key does not spoil its set.
type Published []byte

// byteOrderMark is what some editors put in front of UTF-8 (RFC 8259 §8.1 lets a parser ignore it).
var byteOrderMark = []byte("\xef\xbb\xbf")

// Members calls each for every member of the one JSON object that p holds, in order. It refuses a
// second member of a name that is in once: those that somebody reads. Serializers do write others
// twice.
func (p Published) Members(once []string, each func(name string, value Published) error) error {
	p = bytes.TrimPrefix(p, byteOrderMark)
	var r Reader
	seen := make([]bool, len(once))
	member := func(raw []byte, v Value) error {
		name := string(raw)
		if i := slices.Index(once, name); i >= 0 {
			if seen[i] { // check: duplicate-member
				return ErrDuplicate
			}
			seen[i] = true
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

// IsEmpty reports whether p is null, an empty string or an empty array: what serializers write for
// a member that there is not.
func (p Published) IsEmpty() bool {
	switch jsontext.Value(p).Kind() {
	case 'n':
		return true
	case '"':
		return len(p) == 2
	case '[':
		return len(bytes.TrimSpace(p[1:len(p)-1])) == 0
	}
	return false
}

// Octets returns what p holds in base64url (RFC 7515 §2), or in base64, with padding or without:
// the meaning is one as long as one alphabet is used. Line breaks and bits beyond the last byte
// have none, and an empty string holds nothing.
func (p Published) Octets() ([]byte, bool) {
	s, ok := p.Text()
	if !ok || s == "" {
		return nil, false
	}
	if strings.ContainsAny(s, "\r\n") { // check: base64-newline
		return nil, false // encoding/base64 passes over these, in its strict form too
	}
	encoding := base64.RawURLEncoding
	if strings.ContainsAny(s, "+/") {
		encoding = base64.RawStdEncoding
	}
	if short := strings.TrimRight(s, "="); len(short) < len(s) {
		if len(s)%4 != 0 || len(s)-len(short) > 2 { // check: base64-padding
			return nil, false
		}
		s = short
	}
	b, err := encoding.Strict().DecodeString(s)
	return b, err == nil
}
