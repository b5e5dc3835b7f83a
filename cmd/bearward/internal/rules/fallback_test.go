package rules_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/cmd/bearward/internal/rules"
	auth "github.com/bearward/bearward/middleware"
)

func parse(t *testing.T, text string) auth.Rules {
	t.Helper()
	all, err := auth.ParseRules(text)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A reviewer is told who may call what, also where another rule counts in place of one that is
// gone.
func TestWhatCountsWhereARuleIsGone(t *testing.T) {
	for _, tt := range []struct{ stays, gone, want string }{
		{"GET /files/ = public", "GET /files/secret = admin", "GET /files/: public"},
		{"/ = public", "GET /admin = admin", "/: public"},
		{"GET / = public", "/admin = admin", "GET /: public; refused"},
		{"/ = public\nGET /admin = admin", "/admin = admin", "/: public"},
		{"GET / = public\nGET /admin = x", "/admin = admin", "refused"},
		{"GET / = admin\nPOST / = public", "/admin = admin", "GET /: admin; POST /: public; refused"},
		{"GET / = admin\nHEAD / = public", "GET /a = admin", "GET /: admin; HEAD /: public"},
		{"GET / = public\nHEAD /a = admin", "GET /a = admin", "GET /: public"},
		{"GET /a = public", "HEAD /a = admin", "GET /a: public"},
		{"GET /a = public\n/a = x", "HEAD /a = admin", "GET /a: public"},
		{"/a = public", "GET /a = admin", "/a: public"},
		{"GET /files/{name} = public", "GET /files/secret = admin", "GET /files/{name}: public"},
		{"GET /files/{rest...} = public", "GET /files/{id} = admin", "GET /files/{rest...}: public"},
		{"GET /files/{rest...} = public", "GET /files/a/ = admin", "GET /files/{rest...}: public"},
		{"GET /{rest...} = public", "GET /files/{$} = admin", "GET /{rest...}: public"},
		{"GET /{page} = public", "GET /{$} = admin", "refused"},
		{"GET / = public\nGET /files/ = x\nGET /files/{name} = y", "GET /files/secret = admin", "GET /files/{name}: y"},
		{"GET / = public\nGET /orders/{id}/{line} = admin", "GET /orders/ = admin", "GET /: public"},
		{"GET / = public\nGET /x = admin", "GET /{page} = admin", "GET /: public"},
		{"GET /x = public", "GET /{page} = admin", "refused"},
		{"GET /f/{a}/{b} = public", "GET /f/ = admin", "refused"},
		{"GET /a/ = public", "GET /a = admin", "refused"}, // a redirect
		{"POST /files/ = public", "GET /files/secret = admin", "refused"},
		{"/files/a/ = public", "GET /files/{id} = admin", "refused"},
		{"GET /caf%C3%A9/ = public", "GET /caf%c3%a9/x = admin", "GET /caf%C3%A9/: public"},
		{"/pkg.Svc/* = public", "/pkg.Svc/Get = admin", "/pkg.Svc/*: public"},
		{"/pkg.Svc/* = public", "POST /pkg.Svc/Get = admin", "/pkg.Svc/*: public"},
		{"/pkg.Svc/* = public", "/pkg.Other/Get = admin", "refused"},
		{"/ = public", "tools/call cancel = admin", "refused"},
		{"/ = public\ntools/call * = x", "tools/call cancel = admin", "tools/call *: x"},
		{"/a/{x}/b = public\n/a/c/{y} = public\n/a/{} = x", "GET /a/c/d = admin", "/a/c/{y}: public"}, // of no ServeMux
		{"/ = public", "GET /a/%zz = admin", "refused"},
	} {
		with, without := parse(t, tt.stays+"\n"+tt.gone), parse(t, tt.stays)
		for _, back := range []bool{false, true} {
			from, to := with, without
			if back {
				from, to = to, from
			}
			changes, err := rules.Diff(from, to, nil)
			if err != nil || len(changes) != 1 {
				t.Fatalf("%+v, %v", changes, err)
			}
			c := changes[0]
			counts, who, others := c.New, c.Gains, c.Old
			if back {
				counts, who, others = c.Old, c.Loses, c.New
			}
			if got := words(counts); got != tt.want || strings.Contains(strings.Join(who, ";"), "no token") != strings.Contains(tt.want, "public") || len(others) != 1 || others[0].Operation != "" {
				t.Errorf("%q without %q: got %s, and %+v, want %s", tt.stays, tt.gone, got, c, tt.want)
			}
		}
	}
}

func words(counts []rules.Rule) string {
	var all []string
	for _, r := range counts {
		switch {
		case r.Rule == "":
			all = append(all, "refused")
		default:
			all = append(all, r.Operation+": "+r.Rule)
		}
	}
	return strings.Join(all, "; ")
}

// One rule is taken away. Somebody without a token gains access when http.ServeMux lets him in that
// it did not before, by whichever request.
func TestDiffAgreesWithServeMux(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	var requests []*http.Request
	paths := []string{"/"}
	for i := 0; i < len(paths); i++ {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT"} {
			requests = append(requests, httptest.NewRequest(method, paths[i], nil))
		}
		if strings.Count(paths[i], "/") <= 3 && strings.HasSuffix(paths[i], "/") {
			for _, s := range []string{"a", "b", "zz"} {
				paths = append(paths, paths[i]+s, paths[i]+s+"/")
			}
		}
	}
	tried, opened := 0, 0
	for tried < 1500 {
		with := auth.Rules{}
		for range 1 + r.IntN(4) {
			path := ""
			for range r.IntN(3) {
				path += "/" + pick("a", "b", "{"+pick("x", "y")+fmt.Sprint(len(path))+"}")
			}
			path += pick("/", "/a", "/b", "/{z}", "/{z...}", "/{$}")
			with[pick("", "", "GET ", "POST ", "HEAD ")+path] = []auth.Requirement{auth.Public(), auth.Scopes("admin")}[r.IntN(2)]
		}
		keys := rules.Keys(with)
		gone := keys[r.IntN(len(keys))]
		without := auth.Rules{}
		for key, need := range with {
			if key != gone {
				without[key] = need
			}
		}
		before, after := open(with, requests), open(without, requests)
		if before == nil || after == nil || len(without) == 0 {
			continue // no ServeMux has these
		}
		tried++
		gains, loses, moved := false, false, false
		for i := range requests {
			if before[i] == redirected || after[i] == redirected {
				moved = true
				continue
			}
			gains = gains || after[i] == public && before[i] != public
			loses = loses || before[i] == public && after[i] != public
		}
		if gains {
			opened++
		}
		changes, err := rules.Diff(with, without, nil)
		if err != nil || len(changes) != 1 {
			t.Fatal(changes, err)
		}
		c := changes[0]
		toldGains, toldLoses := slices.Contains(c.Gains, "no token"), slices.Contains(c.Loses, "no token")
		if toldGains != gains && !(toldGains && moved) || toldLoses != loses && !(toldLoses && moved) {
			t.Errorf("%v without %q: opens %v and closes %v; %+v", with, gone, gains, loses, c)
		}
	}
	if opened < 40 {
		t.Errorf("%d of %d open something", opened, tried)
	}
}

// What becomes of a request without a token.
const (
	refused = iota
	public
	redirected // to the same path with a slash at its end
)

// open tells what becomes of requests under http.ServeMux, and is nil for rules that it does not
// take.
func open(all auth.Rules, requests []*http.Request) (answers []int) {
	defer func() {
		if recover() != nil {
			answers = nil
		}
	}()
	mux := http.NewServeMux()
	for key, need := range all {
		mux.Handle(key, route{need.IsPublic()})
	}
	for _, req := range requests {
		answer := refused
		switch h, pattern := mux.Handler(req); h := h.(type) {
		case route:
			if h.public {
				answer = public
			}
		default:
			if pattern != "" {
				answer = redirected
			}
		}
		answers = append(answers, answer)
	}
	return answers
}

type route struct{ public bool }

func (route) ServeHTTP(http.ResponseWriter, *http.Request) {}
