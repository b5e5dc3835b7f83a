package house_test

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unplainNames are names that said nothing to a reader, or something else than what they stood for.
// No declaration has one of them.
var unplainNames = map[string]string{
	"addressed": "checkIssuerAudienceExpiry", "admit": "allow, or register", "among": "of, or a noun",
	"board": "joinFetch", "borrow": "acquire", "clocks": "schedule", "court": "suite", "cut": "truncate",
	"docket": "rowIndex", "fetched": "cachedKeys", "finding": "detail", "fit": "matches", "flight": "fetch",
	"fly": "runFetch", "ground": "shutdown", "held": "cachedKeys", "kick": "wakeup", "land": "applyResult",
	"later": "planned", "learn": "register", "pin": "fix", "publish": "toJWKs", "remember": "store",
	"remembered": "cached", "shown": "redact", "signer": "verifyingKey", "tricks": "bypassAttempts",
	"bylook": "buckets", "errgone": "errHandlerExited", "foreigntypes": "otherTokenTypes", "giveback": "release",
	"grants": "readScopes", "heldby": "cacheLookup", "lookof": "bucketOf", "recalltoken": "lookup",
	"untilrefused": "serveUntilExpiry", "waveone": "implemented",
	"usable": "candidates", "ways": "a noun", "window": "checkTimes",
}

// unplainWords are words that no name has as a part.
var unplainWords = map[string]string{
	"anew": "again", "bend": "defect", "crowded": "tooMany", "door": "interceptors, or transport",
	"doors": "interceptors, or transports", "foregone": "answerWithoutFetch", "foresee": "readClaims",
	"homeless": "overLimit", "impatient": "waitTimeout", "judge": "verify", "judged": "verified, or decided",
	"judgement": "decision", "judges": "verifies", "lenient": "reportOnly", "recipe": "spec",
	"recipes": "specs", "stranger": "newcomer", "takeoffs": "fetchesStarted", "teller": "notifier",
	"untold": "needsFetch", "verdict": "decision, or response", "verdicts": "decisions",
}

// splitName returns the words of a name, in lower case.
func splitName(name string) []string {
	name = acronym.ReplaceAllString(name, "$1 $2")
	return strings.Fields(strings.ToLower(capital.ReplaceAllString(name, "$1 $2")))
}

var (
	acronym = regexp.MustCompile(`([A-Z])([A-Z][a-z])|_`)
	capital = regexp.MustCompile(`([a-z0-9])([A-Z])|_`)
)

// TestNamesArePlain looks at every name that a file of Go declares.
func TestNamesArePlain(t *testing.T) {
	files := token.NewFileSet()
	for _, file := range ours(t, ".go") {
		parsed, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range declared(parsed) {
			at := files.Position(id.Pos())
			if _, ok := plainHere[file+" "+id.Name]; ok {
				continue
			}
			if plain := unplainNames[strings.ToLower(id.Name)]; plain != "" {
				t.Errorf("%s:%d: %s: say %s", file, at.Line, id.Name, plain)
				continue
			}
			for _, word := range splitName(notJudged.ReplaceAllString(id.Name, "")) {
				if plain := unplainWords[word]; plain != "" {
					t.Errorf("%s:%d: %s: say %s", file, at.Line, id.Name, plain)
				}
			}
		}
	}
}

// plainHere are the names that stay, by file, each with what speaks for it.
var plainHere = map[string]string{
	"cmd/bearward/internal/doctor/report.go Finding": "the word of its page, and of its JSON",

	"middleware/evaluate.go Grants":            "exported: Guard.Grants answers for a handler what rules ask",
	"jwks/cache.go Held":                       "exported: what users call",
	"jwks/key.go Held":                         "exported: what users call",
	"internal/issuer/keys.go Publish":          "an issuer publishes its keys: the word of RFC 7517 and RFC 8414",
	"middleware/authtest/keys.go Publish":      "an issuer publishes its keys: the word of RFC 7517 and RFC 8414",
	"internal/conformance/rows/rows.go Recipe": "the section of the documentation that has them",
}

// notJudged is the one name of an outcome that has the word: neither accepted nor refused (503).
var notJudged = regexp.MustCompile(`(?i)(not_?|un)judged`)

// declared returns the names that a file declares.
func declared(f *ast.File) (names []*ast.Ident) {
	add := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			if id, ok := e.(*ast.Ident); ok {
				names = append(names, id)
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			add(n.Name)
		case *ast.TypeSpec:
			add(n.Name)
		case *ast.LabeledStmt:
			add(n.Label)
		case *ast.ValueSpec:
			names = append(names, n.Names...)
		case *ast.Field:
			names = append(names, n.Names...)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				add(n.Lhs...)
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				add(n.Key, n.Value)
			}
		}
		return true
	})
	return names
}

// ours returns the files of the repository whose names end so, but for those of examples, which
// have an issue of their own.
func ours(t *testing.T, suffix string) []string {
	t.Helper()
	return slices.DeleteFunc(committed(t), func(name string) bool {
		return !strings.HasSuffix(name, suffix) || strings.HasPrefix(name, "examples/")
	})
}

// unplainText are the words and turns that no comment, text of the program and page has, each with
// what is written instead.
var unplainText = []struct {
	now   *regexp.Regexp
	plain string
}{
	{regexp.MustCompile(`(?i)\banew\b`), "again"},
	{regexp.MustCompile(`(?i)\bat the door\b`), "before the handler"},
	{regexp.MustCompile(`(?i)\bwhoever\b`), "a caller who, or those who"},
	{regexp.MustCompile(`(?i)\blet(s|ting)?( \w+){0,3} through\b`), "accept, serve, or pass on"},
	{regexp.MustCompile(`(?i)\bverdicts?\b`), "decision, or result"},
	{regexp.MustCompile(`(?i)\bjudg(e|es|ing|ed|ement)\b`), "verify, check, or decide: a request is only ever not judged"},
	{regexp.MustCompile(`(?i)\bforesees?\b`), "read"},
	{regexp.MustCompile(`(?i)\blenient\b`), "report only"},
	{regexp.MustCompile(`(?i)\bmakes up for issuers\b`), "is for issuers"},
	{regexp.MustCompile(`(?i)\bof another make\b`), "not RFC 9068"},
}

// oneOutcome are the turns for the one outcome that has the word: neither accepted nor refused. A
// line of prose may begin in the middle of one.
var oneOutcome = regexp.MustCompile(`(?i)(\b(not|cannot|never|nothing|no)( \w+){0,2}|^\W*|\n\W*) judged\b|not_judged`)

// TestTextIsPlain looks at every comment, at the strings of shipped files, and at every page but
// the changelog, which tells what was.
func TestTextIsPlain(t *testing.T) {
	look := func(file string, line int, text string) {
		for i, part := range strings.Split(oneOutcome.ReplaceAllString(text, ""), "\n") {
			for _, u := range unplainText {
				if said := u.now.FindString(part); said != "" {
					t.Errorf("%s:%d: %q: say %s", file, line+i, said, u.plain)
				}
			}
		}
	}
	for _, file := range ours(t, ".go") {
		if file == "internal/house/words_test.go" {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		at := files.AddFile(file, -1, len(src))
		var s scanner.Scanner
		s.Init(at, src, nil, scanner.ScanComments)
		for {
			pos, tok, text := s.Scan()
			if tok == token.EOF {
				break
			}
			if tok == token.COMMENT || tok == token.STRING && !strings.HasSuffix(file, "_test.go") {
				look(file, at.Line(pos), text)
			}
		}
	}
	for _, file := range ours(t, ".md") {
		if file == "CHANGELOG.md" {
			continue
		}
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		look(file, 1, string(page))
	}
}
