package jose_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/bearward/bearward/internal/jose"
)

// What an issuer publishes is taken when it has one meaning.
func TestPublishedOctets(t *testing.T) {
	for text, want := range map[string]string{
		`"-_-_"`:      "fbffbf",
		`"+/+/"`:      "fbffbf",
		`"AQ"`:        "01",
		`"AQ=="`:      "01",
		`"AQE="`:      "0101",
		`"AQ="`:       "",
		`"AQAB===="`:  "",
		`"AQ==AQ=="`:  "",
		`"-/AA"`:      "",
		`"AR"`:        "", // bits beyond the last byte
		`"AQ\nAB"`:    "",
		`"AQAB\r\n"`:  "",
		`"AQ AB"`:     "",
		`""`:          "",
		`"===="`:      "",
		`1`:           "",
		`null`:        "",
		`"\u0041Q=="`: "01",
	} {
		got, ok := jose.Published(text).Octets()
		if fmt.Sprintf("%x", got) != want && ok || ok != (want != "") {
			t.Errorf("%s: %x, %v; want %q", text, got, ok, want)
		}
	}
}

func TestPublishedMembers(t *testing.T) {
	const mark = "\xef\xbb\xbf"
	once := []string{"a", "b"}
	for text, want := range map[string]error{
		`{"a":1,"b":2,"c":3}`:   nil,
		`{"c":1,"c":2,"a":1}`:   nil,
		mark + `{"a":1}`:        nil,
		`{"a":{"x":1,"x":2}}`:   nil,
		`{"a":1,"a":1}`:         jose.ErrDuplicate,
		`{"a":1,"\u0061":1}`:    jose.ErrDuplicate,
		`{"b":1,"c":1,"b":2}`:   jose.ErrDuplicate,
		`[]`:                    jose.ErrNotObject,
		`{}{}`:                  jose.ErrNotObject,
		mark + mark + `{"a":1}`: jose.ErrNotObject,
	} {
		err := jose.Published(text).Members(once, func(string, jose.Published) error { return nil })
		if want == nil && err != nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

func TestPublishedIsEmpty(t *testing.T) {
	for text, want := range map[string]bool{
		`null`: true, `""`: true, `[]`: true, `[ ]`: true, `"x"`: false, `[null]`: false, `[""]`: false, `0`: false, `false`: false, `{}`: false,
	} {
		if got := jose.Published(text).IsEmpty(); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
