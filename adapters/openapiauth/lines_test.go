package openapiauth_test

import (
	"strings"
	"testing"

	"github.com/bearward/bearward/adapters/openapiauth"
)

const commented = `openapi: 3.1.0
info: {title: x, version: "1"}
components: {securitySchemes: {login: {type: oauth2, flows: {clientCredentials: {tokenUrl: "https://x/t", scopes: {admin: a}}}}}}
security: [{login: [admin]}]
paths:
  /admin:
    get:
      # deletes what is oldEND      security: []
      responses: {}
`

func TestNoCommentEndsBeforeItsLine(t *testing.T) {
	for name, tt := range map[string]struct{ end, want string }{
		"U+2028":               {"\u2028", "line 8, column 28: the character U+2028"},
		"U+2029":               {"\u2029", "line 8, column 28: the character U+2029"},
		"U+0085":               {"\u0085", "line 8, column 28: the character U+0085"},
		"a lone return":        {"\r", "line 8, column 28: a carriage return without"},
		"two returns":          {"\r\r\n", "line 8, column 28: a carriage return without"},
		"a byte of Latin-1":    {"\x85", "line 8, column 28: the document is not UTF-8"},
		"a part of a rune":     {"\xe2\x80", "line 8, column 28: the document is not UTF-8"},
		"U+202E":               {"\u202e", "line 8, column 28: the character U+202E turns"},
		"U+202A":               {"\u202a", "line 8, column 28: the character U+202A turns"},
		"U+2066":               {"\u2066", "line 8, column 28: the character U+2066 turns"},
		"U+2069":               {"\u2069", "line 8, column 28: the character U+2069 turns"},
		"U+2028 among Chinese": {"旧\u2028", "line 8, column 29: the character U+2028"},
	} {
		rules, err := openapiauth.Rules([]byte(strings.Replace(commented, "END", tt.end, 1)), openapiauth.NetHTTP, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, %v, want %q", name, rules, err, tt.want)
		}
	}
	for name, end := range map[string]string{"none": "", "other letters": " é旧", "letters from right to left": " \u200fקלט\u200e", "windows": "\r\n      # more"} {
		rules, err := openapiauth.Rules([]byte(strings.Replace(commented, "END", end, 1)), openapiauth.NetHTTP, nil)
		if err != nil || rules["GET /admin"].String() != "admin" {
			t.Errorf("%s: got %v, %v", name, rules, err)
		}
	}
}

// JSON is read by the same parser.
func TestLineSeparatorsInJSON(t *testing.T) {
	const doc = `{"openapi":"3.1.0","info":{"title":"END"},"paths":{"/x":{"get":{"security":[{"login":["a"]}]}}},
		"components":{"securitySchemes":{"login":{"type":"oauth2","flows":{"password":{"scopes":{"a":"A"}}}}}}}`
	for end, bad := range map[string]bool{"\u2028": true, `\u2028`: false, "\r": true} {
		if _, err := openapiauth.Rules([]byte(strings.Replace(doc, "END", end, 1)), openapiauth.NetHTTP, nil); (err != nil) != bad {
			t.Errorf("%q: %v", end, err)
		}
	}
}

func TestScopesOfHTTPBearerBeforeOpenAPI31(t *testing.T) {
	const doc = `{"openapi":"3.0.4","paths":{"/x":{"get":{"security":[{"jwt":["things:w"]}]}}},"components":{"securitySchemes":{"jwt":{"type":"http","scheme":"SCHEME"}}}}`
	for _, tt := range []struct {
		scheme string
		opts   *openapiauth.Options
		want   string
	}{
		{"bearer", nil, "has no scopes before OpenAPI 3.1: see Options.HTTPScopes"},
		{"bearer", &openapiauth.Options{HTTPScopes: true}, "things:w"},
		{"Bearer", &openapiauth.Options{HTTPScopes: true}, "things:w"},
		{"basic", &openapiauth.Options{HTTPScopes: true, IgnoreSchemes: []string{"jwt"}}, "has no scopes before OpenAPI 3.1"},
	} {
		rules, err := openapiauth.Rules([]byte(strings.Replace(doc, "SCHEME", tt.scheme, 1)), openapiauth.NetHTTP, tt.opts)
		got := rules["GET /x"].String()
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s, %+v: got %q, want %q", tt.scheme, tt.opts, got, tt.want)
		}
	}
}
