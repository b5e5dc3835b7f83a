package webapp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// flatElement is an element of a list that holds no list and no object, over several lines.
var (
	flatElement = regexp.MustCompile(`(?m)^( +)\{\n\s+([^{}\[\]]*?)\n +\}`)
	lineBreak   = regexp.MustCompile(`\n\s+`)
)

// pretty writes v as JSON for a page: indented, and each order or key on one line.
func pretty(v any) string {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // the template escapes
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // decoded from JSON
	return flatElement.ReplaceAllStringFunc(strings.TrimSpace(text.String()), func(element string) string {
		match := flatElement.FindStringSubmatch(element)
		return match[1] + "{ " + lineBreak.ReplaceAllString(match[2], " ") + " }"
	})
}

// maxLines bounds what a page shows of one message.
const maxLines = 28

// clip leaves out the middle of a long message and says so.
func clip(lines []string) []string {
	if len(lines) <= maxLines {
		return lines
	}
	const head, tail = maxLines - 8, 6
	left := len(lines) - head - tail
	return slices.Concat(lines[:head], []string{fmt.Sprintf("    … %d more lines", left)}, lines[len(lines)-tail:])
}

// decodePart decodes part i of a compact JWS: 0 the header, 1 the claims. It returns nil for
// anything else. Nothing is verified: it is for showing.
func decodePart(token string, i int) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		return nil
	}
	var members map[string]any
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members
}

func keyID(token string) string {
	kid, _ := decodePart(token, 0)["kid"].(string)
	return kid
}

// tokenFacts is what a token says, for showing and for what the page promises.
type tokenFacts struct {
	sub    string
	scopes []string
	expiry time.Time
}

func factsOf(token string) tokenFacts {
	claims := decodePart(token, 1)
	sub, _ := claims["sub"].(string)
	scope, _ := claims["scope"].(string)
	exp, _ := claims["exp"].(float64)
	return tokenFacts{sub: sub, scopes: strings.Fields(scope), expiry: time.Unix(int64(exp), 0)}
}

func (f tokenFacts) expired() bool { return !time.Now().Before(f.expiry) }

var numbers = [...]string{"none", "one", "two", "three", "four", "five", "six"}

func number(n int) string {
	if n < len(numbers) {
		return numbers[n]
	}
	return fmt.Sprint(n)
}

// sentence joins clauses and begins with a capital letter.
func sentence(clauses []string) string {
	if len(clauses) == 0 {
		return ""
	}
	text := clauses[0]
	for i, clause := range clauses[1:] {
		if i == len(clauses)-2 {
			text += " and " + clause
		} else {
			text += ", " + clause
		}
	}
	return capital(text) + "."
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// list writes names as "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func clock(at time.Time) string { return at.Local().Format(time.TimeOnly) }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// span is a duration in minutes and seconds.
func span(d time.Duration) string {
	seconds := int(d.Round(time.Second) / time.Second)
	if seconds < 60 {
		return fmt.Sprintf("%d s", seconds)
	}
	if seconds%60 == 0 {
		return fmt.Sprintf("%d min", seconds/60)
	}
	return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
}
