package mtls_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/mtls"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// An api is behind a Guard with a Binding.
type api struct {
	issuer *authtest.Issuer
	guard  *auth.Guard
	h      http.Handler

	mu   sync.Mutex
	last *auth.Error // why the last request was refused
}

func newAPI(t *testing.T, opts *mtls.Options) *api {
	t.Helper()
	a := &api{issuer: authtest.NewIssuer(t, nil)}
	a.guard = a.issuer.Guard(&auth.GuardOptions{
		Bindings: []auth.Binding{must(mtls.New(opts))},
		OnDecision: func(_ context.Context, d auth.Decision) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.last = d.Err
		},
	})
	a.h = a.guard.Require("read:orders")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "orders") }))
	return a
}

func (a *api) why() (auth.Reason, string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == nil {
		return "", ""
	}
	return a.last.Reason, a.last.Detail()
}

// want compares an answer, and what an operator is told of it.
func (a *api) want(t *testing.T, what string, status, want int, detail string) {
	t.Helper()
	reason, told := a.why()
	if status != want || !strings.Contains(told, detail) || (want == 401) != (reason == auth.ReasonBindingNotProved) {
		t.Errorf("%s: %d %s %q, want %d and %q", what, status, reason, told, want, detail)
	}
}

func (a *api) ask(r *http.Request) int {
	w := httptest.NewRecorder()
	a.h.ServeHTTP(w, r)
	return w.Code
}

func (a *api) bound(c *authtest.Certificate) string {
	return a.issuer.Token("read:orders", c.Confirmation())
}

// serve serves a over TLS as config says, and returns what to ask it with.
func (a *api) serve(t *testing.T, config *tls.Config) (ask func(c *authtest.Certificate, token string, fields ...string) (int, error)) {
	t.Helper()
	server := httptest.NewUnstartedServer(a.h)
	server.TLS = config
	server.EnableHTTP2 = true
	server.Config.ConnContext = auth.ConnContext
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return func(c *authtest.Certificate, token string, fields ...string) (int, error) {
		trust := &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
		if c != nil {
			trust.Certificates = []tls.Certificate{c.TLS()}
		}
		transport := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		return get(t, transport, server.URL, token, fields...)
	}
}

func get(t *testing.T, transport http.RoundTripper, url, token string, fields ...string) (int, error) {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), "GET", url+"/orders", nil))
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// TestM06_SelfSignedCertificates asks servers that want any certificate, and servers that want
// their authority's.
func TestM06_SelfSignedCertificates(t *testing.T) {
	a, ca := newAPI(t, nil), authtest.NewCA(t)
	for name, tt := range map[string]struct {
		config     *tls.Config
		selfSigned bool
	}{
		"any certificate": {&tls.Config{ClientAuth: tls.RequestClientCert}, true},
		"its authority's": {&tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.Pool()}, false},
	} {
		ask := a.serve(t, tt.config)
		for _, client := range []*authtest.Certificate{authtest.NewCertificate(t), ca.Certificate()} {
			status, err := ask(client, a.bound(client))
			if good := tt.selfSigned || client.X509().Issuer.CommonName != client.X509().Subject.CommonName; (err == nil && status == 200) != good {
				t.Errorf("%s: %v signs %v: %d %v", name, client.X509().Issuer, client.X509().Subject, status, err)
			}
		}
		if status, err := ask(nil, a.issuer.Token("read:orders")); status != 200 {
			t.Errorf("%s: a plain token without certificate: %d %v", name, status, err)
		}
	}
}

func TestATokenAndItsCertificate(t *testing.T) {
	a := newAPI(t, nil)
	ask := a.serve(t, &tls.Config{ClientAuth: tls.RequestClientCert})
	client, thief := authtest.NewCertificate(t), authtest.NewCertificate(t)
	token := a.bound(client)
	for range 2 { // the second time the token is remembered
		for _, tt := range []struct {
			what   string
			c      *authtest.Certificate
			token  string
			status int
			detail string
		}{
			{"its client", client, token, 200, ""},
			{"another client", thief, token, 401, "bound to another certificate"},
			{"no certificate", nil, token, 401, "no client certificate"},
			{"a plain token", thief, a.issuer.Token("read:orders"), 200, ""},
		} {
			status, err := ask(tt.c, tt.token)
			if err != nil {
				t.Fatal(err)
			}
			a.want(t, tt.what, status, tt.status, tt.detail)
		}
	}
	status := must(ask(nil, token, "Client-Cert", field(mtls.RFC9440, client)))
	a.want(t, "a proxy's field where no proxy is configured", status, 401, "no client certificate")
}

// TestM04_TheFormOfAThumbprint binds tokens to one certificate in the wrong words.
func TestM04_TheFormOfAThumbprint(t *testing.T) {
	a, client := newAPI(t, nil), authtest.NewCertificate(t)
	good := client.Thumbprint()
	raw := must(base64.RawURLEncoding.DecodeString(good))
	short := sha1.Sum(client.X509().Raw)
	const form = "not the SHA-256"
	for name, tt := range map[string]struct {
		value  any
		status int
		detail string
	}{
		"good":                   {good, 200, ""},
		"padded":                 {good + "=", 401, form},
		"hex":                    {hex.EncodeToString(raw), 401, form},
		"SHA-1":                  {base64.RawURLEncoding.EncodeToString(short[:]), 401, form},
		"SHA-1 in hex":           {hex.EncodeToString(short[:]), 401, form},
		"short":                  {good[1:], 401, form},
		"other bits at the end":  {good[:42] + otherEnd(good), 401, "another certificate"},
		"in other case":          {swapCase(good), 401, "another certificate"},
		"empty":                  {"", 401, form},
		"a number":               {1, 401, form},
		"null":                   {nil, 401, "cnf names no key"},
		"a list":                 {[]string{good}, 401, form},
		"an object":              {map[string]any{"x": good}, 401, form},
		"43 digits, a number":    {1e42, 401, form},
		"the name of SHA-1's":    {good, 401, ""},
		"an object of 45 bytes":  {map[string]any{"a": strings.Repeat("x", 37)}, 401, form},
		"the certificate itself": {base64.StdEncoding.EncodeToString(client.X509().Raw), 401, form},
	} {
		member := "x5t#S256"
		if name == "the name of SHA-1's" {
			member = "x5t"
		}
		r := httptest.NewRequest("GET", "/orders", nil)
		client.Present(r)
		r.Header.Set("Authorization", "Bearer "+a.issuer.Token("read:orders", authtest.Claims{"cnf": map[string]any{member: tt.value}}))
		a.want(t, name, a.ask(r), tt.status, tt.detail)
	}
}

// otherEnd returns the last character of a base64url text with another of the bits that mean
// nothing.
func otherEnd(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, s[len(s)-1])^1])
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

// field returns the certificate as a proxy writes it.
func field(form mtls.Form, c *authtest.Certificate) string {
	der := base64.StdEncoding.EncodeToString(c.X509().Raw)
	switch form {
	case mtls.XFCC:
		return "By=a;Hash=" + hex.EncodeToString(must(base64.RawURLEncoding.DecodeString(c.Thumbprint())))
	case mtls.EscapedPEM:
		return "-----BEGIN%20CERTIFICATE-----%0A" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(der) + "%0A-----END%20CERTIFICATE-----%0A"
	case mtls.Base64DER:
		return der
	default:
		return ":" + der + ":"
	}
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// TestS09_TheFieldOfAProxy asks over real connections, of which each is one of the proxy's, or none
// is.
func TestS09_TheFieldOfAProxy(t *testing.T) {
	client, thief, proxy := authtest.NewCertificate(t), authtest.NewCertificate(t), authtest.NewCertificate(t)
	for _, form := range []mtls.Form{mtls.RFC9440, mtls.EscapedPEM, mtls.XFCC, mtls.Base64DER} {
		t.Run(form.String(), func(t *testing.T) {
			const name = "x-client-cert"
			from := func(addresses ...netip.Prefix) *mtls.Options {
				return &mtls.Options{From: []mtls.Proxy{{Addresses: addresses, Field: name, Form: form}}}
			}
			config := &tls.Config{ClientAuth: tls.RequestClientCert}
			near := newAPI(t, from(loopback...))
			far := newAPI(t, from(netip.MustParsePrefix("192.0.2.0/24")))
			askNear, askFar := near.serve(t, config), far.serve(t, config.Clone())
			good, bad := field(form, client), field(form, thief)
			for _, tt := range []struct {
				what   string
				c      *authtest.Certificate // the connection's
				fields []string
				near   int
				detail string
				far    int
			}{
				{"the caller's", nil, []string{name, good}, 200, "", 401},
				{"the caller's, by a proxy with a certificate", proxy, []string{name, good}, 200, "", 401},
				{"another's", nil, []string{name, bad}, 401, "another certificate", 401},
				{"another's, over the caller's own connection", client, []string{name, bad}, 401, "another certificate", 200},
				{"none", nil, nil, 401, "proxy tells of no client certificate", 401},
				{"an empty one", nil, []string{name, ""}, 401, "proxy tells of no client certificate", 401},
				{"none, over the caller's own connection", client, nil, 401, "proxy tells of no client certificate", 200},
				{"two", nil, []string{name, good, name, good}, 401, "stands there twice", 401},
				{"a broken one", nil, []string{name, "%"}, 401, "the proxy's field X-Client-Cert in the form " + form.String() + ": ", 401},
				{"one of another name", nil, []string{"client-cert", good}, 401, "proxy tells of no client certificate", 401},
			} {
				a := near
				a.want(t, "near, "+tt.what, must(askNear(tt.c, a.bound(client), tt.fields...)), tt.near, tt.detail)
				detail := "no client certificate"
				switch {
				case tt.far == 200:
					detail = ""
				case tt.c != nil:
					detail = "another certificate"
				case len(tt.fields) > 0 && tt.fields[0] == name:
					detail = "no configured proxy's"
				}
				a = far
				a.want(t, "far, "+tt.what, must(askFar(tt.c, a.bound(client), tt.fields...)), tt.far, detail)
				if status := must(askNear(tt.c, near.issuer.Token("read:orders"), tt.fields...)); status != 200 {
					t.Errorf("%s: a plain token: %d", tt.what, status)
				}
			}
			if status := must(askNear(proxy, near.bound(proxy))); status != 401 {
				t.Errorf("a token that is bound to the proxy's own certificate: %d", status)
			}
		})
	}
}

// TestSeveralProxies has a field and form of its own for each.
func TestSeveralProxies(t *testing.T) {
	a := newAPI(t, &mtls.Options{From: []mtls.Proxy{
		{Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
		{Addresses: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16"), netip.MustParsePrefix("2001:db8::/32")}, Form: mtls.XFCC, Hop: 1},
		{UnixSocket: "/run/api.sock", Field: "X-Cert", Form: mtls.Base64DER},
	}})
	client, thief := authtest.NewCertificate(t), authtest.NewCertificate(t)
	b := must(mtls.New(nil))
	if fields := b.Fields(); fields != nil {
		t.Errorf("without proxies it reads %q", fields)
	}
	all := func(c *authtest.Certificate) http.Header {
		return http.Header{
			"Authorization": {"Bearer " + a.bound(client)}, "Client-Cert": {field(mtls.RFC9440, c)},
			"X-Forwarded-Client-Cert": {field(mtls.XFCC, c) + "," + field(mtls.XFCC, thief)}, "X-Cert": {field(mtls.Base64DER, c)},
		}
	}
	for from, name := range map[string]string{
		"10.1.2.3": "Client-Cert", "10.2.2.3": "X-Forwarded-Client-Cert", "2001:db8::1": "X-Forwarded-Client-Cert", "/run/api.sock": "X-Cert",
		"10.3.0.1": "", "/run/other.sock": "", "fe80::1%eth0": "",
	} {
		h := all(thief)
		if name != "" {
			h[name] = all(client)[name]
		}
		c := auth.Credentials{Authorization: h["Authorization"], Header: h}
		if strings.HasPrefix(from, "/") {
			c.Peer = netip.IPv6Unspecified().WithZone(from)
		} else {
			c.Peer = netip.MustParseAddr(from)
		}
		if _, err := a.guard.Authorize(t.Context(), c, auth.AnyToken()); (err == nil) != (name != "") {
			t.Errorf("from %s, whose field is %q: %v", from, name, err)
		}
		if name == "" {
			continue
		}
		h = all(client)
		h[name] = all(thief)[name]
		c.Header = h
		if _, err := a.guard.Authorize(t.Context(), c, auth.AnyToken()); err == nil {
			t.Errorf("from %s, another certificate in %q: accepted", from, name)
		}
	}
}

// TestAnUnknownAddress serves without auth.ConnContext.
func TestAnUnknownAddress(t *testing.T) {
	var log bytes.Buffer
	a := newAPI(t, &mtls.Options{From: []mtls.Proxy{{Addresses: loopback}}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	client := authtest.NewCertificate(t)
	for range 3 {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.RemoteAddr = "127.0.0.1:1" // a middleware's word
		r.Header.Set("Authorization", "Bearer "+a.bound(client))
		r.Header.Set("Client-Cert", field(mtls.RFC9440, client))
		a.want(t, "the field", a.ask(r), 401, "auth.ConnContext")
		client.Present(r) // which may be the proxy's own
		a.want(t, "the connection's certificate", a.ask(r), 401, "auth.ConnContext")
	}
	if told := strings.Count(log.String(), "auth.ConnContext"); told != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("logged %d times:\n%s", told, &log)
	}
	if r := httptest.NewRequest("GET", "/orders", nil); true {
		r.Header.Set("Authorization", "Bearer "+a.issuer.Token("read:orders"))
		if status := a.ask(r); status != 200 {
			t.Errorf("a plain token: %d", status)
		}
	}
}

// TestAProxyOnAUnixSocket asks over two sockets, of which one is the proxy's.
func TestAProxyOnAUnixSocket(t *testing.T) {
	dir := t.TempDir()
	proxys, other := filepath.Join(dir, "proxy.sock"), filepath.Join(dir, "other.sock")
	a := newAPI(t, &mtls.Options{From: []mtls.Proxy{{UnixSocket: proxys}}})
	client := authtest.NewCertificate(t)
	for socket, want := range map[string]int{proxys: 200, other: 401} {
		server := httptest.NewUnstartedServer(a.h)
		server.Listener.Close()
		server.Listener = must(net.Listen("unix", socket))
		server.Config.ConnContext = auth.ConnContext
		server.Start()
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}
		status := must(get(t, transport, "http://api.example", a.bound(client), "Client-Cert", field(mtls.RFC9440, client)))
		transport.CloseIdleConnections()
		server.Close()
		detail := ""
		if want == 401 {
			detail = "no configured proxy's"
		}
		a.want(t, filepath.Base(socket), status, want, detail)
	}
}

func TestWhatNewRefuses(t *testing.T) {
	here := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	at := func(s ...string) (all []netip.Prefix) {
		for _, s := range s {
			all = append(all, netip.MustParsePrefix(s))
		}
		return all
	}
	for want, from := range map[string][]mtls.Proxy{
		"From[0] needs Addresses":                                           {{Field: "X-Cert"}},
		"From[1].Addresses[0] is 0.0.0.0/0: every":                          {{Addresses: here}, {Addresses: at("0.0.0.0/0")}},
		"From[0].Addresses[1] is ::/0: every":                               {{Addresses: at("10.0.0.0/8", "::/0")}},
		"From[0].Addresses[0] is invalid Prefix: not":                       {{Addresses: []netip.Prefix{{}}}},
		"From[0].Addresses[0] is ::ffff:10.0.0.0/104: not":                  {{Addresses: at("::ffff:10.0.0.0/104")}},
		"From[0].Form is Form(4)":                                           {{Addresses: here, Form: 4}},
		"From[0].Form is Form(-1)":                                          {{Addresses: here, Form: -1}},
		"From[0].Hop is -1":                                                 {{Addresses: here, Form: mtls.XFCC, Hop: -1}},
		"From[0].Hop is 16":                                                 {{Addresses: here, Form: mtls.XFCC, Hop: 16}},
		"From[0].Hop is 1: the form RFC9440":                                {{Addresses: here, Hop: 1}},
		`From[0].Field is ""`:                                               {{Addresses: here, Form: mtls.Base64DER}},
		`From[0].Field is "a b"`:                                            {{Addresses: here, Field: "a b"}},
		`From[0].Field is "é"`:                                              {{Addresses: here, Field: "é"}},
		"From[0].Field is Authorization":                                    {{Addresses: here, Field: "authorization"}},
		"From[0].Field is Dpop":                                             {{Addresses: here, Field: "DPoP"}},
		"From[1].Addresses has 10.1.0.0/16, which overlaps 10.0.0.0/8":      {{Addresses: here}, {Addresses: at("10.1.2.3/16")}},
		"From[1].UnixSocket is that of From[0]":                             {{UnixSocket: "/a"}, {UnixSocket: "/a"}},
		"From[2].Addresses has fd00::/8, which overlaps fd00::1/128 of Fro": {{UnixSocket: "/a"}, {Addresses: at("fd00::1/128")}, {Addresses: at("fd00::/8")}},
	} {
		b, err := mtls.New(&mtls.Options{From: from})
		if b != nil || err == nil || !strings.Contains(err.Error(), "mtls: Options."+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := mtls.New(&mtls.Options{From: []mtls.Proxy{{Addresses: here}, {UnixSocket: "/a"}, {Addresses: at("192.168.0.0/16"), Form: mtls.XFCC}}}); err != nil {
		t.Error(err)
	}
}

// TestWhatAProxySaysIsNotLogged presents bad fields with a mark in them.
func TestWhatAProxySaysIsNotLogged(t *testing.T) {
	const canary = "Q0FOQVJZ"
	client := authtest.NewCertificate(t)
	for _, form := range []mtls.Form{mtls.RFC9440, mtls.EscapedPEM, mtls.XFCC, mtls.Base64DER} {
		var log bytes.Buffer
		issuer := authtest.NewIssuer(t, nil)
		guard := issuer.Guard(&auth.GuardOptions{
			Bindings:   []auth.Binding{must(mtls.New(&mtls.Options{From: []mtls.Proxy{{Addresses: loopback, Field: "X-Cert", Form: form}}}))},
			OnDecision: auth.LogRefusals(slog.New(slog.NewTextHandler(&log, nil))),
		})
		for _, value := range []string{canary, ":" + canary + ":", "Hash=" + canary, canary + "%", `By="` + canary, strings.Repeat(canary, 10_000)} {
			c := auth.Credentials{Authorization: []string{"Bearer " + issuer.Token("", client.Confirmation())}, Peer: loopback[0].Addr(), Header: http.Header{"X-Cert": {value}}}
			_, err := guard.Authorize(t.Context(), c, auth.AnyToken())
			if err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, err), canary) {
				t.Errorf("%v", err)
			}
		}
		if strings.Contains(log.String(), canary) || !strings.Contains(log.String(), "detail=") {
			t.Errorf("%v: the log:\n%s", form, &log)
		}
	}
}

// TestM10_ThumbprintsAreComparedInConstantTime reads the code: a timing test would be one of the
// machine.
func TestM10_ThumbprintsAreComparedInConstantTime(t *testing.T) {
	files := must(filepath.Glob("*.go"))
	compared := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file := must(parser.ParseFile(token.NewFileSet(), name, nil, 0))
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				if f.Sel.Name == "ConstantTimeCompare" {
					compared++
				}
				if f.Sel.Name == "Equal" {
					t.Errorf("%s compares by Equal", name)
				}
			}
			return true
		})
	}
	if compared != 1 {
		t.Errorf("%d comparisons in constant time, want the one of the thumbprint", compared)
	}
}
