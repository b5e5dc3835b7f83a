package forwardauth_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/adapters/forwardauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A request brings no identity of its own, in any spelling that an API may take for it.
func TestW18_IdentityIsTheHandlersAlone(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var faults told
	o := options()
	o.OnRefused = faults.add
	o.Fields.Client = "X-Caller-App"
	gate := must(forwardauth.New(issuer.Guard(nil), rules(t, "/ = any token\n/open = public\n/maybe = optional\n"), o))
	for _, name := range []string{"X-Auth-Subject", "x_auth_subject", "X_AUTH-subject", "X-AUTH-ISSUER", "X-Auth-Scopes", "x-caller-app", "X_Caller_App", "X.Auth.Subject"} {
		for _, value := range []string{"root", ""} {
			faults = nil
			r := question("GET", "/open", issuer.Token(""))
			r.Header[name] = []string{value}
			if w := ask(gate, r); w.Code != 400 || !slices.Equal(faults, told{forwardauth.FaultIdentity}) {
				t.Errorf("%s: got %d %v", name, w.Code, faults)
			}
		}
	}
	for _, list := range []string{"X-Auth-Subject", "close, x-auth-subject", "keep-alive,X_Caller_App "} {
		r := question("GET", "/", issuer.Token(""))
		r.Header.Set("Connection", list)
		if w := ask(gate, r); w.Code != 400 {
			t.Errorf("Connection: %s: got %d", list, w.Code)
		}
	}
	for _, name := range []string{"X-HTTP-Method-Override", "x_http_method_override", "X-Original-URL", "X-Rewrite-Url", "X-Method-Override"} {
		faults = nil
		r := question("GET", "/", issuer.Token(""))
		r.Header[name] = []string{"DELETE"}
		if w := ask(gate, r); w.Code != 400 || !slices.Equal(faults, told{forwardauth.FaultRerouting}) {
			t.Errorf("%s: got %d %v", name, w.Code, faults)
		}
	}
	for to, want := range map[string]int{"websocket": 200, "WebSocket": 200, "h2c": 400, "websocket, h2c": 400, "TLS/1.0": 400, "": 400} {
		faults = nil
		r := question("GET", "/open", issuer.Token(""))
		r.Header["Upgrade"] = []string{"websocket", to}
		if w := ask(gate, r); w.Code != want || (want == 400) != slices.Equal(faults, told{forwardauth.FaultRerouting}) {
			t.Errorf("Upgrade: %s: got %d %v, want %d", to, w.Code, faults, want)
		}
	}
	r := question("GET", "/", issuer.Token(""))
	r.Header.Set("X-Auth-Client", "free: the field has another name here")
	if w := ask(gate, r); w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
}

func TestW18_IdentityIsAlwaysSet(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	gate := must(forwardauth.New(issuer.Guard(nil), rules(t, "/ = any token\n/open = public\n/maybe = optional\n"), options()))
	odd := issuer.Token("read:orders a%20b,c", authtest.Claims{"sub": "Änne+ 100%\r\nX: y", "client_id": "shop/1"})
	for _, c := range []struct {
		target, token string
		want          []string
	}{
		{"/", odd, []string{"%C3%84nne%2B%20100%25%0D%0AX:%20y", encoded(issuer.URL), "shop%2F1", "read:orders a%2520b%2Cc"}},
		{"/maybe", odd, []string{"%C3%84nne%2B%20100%25%0D%0AX:%20y", encoded(issuer.URL), "shop%2F1", "read:orders a%2520b%2Cc"}},
		{"/maybe", "", []string{"", "", "", ""}},
		{"/open", odd, []string{"", "", "", ""}},
	} {
		w := ask(gate, question("GET", c.target, c.token))
		for i, name := range []string{"X-Auth-Subject", "X-Auth-Issuer", "X-Auth-Client", "X-Auth-Scopes"} {
			if got := w.Header()[name]; w.Code != 200 || len(got) != 1 || got[0] != c.want[i] {
				t.Errorf("%s: got %d, %s %q, want %q", c.target, w.Code, name, got, c.want[i])
			}
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Body.Len() > 0 {
			t.Errorf("%s: %v %s", c.target, w.Header(), w.Body)
		}
	}
	o := options()
	o.Fields = forwardauth.Fields{Subject: "X-User", Issuer: "-", Client: "-", Scopes: "-"}
	gate = must(forwardauth.New(issuer.Guard(nil), rules(t, "/ = any token\n"), o))
	w := ask(gate, question("GET", "/", issuer.Token("")))
	if got := w.Header(); w.Code != 200 || got.Get("X-User") != "alice" || got["X-Auth-Issuer"] != nil || got["X-Auth-Client"] != nil || got["X-Auth-Scopes"] != nil {
		t.Errorf("got %d %v", w.Code, got)
	}
}

// A people verifies a token as its caller's name, and remembers the Principal.
type people map[string]*auth.Principal

func (all people) VerifyToken(_ context.Context, token string) (*auth.Principal, error) {
	if all[token] == nil {
		all[token] = must(auth.NewPrincipal(fmt.Appendf(nil, `{"sub": %q, "scope": "of:%s"}`, token, token)))
	}
	return all[token], nil
}

// However many callers there are, each is told as itself.
func TestW18_IdentityIsTheCallersOwn(t *testing.T) {
	gate := must(forwardauth.New(must(auth.NewGuard(people{}, nil)), rules(t, "/ = any token\n/maybe = optional\n"), options()))
	for range 2 {
		for i := range 1500 {
			name := fmt.Sprintf("caller-%d", i)
			if w := ask(gate, question("GET", "/", name)); w.Code != 200 || w.Header().Get("X-Auth-Subject") != name || w.Header().Get("X-Auth-Scopes") != "of:"+name {
				t.Fatalf("%s: got %d %v", name, w.Code, w.Header())
			}
		}
		if w := ask(gate, question("GET", "/maybe", "")); w.Code != 200 || w.Header().Get("X-Auth-Subject") != "" {
			t.Fatalf("nobody: got %d %v", w.Code, w.Header())
		}
	}
}

// An accepted answer ends with its header.
func TestAcceptedAnswersAreEmpty(t *testing.T) {
	o := options()
	o.Gateways = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	server := httptest.NewUnstartedServer(must(forwardauth.New(must(auth.NewGuard(everybody{}, nil)), rules(t, "/ = any token\n"), o)))
	server.Config.ConnContext = auth.ConnContext
	server.Start()
	defer server.Close()
	for _, method := range []string{"GET", "POST", "HEAD"} {
		r := question("GET", "/", "xyz")
		r.URL, r.Method, r.RequestURI = must(url.Parse(server.URL)), method, ""
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if length := resp.Header.Get("Content-Length"); err != nil || resp.StatusCode != 200 || len(body) > 0 || resp.TransferEncoding != nil || method != "HEAD" && length != "0" {
			t.Errorf("%s: got %d %v %q, %v", method, resp.StatusCode, resp.Header, body, err)
		}
	}
}

func encoded(url string) string { return strings.ReplaceAll(url, "/", "%2F") }

// A Handler that does not tell the issuer tells no subject of an issuer that came later.
func TestSubjectsOfAnotherIssuerNeedTheirIssuer(t *testing.T) {
	first := authtest.NewIssuer(t, nil)
	second := authtest.NewIssuer(t, &authtest.Options{URL: "https://second.example", Audience: first.Audience})
	all := must(auth.NewIssuers(first.Verifier(auth.Config{})))
	guard := must(auth.NewGuard(all, nil))
	o := options()
	o.Fields.Issuer = "-"
	gate := must(forwardauth.New(guard, rules(t, "/ = any token\n"), o))
	if err := all.Add(second.Verifier(auth.Config{})); err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]int{first.Token(""): 200, second.Token(""): 500} {
		if w := ask(gate, question("GET", "/", token)); w.Code != want || (w.Header().Get("X-Auth-Subject") != "") != (want == 200) {
			t.Errorf("got %d %v, want %d", w.Code, w.Header(), want)
		}
	}
}
