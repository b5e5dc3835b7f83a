package house_test

import (
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// longestSentence is how many words a sentence of the documentation has at most.
const longestSentence = 25

// TestEveryTypeSaysWhatItIsFor reads what go doc shows first of an exported type: a sentence that
// begins with its name, and that is read once.
func TestEveryTypeSaysWhatItIsFor(t *testing.T) {
	types := 0
	eachComment(t, func(at, name, text string, isType bool) {
		if !isType {
			return
		}
		types++
		first, _, _ := strings.Cut(name, " ")
		begins := regexp.MustCompile(`^((A|An|The) )?` + first + `\b`)
		if !begins.MatchString(text) {
			t.Errorf("%s: the comment of type %s does not begin with its name: %.60q", at, name, text)
		}
	})
	if types < 60 {
		t.Errorf("only %d exported types were found", types)
	}
}

// TestSentencesAreShort reads everything that go doc shows of the packages that users import.
func TestSentencesAreShort(t *testing.T) {
	read := 0
	eachComment(t, func(at, name, text string, _ bool) {
		for _, paragraph := range paragraphs(text) {
			for _, s := range sentences(paragraph) {
				read++
				if n := countWords(s); n > longestSentence {
					t.Errorf("%s: %s: a sentence of %d words, at most %d: %s", at, name, n, longestSentence, s)
				}
			}
		}
	})
	if read < 1000 {
		t.Errorf("only %d sentences were found", read)
	}
}

// eachComment calls see with every comment that go doc shows, and with "" for an exported type that
// has none.
func eachComment(t *testing.T, see func(at, name, text string, isType bool)) {
	t.Helper()
	for p := range mustListPublic(t) {
		for _, file := range p.GoFiles {
			files := token.NewFileSet()
			parsed, err := parser.ParseFile(files, filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			at := p.room() + "/" + file
			if parsed.Doc != nil {
				see(at, "package "+p.Name, parsed.Doc.Text(), false)
			}
			for _, d := range parsed.Decls {
				eachOf(d, func(name string, c *ast.CommentGroup, isType bool) {
					if c != nil || isType {
						see(at, name, c.Text(), isType)
					}
				})
			}
		}
	}
}

// eachOf calls see with the exported names that a declaration has, and their comments.
func eachOf(d ast.Decl, see func(name string, c *ast.CommentGroup, isType bool)) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() {
			see(d.Name.Name, d.Doc, false)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if !spec.Name.IsExported() {
					continue
				}
				doc := spec.Doc
				if doc == nil {
					doc = d.Doc
				}
				see(spec.Name.Name, doc, true)
				for _, f := range members(spec.Type) {
					if len(f.Names) > 0 && f.Names[0].IsExported() {
						see(spec.Name.Name+"."+f.Names[0].Name, f.Doc, false)
						see(spec.Name.Name+"."+f.Names[0].Name, f.Comment, false)
					}
				}
			case *ast.ValueSpec:
				if spec.Names[0].IsExported() {
					see(spec.Names[0].Name, d.Doc, false)
					see(spec.Names[0].Name, spec.Doc, false)
					see(spec.Names[0].Name, spec.Comment, false)
				}
			}
		}
	}
}

// members returns the fields of a struct, and the methods of an interface.
func members(e ast.Expr) []*ast.Field {
	switch e := e.(type) {
	case *ast.StructType:
		return e.Fields.List
	case *ast.InterfaceType:
		return e.Methods.List
	}
	return nil
}

// paragraphs returns the prose of a comment, a paragraph or an item of a list each. Code is left
// out.
func paragraphs(text string) (all []string) {
	var add func(blocks []comment.Block)
	add = func(blocks []comment.Block) {
		for _, b := range blocks {
			switch b := b.(type) {
			case *comment.Paragraph:
				all = append(all, plain(b.Text))
			case *comment.List:
				for _, item := range b.Items {
					add(item.Content)
				}
			}
		}
	}
	add(new(comment.Parser).Parse(text).Content)
	return all
}

func plain(parts []comment.Text) string {
	var b strings.Builder
	for _, part := range parts {
		switch part := part.(type) {
		case comment.Plain:
			b.WriteString(string(part))
		case comment.Italic:
			b.WriteString(string(part))
		case *comment.Link:
			b.WriteString(plain(part.Text))
		case *comment.DocLink:
			b.WriteString(plain(part.Text))
		}
	}
	return b.String()
}

var (
	sentenceEnd = regexp.MustCompile(`[.!?]["')]*\s+`)
	wordPattern = regexp.MustCompile(`\S*\w\S*`)
)

func sentences(paragraph string) []string { return sentenceEnd.Split(paragraph, -1) }

func countWords(s string) int { return len(wordPattern.FindAllString(s, -1)) }
