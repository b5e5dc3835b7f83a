package dpop

import (
	"net/url"
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"https://api.example/orders":            "https://api.example/orders",
		"HTTPS://API.Example:443/Orders":        "https://api.example/Orders",
		"http://api.example:80":                 "http://api.example/",
		"http://api.example:443/":               "http://api.example:443/",
		"https://api.example:/x":                "https://api.example/x",
		"https://api.example?x=1":               "https://api.example/",
		"https://api.example/a?x=/../b#f":       "https://api.example/a",
		"https://api.example/%7euser/%7Ex":      "https://api.example/~user/~x",
		"https://api.example/a%2fb":             "https://api.example/a%2Fb",
		"https://api.example/a/./b/../c":        "https://api.example/a/c",
		"https://api.example/a/%2e%2E/b":        "https://api.example/b",
		"https://api.example/../../a":           "https://api.example/a",
		"https://api.example/a/..":              "https://api.example/",
		"https://api.example/a/b/..":            "https://api.example/a/",
		"https://api.example/a/.":               "https://api.example/a/",
		"https://api.example/.a/..b/...":        "https://api.example/.a/..b/...",
		"https://api.example//a//":              "https://api.example//a//",
		"https://[2001:DB8::1]:8443/":           "https://[2001:db8::1]:8443/",
		"https://api.example/a%C3%a9":           "https://api.example/a%C3%A9",
		"https://api.example/pkg.Svc/Method":    "https://api.example/pkg.Svc/Method",
		"https://api.example/a;b=1,2/(x)'!$&*+": "https://api.example/a;b=1,2/(x)'!$&*+",
	} {
		if got, err := normalize(in); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "/orders", "//api.example/x", "ftp://api.example/", "https:/api.example", "https://", "https:///x", "https://?x",
		"https://user@api.example/", "https://api.example@evil.example/", "https://api%2eexample/", "https://api.example\\@evil/x", "https://:443/",
		"https://api.example/a b", "https://api.example/\x00", "https://api.example/é", "https://api.example/a\\b", "https://api.example/%", "https://api.example/%4", "https://api.example/%zz",
		" https://api.example/", "https://api.example/\r\n",
	} {
		if got, err := normalize(in); err == nil {
			t.Errorf("%q is taken for %q", in, got)
		}
	}
}

func TestPathOf(t *testing.T) {
	for in, want := range map[string]string{
		"/orders?x=1":                 "/orders",
		"/a/%2e%2e/b":                 "/b",
		"http://anything.example/a?b": "/a",
		"http://anything.example":     "/",
		"http://anything.example?x":   "/",
		"/pkg.Svc/Method":             "/pkg.Svc/Method",
	} {
		if got, err := pathOf(in); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "*", "api.example:443", "orders", "/a b", "/a\\b"} {
		if got, err := pathOf(in); err == nil {
			t.Errorf("%q is taken for %q", in, got)
		}
	}
}

func TestParseOrigin(t *testing.T) {
	for in, want := range map[string]origin{
		"https://api.example":          "https://api.example",
		"https://API.example/":         "https://api.example",
		"https://api.example/orders/":  "https://api.example/orders",
		"http://127.0.0.1:8080":        "http://127.0.0.1:8080",
		"https://api.example:443/v1//": "https://api.example/v1",
	} {
		if got, err := parseOrigin(in); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "api.example", "https://api.example?x", "https://api.example/#", "https://u@api.example", "*"} {
		if _, err := parseOrigin(in); err == nil || !strings.HasPrefix(err.Error(), "dpop: origin ") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// Whatever comes in, what comes out is normal, and means the same to net/url.
func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"https://a/%2e%2e/b/./%2F?x", "HTTP://A:80//.//..", "https://[::1]:443/%7e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, err := normalize(in)
		if err != nil {
			return
		}
		if again, err := normalize(out); err != nil || again != out {
			t.Fatalf("%q becomes %q, and then %q, %v", in, out, again, err)
		}
		want, err := url.Parse(in)
		if err != nil {
			return // net/url has rules of its own for hosts
		}
		got, err := url.Parse(out)
		if err != nil {
			t.Fatalf("%q becomes %q: %v", in, out, err)
		}
		if !strings.EqualFold(got.Hostname(), want.Hostname()) {
			t.Fatalf("%q becomes %q of another host", in, out)
		}
	})
}
