// Wrap rewraps comments at 100 columns, a tab counted as four (`make fmt-comments`).
//
//	go run ./internal/house/wrap FILE_OR_FOLDER...
//
// It rewraps a paragraph only where a line of it is too long, and list items likewise. Everything
// whose line breaks mean something stays as it is: code blocks, headings, link targets, aligned
// tables, directives, marks such as "// check: name", expected output of examples, and comments at
// the end of a line of code.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

const columns = 100

func main() {
	for _, root := range os.Args[1:] {
		if err := filepath.WalkDir(root, wrapFile); err != nil {
			fmt.Fprintln(os.Stderr, "wrap:", err)
			os.Exit(1)
		}
	}
}

// wrapFile rewrites the file name if it is Go source of this repository and has lines to wrap.
func wrapFile(name string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if base := entry.Name(); entry.IsDir() {
		if base != "." && base != ".." && strings.HasPrefix(base, ".") || base == "testdata" || base == "artifacts" {
			return filepath.SkipDir
		}
		return nil
	}
	if filepath.Ext(name) != ".go" {
		return nil
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	wrapped, err := wrap(src)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if bytes.Equal(wrapped, src) {
		return nil
	}
	fmt.Println(name)
	return os.WriteFile(name, wrapped, 0o644)
}

// generated is the line by which tools know files that nobody edits.
var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// wrap returns the source with its comments wrapped, formatted as gofmt does.
func wrap(src []byte) ([]byte, error) {
	if generated.Match(src) {
		return src, nil
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "", src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(src), "\n")
	var out []string
	done := 0 // lines that out has
	for _, group := range f.Comments {
		start, end := files.Position(group.Pos()).Line-1, files.Position(group.End()).Line
		if !strings.HasPrefix(strings.TrimSpace(lines[start]), "//") {
			continue // at the end of a line of code, or between slashes and stars
		}
		out = append(out, lines[done:start]...)
		out = append(out, wrapGroup(lines[start:end])...)
		done = end
	}
	text := strings.Join(append(out, lines[done:]...), "\n")
	if text == string(src) {
		return src, nil
	}
	return format.Source([]byte(text))
}

var (
	item   = regexp.MustCompile(`^( +)([-*+•]|[0-9]{1,2}[.)]) +`)
	kept   = regexp.MustCompile(`^ (#|\||check: |region: |endregion|\[[^\]]+\]: )`)
	output = regexp.MustCompile(`(?i)^ *(unordered )?output:`)
	// aligned is text in columns: spaces between words, other than the two after a full stop.
	aligned = regexp.MustCompile(`[^ .:] {2,}[^ ]|\t`)
	// unbreakable are words that mean something else at the start of a line.
	unbreakable = regexp.MustCompile(`^([-*+•#|]|[0-9]{1,2}[.)]|check:|region:|endregion|[Oo]utput:)$`)
)

// wrapGroup wraps the lines of one comment group.
func wrapGroup(lines []string) (out []string) {
	for i := 0; i < len(lines); {
		first, hang, ok := startOf(lines[i])
		if !ok {
			if output.MatchString(body(lines[i])) {
				return append(out, lines[i:]...) // all that follows is compared with what runs
			}
			out = append(out, lines[i])
			i++
			continue
		}
		end := i + 1
		for end < len(lines) && continues(lines[end], hang) {
			end++
		}
		out = append(out, fill(lines[i:end], first, hang)...)
		i = end
	}
	return out
}

// startOf returns what the first line of a paragraph or list item begins with, and the others.
func startOf(line string) (first, hang string, ok bool) {
	margin, text := line[:strings.Index(line, "//")+2], body(line)
	if m := item.FindString(text); m != "" {
		return margin + m, margin + strings.Repeat(" ", utf8.RuneCountInString(m)), true
	}
	if kept.MatchString(text) || output.MatchString(text) || !isText(text, " ") {
		return "", "", false
	}
	return margin + " ", margin + " ", true
}

// continues reports whether the line belongs to the paragraph whose lines begin with hang.
func continues(line, hang string) bool {
	text := body(line)
	_, indent, _ := strings.Cut(hang, "//")
	return strings.HasPrefix(line, hang) && isText(text, indent) && item.FindString(text) == "" &&
		!kept.MatchString(text) && !output.MatchString(text)
}

// isText reports whether a comment's text is indented by indent, and no further.
func isText(text, indent string) bool {
	rest, ok := strings.CutPrefix(text, indent)
	return ok && rest != "" && rest[0] != ' ' && rest[0] != '\t'
}

// body returns the line behind its slashes.
func body(line string) string {
	_, text, _ := strings.Cut(line, "//")
	return text
}

// fill wraps a paragraph, if one of its lines is too long and none is laid out by hand.
func fill(lines []string, first, hang string) (out []string) {
	long := false
	var words []string
	for i, line := range lines {
		text := strings.TrimPrefix(line, hang)
		if i == 0 {
			text = strings.TrimPrefix(line, first)
		}
		if aligned.MatchString(text) {
			return lines
		}
		long = long || width(line) > columns
		words = append(words, strings.Fields(text)...)
	}
	if !long {
		return lines
	}
	line, start := first+words[0], hang
	for _, word := range words[1:] {
		if width(line)+1+width(word) > columns && !unbreakable.MatchString(word) {
			out = append(out, line)
			line = start + word
			continue
		}
		line += " " + word
	}
	return append(out, line)
}

// width is the number of columns that the lint counts.
func width(line string) int {
	return utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
}
