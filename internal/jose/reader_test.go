package jose

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestStrictObject(t *testing.T) {
	tests := []struct {
		name, doc string
		ok        bool
	}{
		{"an object", `{"a":1,"b":{"c":[1,2,{"d":null}]}}`, true},
		{"space around it", " \n{\"a\": 1 }\t", true},
		{"nothing", ``, false},
		{"an array", `[1]`, false},
		{"a string", `"a"`, false},
		{"two objects", `{}{}`, false},
		{"a word after it", `{} x`, false},
		{"an unclosed object", `{"a":1`, false},
		{"a trailing comma", `{"a":1,}`, false},
		{"a duplicate member", `{"a":1,"a":2}`, false},
		{"a duplicate by escape", `{"a":1,"\u0061":2}`, false},
		{"a duplicate in a nested object", `{"x":{"a":1,"a":2}}`, false},
		{"a byte order mark", "\ufeff{}", false},
		{"invalid UTF-8 in a value", "{\"a\":\"\xff\"}", false},
		{"invalid UTF-8 in a name", "{\"\xff\":1}", false},
		{"a lone surrogate", `{"a":"\ud800"}`, false},
		{"UTF-16", "{\x00\"\x00a\x00\"\x00:\x001\x00}\x00", false},
		{"a comment", `{/**/}`, false},
		{"NaN", `{"a":NaN}`, false},
		{"a leading zero", `{"a":01}`, false},
		{"depth at the bound", nested(MaxDepth), true},
		{"depth over the bound", nested(MaxDepth + 1), false},
		{"depth over the bound, and brackets in strings", `{"s":"]]]]\"]","a":` + nested(MaxDepth) + `}`, false},
		{"many brackets side by side", `{"a":[` + strings.TrimSuffix(strings.Repeat(`[],{"a":"["},`, 1000), ",") + `]}`, true},
		{"many members", members(3000), true},
		{"many elements", `{"a":[` + strings.TrimSuffix(strings.Repeat("1,", 3000), ",") + `]}`, true},
		{"many members of a member", `{"a":` + members(3000) + `}`, true},
		{"a duplicate among many", `{"a":` + strings.Replace(members(3000), "m2999", "m1", 1) + `}`, false},
		{"a number at the bound", `{"a":` + strings.Repeat("1", maxNumber) + `}`, true},
		{"a number over the bound", `{"a":` + strings.Repeat("1", maxNumber+1) + `}`, false},
		{"a long number inside an array", `{"a":[[` + strings.Repeat("1", maxNumber+1) + `]]}`, false},
		{"digits in a string", `{"a":"` + strings.Repeat("1", maxNumber+1) + `"}`, true},
	}
	var r Reader // one for all, since an error must leave it usable
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := r.Object([]byte(tt.doc), func([]byte, Value) error { return nil })
			if (err == nil) != tt.ok {
				t.Errorf("error %v, want accepted %v", err, tt.ok)
			}
		})
	}
}

// nested returns an object that nests so deep.
func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":1`, i)
	}
	return "{" + b.String()[1:] + "}"
}

func TestStrictValues(t *testing.T) {
	const doc = ` {"plain":"a b","escaped":"\u0061\"","\u006eame" : 12.5e1, "nested": {"x":[1, "y"]} , "list":["a","\u0062",""] }`
	var r Reader
	got := make(map[string]Value)
	if err := r.Object([]byte(doc), func(name []byte, v Value) error {
		got[string(name)] = v
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"plain": `"a b"`, "escaped": `"\u0061\""`, "name": `12.5e1`, "nested": `{"x":[1, "y"]}`, "list": `["a","\u0062",""]`} {
		if v := got[name]; doc[v.Start:v.End] != want {
			t.Errorf("%s is %q, want %q", name, doc[v.Start:v.End], want)
		}
	}
	if s, err := Text(doc, got["escaped"]); err != nil || s != `a"` {
		t.Errorf("escaped string: %q, %v", s, err)
	}
	if _, err := Text(doc, got["name"]); err == nil {
		t.Error("a number was read as a string")
	}
	var list []string
	if err := Strings([]byte(doc), doc, got["list"], func(s string) { list = append(list, s) }); err != nil || strings.Join(list, ",") != "a,b," {
		t.Errorf("list: %q, %v", list, err)
	}
	for _, bad := range []string{`["a",1]`, `["a",null]`, `["a",["b"]]`, `{"a":"b"}`, `"a"`, `[{}]`} {
		if err := Strings([]byte(bad), bad, Value{Kind: kindOf(bad), End: len(bad)}, func(string) {}); err == nil {
			t.Errorf("%s was read as an array of strings", bad)
		}
	}
}

func kindOf(s string) jsontext.Kind { return jsontext.Value(s).Kind() }

func TestSkim(t *testing.T) {
	names := []string{"iss", "aud"}
	for _, tt := range []struct{ name, doc, iss, aud string }{
		{"first", `{"iss":"i","aud":"a"}`, `"i"`, `"a"`},
		{"last, after much else", `{"roles":{"a":["x",{"iss":"no"}]},"s":"\"}","n":-1.5e7,"t":true,"aud":["a"],"iss":"i"}`, `"i"`, `["a"]`},
		{"spread out", " {\n\t\"iss\" : \"i\" ,\r\n\"aud\":[ \"a\" ] } ", `"i"`, `[ "a" ]`},
		{"an escaped name", `{"\u0069s\u0073":"i"}`, `"i"`, ""},
		{"a name that only begins so", `{"issuer":"i","is":"i","iss\u0000":"i","ISS":"i"}`, "", ""},
		{"neither", `{}`, "", ""},
		{"not looked at", `{"iss":"i","aud":7,,,`, `"i"`, `7`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := make([]Value, 2)
			if err := Skim([]byte(tt.doc), names, found); err != nil {
				t.Fatal(err)
			}
			for i, want := range []string{tt.iss, tt.aud} {
				if got := tt.doc[found[i].Start:found[i].End]; got != want {
					t.Errorf("%s is %q, want %q", names[i], got, want)
				}
			}
		})
	}
	for _, doc := range []string{strings.Replace(nested(MaxDepth+1), `"a"`, `"iss"`, 1), ``, `[]`, `"iss"`, `{"a"`, `{"a":`, `{"a":[`, `{"a" 1}`, `{a:1}`, `{"a":}`, `{"a":,"iss":"i"}`, nested(MaxDepth + 1)} {
		if err := Skim([]byte(doc), names, make([]Value, 2)); err == nil {
			t.Errorf("%.20q is an object", doc)
		}
	}
	if err := Skim([]byte(nested(MaxDepth)), names, make([]Value, 2)); err != nil {
		t.Errorf("depth at the bound: %v", err)
	}
}

func TestEqualText(t *testing.T) {
	for quoted, s := range map[string]string{
		`"a"`: "a", `""`: "", `"\u0061b"`: "ab", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"\u00e9"`: "é", `"é"`: "é", `"\ud83d\ude00"`: "😀",
	} {
		if !EqualText([]byte(quoted), s) {
			t.Errorf("%s does not say %q", quoted, s)
		}
		if EqualText([]byte(quoted), s+"x") || EqualText([]byte(quoted), "x"+s) || s != "" && EqualText([]byte(quoted), s[:len(s)-1]) {
			t.Errorf("%s says more than %q", quoted, s)
		}
	}
	for _, quoted := range []string{``, `"`, `a`, `"\`, `"\"`, `"\u00"`, `"\u00zz"`, `"\ud83d"`, `"\x"`} {
		if EqualText([]byte(quoted), "a") || EqualText([]byte(quoted), "") && quoted != `""` {
			t.Errorf("%s says something", quoted)
		}
	}
}
