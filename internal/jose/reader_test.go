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
		{"depth at the bound", `{"a":` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + `}`, true},
		{"depth over the bound", `{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, false},
		{"members at the bound", members(maxMembers), true},
		{"members over the bound", members(maxMembers + 1), false},
		{"elements over the bound", `{"a":[` + strings.TrimSuffix(strings.Repeat("1,", maxMembers), ",") + `]}`, false},
		{"a number at the bound", `{"a":` + strings.Repeat("1", maxNumber) + `}`, true},
		{"a number over the bound", `{"a":` + strings.Repeat("1", maxNumber+1) + `}`, false},
		{"a long number inside an array", `{"a":[[` + strings.Repeat("1", maxNumber+1) + `]]}`, false},
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
	if err := r.Strings([]byte(doc), doc, got["list"], func(s string) { list = append(list, s) }); err != nil || strings.Join(list, ",") != "a,b," {
		t.Errorf("list: %q, %v", list, err)
	}
	for _, bad := range []string{`["a",1]`, `["a",null]`, `["a",["b"]]`, `{"a":"b"}`, `"a"`, `[{}]`} {
		if err := r.Strings([]byte(bad), bad, Value{Kind: kindOf(bad), End: len(bad)}, func(string) {}); err == nil {
			t.Errorf("%s was read as an array of strings", bad)
		}
	}
}

func kindOf(s string) jsontext.Kind { return jsontext.Value(s).Kind() }
