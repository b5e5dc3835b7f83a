package main

import (
	"flag"
	"strings"
)

// paint gives text a colour (ECMA-48 §8.3.117) where out takes colours.
func (t terminal) paint(code, text string) string {
	if !t.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// parseAnywhere parses flags that stand before, between and after the arguments, and returns these.
func parseAnywhere(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
			return rest, err
		}
		rest = append(rest, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

// columns is how wide a line is, but for a URL that is longer.
const columns = 80

// wrap breaks a text into lines, each after prefix or as much blank.
func wrap(prefix, text string) string {
	var b strings.Builder
	line, indent := prefix, strings.Repeat(" ", len([]rune(prefix)))
	empty := true
	for word := range strings.FieldsSeq(text) {
		if !empty && len([]rune(line))+1+len([]rune(word)) > columns {
			b.WriteString(line + "\n")
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	b.WriteString(line + "\n")
	return b.String()
}
