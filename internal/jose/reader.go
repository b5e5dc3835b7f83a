package jose

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// This file is the only one that reads JSON on the request path. It stands on jsontext, which refuses duplicate names (RFC 7515 §4,
// RFC 7519 §4) and invalid UTF-8 itself and matches names exactly; what is added here is bounds.

// Bounds of a header or of claims (RFC 8725 §3.10 asks for care with what an attacker sends; the size as a whole is bounded before).
const (
	maxDepth   = 16  // nested objects and arrays, the outermost included
	maxMembers = 512 // members and elements, at all depths together
	maxNumber  = 64  // bytes of one number
)

var (
	ErrNotObject = errors.New("not exactly one JSON object")
	ErrBounds    = errors.New("JSON nests too deep, or has too many members or too long a number")
	ErrWrongType = errors.New("JSON value of the wrong type")
)

// A Reader walks JSON objects. It may be used again after an error, by one goroutine at a time.
type Reader struct {
	dec   jsontext.Decoder
	in    bytes.Buffer
	name  []byte // scratch for names with escapes
	count int
	small bool // isSmall of what is read: nothing needs to be counted
	plain bool // there is no escape in it
}

// A Value is one value inside a document: its kind, and where its text begins and ends.
type Value struct {
	Kind       jsontext.Kind // 0 for none
	Start, End int
}

// Object calls member for each member of the one object that doc holds. The name is valid until member returns.
func (r *Reader) Object(doc []byte, member func(name []byte, v Value) error) error {
	r.small = isSmall(doc)
	return r.walk(doc, member)
}

// walk is Object with r.small as it is.
func (r *Reader) walk(doc []byte, member func(name []byte, v Value) error, opts ...jsontext.Options) error {
	r.in = *bytes.NewBuffer(doc)
	r.dec.Reset(&r.in, opts...)
	// check: json-duplicates
	// check: json-utf8
	r.count, r.plain = 0, bytes.IndexByte(doc, '\\') < 0
	if t, err := r.dec.ReadToken(); err != nil || t.Kind() != '{' {
		return ErrNotObject
	}
	for r.dec.PeekKind() != '}' {
		name, err := r.memberName()
		if err != nil {
			return err
		}
		v, err := r.value()
		if err != nil {
			return err
		}
		if err := member(name, v); err != nil {
			return err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	if _, err := r.dec.ReadToken(); err != io.EOF { // check: trailing-data
		return ErrNotObject
	}
	return nil
}

func (r *Reader) memberName() ([]byte, error) {
	quoted, err := r.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	if r.plain || bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	r.name, err = jsontext.AppendUnquote(r.name[:0], quoted)
	return r.name, err
}

// value passes over one value, within the bounds.
func (r *Reader) value() (Value, error) {
	if r.small {
		return r.whole()
	}
	kind := r.dec.PeekKind()
	if kind != '{' && kind != '[' {
		v, err := r.whole()
		if err != nil {
			return v, err
		}
		return v, r.bound(kind, v.End-v.Start)
	}
	outer := r.dec.StackDepth()
	if _, err := r.dec.ReadToken(); err != nil {
		return Value{}, err
	}
	start := int(r.dec.InputOffset()) - 1
	for r.dec.StackDepth() > outer {
		if err := r.nested(); err != nil {
			return Value{}, err
		}
	}
	return Value{kind, start, int(r.dec.InputOffset())}, nil
}

// whole passes over one value in one step.
func (r *Reader) whole() (Value, error) {
	raw, err := r.dec.ReadValue()
	if err != nil {
		return Value{}, err
	}
	end := int(r.dec.InputOffset())
	return Value{raw.Kind(), end - len(raw), end}, nil
}

// nested passes over one token inside an object or array.
func (r *Reader) nested() error {
	kind := r.dec.PeekKind()
	switch kind {
	case '{', '}', '[', ']':
		if _, err := r.dec.ReadToken(); err != nil {
			return err
		}
		return r.bound(kind, 1)
	}
	raw, err := r.dec.ReadValue()
	if err != nil {
		return err
	}
	return r.bound(kind, len(raw))
}

// bound counts one token of the given kind and size.
func (r *Reader) bound(kind jsontext.Kind, size int) error {
	r.count++
	if r.count > maxMembers { // check: json-members
		return ErrBounds
	}
	if r.dec.StackDepth() > maxDepth { // check: json-depth
		return ErrBounds
	}
	if kind == '0' && size > maxNumber { // check: json-number
		return ErrBounds
	}
	return nil
}

// isSmall reports whether doc keeps within the bounds however it is built, as most do: it has so few brackets, commas and colons, also
// inside strings, and nowhere so many of a number's characters in a row. What is nested in it can be passed over in one step.
func isSmall(doc []byte) bool {
	open := bytes.Count(doc, []byte{'{'}) + bytes.Count(doc, []byte{'['})
	if open > maxDepth { // check: small-depth
		return false
	}
	if 2*open+bytes.Count(doc, []byte{','})+bytes.Count(doc, []byte{':'}) > maxMembers { // check: small-members
		return false
	}
	for i := maxNumber; i < len(doc); i += maxNumber + 1 { // one of these stands in any such row
		if rowAt(doc, i) > maxNumber { // check: small-number
			return false
		}
	}
	return true
}

// rowAt returns how many characters of a number stand in a row around doc[i].
func rowAt(doc []byte, i int) int {
	from, to := i, i
	for to < len(doc) && isOfNumber(doc[to]) {
		to++
	}
	for to > i && from > 0 && isOfNumber(doc[from-1]) {
		from--
	}
	return to - from
}

func isOfNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// Strings calls element for each string of the array v, and fails when v is no array of strings. The document is given as bytes and
// as text. It must not be called while Object runs.
func (r *Reader) Strings(raw []byte, doc string, v Value, element func(s string)) error {
	if v.Kind != '[' {
		return ErrWrongType
	}
	r.in = *bytes.NewBuffer(raw[v.Start:v.End])
	r.dec.Reset(&r.in)
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	for r.dec.PeekKind() == '"' {
		raw, err := r.dec.ReadValue()
		if err != nil {
			return err
		}
		end := v.Start + int(r.dec.InputOffset())
		s, err := Text(doc, Value{'"', end - len(raw), end})
		if err != nil {
			return err
		}
		element(s)
	}
	if r.dec.PeekKind() != ']' { // check: array-of-strings
		return ErrWrongType
	}
	return nil
}

// Text returns the string v of doc. Without escapes it shares doc's memory.
func Text(doc string, v Value) (string, error) {
	if v.Kind != '"' {
		return "", ErrWrongType
	}
	quoted := doc[v.Start:v.End]
	for i := range len(quoted) {
		if quoted[i] == '\\' {
			b, err := jsontext.AppendUnquote(nil, quoted)
			return string(b), err
		}
	}
	return quoted[1 : len(quoted)-1], nil
}
