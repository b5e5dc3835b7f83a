package auth

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A ruleToken is a word of a line.
type ruleToken struct {
	text   string // what is written, without the quotes around it
	name   string // what is between quotes behind text, as in role:"Order Admin"
	column int
	quoted bool // text, or name, was between quotes
	named  bool // there is a name
}

// ruleTokens splits a line at spaces, tabs and parentheses, and drops its comment. Where there is
// no line of its own for it, a comment is a fault.
func ruleTokens(line int, text string, comments bool) ([]ruleToken, error) {
	var tokens []ruleToken
	at := func(i int, format string, args ...any) error {
		return fmt.Errorf("line %d, column %d: %s", line, i+1, fmt.Sprintf(format, args...))
	}
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t':
			i++
		case c == '#' && !comments: // check: requirement-text-comment
			return nil, at(i, "a comment: whatever holds this text may have put the next line behind it")
		case c == '#':
			if !utf8.ValidString(text[i:]) {
				return nil, at(i, "a comment that is not UTF-8")
			}
			if hidden := strings.IndexFunc(text[i:], isDeceptive); hidden >= 0 { // check: rules-text-deceptive
				return nil, at(i+hidden, "a comment with a character that may look like the end of the line, or turns it around")
			}
			return tokens, nil
		case c == '(' || c == ')':
			tokens = append(tokens, ruleToken{text: string(c), column: i + 1})
			i++
		default:
			t := ruleToken{column: i + 1}
			end := i
			for end < len(text) && strings.IndexByte(" \t()\"", text[end]) < 0 {
				if b := text[end]; b < ' ' || b > '~' { // check: rules-text-ascii
					return nil, at(end, "byte %#x is not printable ASCII", b)
				}
				end++
			}
			t.text = text[i:end]
			if kind, value, ok := kindBefore(t.text); end < len(text) && text[end] == '"' && (t.text == "" || ok && value == "" && t.text == kind+":") {
				quoted, size, fault := quotedText(text[end:])
				if fault != "" {
					return nil, at(end, "%s", fault)
				}
				t.quoted, t.named = true, t.text != ""
				if t.named {
					t.name = quoted
				} else {
					t.text = quoted
				}
				if end += size; end < len(text) && !strings.ContainsRune(" \t()#", rune(text[end])) {
					return nil, at(end, "expected a space after the quote")
				}
			}
			tokens = append(tokens, t)
			i = end
		}
	}
	return tokens, nil
}

// quotedText reads what stands between the quotes that text begins with, with escapes as in Go, and
// returns how many bytes they are.
func quotedText(text string) (name string, size int, fault string) {
	end := 1
	for ; end < len(text) && text[end] != '"'; end++ {
		if b := text[end]; b < ' ' || b > '~' { // check: rules-text-quoted-ascii
			return "", 0, fmt.Sprintf("between quotes, byte %#x is not printable ASCII: it is written as an escape", b)
		}
		if text[end] == '\\' { // check: rules-text-escaped-quote
			end++
		}
	}
	if end >= len(text) {
		return "", 0, "a quote without its end"
	}
	name, err := strconv.Unquote(text[:end+1])
	if err != nil {
		return "", 0, "an escape between the quotes that is none of Go's"
	}
	return name, end + 1, ""
}

// isDeceptive reports whether r can make people see another text than the one that is read: control
// characters and the separators of lines, which many editors end a line at, so that what stands
// behind them looks like a rule and is a comment; and those that turn the direction of writing
// around.
func isDeceptive(r rune) bool {
	return r != '\t' && unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}
