package jose

import "bytes"

// limits bound the shape of a document before it is read.
type limits struct {
	depth   int // of nested objects and arrays, the outermost included
	members int // members and elements at all depths together, 0 for no bound but the document's size
}

// check returns ErrBounds when doc goes beyond l. It looks at brackets, commas and numbers alone,
// so that it takes a fraction of the time of reading: what it passes need not be JSON.
func (l limits) check(doc []byte) error {
	if l.surelyHolds(doc) || l.holds(doc) {
		return nil
	}
	return ErrBounds
}

// holds walks over doc byte by byte.
func (l limits) holds(doc []byte) bool {
	depth, members := 0, 0
	for i := 0; i < len(doc); {
		switch c := doc[i]; {
		case c == '"':
			i = afterString(doc, i)
			continue
		case c == '{' || c == '[':
			depth++
			members++            // its first; a comma comes before each of the others
			if depth > l.depth { // check: json-depth
				return false
			}
		case c == '}' || c == ']':
			depth--
		case c == ',':
			members++
		case isOfNumber(c):
			if numberAt(doc, i) > maxNumber { // check: json-number
				return false
			}
			i += numberAt(doc, i)
			continue
		}
		i++
		if l.members > 0 && members > l.members { // check: json-members
			return false
		}
	}
	return true
}

// surelyHolds reports whether doc keeps within l however it is built, as most do: it has so few
// brackets and commas, also inside strings, and nowhere so many of a number's characters in a row.
func (l limits) surelyHolds(doc []byte) bool {
	open := bytes.Count(doc, []byte{'{'}) + bytes.Count(doc, []byte{'['})
	if open > l.depth { // check: small-depth
		return false
	}
	if l.members > 0 && open+bytes.Count(doc, []byte{','}) > l.members { // check: small-members
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
	from := i
	to := i + numberAt(doc, i)
	for to > i && from > 0 && isOfNumber(doc[from-1]) {
		from--
	}
	return to - from
}

// numberAt returns how many characters of a number stand in a row from doc[i] on.
func numberAt(doc []byte, i int) int {
	to := i
	for to < len(doc) && isOfNumber(doc[to]) {
		to++
	}
	return to - i
}

func isOfNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}
