package jose

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// This file is the one that walks over JSON. It stands on jsontext, which refuses duplicate names
// (RFC 7515 §4, RFC 7519 §4) and invalid UTF-8 itself and matches names exactly; what is added here
// is bounds.

// MaxDepth is how deep the objects and arrays of a document may nest, the outermost included. It
// bounds the stack of the next reader of the document; how many members there are is bounded by the
// size of the whole.
const MaxDepth = 64

// maxNumber bounds one number, in bytes: readers differ on what to make of longer ones (RFC 8259
// §6).
const maxNumber = 64

// The faults of JSON.
const (
	// ErrNotObject says that a document is not exactly one JSON object.
	ErrNotObject Fault = "not exactly one JSON object"
	// ErrSyntax says that a document is no JSON in UTF-8.
	ErrSyntax Fault = "not JSON in UTF-8"
	// ErrDuplicate refuses a member that appears twice: readers that take the first and readers
	// that take the last would see two documents in one (RFC 8259 §4).
	ErrDuplicate Fault = "a member appears twice"
	// ErrBounds refuses a document for its shape.
	ErrBounds Fault = "nested over 64 deep, or a number over 64 digits"
	// ErrWrongType says that a value is of another type than its member has.
	ErrWrongType Fault = "JSON value of the wrong type"
)

// A Reader walks JSON objects of tokens, strictly. It may be used again after an error, by one
// goroutine at a time.
type Reader struct {
	dec   jsontext.Decoder
	in    bytes.Buffer
	name  []byte // scratch for names with escapes
	plain bool   // there is no escape in what is read
}

// A Value is one value inside a document: its kind, and where its text begins and ends.
type Value struct {
	Kind       jsontext.Kind // 0 for none
	Start, End int
}

// Object calls member for each member of the one object that doc holds. The name is valid until
// member returns. Values that member passes over are not decoded.
func (r *Reader) Object(doc []byte, member func(name []byte, v Value) error) error {
	if err := (limits{depth: MaxDepth}).check(doc); err != nil {
		return err
	}
	return r.walk(doc, member)
}

// walk is Object without bounds.
func (r *Reader) walk(doc []byte, member func(name []byte, v Value) error, opts ...jsontext.Options) error {
	r.in = *bytes.NewBuffer(doc)
	r.dec.Reset(&r.in, opts...)
	// check: json-duplicates
	// check: json-utf8
	r.plain = bytes.IndexByte(doc, '\\') < 0
	if t, err := r.dec.ReadToken(); err != nil || t.Kind() != '{' {
		return ErrNotObject
	}
	for r.dec.PeekKind() != '}' {
		name, err := r.memberName()
		if err != nil {
			return syntaxError(err)
		}
		v, err := r.value()
		if err != nil {
			return syntaxError(err)
		}
		if err := member(name, v); err != nil {
			return err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return ErrSyntax
	}
	if _, err := r.dec.ReadToken(); err != io.EOF { // check: trailing-data
		return ErrNotObject
	}
	return nil
}

// syntaxError returns what err of jsontext means. Its own text has names and places of the
// document, which no log should have.
func syntaxError(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return ErrDuplicate
	}
	return ErrSyntax
}

func (r *Reader) memberName() ([]byte, error) {
	quoted, err := r.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	if r.plain {
		return quoted[1 : len(quoted)-1], nil
	}
	return r.unquoted(quoted)
}

// unquoted returns what a quoted name says, which is valid until the next one is read.
func (r *Reader) unquoted(quoted []byte) (_ []byte, err error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	r.name, err = jsontext.AppendUnquote(r.name[:0], quoted)
	return r.name, err
}

// value passes over one value.
func (r *Reader) value() (Value, error) {
	raw, err := r.dec.ReadValue()
	if err != nil {
		return Value{}, err
	}
	end := int(r.dec.InputOffset())
	return Value{raw.Kind(), end - len(raw), end}, nil
}

// members calls member for each member of the object v of doc, which Object found: that it is JSON,
// and has none twice, is known.
func (r *Reader) members(doc []byte, v Value, member func(name []byte, v Value) error) error {
	if v.Kind != '{' {
		return ErrWrongType
	}
	for i := afterSpace(doc, v.Start+1); doc[i] == '"'; {
		name := doc[i:afterString(doc, i)]
		from := afterSpace(doc, afterSpace(doc, i+len(name))+1)
		end, err := afterValue(doc, from)
		if err != nil {
			return err
		}
		if name, err = r.unquoted(name); err != nil {
			return err
		}
		if err := member(name, Value{jsontext.Value(doc[from:end]).Kind(), from, end}); err != nil {
			return err
		}
		i = afterComma(doc, end)
	}
	return nil
}

// Strings calls element for each string of the array v of doc, which Object found, and fails when v
// is no array of strings. The document is given as bytes and as text.
func Strings(raw []byte, doc string, v Value, element func(s string)) error {
	if v.Kind != '[' {
		return ErrWrongType
	}
	i := afterSpace(raw, v.Start+1)
	for raw[i] == '"' {
		end := afterString(raw, i)
		s, err := Text(doc, Value{'"', i, end})
		if err != nil {
			return err
		}
		element(s)
		i = afterComma(raw, end)
	}
	if raw[i] != ']' { // check: array-of-strings
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
	if strings.IndexByte(quoted, '\\') >= 0 {
		b, err := jsontext.AppendUnquote(nil, quoted)
		return string(b), err
	}
	return quoted[1 : len(quoted)-1], nil
}
