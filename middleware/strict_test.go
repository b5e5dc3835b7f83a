package auth

import (
	"fmt"
	"net/http"
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
	var r strictReader // one for all, since an error must leave it usable
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := r.object([]byte(tt.doc), func([]byte, jsonValue) error { return nil })
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
	var r strictReader
	got := make(map[string]jsonValue)
	if err := r.object([]byte(doc), func(name []byte, v jsonValue) error {
		got[string(name)] = v
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"plain": `"a b"`, "escaped": `"\u0061\""`, "name": `12.5e1`, "nested": `{"x":[1, "y"]}`, "list": `["a","\u0062",""]`} {
		if v := got[name]; doc[v.start:v.end] != want {
			t.Errorf("%s is %q, want %q", name, doc[v.start:v.end], want)
		}
	}
	if s, err := textOf(doc, got["escaped"]); err != nil || s != `a"` {
		t.Errorf("escaped string: %q, %v", s, err)
	}
	if _, err := textOf(doc, got["name"]); err == nil {
		t.Error("a number was read as a string")
	}
	var list []string
	if err := r.elements([]byte(doc), doc, got["list"], func(s string) { list = append(list, s) }); err != nil || strings.Join(list, ",") != "a,b," {
		t.Errorf("list: %q, %v", list, err)
	}
	for _, bad := range []string{`["a",1]`, `["a",null]`, `["a",["b"]]`, `{"a":"b"}`, `"a"`, `[{}]`} {
		if err := r.elements([]byte(bad), bad, jsonValue{kind: kindOf(bad), end: len(bad)}, func(string) {}); err == nil {
			t.Errorf("%s was read as an array of strings", bad)
		}
	}
}

func kindOf(s string) jsontext.Kind { return jsontext.Value(s).Kind() }

func TestNumericDate(t *testing.T) {
	tests := []struct {
		text string
		ok   bool
		unix int64
		nano int
	}{
		{"1700000000", true, 1700000000, 0},
		{"1700000000.5", true, 1700000000, 5e8},
		{"1.7e9", true, 1700000000, 0},
		{"0", true, 0, 0},
		{"-1", true, -1, 0},
		{"9007199254740992", true, 1 << 53, 0},
		{"9007199254740993", false, 0, 0},
		{"9223372036854775808", false, 0, 0},
		{"-9223372036854775809", false, 0, 0},
		{"1e300", false, 0, 0},
		{"1e400", false, 0, 0},
		{"-1e300", false, 0, 0},
	}
	for _, tt := range tests {
		d, err := numericDateOf(tt.text, jsonValue{kind: '0', end: len(tt.text)})
		if (err == nil) != tt.ok {
			t.Errorf("%s: error %v, want accepted %v", tt.text, err, tt.ok)
			continue
		}
		if at := d.time(); tt.ok && (at.Unix() != tt.unix || at.Nanosecond() != tt.nano) {
			t.Errorf("%s is %d s and %d ns", tt.text, at.Unix(), at.Nanosecond())
		}
	}
	for _, text := range []string{`"1700000000"`, "true", "null", "{}"} {
		if _, err := numericDateOf(text, jsonValue{kind: kindOf(text), end: len(text)}); err == nil {
			t.Errorf("%s was read as a date", text)
		}
	}
}

func TestSplitCompact(t *testing.T) {
	tests := []struct {
		name, raw string
		ok        bool
	}{
		{"three parts", "aa.bb.cc", true},
		{"two parts", "aa.bb", false},
		{"four parts", "aa.bb.cc.dd", false},
		{"five parts, as a JWE has", "aa.bb.cc.dd.ee", false},
		{"an empty header", ".bb.cc", false},
		{"an empty payload", "aa..cc", false},
		{"an empty signature", "aa.bb.", false},
		{"nothing", "", false},
		{"dots", "....", false},
		{"a line feed", "aa.bb\n.cc", false},
		{"a carriage return", "aa.bb.cc\r", false},
		{"JSON", `{"payload":"a.b.c"}`, true}, // three parts; the alphabet refuses it next
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := splitCompact(tt.raw); (err == nil) != tt.ok {
				t.Errorf("error %v, want accepted %v", err, tt.ok)
			}
		})
	}
}

func TestDecodeBase64(t *testing.T) {
	for part, want := range map[string]string{
		"YWI":   "ab",
		"YWJj":  "abc",
		"YWI=":  "", // padded
		"YWJ":   "", // trailing bits
		"YW+_":  "", // the other alphabet
		"YW/-":  "",
		"Y":     "",
		"Y W J": "",
		"{}":    "",
	} {
		got, err := decodeBase64(nil, part)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", part, got, err)
		}
	}
}

func TestReadHeader(t *testing.T) {
	tests := []struct {
		name, doc string
		ok        bool
	}{
		{"the usual members", `{"alg":"RS256","typ":"at+jwt","kid":"k"}`, true},
		{"an unknown member", `{"alg":"RS256","x":{}}`, true},
		{"no alg", `{"typ":"at+jwt"}`, false},
		{"alg not a string", `{"alg":["RS256"]}`, false},
		{"alg null", `{"alg":null}`, false},
		{"typ not a string", `{"alg":"RS256","typ":1}`, false},
		{"kid a number", `{"alg":"RS256","kid":1}`, false},
		{"a kid of 256 bytes", `{"alg":"RS256","kid":"` + strings.Repeat("k", 256) + `"}`, true},
		{"a kid of 257 bytes", `{"alg":"RS256","kid":"` + strings.Repeat("k", 257) + `"}`, false},
		{"a duplicate", `{"alg":"RS256","alg":"none"}`, false},
		{"a variant in case beside the member", `{"alg":"RS256","ALG":"none"}`, false},
		{"a variant in case alone", `{"alg":"RS256","Typ":"at+jwt"}`, false},
		{"a variant by the Kelvin sign", `{"alg":"RS256","` + "\u212a" + `id":"k"}`, false},
		{"not an object", `"RS256"`, false},
	}
	var r strictReader
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := r.readHeader([]byte(tt.doc)); (err == nil) != tt.ok {
				t.Errorf("error %v, want accepted %v", err, tt.ok)
			}
		})
	}
	for _, name := range []string{"crit", "b64", "zip"} {
		h, err := r.readHeader([]byte(`{"alg":"RS256","` + name + `":[]}`))
		if err != nil || h.extension != name {
			t.Errorf("%s: extension %q, %v", name, h.extension, err)
		}
	}
}

func TestMediaType(t *testing.T) {
	for typ, want := range map[string]string{
		"at+jwt": "at+jwt", "AT+JWT": "at+jwt", "application/at+jwt": "at+jwt", "Application/AT+jwt": "at+jwt",
		"application/a/b": "application/a/b", "text/at+jwt": "text/at+jwt", "application/": "application/", "": "",
	} {
		if got := mediaType(typ); got != want {
			t.Errorf("%q: %q, want %q", typ, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a\r\n\x7f\u00e9\u20ac~b"); got != "a?????~b" {
		t.Errorf("got %q", got)
	}
	if got := printable(strings.Repeat("x", 200)); len(got) != maxSeen {
		t.Errorf("%d bytes, want %d", len(got), maxSeen)
	}
}

func TestReasonsAreAClosedSet(t *testing.T) {
	names := make(map[string]bool)
	for _, r := range Reasons() {
		v := responseFor(r)
		for _, name := range []string{r.String(), v.code} {
			if !isReasonName(name) {
				t.Errorf("%q is not the reason of a google.rpc.ErrorInfo", name)
			}
		}
		if names[r.String()] {
			t.Errorf("two reasons are named %s", r)
		}
		names[r.String()] = true
		if !isScopeList(v.text) {
			t.Errorf("%v: %q has a character that error_description cannot carry (RFC 6750 §3)", r, v.text)
		}
		if (v.status >= 500) != (r == ReasonUnavailable || r == ReasonInternal) {
			t.Errorf("%v has status %d", r, v.status)
		}
	}
	if responseFor("").status != http.StatusInternalServerError {
		t.Error("a reason outside the set must not be anybody's fault but ours")
	}
}

// isReasonName is AIP-193's rule: [A-Z][A-Z0-9_]+[A-Z0-9], at most 63 characters.
func isReasonName(s string) bool {
	return len(s) >= 3 && len(s) <= 63 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" &&
		s[0] >= 'A' && s[0] <= 'Z' && s[len(s)-1] != '_'
}
