package jose

import (
	"strings"
	"testing"
)

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
		{"members at the bound", `{"alg":"RS256",` + members(31)[1:], true},
		{"members over the bound", `{"alg":"RS256",` + members(32)[1:], false},
		{"members and elements over the bound", `{"alg":"RS256","x5c":["` + strings.Repeat(`","`, 30) + `"]}`, false},
		{"depth at the bound", `{"alg":"RS256","x":[[[]]]}`, true},
		{"depth over the bound", `{"alg":"RS256","x":[[[[]]]]}`, false},
	}
	var r Reader
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := r.Header([]byte(tt.doc)); (err == nil) != tt.ok {
				t.Errorf("error %v, want accepted %v", err, tt.ok)
			}
		})
	}
	for _, name := range []string{"crit", "b64", "zip"} {
		h, err := r.Header([]byte(`{"alg":"RS256","` + name + `":[]}`))
		if err != nil || h.Extension != name {
			t.Errorf("%s: extension %q, %v", name, h.Extension, err)
		}
	}
	for zip, want := range map[string]string{`"NONE"`: "", `"none"`: "zip", `"DEF"`: "zip", `""`: "zip", `null`: "zip", `["NONE"]`: "zip"} {
		if h, err := r.Header([]byte(`{"alg":"RS256","zip":` + zip + `}`)); err != nil || h.Extension != want {
			t.Errorf("zip %s: extension %q, %v", zip, h.Extension, err)
		}
	}
}

func TestMediaType(t *testing.T) {
	for typ, want := range map[string]string{
		"at+jwt": "at+jwt", "AT+JWT": "at+jwt", "application/at+jwt": "at+jwt", "Application/AT+jwt": "at+jwt",
		"application/a/b": "application/a/b", "text/at+jwt": "text/at+jwt", "application/": "application/", "": "",
	} {
		if got := MediaType(typ); got != want {
			t.Errorf("%q: %q, want %q", typ, got, want)
		}
	}
}

func TestDecodeHeader(t *testing.T) {
	for size, ok := range map[int]bool{100: true, maxHeaderBytes: true, maxHeaderBytes + 1: false} {
		if got, err := DecodeHeader(nil, base64url.EncodeToString(make([]byte, size))); (err == nil) != ok || ok && len(got) != size {
			t.Errorf("a header of %d bytes: %d, %v", size, len(got), err)
		}
	}
}
