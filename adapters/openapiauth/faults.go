package openapiauth

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/pb33f/go-yaml"
)

const (
	// maxFaults bounds how many faults an error names.
	maxFaults = 100
	// maxKept bounds how many are kept to choose them from, and maxFaultBytes each of them: an
	// alias says a long name again for nothing.
	maxKept       = 10_000
	maxFaultBytes = 512
	// maxText bounds a name in a fault, and a text that rules depend on, in bytes.
	maxText = 256
)

// A fault is what is wrong at a place of the document; line 0 is no place.
type fault struct {
	line, column int
	text         string
}

// faults collects what is wrong, and counts it.
type faults struct {
	all   []fault
	count int
}

// add adds a fault at a node, or at no place when it is nil.
func (f *faults) add(at *yaml.Node, where, format string, args ...any) {
	if f.count++; f.count > maxKept {
		return
	}
	for i, arg := range args {
		if s, ok := arg.(string); ok {
			args[i] = truncate(s, maxText)
		}
	}
	text := fmt.Sprintf(format, args...)
	if where != "" {
		text = truncate(where, maxText) + ": " + text
	}
	text = harmless(text)
	if at == nil {
		at = new(yaml.Node)
	}
	f.all = append(f.all, fault{at.Line, at.Column, text})
}

// harmless returns a text with the names that a document chose, for a log or a terminal.
func harmless(text string) string {
	return truncate(strings.Map(printable, truncate(text, maxFaultBytes)), maxFaultBytes)
}

// printable replaces what a log or a terminal might obey: a document's names are other people's.
func printable(r rune) rune {
	if !unicode.IsPrint(r) { // check: printable
		return unicode.ReplacementChar
	}
	return r
}

// truncate returns the beginning of a text that is too long.
func truncate(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// err returns the faults in the order of the document, each once.
func (f *faults) err() error {
	slices.SortFunc(f.all, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column), cmp.Compare(a.text, b.text))
	})
	all := slices.Compact(f.all)
	var errs []error
	for i, at := range all {
		if i == maxFaults {
			errs = append(errs, errors.New("and more"))
			break
		}
		if at.line == 0 {
			errs = append(errs, errors.New(at.text))
			continue
		}
		errs = append(errs, fmt.Errorf("line %d, column %d: %s", at.line, at.column, at.text))
	}
	return errors.Join(errs...)
}
