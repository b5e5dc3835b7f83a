package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
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
