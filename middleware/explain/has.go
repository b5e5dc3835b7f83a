package explain

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	auth "github.com/bearward/bearward/middleware"
)

// documents are what a token has, to tell people of. Nothing is decided by them.
type documents struct {
	header, claims []byte
	size           int // of the token, in bytes
	at             time.Time
	values         bool
}

// find returns what stands at a name, or at a path of names with dots between.
func find(doc []byte, name string) (value any, ok bool) {
	for {
		var members map[string]json.RawMessage
		if json.Unmarshal(doc, &members) != nil {
			return nil, false
		}
		if raw, ok := members[name]; ok {
			dec := json.NewDecoder(strings.NewReader(string(raw)))
			dec.UseNumber()
			return value, dec.Decode(&value) == nil
		}
		first, rest, more := strings.Cut(name, ".")
		if !more {
			return nil, false
		}
		doc, name = members[first], rest
	}
}

// has says what the token has where a fault is: its form and, with values, what it says.
func (d documents) has(part, claim string, e *auth.Error) string {
	if e.Reason == auth.ReasonTokenTooLarge {
		return fmt.Sprintf("%d bytes", d.size)
	}
	if part == "token" || claim == "" {
		return ""
	}
	doc := d.claims
	if part == "header" || part == "key" {
		if e.Seen() != "" { // names of algorithms and types that are well known
			return e.Seen()
		}
		doc = d.header
	}
	if doc == nil {
		return ""
	}
	value, ok := find(doc, claim)
	if !ok {
		return "no " + claim
	}
	if part == "key" && !d.values { // that it is a string says nothing
		return ""
	}
	text := form(value)
	if e.Reason == auth.ReasonInsufficientScope && claim != "authorization_details" {
		text = scopes(value)
	}
	if number, ok := value.(json.Number); ok && isTime(claim) {
		if sec, err := number.Float64(); err == nil && sec < 1<<53 && sec > -1<<53 {
			text = "a time " + away(time.Unix(int64(sec), 0).Sub(d.at))
		}
	}
	if near := d.near(claim, e, value); near != "" {
		text += ", " + near
	}
	if d.values {
		text += ": " + quote(value)
	}
	return text
}

func isTime(claim string) bool {
	switch claim {
	case "exp", "nbf", "iat", "auth_time":
		return true
	}
	return false
}

// away tells how far a time is from now.
func away(d time.Duration) string {
	if d = d.Round(time.Second); d > 0 {
		return "in " + d.String()
	}
	return (-d).String() + " ago"
}

// form names the form of a value.
func form(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		if v == "" {
			return "an empty string"
		}
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		if len(v) == 1 {
			return "an array of 1 element"
		}
		return fmt.Sprintf("an array of %d elements", len(v))
	}
	return "an object"
}

// scopes counts the scopes that a rule finds too few.
func scopes(value any) string {
	n := 0
	switch v := value.(type) {
	case string:
		n = len(strings.Fields(v))
	case []any:
		n = len(v)
	}
	if n == 1 {
		return "1 scope, another"
	}
	return fmt.Sprintf("%d scopes, this not among them", n)
}

// near tells names that differ from the ones accepted by what people often get wrong.
func (d documents) near(claim string, e *auth.Error, value any) string {
	if claim != "iss" && claim != "aud" {
		return ""
	}
	given, _ := value.(string)
	for _, accepted := range strings.Split(e.Expected(), " or ") {
		switch {
		case given == "":
		case strings.TrimRight(given, "/") == strings.TrimRight(accepted, "/"):
			return "which differs by a slash at the end alone"
		case strings.EqualFold(given, accepted):
			return "which differs by upper and lower case alone"
		}
	}
	return ""
}

// maxQuoted bounds a quoted value, in bytes.
const maxQuoted = 300

// quote writes a value as JSON.
func quote(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	line := string(printable(text))
	if len(line) > maxQuoted {
		line = line[:maxQuoted] + "..."
	}
	return line
}

// printable escapes what a terminal could obey: all of a JSON text that is not printable ASCII,
// which stands in its strings or between them.
func printable(doc []byte) json.RawMessage {
	if doc == nil {
		return nil
	}
	var b strings.Builder
	for _, r := range string(doc) {
		switch {
		case r == '\n' || r == '\r' || r == '\t': // only between values
			b.WriteByte(' ')
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		case r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return json.RawMessage(b.String())
}

// oneLine takes out of a text what a terminal could obey: an issuer's certificate and answers may
// have it, and the errors of the network quote them.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n': // of joined errors
			return ' '
		case !unicode.IsPrint(r): // check: detail-terminal
			return '?'
		}
		return r
	}, text)
}
