package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bearward/bearward/internal/fuzztest"
	"github.com/bearward/bearward/jwks"
)

func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		`{"iss":"i","sub":"s","aud":["a"],"exp":1,"iat":1.5,"scope":"a b","cnf":{"jkt":"x"}}`, `{"exp":1e400}`, `{"aud":[1]}`, `{"a":{"b":[[[]]]}}`,
		`{"exp":1,"exp":2}`, `{"scope":["a"]}`, `{"roles":{"a":1}}`, `{"roles":[{"value":"x"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		fuzztest.Bounded(t, string(doc), func() { _, _ = NewPrincipal(doc) })
		p, err := NewPrincipal(doc)
		if err != nil {
			return
		}
		if !jsontext.Value(doc).IsValid() {
			t.Fatalf("%q was accepted and is no JSON", doc)
		}
		for _, s := range p.Scopes() {
			if !isScope(s) || !p.HasScope(s) {
				t.Errorf("%q has the scope %q", doc, s)
			}
		}
		_, _, _ = p.Roles(), p.Groups(), p.Audience()
	})
}

// A scope is granted when it is one of those between the spaces, and no part of one or list of
// some.
func FuzzScope(f *testing.F) {
	for _, seed := range [][2]string{{"read write", "read"}, {"read:all", "read"}, {"aaa aa a", "a"}, {"a b", "a b"}, {" a  b ", "b"}, {"a", ""}, {"é", "é"}, {"a\"b", "b"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, granted, asked string) {
		if !isScopeList(granted) {
			return
		}
		want := slices.Contains(strings.FieldsFunc(granted, func(c rune) bool { return c == ' ' }), asked)
		if p := (&Principal{scope: granted}); p.HasScope(asked) != want {
			t.Errorf("scope %q: HasScope(%q) = %v", granted, asked, !want)
		}
		if isScope(asked) && strings.ContainsAny(asked, " \"\\\t\x7f") {
			t.Errorf("%q counts as a scope", asked)
		}
	})
}

// FuzzScopeClaim compares how scopes are read with the grammar of RFC 6749 §3.3: words of a few
// characters, between single spaces or more.
func FuzzScopeClaim(f *testing.F) {
	for _, seed := range []string{"", " ", "a", "a b", " a  b ", "read:orders", "re ad", "A", "a\tb", "a\u00a0b", `a"b`, `a\b`, "a\u2028b", "\x7f"} {
		f.Add(seed, "a")
		f.Add(seed, "read")
	}
	f.Fuzz(func(t *testing.T, list, one string) {
		quoted, err := jsontext.AppendQuote(nil, list)
		if err != nil {
			return // no UTF-8
		}
		doc := append(append([]byte(`{"scope":`), quoted...), '}')
		fuzztest.Bounded(t, string(doc), func() { _, _ = NewPrincipal(doc) })
		p, err := NewPrincipal(doc)
		legal := !strings.ContainsFunc(list, func(r rune) bool {
			return r != ' ' && r != 0x21 && (r < 0x23 || r > 0x5b) && (r < 0x5d || r > 0x7e)
		})
		if (err == nil) != legal {
			t.Fatalf("scope %q: %v", list, err)
		}
		if err != nil {
			return
		}
		words := slices.DeleteFunc(strings.Split(list, " "), func(s string) bool { return s == "" })
		if !slices.Equal(p.Scopes(), words) {
			t.Errorf("scope %q is read as %q", list, p.Scopes())
		}
		if p.HasScope(one) != slices.Contains(words, one) {
			t.Errorf("scope %q has %q: %t", list, one, p.HasScope(one))
		}
	})
}

func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{"", "Bearer x", "bearer\tx", "Bearer  a b", "Bearer a,b", "Basic x", " Bearer x", "Bearer é", "Bearer ="} {
		f.Add(seed)
	}
	g := mustGuard(NewGuard(refuser{}, nil))
	f.Fuzz(func(t *testing.T, value string) {
		read := func() (string, *Error) {
			token, _, refused := g.presentedToken([]string{value})
			if refused == nil {
				refused = checkSyntax(token)
			}
			return token, refused
		}
		fuzztest.Bounded(t, value, func() { _, _ = read() })
		token, refused := read()
		if refused == nil && (token == "" || strings.ContainsAny(token, " \t,\r\n\"") || !strings.HasSuffix(value, token)) {
			t.Errorf("%q has the token %q", value, token)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{value}
		w := httptest.NewRecorder()
		g.Enforce(AnyToken())(http.NotFoundHandler()).ServeHTTP(w, r)
		if w.Code != 400 && w.Code != 401 {
			t.Errorf("%q: %d", value, w.Code)
		}
		// Nothing of what was sent comes back: every answer is one of few.
		if !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), `Bearer realm="api"`) || !json.Valid(w.Body.Bytes()) || w.Body.Len() > 300 {
			t.Errorf("%q: %q\n%s", value, w.Header(), w.Body)
		}
	})
}

type refuser struct{}

func (refuser) VerifyToken(context.Context, string) (*Principal, error) {
	return nil, &Error{Reason: ReasonSignatureInvalid}
}

// TestATokenAllocatesInProportion bounds what a token makes a Verifier allocate: 64 times its own
// size (row J-42).
func TestATokenAllocatesInProportion(t *testing.T) {
	v, err := NewVerifier(jwks.Static{}, Config{Issuer: "https://issuer.example", Audiences: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"at+jwt","kid":"k"}`))
	for name, token := range map[string]string{
		"dots":             strings.Repeat(".", 16000),
		"random text":      strings.Repeat("x", 16000),
		"20 kB":            strings.Repeat("x", 20000),
		"deep claims":      header + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"a":`+strings.Repeat("[", 5000))) + ".c2ln",
		"many claims":      header + "." + base64.RawURLEncoding.EncodeToString([]byte(manyMembers(1000))) + ".c2ln",
		"many audiences":   header + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"https://issuer.example","aud":[`+strings.Repeat(`"x",`, 900)+`"x"]}`)) + ".c2ln",
		"a header of 12 k": base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","x":"`+strings.Repeat(`\u0061`, 1500)+`"}`)) + ".e30.c2ln",
	} {
		_, _ = v.VerifyToken(t.Context(), token) // what is kept for the next one is not this one's
		if got := fuzztest.AllocatedBy(func() { _, err = v.VerifyToken(t.Context(), token) }); err == nil || got > uint64(64*len(token)) {
			t.Errorf("%s: %d bytes for %d, %v", name, got, len(token), err)
		}
	}
}

// FuzzVerifyToken asks a whole Verifier.
func FuzzVerifyToken(f *testing.F) {
	v, err := NewVerifier(jwks.Static{}, Config{Issuer: "https://issuer.example", Audiences: []string{"a"}})
	if err != nil {
		f.Fatal(err)
	}
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"at+jwt","kid":"k"}`))
	for _, claims := range []string{`{"iss":"https://issuer.example","aud":"a","exp":9999999999}`, `{"aud":[` + strings.Repeat(`"a",`, 900) + `"a"]}`, `{` + strings.Repeat(`"a":{`, 50)} {
		f.Add(header + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln")
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := v.VerifyToken(t.Context(), raw); err == nil {
			t.Fatalf("%q was accepted without a key", raw)
		}
		fuzztest.Bounded(t, raw, func() { _, _ = v.VerifyToken(t.Context(), raw) })
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add("api", "read:orders")
	f.Add(`a"b\c`, "a!b")
	f.Fuzz(func(t *testing.T, realm, scope string) {
		if !isScope(scope) {
			return
		}
		g, err := NewGuard(refuser{}, &GuardOptions{Realm: realm})
		if err != nil {
			return
		}
		if realm == "" {
			realm = "api"
		}
		got := g.challengesOf(&Error{Reason: ReasonInsufficientScope, Scopes: []string{scope}})
		if len(got) != 1 || bytes.ContainsAny([]byte(got[0]), "\r\n\x00") {
			t.Fatalf("challenge %q", got)
		}
		params := parseChallenge(t, got[0])
		if params["realm"] != realm || params["scope"] != scope || params["error"] != "insufficient_scope" {
			t.Errorf("%q was read back as %q", got[0], params)
		}
	})
}

// parseChallenge reads the auth-params of one Bearer challenge, by the grammar of RFC 9110 §11.2
// and nothing of the encoder's.
func parseChallenge(t *testing.T, s string) map[string]string {
	rest, ok := strings.CutPrefix(s, "Bearer ")
	if !ok {
		t.Fatalf("not a Bearer challenge: %q", s)
	}
	params := map[string]string{}
	for rest != "" {
		name, after, ok := strings.Cut(rest, `="`)
		if !ok {
			t.Fatalf("not a quoted auth-param: %q", rest)
		}
		var value []byte
		i := 0
		for ; i < len(after) && after[i] != '"'; i++ {
			if after[i] == '\\' {
				i++
			}
			value = append(value, after[i])
		}
		if _, twice := params[name]; twice || i == len(after) {
			t.Fatalf("parameter %q twice, or without end: %q", name, s)
		}
		params[name] = string(value)
		rest = strings.TrimPrefix(after[i+1:], ", ")
	}
	return params
}

func mustGuard(g *Guard, err error) *Guard {
	if err != nil {
		panic(err)
	}
	return g
}

// manyMembers returns an object of n members.
func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":1`, i)
	}
	return "{" + b.String()[1:] + "}"
}
