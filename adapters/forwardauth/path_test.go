package forwardauth_test

import (
	"strings"
	"testing"

	"github.com/bearward/bearward/adapters/forwardauth"
	"github.com/bearward/bearward/middleware/authtest"
)

// Gateway, Handler and API each read a path. What they might read differently is refused.
func TestW18_AmbiguousPaths(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var faults told
	o := options()
	o.OnRefused = faults.add
	gate := must(forwardauth.New(issuer.Guard(nil), rules(t, "/ = any token\n"), o))
	token := issuer.Token("")
	for name, targets := range map[string][]string{
		"not in origin-form":         {"orders", "*", "http://api.example.com/orders", "?a=b"},
		"an encoded slash":           {"/admin/..%2forders", "/admin%2Forders", "/%2F"},
		"dot segments":               {"/a/../orders", "/a/./orders", "/..", "/a/.", "/../a", "/."},
		"encoded dots":               {"/a/%2e%2e/orders", "/a/.%2E/orders", "/a%2ejson"},
		"doubled slashes":            {"//orders", "/a//orders", "/a//"},
		"a backslash":                {`/a\orders`, "/a%5corders", "/a/..%5Corders"},
		"NUL and controls":           {"/orders%00", "/orders%0a", "/orders%0d%0aX:y", "/orders%7f", "/orders\x00", "/orders\t", "/ orders"},
		"a parameter of the path":    {"/orders;x=1", "/orders%3Bx", "/a/..;/orders"},
		"ends of segments":           {"/orders%20", "/%20orders", "/orders.", "/orders./a", "/a%20/b", "/orders%C2%A0", "/..."},
		"a fragment":                 {"/orders#x", "/#/orders"},
		"no percent-encoding":        {"/a%", "/a%2", "/a%zz"},
		"what decodes twice":         {"/a/%252e%252e/orders", "/a%252forders", "/%2500"},
		"needless encoding":          {"/%6frders", "/%4Frders", "/a%2Db", "/a%5fb", "/%31"},
		"no UTF-8":                   {"/%c0%af", "/%ff", "/%c0%ae%c0%ae/orders"},
		"beyond ASCII, not encoded":  {"/ä", "/\xff", `/"a"`, "/<a>", "/{a}", "/a|b", "/a^b", "/a`b"},
		"the same, before its query": {"/a/../orders?x=1", "/a%2fb?x"},
	} {
		for _, target := range targets {
			faults = nil
			w := ask(gate, question("GET", target, token))
			if w.Code != 400 || len(faults) != 1 || faults[0] != forwardauth.FaultPath || w.Header().Get("Www-Authenticate") != "" {
				t.Errorf("%s: %q: got %d %s %v", name, target, w.Code, w.Body, faults)
			}
		}
	}
	for _, target := range []string{"/", "/orders", "/orders/", "/orders?a=../%2f//;", "/a.b/..c/.d", "/%C3%84", "/a%20b", "/~a", "/%7Ea", "/a:b@c!$&'()*+,=", "/100%25", "/a%3Fb", "/a%23b", "/" + strings.Repeat("a", 4000)} {
		if w := ask(gate, question("GET", target, token)); w.Code != 200 {
			t.Errorf("%q: got %d %s", target, w.Code, w.Body)
		}
	}
}

// An API may take "/ADMIN" or "/admin/" for "/admin". The Handler does not guess whether it does.
func TestW18_PathsThatALaxRouterReadsDifferently(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	gate := must(forwardauth.New(issuer.Guard(nil), rules(t, `
		GET /admin = admin
		GET /closed/{$} = admin
		GET /{name} = any token
		GET /users/{id} = any token
		GET /files/ = any token
		GET /files/Secret = admin
		GET /files/closed/{$} = admin
		GET /deep/{rest...} = any token
		GET /deep/admin = admin
	`), options()))
	token := issuer.Token("")
	for target, want := range map[string]int{
		"/admin": 403, "/ADMIN": 400, "/Admin": 400, "/orders": 200, "/ORDERS": 200, "/users/b": 200, "/users/B": 200, "/Users/b": 403,
		"/files/": 200, "/files/x": 200, "/files/Secret": 403, "/files/secret": 400, "/files/x/y/": 200, "/FILES/x": 403,
		"/files/closed/": 403, "/files/closed": 403, "/closed": 400, "/closed/": 403, "/files/Secret/": 400, "/deep/admin": 403, "/deep/admin/": 400, "/deep/x/": 200, "/deep/x": 200,
	} {
		if w := ask(gate, question("GET", target, token)); w.Code != want {
			t.Errorf("%s: got %d %s, want %d", target, w.Code, w.Body, want)
		}
	}
}

// Some routers ignore more than one thing at once: Express the case and the last slash, Rails a
// format behind the last dot, Spring what follows the first, PHP behind Apache what follows an
// encoded question mark. Django's patterns may ignore the case of more letters than have two.
func TestW18_PathsThatALaxRouterReadsByMoreThanOneRule(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	gate := must(forwardauth.New(issuer.Guard(nil), rules(t, `
		GET /files/ = any token
		GET /files/secret = admin
		GET /files/Upper = admin
		GET /files/closed/{$} = admin
		GET /files/summary = admin
		GET /files/summary.pdf = any token
		GET /files/caf%C3%A9 = admin
		GET /files/%C3%89T%C3%A9/{$} = admin
		GET /{name} = any token
		GET /admin = admin
	`), options()))
	token := issuer.Token("")
	for target, want := range map[string]int{
		"/files/SECRET/": 400, "/files/secret/": 400, "/files/upper/": 400, "/files/UPPER/": 400, "/files/CLOSED": 400, "/files/Closed/": 400,
		"/admin.json": 400, "/ADMIN.json": 400, "/admin.": 400, "/files/secret.txt": 400, "/files/SECRET.txt/": 400, "/files/a.secret": 200, "/files/.secret": 200,
		"/admin%3Fx": 400, "/admin%3fx=/y": 403, "/admin%23x": 400, "/Admin%3Fx": 400, "/files/secret/%3F": 400, "/files/secret.txt%3F": 400, "/what%3F": 200, "/%3F": 200,
		"/admin.a.b": 400, "/ADMIN.a.b": 400, "/admin.a.b%3Fx": 400, "/files/secret.tar.gz": 400, "/files/secret" + strings.Repeat(".x", 99): 400,
		"/files/a.b.secret": 200, "/files/a" + strings.Repeat(".x", 99): 200, "/files/.secret.txt": 200,
		"/adm%C4%B1n": 400, "/ADM%C4%B0N": 400, "/files/%C5%BFecret": 400, "/files/clo%C5%BFed": 400, "/files/%C5%BFecret.txt/": 400, "/files/%C5%BF": 200,
		"/files/summary": 403, "/files/summary.pdf": 200, "/files/summary.txt": 400, "/files/summary.pdf/": 400, "/files/a.txt": 200, "/orders.csv": 200,
		"/files/caf%C3%A9": 403, "/files/CAF%C3%89": 400, "/files/caf%C3%A9/": 400, "/files/%C3%89T%C3%A9/": 403, "/files/%C3%89T%C3%A9": 403, "/files/%C3%A9t%C3%A9": 400,
	} {
		if w := ask(gate, question("GET", target, token)); w.Code != want {
			t.Errorf("%s: got %d %s, want %d", target, w.Code, w.Body, want)
		}
	}
}

// Others ignore the last slash beside what they cut off: the routers of Django REST framework serve
// /users/ at /users.json.
func TestW18_PathsThatALaxRouterCutsAndEndsInASlash(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	token := issuer.Token("")
	for text, all := range map[string]map[string]int{
		"GET /{rest...} = any token\nGET /users/ = admin": {
			"/users": 403, "/users/": 403, "/users.json": 400, "/USERS.json": 400, "/users.json/": 400, "/users.a.b": 400, "/users%3Fx": 400,
			"/user.json": 200, "/a/users.json": 200, "/users/a.json": 403,
		},
		"GET /{name} = any token\nGET /{name}/{$} = admin\nGET /Caf%C3%A9/{$} = admin": {
			"/users.json": 200, "/users": 200, "/users/": 400, "/caf%C3%A9.json": 400, "/caf%C3%A9": 400, "/caf%C3%A9s.json": 200,
		},
		"GET /{name} = any token\nGET /Admin/{rest...} = admin": {
			"/admin": 400, "/Admin": 400, "/ADMIN": 400, "/admin.json": 400, "/Admin%3F": 400, "/Admin/": 400, "/Admin/x": 403, "/admins": 200, "/a.admin": 200,
		},
		"GET /{tenant}/{name} = any token\nGET /{tenant}/keys/{$} = admin\nGET /{tenant}/{name}/{rest...} = any token": {
			"/a/keys": 400, "/a/KEYS": 400, "/a/keys/": 400, "/a/keys.json": 400, "/a/keys.a.b": 400, "/a/keys%23x": 400, "/a/locks": 200, "/a/locks.json": 200, "/a/b/keys": 200,
		},
	} {
		gate := must(forwardauth.New(issuer.Guard(nil), rules(t, text), options()))
		for target, want := range all {
			if w := ask(gate, question("GET", target, token)); w.Code != want {
				t.Errorf("%s: got %d %s, want %d, by\n%s", target, w.Code, w.Body, want, text)
			}
		}
	}
}
