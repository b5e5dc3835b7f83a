package jose

import "bytes"

// This file passes over JSON. What it passes over need not be JSON, but nothing tells then what it
// makes of it.

func afterSpace(doc []byte, i int) int {
	for i < len(doc) && doc[i] <= ' ' && (doc[i] == ' ' || doc[i] == '\t' || doc[i] == '\n' || doc[i] == '\r') {
		i++
	}
	return i
}

// afterComma passes over the comma behind a value, if any, and the space around it.
func afterComma(doc []byte, i int) int {
	if i = afterSpace(doc, i); i < len(doc) && doc[i] == ',' {
		return afterSpace(doc, i+1)
	}
	return i
}

// afterString returns where the string that begins at doc[i] ends.
func afterString(doc []byte, i int) int {
	for at := i + 1; ; {
		n := bytes.IndexByte(doc[at:], '"')
		if n < 0 {
			return len(doc)
		}
		at += n + 1
		if !isEscaped(doc[i+1 : at-1]) {
			return at
		}
	}
}

// isEscaped reports whether what follows text, inside a string, is escaped.
func isEscaped(text []byte) bool {
	n := len(text)
	for n > 0 && text[n-1] == '\\' {
		n--
	}
	return (len(text)-n)%2 == 1
}

// afterValue returns where the value that begins at doc[i] ends.
func afterValue(doc []byte, i int) (int, error) {
	if i >= len(doc) {
		return i, ErrNotObject
	}
	switch doc[i] {
	case '"':
		return afterString(doc, i), nil
	case '{', '[':
		return afterNested(doc, i)
	}
	from := i
	for i < len(doc) && doc[i] != ',' && doc[i] != '}' && doc[i] != ']' && afterSpace(doc, i) == i {
		i++
	}
	if i == from {
		return i, ErrNotObject
	}
	return i, nil
}

// afterNested passes over an object or an array. Which bracket closes which is not looked at.
func afterNested(doc []byte, i int) (int, error) {
	for depth := 0; i < len(doc); i++ {
		if !endsValues[doc[i]] {
			continue
		}
		switch doc[i] {
		case '"':
			i = afterString(doc, i) - 1
		case '{', '[':
			if depth++; depth >= MaxDepth { // check: skim-depth
				return i, ErrBounds
			}
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		}
	}
	return i, ErrNotObject
}

// endsValues marks the characters that tell where a value ends.
var endsValues = [256]bool{'"': true, ',': true, '{': true, '[': true, '}': true, ']': true}
