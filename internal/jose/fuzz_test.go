package jose

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/internal/fuzztest"
)

func FuzzSplitCompact(f *testing.F) {
	for _, seed := range []string{"", "a.b.c", "a.b", "..", "a.b.c.d", "a..c", "a.b.c\n", strings.Repeat(".", 1000)} {
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
			if decoded, err := DecodeBase64(nil, part); err == nil && base64url.EncodeToString(decoded) != part {
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

// What isSmall says of a document must hold for the walk that counts.
func FuzzSmall(f *testing.F) {
	for _, seed := range []string{
		`{"a":[[[1,2],{"b":"x"}],-1.5e+7]}`, `{"a":"[[[["}`, `{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`,
		`{"a":[` + strings.Repeat("1", maxNumber+1) + `]}`, `{"a":1,"b":"` + strings.Repeat("e", maxNumber+1) + `"}`, members(maxMembers + 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		type member struct {
			name  string
			value Value
		}
		var r Reader
		var got, want []member
		err := r.Object(doc, func(name []byte, v Value) error {
			got = append(got, member{string(name), v})
			return nil
		})
		r.small = false
		counted := r.walk(doc, func(name []byte, v Value) error {
			want = append(want, member{string(name), v})
			return nil
		})
		if (err == nil) != (counted == nil) || err == nil && !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; counted: %v, %v", doc, got, err, want, counted)
		}
	})
}
