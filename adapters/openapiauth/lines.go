package openapiauth

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// checkLines refuses what ends a line for some readers of YAML and not for others: U+0085, U+2028
// and U+2029, which YAML 1.1 breaks lines at and 1.2, editors and reviews do not, and a carriage
// return alone. Behind one of them a comment would end early, and what is read as security would
// not be what people see. Text that is not UTF-8 is refused with them: parsers guess what it is. So
// is what lays out text in another order than it is read in (UAX #9 §2.1 to §2.5): behind it,
// people see other rules.
func checkLines(text []byte) error {
	line, column := 1, 1
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		switch {
		case c == utf8.RuneError && size <= 1: // check: utf8
			return fmt.Errorf("line %d, column %d: the document is not UTF-8", line, column)
		case strings.ContainsRune("\u0085\u2028\u2029", c): // check: line-separator
			return fmt.Errorf("line %d, column %d: the character %U ends a line for some parsers and not for others: write it as an escape", line, column, c)
		case strings.ContainsRune("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", c): // check: direction
			return fmt.Errorf("line %d, column %d: the character %U turns the direction of writing around: write it as an escape", line, column, c)
		case c == '\r' && (i+1 == len(text) || text[i+1] != '\n'): // check: lone-return
			return fmt.Errorf("line %d, column %d: a carriage return without a line feed ends a line for some parsers and not for others", line, column)
		}
		i += size
		if column++; c == '\n' {
			line, column = line+1, 1
		}
	}
	return nil
}
