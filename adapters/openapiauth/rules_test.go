package openapiauth_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/bearward/bearward/adapters/openapiauth"
)

// frame is a document with one operation, and places for what differs.
const frame = `openapi: 3.1.0
info: {title: t, version: "1"}
DOCUMENT
paths:
  PATH:
    ITEM
    METHOD:
      OPERATION
      responses: {"200": {description: ok}}
components:
  securitySchemes:
    login: {type: oauth2, flows: {clientCredentials: {tokenUrl: "https://i.example/t", scopes: {a: A, b: B, "c:d": C}}}}
    SCHEME
  COMPONENTS
`

// A change is what to put in a place of the frame, by pairs.
type change []string

func (c change) document() string {
	pairs := append(append([]string{}, c...), "DOCUMENT", "", "PATH", "/x", "ITEM", "", "METHOD", "get", "OPERATION", "", "SCHEME", "", "COMPONENTS", "")
	return strings.NewReplacer(pairs...).Replace(frame)
}

func op(security string) change { return change{"OPERATION", "security: " + security} }

func TestSecurityBecomesARequirement(t *testing.T) {
	for _, c := range []struct {
		name string
		change
		opts *openapiauth.Options
		want string
	}{
		{"a scope", op("[{login: [a]}]"), nil, "a"},
		{"two scopes are both asked for", op("[{login: [a, b]}]"), nil, "a and b"},
		{"a scope named twice", op("[{login: [a, a]}]"), nil, "a"},
		{"no scopes", op("[{login: []}]"), nil, "any token"},
		{"a list is an or", op(`[{login: [a, b]}, {login: ["c:d"]}]`), nil, "(a and b) or c:d"},
		{"an or with any token", op("[{login: [a]}, {login: []}]"), nil, "a or any token"},
		{"an empty list", op("[]"), nil, "public"},
		{"an empty object", op("[{}]"), nil, "optional"},
		{"an empty object before scopes", op("[{}, {login: [a]}]"), nil, "optional"},
		{"an empty object after scopes", op("[{login: [a]}, {}]"), nil, "optional"},
		{"the document's", change{"DOCUMENT", "security: [{login: [a]}]"}, nil, "a"},
		{"the operation's before the document's", append(op("[{login: [b]}]"), "DOCUMENT", "security: [{login: [a]}]"), nil, "b"},
		{"a public operation of a document with security", append(op("[]"), "DOCUMENT", "security: [{login: [a]}]"), nil, "public"},
		{"a document's security that no operation needs", append(op("[{login: [b]}]"), "DOCUMENT", "security: [{key: []}]", "SCHEME", "key: {type: apiKey, in: header, name: K}"), nil, "b"},
		{"an operation beside a document that is open", append(op("[{login: [b]}]"), "DOCUMENT", "security: []"), nil, "b"},
		{"openIdConnect, which declares no scopes", append(op("[{id: [anything]}]"), "SCHEME", "id: {type: openIdConnect, openIdConnectUrl: u}"), &openapiauth.Options{TokenSchemes: []string{"id"}}, "anything"},
		{"roles of http bearer", append(op("[{jwt: [clerk]}]"), "SCHEME", "jwt: {type: http, scheme: Bearer}"), &openapiauth.Options{TokenSchemes: []string{"jwt"}}, "clerk"},
		{"several schemes of one token", append(op("[{jwt: [clerk], login: [a]}]"), "SCHEME", "jwt: {type: http, scheme: bearer}"), &openapiauth.Options{TokenSchemes: []string{"jwt", "login"}}, "clerk and a"},
		{"an alternative that is left out", append(op("[{login: [a]}, {key: []}]"), "SCHEME", "key: {type: apiKey, in: header, name: K}"), &openapiauth.Options{IgnoreSchemes: []string{"key"}}, "a"},
		{"one of another issuer that is left out", append(op("[{jwt: []}, {login: [a]}]"), "SCHEME", "jwt: {type: http, scheme: bearer}"), &openapiauth.Options{IgnoreSchemes: []string{"jwt"}}, "a"},
		{"an alternative of two that are left out", append(op("[{login: [a]}, {key: [], tls: []}]"), "SCHEME", "key: {type: apiKey, in: header, name: K}\n    tls: {type: mutualTLS}"), &openapiauth.Options{IgnoreSchemes: []string{"key", "tls"}}, "a"},
		{"a scheme by reference", append(op("[{too: [a]}]"), "SCHEME", `too: {$ref: "#/components/securitySchemes/login"}`), &openapiauth.Options{TokenSchemes: []string{"too"}}, "a"},
		{"a scheme and a scope whose names look like extensions", append(op("[{x-k: [x-a]}]"), "SCHEME", "x-k: {type: oauth2, flows: {password: {scopes: {x-a: A}}}}"), &openapiauth.Options{TokenSchemes: []string{"x-k"}}, "x-a"},
		{"YAML's own tags", op("!!seq [!!map {login: !!seq [!!str a]}]"), nil, "a"},
		{"security by an alias", append(op("*s"), "DOCUMENT", "x-s: &s [{login: [a]}]"), nil, "a"},
		{"OpenAPI 3.0", append(op("[{login: [a]}]"), "3.1.0", "3.0.4"), nil, "a"},
		{"a list that ends in externalDocs", append(op("[{login: [a]}]"), "COMPONENTS", "schemas: {S: {required: [externalDocs], enum: [b, c, externalDocs]}}"), nil, "a"},
		{"extensions whose values are words of other formats", append(op("[{login: [a]}]"), "DOCUMENT", "x-from: swagger\nx-to: asyncapi"), nil, "a"},
		{"extensions anywhere", append(op("[{login: [a]}]\n      x-security: []"), "DOCUMENT", "x-security: []", "ITEM", "x-security: []"), nil, "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules, err := openapiauth.Rules([]byte(c.document()), openapiauth.NetHTTP, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if got := rules["GET /x"].String(); got != c.want || len(rules) != 1 {
				t.Errorf("got %q of %d rules, want %q", got, len(rules), c.want)
			}
		})
	}
}

// faulty are documents that must not become rules, each with one fault. What is wanted is where it
// is and a part of its text.
var faulty = []struct {
	name string
	change
	want string
}{
	// What would open an operation, or a part of it.
	{"no security at all", change{}, "line 7, column 5: GET /x: no security"},
	{"a document that is public by default", change{"DOCUMENT", "security: []"}, "line 7, column 5: GET /x: no security, and that of the document (line 3) lets"},
	{"a document that is optional by default", change{"DOCUMENT", "security: [{login: [a]}, {}]"}, "line 7, column 5: GET /x: no security, and that of the document (line 3) lets"},
	{"security that is null", op(""), "line 8, column 16: GET /x: security is a list"},
	{"the document's security that is null", change{"DOCUMENT", "security:"}, "line 3, column 10: the document's security: security is a list"},
	{"security that is an object", op("{login: [a]}"), "line 8, column 17: GET /x: security is a list"},
	{"security that is a text", op("login"), "line 8, column 17: GET /x: security is a list"},
	{"a list that a tag makes null", op("!!null []"), "line 8, column 17: GET /x: security is a list"},
	{"a list with a tag of its own", op("!reset []"), "line 8, column 17: GET /x: security is a list"},
	{"an object that a tag makes null", op("[{login: [a]}, !!null {}]"), "line 8, column 32: GET /x: expected an object"},
	{"an object with a tag of its own", op("[{login: [a]}, !include {}]"), "line 8, column 32: GET /x: expected an object"},
	{"scopes with a tag of their own", op("[{login: !without []}]"), `line 8, column 26: GET /x: what is asked of "login" is a list`},
	{"an operation with a tag of its own", change{"METHOD:\n      OPERATION", "get: !patch\n      security: []"}, "line 7, column 10: GET /x: expected an object"},
	{"null in the list", op("[null, {login: [a]}]"), "line 8, column 18: GET /x: expected an object"},
	{"a text in the list", op("[login]"), "line 8, column 18: GET /x: expected an object"},
	{"a list in the list", op("[[]]"), "line 8, column 18: GET /x: expected an object"},
	{"an extension is a name in the list", op("[{x-login: []}]"), `line 8, column 19: GET /x: the document defines no security scheme "x-login"`},
	{"scopes that are null", op("[{login: }]"), `line 8, column 26: GET /x: what is asked of "login" is a list`},
	{"scopes that are a text", op("[{login: a}]"), `line 8, column 26: GET /x: what is asked of "login" is a list`},
	{"scopes that are an object", op("[{login: {a: A}}]"), `line 8, column 26: GET /x: what is asked of "login" is a list`},
	{"a scope that is a number", op("[{login: [1]}]"), "line 8, column 27: GET /x: expected a scope of login, a string"},
	{"a scope that is null", op("[{login: [null]}]"), "line 8, column 27: GET /x: expected a scope of login, a string"},
	{"a misspelled security", append(change{"OPERATION", "Security: []"}, "DOCUMENT", "security: [{login: [a]}]"), `line 8, column 7: GET /x: unknown field "Security"`},
	{"security at the path", append(op("[{login: [a]}]"), "ITEM", "security: [{login: [b]}]"), `line 6, column 5: /x: unknown field "security"`},
	{"a method in upper case", append(op("[]"), "METHOD", "GET"), `line 7, column 5: /x: unknown field "GET"`},
	{"a method of OpenAPI 3.2", append(op("[]"), "METHOD", "query"), `line 7, column 5: /x: unknown field "query"`},
	{"another field beside the document's", append(op("[{login: [a]}]"), "DOCUMENT", "securityy: []"), `line 3, column 1: unknown field "securityy"`},
	{"our extension at the path", append(op("[{login: [a]}]"), "ITEM", "x-bearward-rule: role:admin"), `line 6, column 5: /x: "x-bearward-rule" has no meaning here`},
	{"our extension at the document", append(op("[{login: [a]}]"), "DOCUMENT", "x-bearward-rule: role:admin"), `line 3, column 1: the document: "x-bearward-rule" has no meaning here`},
	{"our extension in another case", op("[{login: [a]}]\n      X-Bearward-Rule: role:admin"), `line 9, column 7: GET /x: "X-Bearward-Rule" has no meaning here`},
	{"our extension, misspelled", op("[{login: [a]}]\n      x-bearward-rules: role:admin"), `line 9, column 7: GET /x: "x-bearward-rules" has no meaning here`},
	{"a key twice", op("[{login: [a]}]\n      security: []"), `line 9, column 7: a second "security", after line 8`},
	{"a merge key", append(change{"OPERATION", "<<: *s"}, "DOCUMENT", "x-s: &s {security: []}"), "line 8, column 7: a merge key"},
	{"a key that is a list", append(op("[{login: [a]}]"), "DOCUMENT", "? [a]\n: 1"), "line 3, column 3: a key is a plain text"},
	{"two documents in a file", append(op("[{login: [a]}]"), "COMPONENTS", "\n---\nopenapi: 3.1.0"), "a second document"},
	{"an operation that is null", change{"    METHOD:\n      OPERATION\n      responses: {\"200\": {description: ok}}", "    get:"}, "line 7, column 9: GET /x: expected an object"},
	{"an operation by reference", change{"OPERATION", `$ref: "#/components/x"`, "DOCUMENT", "security: [{login: [a]}]"}, `line 8, column 7: GET /x: unknown field "$ref"`},

	// What a Guard cannot check.
	{"a scheme that is not defined", op("[{logn: [a]}]"), `line 8, column 19: GET /x: the document defines no security scheme "logn"`},
	{"a scope that no flow declares", op("[{login: [aa]}]"), `line 8, column 27: GET /x: no flow of "login" declares the scope "aa"`},
	{"a scope with a space", op(`[{login: ["a b"]}]`), `line 8, column 27: GET /x: "a b" is not a scope`},
	{"a scope with a quote", op(`[{login: ['a"']}]`), `is not a scope`},
	{"a scope that is empty", op(`[{login: [""]}]`), `"" is not a scope`},
	{"an API key", append(op("[{key: []}]"), "SCHEME", "key: {type: apiKey, in: header, name: K}"), `line 8, column 19: GET /x: "key" is of type apiKey, which a Guard does not check`},
	{"http basic as an alternative", append(op("[{login: [a]}, {pw: []}]"), "SCHEME", "pw: {type: http, scheme: basic}"), `line 8, column 33: GET /x: "pw" is of type http basic`},
	{"mutualTLS together with a token", append(op("[{login: [a], tls: []}]"), "SCHEME", "tls: {type: mutualTLS}"), `line 8, column 31: GET /x: "tls" is of type mutualTLS`},
	{"a second scheme with tokens", append(op("[{login: [a]}]"), "SCHEME", "jwt: {type: http, scheme: bearer}"), `line 13, column 5: "jwt" is a second scheme with tokens, beside "login"`},

	// Schemes.
	{"an unknown type", append(op("[]"), "SCHEME", "k: {type: oauth}"), `line 13, column 15: security scheme k: unknown type "oauth"`},
	{"no type", append(op("[]"), "SCHEME", "k: {in: header}"), "line 13, column 5: security scheme k: expected its type"},
	{"http without a scheme", append(op("[]"), "SCHEME", "k: {type: http}"), "line 13, column 5: security scheme k: expected its scheme"},
	{"oauth2 without flows", append(op("[]"), "SCHEME", "k: {type: oauth2}"), "line 13, column 5: security scheme k: an oauth2 scheme has flows"},
	{"an unknown flow", append(op("[]"), "SCHEME", "k: {type: oauth2, flows: {password2: {scopes: {}}}}"), `security scheme k: unknown field "password2"`},
	{"a flow without scopes", append(op("[]"), "SCHEME", "k: {type: oauth2, flows: {password: {tokenUrl: u}}}"), "security scheme k: the flow password has no scopes"},
	{"a scheme that is a list", append(op("[]"), "SCHEME", "k: []"), "line 13, column 8: security scheme k: expected an object"},
	{"a scheme of another file", append(op("[]"), "SCHEME", `k: {$ref: "other.yaml"}`), `line 13, column 15: security scheme k: the reference "other.yaml" leads out of the document`},

	// Paths.
	{"a path without a slash", append(op("[]"), "PATH", "x"), "line 5, column 3: GET x: a path begins with a slash"},
	{"a parameter that is part of a segment", append(op("[]"), "PATH", "/x/{a}.json"), "a parameter is a whole segment"},
	{"two parameters in a segment", append(op("[]"), "PATH", "/x/{a}{b}"), "a parameter is a whole segment"},
	{"a parameter without a name", append(op("[]"), "PATH", "/x/{}"), "the name of a parameter"},
	{"ServeMux's end of a path", append(op("[]"), "PATH", "/x/{$}"), "the name of a parameter"},
	{"chi's regular expression", append(op("[]"), "PATH", `"/x/{a:.*}"`), "the name of a parameter"},
	{"a parameter twice", append(op("[]"), "PATH", "/x/{a}/{a}"), `two parameters are "a"`},
	{"an asterisk", append(op("[]"), "PATH", "/x/*"), "a segment is made of"},
	{"a space", append(op("[]"), "PATH", `"/x /y"`), "a segment is made of"},
	{"a query", append(op("[]"), "PATH", `"/x?a=b"`), "a segment is made of"},
	{"percent-encoding", append(op("[]"), "PATH", "/x/%2e%2e"), "a segment is made of"},
	{"a segment that leads up", append(op("[]"), "PATH", "/x/../y"), `a segment ".."`},
	{"an empty segment", append(op("[]"), "PATH", "/x//y"), "an empty segment"},
	{"two paths of one shape", append(op("[{login: [a]}]"), "PATH", "/x/{b}:\n    get: {security: []}\n  /x/{c}"), `line 7, column 3: GET /x/{c}: the same path as "/x/{b}" in line 5`},
	{"servers of the operation", op("[]\n      servers: [{url: https://other.example}]"), "line 9, column 7: GET /x: servers of its own"},
	{"servers of the path", append(op("[]"), "ITEM", "servers: [{url: https://other.example}]"), "line 6, column 5: GET /x: servers of its own"},
	{"a path item of another file", append(op("[]"), "PATH", "/y: {$ref: other.yaml}\n  /x"), `line 5, column 14: /y: the reference "other.yaml" leads out of the document`},
	{"a reference to nothing", append(op("[]"), "PATH", "/y: {$ref: \"#/components/pathItems/Y\"}\n  /x"), `line 5, column 14: /y: the reference "#/components/pathItems/Y" leads nowhere`},
	{"a reference to something else", append(op("[]"), "PATH", "/y: {$ref: \"#/components/securitySchemes/login\"}\n  /x"), "is not to #/components/pathItems/"},
	{"a reference with operations beside it", append(op("[]"), "PATH", "/y: {$ref: \"#/paths/~1x\", get: {security: []}}\n  /x"), `line 5, column 29: /y: unknown field "get"`},
	{"a reference to itself", append(op("[]"), "PATH", "/y: {$ref: \"#/paths/~1y\"}\n  /x"), "is to a reference, and is not followed"},
	{"a circle of references", append(op("[]"), "PATH", "/y: {$ref: \"#/paths/~1z\"}\n  /z: {$ref: \"#/paths/~1y\"}\n  /x"), "is to a reference, and is not followed"},

	// Documents.
	{"OpenAPI 3.2", append(op("[]"), "3.1.0", "3.2.0"), `line 1, column 10: OpenAPI "3.2.0": known are 3.0 and 3.1`},
	{"a version that is a number", append(op("[]"), "3.1.0", "3.1"), "expected the field openapi, a string"},
	{"Swagger 2.0", append(op("[]"), "openapi: 3.1.0", `swagger: "2.0"`), "line 1, column 10: Swagger 2.0 is not read: convert"},
	{"no operations", change{"METHOD:\n      OPERATION\n      responses: {\"200\": {description: ok}}", "summary: s"}, "the document has no operations"},
	{"no YAML", change{"openapi: 3.1.0", "openapi: 3.1.0\n\t- ]"}, "found a tab character"},
}

func TestEmptyDocumentsAreRefused(t *testing.T) {
	for _, document := range []string{"", " \n", "# nothing\n", "---\n"} {
		if _, err := openapiauth.Rules([]byte(document), openapiauth.NetHTTP, nil); err == nil || !strings.HasPrefix(err.Error(), "openapiauth: ") {
			t.Errorf("%q: got %v", document, err)
		}
	}
	if _, err := openapiauth.Rules(nil, openapiauth.NetHTTP, nil); fmt.Sprint(err) != "openapiauth: the document is empty" {
		t.Errorf("no document: got %v", err)
	}
}

func TestDocumentsThatAreRefused(t *testing.T) {
	for _, c := range faulty {
		t.Run(c.name, func(t *testing.T) {
			rules, err := openapiauth.Rules([]byte(c.document()), openapiauth.NetHTTP, nil)
			if err == nil || rules != nil {
				t.Fatalf("got rules %v, error %v", rules, err)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "openapiauth: ") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestEveryFaultIsNamedOnceInTheOrderOfTheDocument(t *testing.T) {
	document := `openapi: 3.1.0
security: [{gone: []}]
paths:
  /a:
    get: {}
    put: {security: [{login: [b, c]}]}
  /b:
    get: {}
components:
  securitySchemes:
    login: {type: oauth2, flows: {password: {scopes: {a: A}}}}
`
	_, err := openapiauth.Rules([]byte(document), openapiauth.Chi, &openapiauth.Options{IgnoreSchemes: []string{"x"}, SkipOperations: []string{"GET /c"}})
	want := `openapiauth: Options.IgnoreSchemes names "x", which is no security scheme of the document
Options.SkipOperations names "GET /c", which is no operation of the document
line 2, column 13: the document's security: the document defines no security scheme "gone"
line 6, column 31: PUT /a: no flow of "login" declares the scope "b"
line 6, column 34: PUT /a: no flow of "login" declares the scope "c"`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestTheErrorIsBounded(t *testing.T) {
	document := append(op("[{login: [a]}]"), "PATH", many(5000, "/x%d: {get: {}}\n  ")+"/x").document()
	_, err := openapiauth.Rules([]byte(document), openapiauth.Chi, nil)
	if err == nil || strings.Count(err.Error(), "\n") != 100 || !strings.HasSuffix(err.Error(), "\nand more") {
		t.Errorf("got %.300s", err)
	}
	for _, long := range []change{
		append(op("*s"), "DOCUMENT", "x-s: &s [{"+strings.Repeat("é", 50_000)+": []}]"),
		append(op("[]"), "PATH", "/"+strings.Repeat("é", 5_000)),
		append(op("[]"), "DOCUMENT", "x-a: *"+strings.Repeat("a", 50_000)),
	} {
		_, err := openapiauth.Rules([]byte(long.document()), openapiauth.Chi, nil)
		if err == nil || len(err.Error()) > 600 || !utf8.ValidString(err.Error()) {
			t.Errorf("got an error of %d bytes", len(fmt.Sprint(err)))
		}
	}
}

func TestTheErrorHasNoControlCharacters(t *testing.T) {
	for _, c := range []change{
		append(op("[]"), "PATH", `"/x\e[2J\nline 1, column 1: forged"`),
		append(op("[{login: [a]}]"), "PATH", `"/x\u202e": {$ref: "#/paths/\e]0;"}`+"\n  /x"),
		append(op("[]"), "SCHEME", `"k\nx": {type: "\e"}`),
		op(`[{"\u0085\u2028": []}]`),
	} {
		_, err := openapiauth.Rules([]byte(c.document()), openapiauth.Chi, nil)
		if err == nil || strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("got %q", err)
		}
	}
}

func mustRead(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
