package openapiauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/adapters/openapiauth"
	auth "github.com/bearward/bearward/middleware"
)

// limit is far above what any of these documents takes; it ends a test that hangs.
const limit = 30 * time.Second

// bounded reads a document, and fails the test when that does not end.
func bounded(t *testing.T, document string) (auth.Rules, error) {
	t.Helper()
	type result struct {
		rules auth.Rules
		err   error
	}
	done := make(chan result, 1)
	go func() {
		rules, err := openapiauth.Rules([]byte(document), openapiauth.Chi, nil)
		done <- result{rules, err}
	}()
	select {
	case r := <-done:
		return r.rules, r.err
	case <-time.After(limit):
		t.Fatalf("not read after %v", limit)
		return nil, nil
	}
}

// laughs is a list of lines, each of which holds nine times what is in the one before.
func laughs(first, next string) string {
	var b strings.Builder
	b.WriteString(first)
	for i := 1; i < 40; i++ {
		var nine []string
		for j := range 9 {
			nine = append(nine, strings.NewReplacer("K", fmt.Sprint(j), "*", fmt.Sprintf("*l%d", i-1)).Replace(next))
		}
		fmt.Fprintf(&b, "\n  l%d: &l%d {%s}", i, i, strings.Join(nine, ", "))
	}
	return b.String()
}

func TestDocumentsThatAreLargerThanTheyLook(t *testing.T) {
	good := op("[{login: [a]}]")
	for _, c := range []struct{ name, document, want string }{
		{"a billion laughs", append(good, "DOCUMENT", laughs("x-l:\n  l0: &l0 {a: lol}", "kK: *")).document(), "more than 2097152 values, aliases and references followed"},
		{"a billion laughs in schemas", append(good, "COMPONENTS", strings.ReplaceAll(laughs("schemas:\n  l0: &l0 {type: string}", "kK: *"), "\n", "\n  ")).document(), "more than 2097152 values, aliases and references followed"},
		{"a billion paths", append(good, "DOCUMENT", laughs("x-l:\n  l0: &l0 {get: {security: []}}", "/kK: *"), "PATH", "/y: *l39\n  /x").document(), "more than 2097152 values, aliases and references followed"},
		{"a billion scopes", append(op("*l39"), "DOCUMENT", laughs("x-l:\n  l0: &l0 {login: [a]}", "kK: *")).document(), "more than 2097152 values, aliases and references followed"},
		{"an alias that holds itself", append(good, "DOCUMENT", "x-l: &l {a: *l}").document(), "nested more than 200 deep"},
		{"deep lists", append(good, "DOCUMENT", "x-l: "+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)).document(), "nested more than 200 deep"},
		{"deep objects", append(good, "DOCUMENT", "x-l: "+strings.Repeat("{a: ", 5000)+strings.Repeat("}", 5000)).document(), "nested more than 200 deep"},
		{"very deep lists", append(good, "DOCUMENT", "x-l: "+strings.Repeat("[", 500_000)).document(), "exceeded max depth"},
		{"a large path item, again and again", append(good, "PATH", many(10_000, "/y%d: {$ref: \"#/components/pathItems/Y\"}\n  ")+"/x", "COMPONENTS", "pathItems: {Y: {get: {security: [{login: [a]}], parameters: ["+strings.Repeat("a, ", 100_000)+"a]}}}").document(), "more than 2097152 values, aliases and references followed"},
		{"many scopes", op("[{login: [" + strings.Repeat("a, ", 100) + "a]}]").document(), "line 8, column 26: GET /x: more than 100 scopes"},
		{"a long name, again and again", append(good, "DOCUMENT", "x-s: &s [{"+strings.Repeat("a", 1_000_000)+": []}]", "PATH", many(20_000, "/y%d: {get: {security: *s}}\n  ")+"/x").document(), "and more"},
		{"a long reference, again and again", append(good, "DOCUMENT", "x-r: &r \"#/"+strings.Repeat("a", 1_000_000)+"\"", "PATH", many(20_000, "/y%d: {$ref: *r}\n  ")+"/x").document(), "a reference has more than 256 bytes"},
		{"many alternatives", op("[" + strings.Repeat("{login: [a]}, ", 100) + "{login: [a]}]").document(), "line 8, column 17: GET /x: more than 100 alternatives"},
		{"a long rule, again and again", append(good, "DOCUMENT", "x-r: &r a"+strings.Repeat(" and role:x", 700), "PATH", many(400, "/y%d: {get: {security: [{login: [a]}], x-bearward-rule: *r}}\n  ")+"/x").document(), "more than 2097152 bytes of x-bearward-rule, aliases followed"},
		{"a document above the bound", good.document() + "#" + strings.Repeat(" ", openapiauth.DefaultMaxBytes), "Options.MaxBytes is 2097152"},
		{"directives", strings.Repeat("%TAG !e! tag:e\n", 101) + "%TAG !e! tag:e\n---\n" + good.document(), "more than 100 lines that begin with a percent sign"},
		{"nothing", "", "empty"},
		{"comments alone", "# nothing\n", "the document is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules, err := bounded(t, c.document)
			if err == nil || rules != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got rules %v, error %.300v, want %s", rules, err, c.want)
			}
		})
	}
}

func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestDocumentsThatAreLargeAndRead(t *testing.T) {
	good := op("[{login: [a]}]")
	for _, c := range []struct {
		name, document string
		rules          int
	}{
		{"paths", append(good, "PATH", many(5000, "/x%d: {get: {security: [{login: [a]}]}}\n  ")+"/x").document(), 5001},
		{"references", append(good, "COMPONENTS", "schemas:"+many(30_000, "\n    S%[1]d: {$ref: \"#/components/schemas/S%[1]d0\"}")).document(), 1},
		{"references of paths", append(good, "PATH", many(5000, "/x%[1]d: {$ref: \"#/components/pathItems/p%[1]d\"}\n  ")+"/x", "COMPONENTS", "pathItems:"+many(5000, "\n    p%d: {get: {security: [{login: [a]}]}}")).document(), 5001},
		{"schemas that refer to each other", append(good, "COMPONENTS", "schemas:"+many(300, "\n    S%d: {properties: {"+strings.TrimSuffix(many(50, "p%[1]d: {$ref: \"#/components/schemas/S%[1]d\"}, "), ", ")+"}}")).document(), 1},
		{"a few laughs", append(good, "DOCUMENT", "x-l: [&l0 [a, a], &l1 [*l0, *l0], &l2 [*l1, *l1]]").document(), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if rules, err := bounded(t, c.document); err != nil || len(rules) != c.rules {
				t.Errorf("got %d rules, error %v, want %d", len(rules), err, c.rules)
			}
		})
	}
}

// The memory that a document takes does not grow with the product of its parts.
func TestALongNameAboveManyProperties(t *testing.T) {
	document := append(op("[{login: [a]}]"), "COMPONENTS", "schemas:\n    ? "+strings.Repeat("k", 50_000)+"\n    : properties:"+many(5000, "\n        p%d: {}")).document()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := bounded(t, document); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 100<<20 {
		t.Errorf("%d KiB took %d MiB", len(document)>>10, took>>20)
	}
}

// A reference is the fragment of a URI, percent-decoded once (RFC 6901 §6), whatever else the
// document refers to.
func TestReferencesArePercentDecodedOnce(t *testing.T) {
	for name, c := range map[string]struct{ paths, key string }{
		"braces":              {"/orders/{id}: {get: {security: [{login: [b]}]}}\n  /y/{id}: {$ref: \"#/paths/~1orders~1%7Bid%7D\"}\n  /x", "GET /y/{id}"},
		"a tilde and a slash": {"x-~1: {get: {security: [{login: [b]}]}}\n  x-/: {get: {security: []}}\n  /a: {$ref: \"#/paths/x-~01\"}\n  /x", "GET /a"},
		"twice":               {"x-y: {get: {security: [{login: [b]}]}}\n  x-%79: {get: {security: []}}\n  x-other: {$ref: \"#/paths/x-%2579\"}\n  /a: {$ref: \"#/paths/x-%79\"}\n  /x", "GET /a"},
	} {
		rules, err := bounded(t, append(op("[{login: [a]}]"), "PATH", c.paths).document())
		if err != nil || rules[c.key].String() != "b" {
			t.Errorf("%s: got %v, %v", name, rules, err)
		}
	}
	byAlias := append(op("[{login: [a]}]"), "DOCUMENT", "x-m: &m {p: {get: {security: [{login: [b]}]}}}", "COMPONENTS", "pathItems: *m", "PATH", "/a: {$ref: \"#/components/pathItems/p\"}\n  /x").document()
	if rules, err := bounded(t, byAlias); err != nil || rules["GET /a"].String() != "b" {
		t.Errorf("an alias in the way: got %v, %v", rules, err)
	}
	for _, ref := range []string{"#/paths/%zz", "#/paths/x-l/0", "#/paths/x-l/1", "#/paths/x-l/1/get", "#/paths/", "#/paths/~1x/get/security/0/login", "#/paths/~1x~0"} {
		rules, err := bounded(t, append(op("[{login: [a]}]"), "PATH", "x-l: [0, {get: {security: []}}]\n  /a: {$ref: \""+ref+"\"}\n  /x").document())
		if err == nil {
			t.Errorf("%s: got %v", ref, rules)
		}
	}
}

// outside are references that lead out of the document.
func outside(t *testing.T) []string {
	t.Helper()
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte("get: {security: []}\n"))
	}))
	t.Cleanup(func() {
		s.Close()
		if n := asked.Load(); n > 0 {
			t.Errorf("%d requests were made", n)
		}
	})
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"item.yaml", "other.json"} {
		if err := pipe(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "plain.yaml"), []byte("get: {security: []}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{
		"item.yaml", "./item.yaml#/x", "other.json", "plain.yaml", "./plain.yaml#/get", filepath.Join(dir, "item.yaml"), "file://" + filepath.Join(dir, "plain.yaml"),
		s.URL + "/item.yaml", s.URL + "/item.yaml#/paths/~1x", strings.TrimPrefix(s.URL, "http:") + "/item.yaml", "http://" + strings.TrimPrefix(s.URL, "http://") + "/x", "", "x",
	}
}

func TestNothingOutsideTheDocumentIsRead(t *testing.T) {
	for _, ref := range outside(t) {
		t.Run("path item "+ref, func(t *testing.T) {
			rules, err := bounded(t, append(op("[]"), "PATH", fmt.Sprintf("/y: {$ref: %q}\n  /x", ref)).document())
			if err == nil || rules != nil || !strings.Contains(err.Error(), "line 5, column 14: /y: the reference") {
				t.Errorf("got rules %v, error %v", rules, err)
			}
		})
		t.Run("security scheme "+ref, func(t *testing.T) {
			rules, err := bounded(t, append(op("[]"), "SCHEME", fmt.Sprintf("k: {$ref: %q}", ref)).document())
			if err == nil || rules != nil || !strings.Contains(err.Error(), "line 13, column 15: security scheme k: the reference") {
				t.Errorf("got rules %v, error %v", rules, err)
			}
		})
		t.Run("what rules do not depend on "+ref, func(t *testing.T) {
			document := append(op("[]\n      parameters: [{$ref: \"REF\"}]\n      requestBody: {$ref: \"REF\"}"), "COMPONENTS", "schemas: {S: {$ref: \"REF\"}, T: {$id: \"REF\", $schema: \"REF\", $ref: item.yaml}}",
				"DOCUMENT", "jsonSchemaDialect: \"REF\"\nservers: [{url: \"REF\"}]\nexternalDocs: {url: \"REF\"}").document()
			rules, err := bounded(t, strings.ReplaceAll(document, "REF", ref))
			if err != nil || len(rules) != 1 {
				t.Errorf("got rules %v, error %v", rules, err)
			}
		})
	}
}

// A bubble waits for every goroutine that was started in it, and fails the test when one is stuck.
func TestNoGoroutineIsLeft(t *testing.T) {
	for _, document := range []string{string(mustRead(t, "testdata/orders.yaml")), op("[]").document(), append(op("[]"), "PATH", "/y: {$ref: \"#/paths/~1y\"}\n  /x").document()} {
		synctest.Test(t, func(t *testing.T) {
			_, err := openapiauth.Rules([]byte(document), openapiauth.Chi, nil)
			synctest.Wait()
			t.Log(err)
		})
	}
}

// The keys of JSON are read exactly, and so are those that JSON readers take the last of, or
// whatever their case.
func TestJSON(t *testing.T) {
	text := `{"openapi": "3.1.0", "paths": {"/x": {"get": {"security": [{"login": ["a"]}]MORE}}},
 "components": {"securitySchemes": {"login": {"type": "oauth2", "flows": {"password": {"scopes": {"a": "\/A"}}}}}}}`
	for more, want := range map[string]string{
		"":                      "",
		`, "security": []`:      `line 1, column 79: a second "security", after line 1`,
		`, "Security": []`:      `line 1, column 79: GET /x: unknown field "Security"`,
		`, "\u0073ecurity": []`: `a second "security"`,
	} {
		rules, err := openapiauth.Rules([]byte(strings.Replace(text, "MORE", more, 1)), openapiauth.Chi, nil)
		switch {
		case want == "" && (err != nil || rules["GET /x"].String() != "a"):
			t.Errorf("got %v, error %v", rules, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, error %v, want %s", more, rules, err, want)
		}
	}
}

// What is after the first document of a stream would not be read, whatever it begins and ends with.
// What is wrong with JSON is told with its place, also where the parser of YAML finds it.
func TestJSONThatTheParserRefuses(t *testing.T) {
	for name, document := range map[string]string{
		"half a surrogate": `{"openapi":"3.1.0","info":{"title":"\ud800"},"paths":{"/x":{"get":{"security":[]}}}}`,
		"a tab in front":   "\t{\"openapi\":\"3.1.0\",\"paths\":{\"/x\":{\"get\":{\"security\":[]}}}}",
		"a colon below":    "{\"openapi\"\n:\"3.1.0\",\"paths\":{\"/x\":{\"get\":{\"security\":[]}}}}",
	} {
		if _, err := bounded(t, document); err == nil || !strings.Contains(err.Error(), "L1.C") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASecondDocumentIsRefusedBetweenBracesToo(t *testing.T) {
	flow := `{openapi: 3.1.0, paths: {/x: {get: {security: [{login: [a]}]}}}, components: {securitySchemes: {login: {type: oauth2, flows: {password: {scopes: {a: A}}}}}}}`
	for more, want := range map[string]string{
		"":                                 "",
		"\n# }":                            "",
		"\n---\n{openapi: 3.1.0}":          "line 2, column 1: a second document",
		"\n---\n" + flow:                   "line 2, column 1: a second document",
		"\n...\n--- {openapi: 3.1.0}":      "a second document",
		"\n{openapi: 3.1.0}":               "read the document",
		"\n---\n# nothing but a comment }": "a second document",
	} {
		rules, err := openapiauth.Rules([]byte(flow+more), openapiauth.Chi, nil)
		switch {
		case want == "" && (err != nil || rules["GET /x"].String() != "a"):
			t.Errorf("%q: got %v, error %v", more, rules, err)
		case want != "" && (err == nil || rules != nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, error %v, want %s", more, rules, err, want)
		}
	}
}
