package main_test

import (
	"fmt"
	"strings"
	"testing"
)

// A challenge is one of a WWW-Authenticate field, as a client reads it.
type challenge struct {
	scheme string
	params map[string]string // by name in lower case
}

// parseChallenges reads a WWW-Authenticate field by the grammar of RFC 9110 §11.3 and §11.6.1, from
// the text alone: it shares nothing with the encoder. A parameter that comes twice is an error (RFC
// 9110 §11.2).
func parseChallenges(field string) ([]challenge, error) {
	p := &fieldParser{rest: field}
	var all []challenge
	for {
		p.skip(" \t,")
		if p.rest == "" {
			if len(all) == 0 {
				return nil, fmt.Errorf("no challenge")
			}
			return all, nil
		}
		c, err := p.challenge()
		if err != nil {
			return nil, fmt.Errorf("at %q: %w", p.rest, err)
		}
		all = append(all, c)
	}
}

type fieldParser struct{ rest string }

func (p *fieldParser) skip(set string) (n int) {
	trimmed := strings.TrimLeft(p.rest, set)
	n = len(p.rest) - len(trimmed)
	p.rest = trimmed
	return n
}

func isTchar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func (p *fieldParser) tokenText() string {
	i := 0
	for i < len(p.rest) && isTchar(p.rest[i]) {
		i++
	}
	text := p.rest[:i]
	p.rest = p.rest[i:]
	return text
}

// challenge = auth-scheme [ 1*SP #auth-param ]
func (p *fieldParser) challenge() (challenge, error) {
	c := challenge{scheme: p.tokenText(), params: map[string]string{}}
	if c.scheme == "" {
		return c, fmt.Errorf("no auth-scheme")
	}
	if p.skip(" ") == 0 {
		if p.rest != "" && p.rest[0] != ',' {
			return c, fmt.Errorf("no SP after the auth-scheme")
		}
		return c, nil
	}
	for first := true; ; first = false {
		before := p.rest
		name := p.tokenText()
		if name == "" && (first || p.rest == "") {
			return c, nil
		}
		p.skip(" \t")
		if name == "" || !strings.HasPrefix(p.rest, "=") {
			p.rest = before // the next challenge's scheme
			return c, nil
		}
		p.rest = p.rest[1:]
		p.skip(" \t")
		value, err := p.value()
		if err != nil {
			return c, err
		}
		name = strings.ToLower(name)
		if _, twice := c.params[name]; twice {
			return c, fmt.Errorf("%s comes twice", name)
		}
		c.params[name] = value
		p.skip(" \t")
		if p.rest == "" {
			return c, nil
		}
		if p.rest[0] != ',' {
			return c, fmt.Errorf("no comma after the value of %s", name)
		}
		p.skip(" \t,")
	}
}

// value = token / quoted-string
func (p *fieldParser) value() (string, error) {
	if !strings.HasPrefix(p.rest, `"`) {
		if v := p.tokenText(); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("no value")
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case c == '\\':
			if i++; i == len(p.rest) || p.rest[i] != '\t' && p.rest[i] < ' ' || p.rest[i] == 0x7f {
				return "", fmt.Errorf("a bad quoted-pair")
			}
			b.WriteByte(p.rest[i])
		case c == '\t' || c >= ' ' && c != 0x7f:
			b.WriteByte(c)
		default:
			return "", fmt.Errorf("byte %#x in a quoted-string", c)
		}
	}
	return "", fmt.Errorf("a quoted-string without end")
}

// The parser itself is held to the examples of the specifications, so that it does not pass
// whatever comes.
func TestTheChallengeParserKnowsTheGrammar(t *testing.T) {
	for _, tt := range []struct {
		field string
		want  string
	}{
		{`Bearer realm="example", error="invalid_token", error_description="The access token expired"`, // RFC 6750 §3
			`[{Bearer map[error:invalid_token error_description:The access token expired realm:example]}]`},
		{`Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\""`, // RFC 9110 §11.6.1
			`[{Basic map[realm:simple]} {Newauth map[realm:apps title:Login to "apps" type:1]}]`},
		{`Bearer`, `[{Bearer map[]}]`},
		{`DPoP algs="ES256 PS256", Bearer`, `[{DPoP map[algs:ES256 PS256]} {Bearer map[]}]`},
		{`Bearer REALM = "x"`, `[{Bearer map[realm:x]}]`},
		{``, ``},
		{`Bearer realm="x`, ``},
		{`Bearer realm="x" error="y"`, ``},
		{`Bearer realm="x", Realm="y"`, ``},
		{`Bearer realm=`, ``},
		{"Bearer realm=\"a\r\nb\"", ``},
		{`Bearer/realm="x"`, ``},
		{`"Bearer"`, ``},
	} {
		got, err := parseChallenges(tt.field)
		if (err != nil) != (tt.want == "") || err == nil && fmt.Sprint(got) != tt.want {
			t.Errorf("%s:\n got %v, %v\nwant %s", tt.field, got, err, tt.want)
		}
	}
}
