package authtest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

func withQuery(path, query string) string {
	if strings.Contains(path, "?") {
		return path + "&" + query
	}
	return path + "?" + query
}

// methods are those that the rule does not name, and those that fall under it.
func (a *assertion) methods() (all []attempt) {
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "BEARWARD"} {
		if key, _, ok := a.rules.Find(method, a.pattern); ok && key != a.key || method == a.method {
			continue // asked by its own rule
		}
		row := "O-11"
		if method == "HEAD" {
			row = "B-36"
		}
		all = append(all, attempt{row: row, what: "method " + method, ask: func(path string) request {
			return request{method: method, path: path}
		}})
	}
	return all
}

var overrideHeaders = []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"}

// overrides name another method than the request has, in a header, the query and a form.
func (a *assertion) overrides() (all []attempt) {
	pairs := [][2]string{}
	for _, named := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
		pairs = append(pairs, [2]string{a.method, named})
	}
	for _, sent := range []string{"GET", "POST"} {
		pairs = append(pairs, [2]string{sent, a.method})
	}
	for _, p := range pairs {
		sent, named := p[0], p[1]
		if sent == named {
			continue
		}
		header := map[string]string{}
		for _, name := range overrideHeaders {
			header[name] = named
		}
		plain := func(path string) request { return request{method: sent, path: path} }
		all = append(all,
			attempt{row: "O-11", what: sent + " with the method " + named, names: overrideHeaders, plain: plain, ask: func(path string) request {
				return request{method: sent, path: path, header: header}
			}},
			attempt{row: "O-11", what: sent + " with _method=" + named + " in the query", plain: plain, ask: func(path string) request {
				return request{method: sent, path: withQuery(path, "_method="+named)}
			}})
		if sent == http.MethodPost {
			all = append(all, attempt{row: "O-11", what: "POST with _method=" + named + " in a form", plain: plain, ask: func(path string) request {
				return request{method: sent, path: path, form: "_method=" + named}
			}})
		}
	}
	return all
}

// openPath returns the path of a route that needs no token, of the operation's host if it can.
func (a *assertion) openPath() string {
	for _, key := range slices.Sorted(maps.Keys(a.operations)) {
		o := a.operations[key]
		if bare, _, _ := strings.Cut(o.path, "?"); o.need.IsPublic() && o.host == a.host && bare != "/" && strings.Count(bare, "/") == 1 {
			return bare
		}
	}
	return "/healthz"
}

var urlHeaders = []string{"X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-Uri", "X-Forwarded-Path", "X-Forwarded-Prefix"}

// mostOpen is how many routes that need no token are asked for with the URL of another.
const mostOpen = 3

// otherURLs ask for one path, and name another in a header: the guard and the router may read
// different ones.
func (a *assertion) otherURLs() (all []attempt) {
	open := []string{"/"}
	for _, key := range slices.Sorted(maps.Keys(a.operations)) {
		o := a.operations[key]
		if (o.need.IsPublic() || o.need.IsOptional()) && o.host == a.host && !slices.Contains(open, o.path) && len(open) <= mostOpen {
			open = append(open, o.path)
		}
	}
	for _, carrier := range open {
		if carrier == a.path {
			continue
		}
		ask := func(path, inHeader string) request {
			header := map[string]string{}
			for _, name := range urlHeaders {
				header[name] = inHeader
			}
			return request{path: path, header: header}
		}
		all = append(all,
			attempt{row: "O-11", what: "path " + carrier + " with the URL " + a.path, elsewhere: true, names: urlHeaders, plain: func(string) request { return request{path: carrier} }, ask: func(path string) request {
				return ask(carrier, path)
			}},
			attempt{row: "O-11", what: "the URL " + carrier, elsewhere: true, names: urlHeaders, ask: func(path string) request {
				return ask(path, carrier)
			}})
	}
	return all
}

// otherHosts ask another host: the guard may stand in front of one alone, and trust others.
func (a *assertion) otherHosts() (all []attempt) {
	hosts := []string{"localhost", "bearward-no-such-host.example"}
	if a.host != "" {
		hosts = append(hosts, a.host+".")
	}
	for _, host := range hosts {
		all = append(all, attempt{row: "O-11", what: "host " + host, elsewhere: true, ask: func(path string) request {
			return request{path: path, host: host}
		}})
	}
	return all
}

// kindsOfRequests are headers by which guards of one's own tell requests that need no token: those
// of health probes, preflights and WebSockets, of pages on the developer's machine.
var kindsOfRequests = []struct {
	what   string
	header map[string]string
}{
	{"headers of a preflight, and of a page", map[string]string{
		"Access-Control-Request-Method": "GET", "Origin": "http://localhost", "Referer": "http://localhost/", "X-Requested-With": "XMLHttpRequest",
	}},
	{"headers of a WebSocket", map[string]string{
		"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "YmVhcndhcmRiZWFyd2FyZA==",
	}},
	{"headers of probes and tools", map[string]string{
		"User-Agent": "kube-probe/1.30 GoogleHC/1.0 ELB-HealthChecker/2.0", "Accept": "text/event-stream", "Range": "bytes=0-1023",
		"X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "https", "X-Api-Key": somebody, "X-Debug": "true",
	}},
}

// kinds ask with those headers: a caller who sends them needs a token all the same.
func (a *assertion) kinds() (all []attempt) {
	for _, kind := range kindsOfRequests {
		all = append(all, attempt{row: "O-11", what: kind.what, names: slices.Sorted(maps.Keys(kind.header)), ask: func(path string) request {
			return request{path: path, header: kind.header}
		}})
	}
	return all
}

// somebody is whom the identity headers name.
const somebody = "bearward-somebody"

// identityHeaders are what proxies tell APIs of callers, and callers may send, too.
var identityHeaders = map[string]string{
	"X-User": somebody, "X-User-Id": somebody, "X-Username": somebody, "X-User-Email": somebody + "@example.com", "X-Roles": "admin", "X-Groups": "admin",
	"X-Subject": somebody, "X-Auth-Subject": somebody, "X-Auth-User": somebody, "Impersonate-User": somebody, "X-Scope": "*", "X-Remote-User": somebody, "Remote-User": somebody, "X-Authenticated-User": somebody, "X-Authenticated-Userid": somebody,
	"X-Forwarded-User": somebody, "X-Forwarded-Email": somebody + "@example.com", "X-Forwarded-Preferred-Username": somebody, "X-Forwarded-Groups": "admin",
	"X-Auth-Request-User": somebody, "X-Auth-Request-Email": somebody + "@example.com", "X-Consumer-Username": somebody, "X-Credential-Identifier": somebody,
	"X-Goog-Authenticated-User-Id": somebody, "X-Goog-Authenticated-User-Email": "accounts.google.com:" + somebody + "@example.com",
	"X-Ms-Client-Principal-Name": somebody, "X-Ms-Client-Principal-Id": somebody, "X-Amzn-Oidc-Identity": somebody,
	"X-Ssl-Client-Verify": "SUCCESS", "X-Ssl-Client-S-Dn": "CN=" + somebody, "X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "X-Internal": "true",
}

// identities name a caller in headers, in place of a token.
func (a *assertion) identities() []attempt {
	return []attempt{{row: "S-10", what: "headers that name a user", names: slices.Sorted(maps.Keys(identityHeaders)), ask: func(path string) request {
		return request{path: path, header: identityHeaders}
	}}}
}

// identity asks with headers that name a user, and with what the operation admits: a good token,
// and none where it is optional. Nobody but the token may say who calls.
func (a *assertion) identity(token string) {
	a.tb.Helper()
	callers := []holder{{"with a good token", token}}
	if a.need.IsOptional() {
		callers = append(callers, holder{"without a token", ""})
	}
	users := maps.Clone(identityHeaders) // without addresses, which a handler may well tell its caller
	maps.DeleteFunc(users, func(_, value string) bool { return !strings.Contains(value, somebody) && value != "admin" })
	for _, h := range callers {
		if h.token != "" && (a.reference == nil || !a.stable) {
			continue
		}
		plain := a.send(request{}, h.tokens()...)
		changed := func(header map[string]string) bool {
			got := a.send(request{header: header}, h.tokens()...)
			return plain.reached() && plain.whole && got.whole && got.status == plain.status && !same(got, plain) && !echoes(got)
		}
		if !changed(users) || !same(plain, a.send(request{}, h.tokens()...)) {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(users)) {
			if changed(map[string]string{name: identityHeaders[name]}) {
				a.failf("S-10", fmt.Sprintf("the header %s: %s, %s", name, identityHeaders[name], h.what),
					"the answer is another than without it: the handler believes the caller's own header; want it removed, or not read")
				break
			}
		}
	}
}

// echoes reports whether an answer shows the headers of its request by name, as a page for
// debugging does.
func echoes(r reply) bool {
	text := strings.ToLower(string(r.body))
	for _, name := range []string{"X-User", "X-Forwarded-User", "X-Auth-Request-User"} {
		if strings.Contains(text, strings.ToLower(name)) {
			return true
		}
	}
	return false
}

// otherPaths are the operation's path, written in other ways: below a path that needs no token,
// too.
func (a *assertion) otherPaths() (all []attempt) {
	if len(a.path) < 2 {
		return nil
	}
	open := a.openPath()
	hex := func(p string) string { return fmt.Sprintf("%%%02x", p[1]) }
	for _, write := range []func(p string) string{
		func(p string) string { return "/" + p },
		func(p string) string { return p + "/" },
		func(p string) string { return p + "//" },
		func(p string) string { return "/." + p },
		func(p string) string { return "/x/.." + p },
		func(p string) string { return "/%2e" + p },
		func(p string) string { return "/x/%2e%2e" + p },
		func(p string) string { return "/x/..%2f" + p[1:] },
		func(p string) string { return "/%2F" + p[1:] },
		func(p string) string { return p + "%2F" },
		func(p string) string { return p + "/." },
		func(p string) string { return p + "/x/.." },
		func(p string) string { return p + ";x" },
		func(p string) string { return p + ".json" },
		func(p string) string { return p + "?x" },
		func(p string) string { return p + "?x=/healthz/y.css" },
		func(p string) string { return p + ";x.js" },
		func(p string) string { return "/" + hex(p) + p[2:] },
		func(p string) string { return "/%25" + hex(p)[1:] + p[2:] },
		func(p string) string { return "/x/%252e%252e" + p },
		func(p string) string { return p + "%252F" },
		strings.ToUpper,
		func(p string) string { return p + "%00" },
		func(p string) string { return p + "%20" },
		func(p string) string { return "/%5C" + p[1:] },
		func(p string) string { return open + "/.." + p },
		func(p string) string { return open + "/%2e%2e" + p },
		func(p string) string { return open + "/..%2f" + p[1:] },
		func(p string) string { return p + "?x=" + open },
	} {
		if path := write(a.path); path != a.path && strings.HasPrefix(path, "/") {
			all = append(all, attempt{row: "O-11", what: "path " + path, elsewhere: true, ask: func(path string) request {
				return request{path: write(path)}
			}})
		}
	}
	return all
}
