package jose

import (
	"strings"
	"testing"
)

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
		{"1700000000." + strings.Repeat("0", maxNumber-11), true, 1700000000, 0},
		{"1700000000." + strings.Repeat("0", maxNumber), false, 0, 0},
	}
	for _, tt := range tests {
		d, err := NumericDateOf(tt.text, Value{Kind: '0', End: len(tt.text)})
		if (err == nil) != tt.ok {
			t.Errorf("%s: error %v, want accepted %v", tt.text, err, tt.ok)
			continue
		}
		if at := d.Time(); tt.ok && (at.Unix() != tt.unix || at.Nanosecond() != tt.nano) {
			t.Errorf("%s is %d s and %d ns", tt.text, at.Unix(), at.Nanosecond())
		}
	}
	for _, text := range []string{`"1700000000"`, "true", "null", "{}"} {
		if _, err := NumericDateOf(text, Value{Kind: kindOf(text), End: len(text)}); err == nil {
			t.Errorf("%s was read as a date", text)
		}
	}
}
