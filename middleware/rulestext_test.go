package auth_test

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	auth "github.com/bearward/bearward/middleware"
)

func TestParseRules(t *testing.T) {
	rules, err := auth.ParseRules("# who may call what\r\n\r\n" +
		"GET /orders = read:orders\r\n" +
		"\tPOST   /orders =\twrite:orders  and (admin or owner) # both\n" +
		"GET /orders/{id} = read:orders and any token\n" +
		"GET /all = a and b and c\n" +
		"GET /one = a or b\n" +
		"/me = any token\n" +
		"/catalogue = optional\n" +
		"/healthz = public\n" +
		"/pkg.Svc/* = \"any\" and \"a#b\" and \"(\"\n" +
		"tools/call list_orders = a\n" +
		"tools/call * = b\n" +
		"prompts/get reminder = a\n" +
		"resources/read orders://{id} = a\n" +
		"tools/list = any token\n" +
		"GET api.example/x = ((a))")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"GET /orders": "read:orders", "POST /orders": "write:orders and (admin or owner)", "GET /orders/{id}": "read:orders and any token", "GET /all": "a and b and c",
		"GET /one": "a or b", "/me": "any token", "/catalogue": "optional", "/healthz": "public", "/pkg.Svc/*": `"any" and "a#b" and "("`, "GET api.example/x": "a",
		"tools/call list_orders": "a", "tools/call *": "b", "prompts/get reminder": "a", "resources/read orders://{id}": "a", "tools/list": "any token",
	}
	got := map[string]string{}
	for key, r := range rules {
		got[key] = r.String()
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if !rules["/healthz"].IsPublic() || !rules["/catalogue"].IsOptional() {
		t.Error("public and optional are read as something else")
	}
}

func TestParseRulesSaysWhereAndWhat(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "line 1, column 1: no rules",
		"# nothing\n\n":                         "line 2, column 1: no rules",
		"GET /orders":                           "line 1, column 12: expected \" = \"",
		"GET /orders = ":                        "line 1, column 14: expected a scope",
		" = x":                                  "line 1, column 2: expected an operation",
		"GET /orders=x":                         "line 1, column 14: expected \" = \"",
		"GET /a /b = x":                         "line 1, column 8: expected an equals sign",
		"GET orders = x":                        "line 1, column 5: expected a pattern with a slash",
		"tools/calls a = x":                     "line 1, column 13: expected a pattern with a slash",
		"Tools/call a = x":                      "line 1, column 12: expected a pattern with a slash",
		"tools/call a b = x":                    "line 1, column 14: expected an equals sign",
		"tools/call \"a\" = x":                  "line 1, column 12: expected a method and a pattern",
		"get /orders = x":                       "line 1, column 1: expected a method in upper case",
		"FOO /orders = x":                       "line 1, column 1: \"FOO\" is no method of HTTP",
		"GETS /orders = x":                      "line 1, column 1: \"GETS\" is no method of HTTP",
		"GET /orders = Public":                  "line 1, column 15: expected \"public\" in lower case, not \"Public\"",
		"GET /orders = OPTIONAL":                "line 1, column 15: expected \"optional\" in lower case",
		"GET /orders = a Or b":                  "line 1, column 17: expected \"and\", \"or\" or the end of the line",
		"GET /orders = Any token":               "line 1, column 15: expected \"any\" in lower case",
		"\"GET\" /orders = x":                   "line 1, column 1: expected a method and a pattern",
		"/a = x and":                            "line 1, column 11: expected a scope",
		"/a = x y":                              "line 1, column 8: expected \"and\", \"or\" or the end of the line, not \"y\"",
		"/a = x and y or z":                     "line 1, column 14: expected \"and\"",
		"/a = (x or y":                          "line 1, column 13: expected a closing parenthesis",
		"/a = x)":                               "line 1, column 7: expected \"and\", \"or\" or the end of the line",
		"/a = any":                              "line 1, column 9: expected \"token\"",
		"/a = and":                              "line 1, column 6: expected a scope, not \"and\"",
		"/a = x and public":                     "line 1, column 12: expected a scope, not \"public\"",
		"/a = public or x":                      "line 1, column 13: public stands alone",
		"/a = optional x":                       "line 1, column 15: optional stands alone",
		"/a = report-only public":               "line 1, column 18: report-only stands once, before what is reported on: not public",
		"/a = report-only report-only x":        "line 1, column 18: report-only stands once, before what is reported on: not report-only x",
		"/a = a=b":                              "line 1, column 6: a scope with \"=\" in it",
		"/a = \"a b\"":                          "line 1, column 6: \"a b\" is not a scope",
		"/a = \"\"":                             "line 1, column 6: \"\" is not a scope",
		"/a = \"a":                              "line 1, column 6: a quote without its end",
		"/a = \"a\"b":                           "line 1, column 9: expected a space",
		"/a = a\\b":                             "line 1, column 6: \"a\\\\b\" is not a scope",
		"/a = é":                                "line 1, column 6: byte 0xc3",
		"\ufeff/a = x":                          "line 1, column 1: byte 0xef",
		"/a = x\x00":                            "line 1, column 7: byte 0x0",
		"/a = x # \xff":                         "line 1, column 8: a comment that is not UTF-8",
		"# old\rGET /a = x\n/a = public":        "line 1, column 6: a comment with a character that may look like the end of the line",
		"# old\u2028GET /a = x\n/a = public":    "line 1, column 6: a comment with",
		"# old\u0085GET /a = x\n/a = public":    "line 1, column 6: a comment with",
		"# old\fGET /a = x\n/a = public":        "line 1, column 6: a comment with",
		"/a = public #\u202e x = a/ TEG":        "line 1, column 14: a comment with",
		"/a = public # \u2066x":                 "line 1, column 15: a comment with",
		"/a = x\n/a = y":                        "line 2, column 1: a second rule for \"/a\", after line 1",
		"/a = " + strings.Repeat("(", 30) + "x": "line 1, column 25: more than 20 parentheses",
	} {
		rules, err := auth.ParseRules(text)
		if err == nil || !strings.Contains(err.Error(), want) || rules != nil {
			t.Errorf("%q:\n got %v, %v\nwant %s", text, rules, err, want)
		}
	}
	_, err := auth.ParseRules("/a = and\n/b = x\nGET = y\n/b = z")
	for _, line := range []string{"line 1,", "line 3,", "line 4,"} {
		if err == nil || !strings.Contains(err.Error(), line) {
			t.Errorf("not every fault is told: %v", err)
		}
	}
}

func TestParseRequirement(t *testing.T) {
	for text, want := range map[string]string{
		"read": "read", " a and (b or c) ": "a and (b or c)", "any token": "any token", "public": "public", "\"a#b\"": "\"a#b\"",
	} {
		if got, err := auth.ParseRequirement(text); err != nil || got.String() != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{"": "column 1: expected a scope", "a b": "column 3: expected the end", "public x": "column 8: public stands alone", "\x00": "column 1: byte", "a and\nb": "column 6: byte", "/a = b": "column 4",
		"a # who reads\nand b": "column 3: a comment", "a # who reads and role:b": "column 3: a comment", "optional # x": "column 10: a comment", "\"a\"#": "column 4: a comment"} {
		if got, err := auth.ParseRequirement(text); err == nil || !got.IsZero() || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %s", text, got, err, want)
		}
	}
}

// What people review is what is asked for, also where a scope has the name of a word.
func TestTableTellsAScopeFromAWord(t *testing.T) {
	table := auth.Rules{"/a": auth.Scopes("public"), "/b": auth.Scopes("optional"), "/c": auth.Public(), "/d": auth.Optional()}.Table()
	for _, want := range []string{"| /a | \"public\" |", "| /b | \"optional\" |", "| /c | everybody: public |", "| /d | everybody; a token"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

func FuzzParseRules(f *testing.F) {
	for _, seed := range []string{"GET /orders = read:orders", "/a = (x or y) and \"or\" # z", "/a = any token\n/b = public", "/a = ((((", "\xff", "/a = x\r\n/a = y",
		"GET /a = role:admin and group:\"on call\" and permission:x.y", "/a = user:https://i|s or client:\"i|a b\"", "/a = acr:a and acr:\"a b\" and authenticated-within:90s",
		"/a = acr:a and acr:b", "/a = role:\"\\u00e9\\\"\" and issuer:\"\\x00\"", "/a = \"role:x\" and detail:y with a check", "/a = role:\"\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		defer noPanic(t)
		rules, err := auth.ParseRules(text)
		if err != nil {
			if !strings.Contains(err.Error(), "line ") || !strings.Contains(err.Error(), ", column ") {
				t.Errorf("%q: an error without a place: %v", text, err)
			}
			return
		}
		again, err := rules.Text()
		if err != nil {
			t.Fatalf("%q cannot be written: %v", text, err)
		}
		back, err := auth.ParseRules(again)
		if err != nil || len(back) != len(rules) {
			t.Fatalf("%q was written as %q: %v", text, again, err)
		}
		for key := range rules {
			if rules[key].String() != back[key].String() {
				t.Errorf("%q: %v became %v", key, rules[key], back[key])
			}
		}
	})
}

func TestRulesThatAreNoText(t *testing.T) {
	live, err := auth.NewLiveRules(auth.Rules{"/a": auth.AnyToken()})
	if err != nil {
		t.Fatal(err)
	}
	for name, rules := range map[string]auth.Rules{
		"a check":     {"/a": auth.AnyToken().With(noCheck)},
		"a live rule": live.Rules(),
		"a zero rule": {"/a": auth.Requirement{}},
		"an odd key":  {"get /a": auth.AnyToken()},
		"a space":     {"GET  /a": auth.AnyToken()},
		"none":        {},
	} {
		if text, err := rules.Text(); err == nil {
			t.Errorf("%s is written as %q", name, text)
		}
	}
}

func TestLiveRules(t *testing.T) {
	first := auth.Rules{"GET /orders": auth.Scopes("read"), "GET /me": auth.AnyToken()}
	live, err := auth.NewLiveRules(first)
	if err != nil {
		t.Fatal(err)
	}
	rules := live.Rules()
	g := must(auth.NewGuard(newFake(t), nil))
	asks := func(c auth.Credentials, key string) error {
		_, err := g.Authorize(t.Context(), c, rules[key])
		return err
	}
	first["GET /orders"] = auth.Public() // the table is a copy
	if err := asks(bearer("reader"), "GET /orders"); err == nil || rules["GET /orders"].String() != "read" {
		t.Errorf("before: %v, %v", rules["GET /orders"], err)
	}
	for name, bad := range map[string]auth.Rules{
		"a rule is missing":     {"GET /orders": auth.Public()},
		"a rule is new":         {"GET /orders": auth.Public(), "GET /me": auth.Public(), "GET /x": auth.Public()},
		"a zero rule":           {"GET /orders": auth.Public(), "GET /me": auth.Requirement{}},
		"no rules":              {},
		"rules of a live table": rules,
	} {
		if err := live.Swap(bad); err == nil {
			t.Errorf("%s: swapped", name)
		}
	}
	if err := asks(auth.Credentials{}, "GET /orders"); err == nil {
		t.Error("a swap that failed opened an operation")
	}
	if err := live.Swap(auth.Rules{"GET /orders": auth.Public(), "GET /me": auth.Optional()}); err != nil {
		t.Fatal(err)
	}
	if !rules["GET /orders"].IsPublic() || !rules["GET /me"].IsOptional() || rules["GET /orders"].IsZero() {
		t.Errorf("after: %v", rules)
	}
	for key := range rules {
		if err := asks(auth.Credentials{}, key); err != nil {
			t.Errorf("after, %s: %v", key, err)
		}
	}
	for name, f := range map[string]func(){"AllOf": func() { auth.AllOf(rules["GET /me"]) }, "With": func() { rules["GET /me"].With(noCheck) }} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, "LiveRules") {
					t.Errorf("inside %s: %s", name, said)
				}
			}()
			f()
		}()
	}
}

// At full load each request is authorized by one table or the other: in one the caller's scope is
// enough for the first operation alone, in the other for the second alone; no request finds no
// rule.
func TestLiveRulesAreSwappedAtOnce(t *testing.T) {
	tables := []auth.Rules{{"/a": auth.AnyToken(), "/b": auth.Scopes("admin")}, {"/a": auth.Scopes("admin"), "/b": auth.AnyToken()}}
	live, err := auth.NewLiveRules(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	rules := live.Rules()
	var running atomic.Int32
	running.Store(2)
	for _, key := range []string{"/a", "/b"} {
		go func() {
			defer running.Add(-1)
			g := must(auth.NewGuard(newFake(t), nil))
			for passed, refused := 0, 0; passed < 500 || refused < 500; {
				_, err := g.Authorize(context.Background(), bearer("reader"), rules[key])
				switch {
				case err == nil:
					passed++
				case auth.AsError(err).Reason == auth.ReasonInsufficientScope:
					refused++
				default:
					t.Errorf("%s: %v", key, err)
					return
				}
			}
		}()
	}
	for i := 0; running.Load() > 0; i++ {
		if err := live.Swap(tables[i%2]); err != nil {
			t.Error(err)
		}
		runtime.Gosched()
	}
}

func ExampleParseRules() {
	rules, err := auth.ParseRules(`
# who may call what
GET /orders   = read:orders
POST /orders  = write:orders and (admin or owner)
GET /me       = any token
/healthz      = public
`)
	fmt.Print(err, "\n", rules.Table())

	_, err = auth.ParseRules("GET /orders = read:orders write:orders")
	fmt.Println(err)
	// Output:
	// <nil>
	// | method | operation | who may call it |
	// |---|---|---|
	// | any | /healthz | everybody: public |
	// | GET | /me | every good token |
	// | GET | /orders | read:orders |
	// | POST | /orders | write:orders and (admin or owner) |
	// auth: ParseRules: line 1, column 27: expected "and", "or" or the end of the line, not "write:orders"
}

func ExampleLiveRules() {
	live, err := auth.NewLiveRules(auth.Rules{"GET /orders": auth.Scopes("read:orders")})
	if err != nil {
		panic(err)
	}
	rules := live.Rules() // what an adapter is given
	fmt.Println(rules["GET /orders"])

	err = live.Swap(auth.Rules{"GET /orders": auth.Scopes("read:orders", "beta")})
	fmt.Println(rules["GET /orders"], err)

	err = live.Swap(auth.Rules{"GET /orderz": auth.Public()})
	fmt.Println(rules["GET /orders"])
	fmt.Println(err)
	// Output:
	// read:orders
	// read:orders and beta <nil>
	// read:orders and beta
	// auth: LiveRules: no rule for "GET /orders" any more
	// auth: LiveRules: "GET /orderz" is a new operation: the adapters were not told of it
}

func noCheck(context.Context, *auth.Principal) error { return nil }
