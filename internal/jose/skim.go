package jose

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// This file finds single values in JSON that nobody has vouched for yet, by passing over all else
// undecoded: that costs a fraction of a signature check, whatever is sent. It is lax where a Reader
// is strict, so what it finds may refuse a token, and never accept one.

// Skim finds the members of the one object of doc that names name, and puts the value of names[i]
// into found[i]; Kind 0 means that it is not there. It stops when all are found.
func Skim(doc []byte, names []string, found []Value) error {
	clear(found)
	i := afterSpace(doc, 0)
	if i >= len(doc) || doc[i] != '{' {
		return ErrNotObject
	}
	missing := len(names)
	for i = afterSpace(doc, i+1); missing > 0 && i < len(doc) && doc[i] != '}'; i = afterSpace(doc, i) {
		if doc[i] != '"' {
			return ErrNotObject
		}
		name := doc[i:afterString(doc, i)]
		if i = afterSpace(doc, i+len(name)); i >= len(doc) || doc[i] != ':' {
			return ErrNotObject
		}
		from := afterSpace(doc, i+1)
		n := wanted(name, names, found)
		var err error
		if n < 0 {
			if i, err = afterMember(doc, from); err != nil {
				return err
			}
			continue
		}
		if i, err = afterValue(doc, from); err != nil {
			return err
		}
		found[n] = Value{jsontext.Value(doc[from:i]).Kind(), from, i}
		missing--
		i = afterComma(doc, i)
	}
	return nil
}

// wanted returns which of names a quoted name is, -1 when it is none that is still to be found.
func wanted(quoted []byte, names []string, found []Value) int {
	for n, name := range names {
		if len(quoted) > 1 && (quoted[1] == name[0] || quoted[1] == '\\') && found[n].Kind == 0 && EqualText(quoted, name) {
			return n
		}
	}
	return -1
}

// afterMember passes over the value of a member that nobody asked for, and the comma behind it, if
// any. It stops at the bracket that ends the object.
func afterMember(doc []byte, from int) (int, error) {
	depth := 0
	for i := from; i < len(doc); i++ {
		if !endsValues[doc[i]] {
			continue
		}
		switch c := doc[i]; {
		case c == '"':
			i = afterString(doc, i) - 1
		case c == '{' || c == '[':
			if depth++; depth >= MaxDepth { // check: skim-member-depth
				return i, ErrBounds
			}
		case depth > 0:
			if c != ',' {
				depth--
			}
		case i == from:
			return i, ErrNotObject
		case c == ',':
			return i + 1, nil
		default:
			return i, nil
		}
	}
	if depth > 0 || from >= len(doc) {
		return from, ErrNotObject
	}
	return len(doc), nil
}

// SkimElements calls element for the text of each element of the array v of doc, until it returns
// true.
func SkimElements(doc []byte, v Value, element func(text []byte) bool) error {
	for i := afterSpace(doc, v.Start+1); i < v.End-1; {
		end, err := afterValue(doc, i)
		if err != nil {
			return err
		}
		if element(doc[i:end]) {
			return nil
		}
		i = afterComma(doc, end)
	}
	return nil
}

// EqualText reports whether quoted is a JSON string that says s, escapes and all.
func EqualText(quoted []byte, s string) bool {
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return false
	}
	in := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(in, '\\') < 0 {
		return string(in) == s
	}
	for len(in) > 0 {
		if in[0] != '\\' {
			if s == "" || s[0] != in[0] {
				return false
			}
			in, s = in[1:], s[1:]
			continue
		}
		r, n := unescape(in)
		var b [utf8.UTFMax]byte
		text := b[:utf8.EncodeRune(b[:], r)]
		if n == 0 || len(s) < len(text) || s[:len(text)] != string(text) {
			return false
		}
		in, s = in[n:], s[len(text):]
	}
	return s == ""
}

// SkimText returns what the JSON string v of doc says, and false for what is none. An escape that
// means nothing makes it none.
func SkimText(doc []byte, v Value) (string, bool) {
	quoted := doc[v.Start:v.End]
	if v.Kind != '"' || afterString(quoted, 0) != len(quoted) || len(quoted) < 2 || quoted[len(quoted)-1] != '"' {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, quoted)
	return string(b), err == nil
}

// unescape returns the character of the escape at the begin of in, and its length; 0 for none (RFC
// 8259 §7).
func unescape(in []byte) (rune, int) {
	if len(in) < 2 {
		return 0, 0
	}
	switch c := in[1]; c {
	case '"', '\\', '/':
		return rune(c), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, ok := hex4(in[2:])
		if !ok {
			return 0, 0
		}
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if len(in) >= 12 && in[6] == '\\' && in[7] == 'u' {
			if low, ok := hex4(in[8:]); ok {
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					return r, 12
				}
			}
		}
	}
	return 0, 0
}

func hex4(in []byte) (r rune, ok bool) {
	if len(in) < 4 {
		return 0, false
	}
	for _, c := range in[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
