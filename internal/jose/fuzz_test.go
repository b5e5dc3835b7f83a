package jose

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/internal/fuzztest"
)

func FuzzSplitCompact(f *testing.F) {
	for _, seed := range []string{"", "a.b.c", "a.b", "..", "a.b.c.d", "a..c", "a.b.c\n", strings.Repeat(".", 1000), "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJpIn0.QUJDREVGR0g-_w"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		fuzztest.Bounded(t, raw, func() { _, _ = Split(raw) })
		c, err := Split(raw)
		if err != nil {
			return
		}
		if c.Header+"."+c.Payload+"."+c.Signature != raw || c.Input != c.Header+"."+c.Payload {
			t.Errorf("%q was split into %+v", raw, c)
		}
		for _, part := range []string{c.Header, c.Payload, c.Signature} {
			decoded, err := DecodeBase64([]byte("before"), part)
			if want, wanted := base64url.AppendDecode([]byte("before"), []byte(part)); (err == nil) != (wanted == nil) || err == nil && !bytes.Equal(decoded, want) {
				t.Errorf("%q: got %q, %v; encoding/base64 has %q, %v", part, decoded, err, want, wanted)
			}
			if err == nil && base64url.EncodeToString(decoded[len("before"):]) != part {
				t.Errorf("%q has a second spelling", part)
			}
		}
	})
}

func FuzzHeader(f *testing.F) {
	for _, seed := range []string{`{"alg":"RS256"}`, `{"alg":"RS256","ALG":"none"}`, `{"alg":"RS256","alg":"none"}`, `{"a\u006cg":"RS256"}`, `[]`, `{"alg":"ES256","kid":7}`, "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var r Reader
		fuzztest.Bounded(t, string(doc), func() { _, _ = new(Reader).Header(doc) })
		h, err := r.Header(doc)
		if err != nil {
			return
		}
		// What is accepted, every reader of JSON reads the same.
		var want map[string]any
		if err := json.Unmarshal(doc, &want); err != nil {
			t.Fatalf("%q was accepted: %v", doc, err)
		}
		if want["alg"] != h.AlgorithmName || len(h.KeyID) > MaxKeyID {
			t.Errorf("%q was read as %+v", doc, h)
		}
	})
}

// What surelyHolds says of a document must hold for the walk that counts.
func FuzzLimits(f *testing.F) {
	for _, seed := range []string{
		`{"a":[[[1,2],{"b":"x"}],-1.5e+7]}`, `{"a":"[[[["}`, `{"a":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`,
		`{"a":[` + strings.Repeat("1", maxNumber+1) + `]}`, `{"a":1,"b":"` + strings.Repeat("e", maxNumber+1) + `"}`, members(33), `{"a":"\"[","b":"\\"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, l := range []limits{{depth: MaxDepth}, limitsOfHeader} {
			if l.surelyHolds(doc) && !l.holds(doc) {
				t.Errorf("%q surely holds %+v, and does not", doc, l)
			}
		}
	})
}

// FuzzSkim compares what is found by skimming with what is read: of what a Reader takes, the two
// say the same.
func FuzzSkim(f *testing.F) {
	for _, seed := range []string{
		`{"iss":"i","aud":["a","b"],"exp":1}`, `{"x":{"iss":"no","y":["\"",{}]}, "\u0069ss" : "\u0061", "aud":"a"}`, ` { "a" : [ ] , "iss" : null } `,
		`{"a":"\ud83d\ude00","exp":1.5e3,"iss":"\ud83d\ude00"}`, `{"iss":"a","iss":"b"}`, `{`, `{"iss"`, `{"iss":`, `{"iss":"`, "{\"iss\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		names := []string{"iss", "aud", "exp"}
		found := make([]Value, len(names))
		fuzztest.Bounded(t, string(doc), func() { _ = Skim(doc, names, found) })
		skimmed := Skim(doc, names, found)
		if skimmed == nil {
			for _, v := range found {
				_, _ = SkimText(doc, v)
				if v.Kind == '[' {
					_ = SkimElements(doc, v, func(text []byte) bool { return EqualText(text, "a") })
				}
			}
		}
		want := make([]Value, len(names))
		var r Reader
		if r.Object(doc, func(name []byte, v Value) error {
			if n := slices.Index(names, string(name)); n >= 0 {
				want[n] = v
			}
			return nil
		}) != nil {
			return
		}
		if skimmed != nil || !slices.Equal(found, want) {
			t.Fatalf("%q: %v, %v, want %v", doc, found, skimmed, want)
		}
		for _, v := range want {
			if text, err := Text(string(doc), v); err == nil {
				if got, ok := SkimText(doc, v); got != text || !ok || !EqualText(doc[v.Start:v.End], text) || EqualText(doc[v.Start:v.End], text+"x") {
					t.Errorf("%q says %q, and by skimming %q", doc[v.Start:v.End], text, got)
				}
			}
			var list, skimmed []string
			if v.Kind == '[' && Strings(doc, string(doc), v, func(s string) { list = append(list, s) }) == nil {
				_ = SkimElements(doc, v, func(text []byte) bool {
					s, _ := SkimText(text, Value{'"', 0, len(text)})
					skimmed = append(skimmed, s)
					return false
				})
				if !slices.Equal(list, skimmed) {
					t.Errorf("%q holds %q, and by skimming %q", doc[v.Start:v.End], list, skimmed)
				}
			}
		}
	})
}
