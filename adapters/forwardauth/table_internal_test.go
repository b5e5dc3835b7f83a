package forwardauth

import (
	"context"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
)

// nobody accepts no token.
type nobody struct{}

func (nobody) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonTokenMalformed}
}

// withoutSlash returns the pattern of a rule, with all names alike, without the slash at its end.
func withoutSlash(key string) (pattern string, slash bool) {
	pattern = strings.TrimSuffix(strings.ToLower(key[strings.IndexByte(key, ' ')+1:]), "{$}")
	pattern = regexp.MustCompile(`\{[a-z0-9]+`).ReplaceAllString(pattern, "{")
	return strings.CutSuffix(strings.TrimSuffix(pattern, "{...}"), "/")
}

// findAll is find as it is defined, with every question asked.
func findAll(t *table, method, path string) (key string, ok bool) {
	m := find(t.exact, method, path)
	if m.route == noRoute {
		return "", true
	}
	folded := fold(path)
	if find(t.folded, method, folded).route != m.route {
		return m.route.key, false
	}
	if m.route.path == path || path == "/" {
		return m.route.key, true
	}
	reads := []string{folded, regexp.MustCompile(`[?#].*$`).ReplaceAllString(folded, "")}
	reads = append(reads, regexp.MustCompile(`(.)/$`).ReplaceAllString(reads[1], "$1"))
	for format := regexp.MustCompile(`([^/])\.[^./]*$`); format.MatchString(reads[len(reads)-1]); {
		reads = append(reads, format.ReplaceAllString(reads[len(reads)-1], "$1"))
	}
	for _, read := range reads {
		if r := find(t.folded, method, read).route; r != noRoute && r != m.route {
			return m.route.key, false
		}
		r := find(t.folded, method, read+"/").route
		pattern, slash := withoutSlash(r.key)
		if own, _ := withoutSlash(m.route.key); r != m.route && slash && pattern != own && strings.Count(pattern, "/") == strings.Count(read, "/") {
			return m.route.key, false
		}
	}
	return m.route.key, true
}

// What is left out for speed changes no answer.
func TestTablesFindWhatEveryQuestionWouldFind(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	guard, err := auth.NewGuard(nobody{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	found, refused := 0, 0
	for range 300 {
		rules := auth.Rules{}
		for range 1 + r.IntN(5) {
			pattern := ""
			for i := range 1 + r.IntN(3) {
				pattern += "/" + pick("a", "b", "A", "Ab", "a.b", "A.b.c", "{"+pick("x", "y")+string(rune('0'+i))+"}", "ä")
			}
			rules[pick("", "GET ", "GET ", "POST ", "HEAD ")+pattern+pick("", "", "/", "/{$}", "/{rest...}", "/{all...}")] = auth.AnyToken()
		}
		table, err := newTable(guard, rules)
		if err != nil {
			continue // these cannot stand together
		}
		for range 50 {
			path := ""
			for range 1 + r.IntN(3) {
				path += "/" + pick("a", "b", "A", "Ab", "aB", "c", "ä", "Ä", "{x0}", "a.b", "A.b", "a.b.c", "a.b.c.d", "..a", ".a.b", "a?x", "b#x")
			}
			path += pick("", "", "/")
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PROPFIND"} {
				want, wantOK := findAll(table, method, path)
				m, ok := table.find(method, path)
				if m.route.key != want || ok != wantOK {
					t.Fatalf("%v\n%s %s: got %q %v, want %q %v", rules, method, path, m.route.key, ok, want, wantOK)
				}
				if want != "" {
					found++
				}
				if !ok {
					refused++
				}
			}
		}
	}
	if found < 500 || refused < 30 {
		t.Errorf("%d found, %d refused: too few to tell", found, refused)
	}
}

// A path that is taken for plain is read the same when it is asked everything.
func TestPlainPathsAreReadTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const bytes = "aZ0-._~//..%25;\\ \x00\xc3\xa4!$&'()*+,=:@?#"
	plains := 0
	for range 30_000 {
		b := []byte{'/'}
		for range r.IntN(8) {
			b = append(b, bytes[r.IntN(len(bytes))])
		}
		path := string(b)
		if !isPlain(path) {
			continue
		}
		plains++
		if decoded, ok := readAny(path); !ok || decoded != path {
			t.Fatalf("%q is taken for plain, and is %q, %v", path, decoded, ok)
		}
	}
	if plains < 500 {
		t.Errorf("%d plain paths: too few to tell", plains)
	}
}
