package jose

import (
	"strings"
	"testing"
)

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
			if _, err := Split(tt.raw); (err == nil) != tt.ok {
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

		"QUJDREVGR0hJSktM":   "ABCDEFGHIJKL",
		"QUJDREVGR0hJSktMTQ": "ABCDEFGHIJKLM",
		"QUJDREVGR0hJSktMTR": "", // trailing bits behind whole blocks
		"QUJDR\u0301EVG":     "", // no ASCII in a block
		"QUJD+EVGR0hJ":       "",
		"QUJD=EVGR0hJ":       "",
		"QUJDREVG\nR0hJSktM": "",
		"QUJDREV\xc3R0hJ":    "",
	} {
		got, err := DecodeBase64(nil, part)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", part, got, err)
		}
	}
}

// An operator who mends an API from its log needs to know what came in place of a JWT.
func TestWhatIsNoCompactJWSIsTold(t *testing.T) {
	for raw, want := range map[string]Fault{
		"3yKkd8aGh2vDmlQ0p5Xc": ErrOpaque, "": ErrOpaque, "aa.bb.cc.dd.ee": ErrEncrypted, "aa..cc.dd.ee": ErrEncrypted,
		`{"payload":"aa","signature":"bb"}`: ErrJSONForm, "aa.bb": ErrCompact, "aa.bb.cc.dd": ErrCompact, "aa..cc": ErrCompact, "aa.bb\n.cc": ErrCompact,
	} {
		if _, err := Split(raw); err != want {
			t.Errorf("%q: %v, want %v", raw, err, want)
		}
	}
}

// Each character in each place of a block is what encoding/base64 makes of it.
func TestDecodeBase64OfEveryCharacter(t *testing.T) {
	for place := range 8 {
		for c := range 256 {
			block := []byte("QUJDREVG")
			block[place] = byte(c)
			want, wanted := base64url.DecodeString(string(block))
			if c == '\n' || c == '\r' { // which it passes over
				wanted = ErrBase64
			}
			got, err := DecodeBase64(nil, string(block))
			if (err == nil) != (wanted == nil) || err == nil && string(got) != string(want) {
				t.Errorf("%q: got %q, %v; want %q, %v", block, got, err, want, wanted)
			}
		}
	}
}

// What is decoded goes behind what is there, and nothing is written where others' memory begins.
func TestDecodeBase64Appends(t *testing.T) {
	for n := range 40 {
		part := base64url.EncodeToString(make([]byte, n))
		memory := []byte("beforeXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX")
		got, err := DecodeBase64(memory[:6:6+n], part)
		if want := "before" + string(make([]byte, n)); err != nil || string(got) != want {
			t.Errorf("%d bytes: got %q, %v", n, got, err)
		}
		if behind := memory[6+n:]; strings.Trim(string(behind), "X") != "" {
			t.Errorf("%d bytes: %q was written", n, behind)
		}
	}
}
