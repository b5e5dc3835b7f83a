package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	"github.com/bearward/bearward/middleware/authtest"
)

// tlsFiles are what the flags of TLS name.
type tlsFiles struct {
	ca                     *authtest.CA
	server                 *authtest.Certificate
	cert, key, roots, junk string
}

func writeTLSFiles(t *testing.T) tlsFiles {
	t.Helper()
	dir, ca := t.TempDir(), authtest.NewCA(t)
	f := tlsFiles{ca, ca.Certificate("127.0.0.1"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "roots.pem"), filepath.Join(dir, "junk.pem")}
	key, err := x509.MarshalPKCS8PrivateKey(f.server.TLS().PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		f.cert:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.server.X509().Raw}),
		f.key:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		f.roots: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.X509().Raw}),
		f.junk:  []byte("junk"),
	} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestFlagsOfCertificatesThatContradictEachOther(t *testing.T) {
	f := writeTLSFiles(t)
	pair := []string{"-tls-cert", f.cert, "-tls-key", f.key}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a certificate without key":       {[]string{"-tls-cert", f.cert}, "-tls-cert and -tls-key"},
		"a key without certificate":       {[]string{"-tls-key", f.key}, "-tls-cert and -tls-key"},
		"no file of a certificate":        {[]string{"-tls-cert", "nowhere", "-tls-key", f.key}, "-tls-cert, -tls-key: open nowhere"},
		"another file":                    {[]string{"-tls-cert", f.key, "-tls-key", f.key}, "-tls-cert, -tls-key: "},
		"-mtls without TLS":               {[]string{"-mtls"}, "-mtls needs -tls-cert"},
		"authorities without -mtls":       {append(pair, "-client-ca", f.roots), "-client-ca needs -mtls"},
		"no file of authorities":          {append(pair, "-mtls", "-client-ca", "nowhere"), "-client-ca: open nowhere"},
		"authorities that are none":       {append(pair, "-mtls", "-client-ca", f.junk), "-client-ca: " + f.junk + " has no certificate"},
		"a field without proxy":           {[]string{"-client-cert-header", "xfcc"}, "-client-cert-header and -trusted-proxy"},
		"a proxy without field":           {[]string{"-trusted-proxy", "10.0.0.0/8"}, "-client-cert-header and -trusted-proxy"},
		"an unknown form":                 {[]string{"-client-cert-header", "pem", "-trusted-proxy", "10.0.0.0/8"}, `-client-cert-header "pem"`},
		"a form without its field":        {[]string{"-client-cert-header", "escaped-pem", "-trusted-proxy", "10.0.0.0/8"}, `-client-cert-header "escaped-pem"`},
		"a form with an empty field":      {[]string{"-client-cert-header", "base64der:", "-trusted-proxy", "10.0.0.0/8"}, `-client-cert-header "base64der:"`},
		"a form that has its field":       {[]string{"-client-cert-header", "xfcc:X", "-trusted-proxy", "10.0.0.0/8"}, `-client-cert-header "xfcc:X"`},
		"a field that is none":            {[]string{"-client-cert-header", "base64der:a b", "-trusted-proxy", "10.0.0.0/8"}, `-client-cert-header base64der:a b`},
		"a field with a meaning":          {[]string{"-client-cert-header", "base64der:cookie", "-trusted-proxy", "10.0.0.0/8"}, `another meaning`},
		"a proxy that is no CIDR":         {[]string{"-client-cert-header", "xfcc", "-trusted-proxy", "10.0.0.0/8,proxy"}, `-trusted-proxy "proxy"`},
		"a proxy that can be everybody":   {[]string{"-client-cert-header", "xfcc", "-trusted-proxy", "0.0.0.0/0"}, `-trusted-proxy 0.0.0.0/0`},
		"a proxy of IPv6 that can be all": {[]string{"-client-cert-header", "xfcc", "-trusted-proxy", "::/0"}, `-trusted-proxy ::/0`},
	} {
		var errs strings.Builder
		code := run(t.Context(), append([]string{"-issuer", "http://127.0.0.1:1", "-audience", "a", "-addr", "127.0.0.1:0"}, c.args...), &errs)
		if code != exitUsage || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit code %d, %q; want %q", name, code, errs.String(), c.want)
		}
	}
}

// client is the TLS of a client that shows c; nil for none.
func (f tlsFiles) client(c *authtest.Certificate) *tls.Config {
	config := &tls.Config{RootCAs: f.ca.Pool()}
	if c != nil { // also where the server names other authorities
		pair := c.TLS()
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return config
}

// A client asks the program for the orders, and returns the answer in HTTP's terms.
type client func(t *testing.T, c *authtest.Certificate, token string, field ...string) int

// served runs the program's own parts as flags say, and returns what asks it.
func served(t *testing.T, f tlsFiles, issuer *authtest.Issuer, adapter, protocol string, args ...string) client {
	t.Helper()
	cfg, _, err := parse(append([]string{"-issuer", issuer.URL, "-audience", issuer.Audience, "-addr", "127.0.0.1:0", "-adapter", adapter}, args...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	server, err := api.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	for range 400 {
		if server.Ready() == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	clientTLS := f.client
	if cfg.TLS == nil {
		clientTLS = func(*authtest.Certificate) *tls.Config { return nil }
	}
	if adapter == "grpc" {
		return func(t *testing.T, c *authtest.Certificate, token string, field ...string) int {
			return askGRPC(t, server.Addr(), clientTLS(c), token, field...)
		}
	}
	return func(t *testing.T, c *authtest.Certificate, token string, field ...string) int {
		return askHTTP(t, server.Addr(), protocol, clientTLS(c), token, field...)
	}
}

func askHTTP(t *testing.T, addr, protocol string, config *tls.Config, token string, field ...string) int {
	t.Helper()
	scheme := "http"
	if config != nil {
		scheme = "https"
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: protocol == "HTTP/2.0"}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), "GET", scheme+"://"+addr+"/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization(token))
	if len(field) > 0 {
		req.Header.Set(field[0], field[1])
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	if resp.Proto != protocol {
		t.Errorf("%s, want %s", resp.Proto, protocol)
	}
	return resp.StatusCode
}

func askGRPC(t *testing.T, addr string, config *tls.Config, token string, field ...string) int {
	t.Helper()
	creds := insecure.NewCredentials()
	if config != nil {
		creds = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := metadata.AppendToOutgoingContext(t.Context(), append([]string{"authorization", authorization(token)}, field...)...)
	_, err = orderspb.NewOrdersClient(conn).ListOrders(ctx, &orderspb.ListOrdersRequest{})
	return map[codes.Code]int{codes.OK: 200, codes.Unauthenticated: 401, codes.PermissionDenied: 403}[status.Code(err)]
}

// authorization puts token under Bearer, unless it names its scheme.
func authorization(token string) string {
	if strings.Contains(token, " ") {
		return token
	}
	return "Bearer " + token
}

// protocols are those of each adapter.
var protocols = map[string][]string{
	"nethttp": {"HTTP/1.1", "HTTP/2.0"}, "chi": {"HTTP/1.1", "HTTP/2.0"}, "echo": {"HTTP/1.1", "HTTP/2.0"}, "grpc": {""},
}

// each runs a test for each adapter and protocol.
func each(t *testing.T, plain bool, test func(t *testing.T, adapter, protocol string)) {
	for adapter, all := range protocols {
		for _, protocol := range all {
			if plain && protocol == "HTTP/2.0" {
				continue // net/http's client speaks it over TLS alone
			}
			t.Run(fmt.Sprint(adapter, " ", protocol), func(t *testing.T) { test(t, adapter, protocol) })
		}
	}
}

func TestTokensBoundToACertificate(t *testing.T) {
	f, issuer := writeTLSFiles(t), authtest.NewIssuer(t, &authtest.Options{Socket: true})
	owner, thief, member := authtest.NewCertificate(t), authtest.NewCertificate(t), f.ca.Certificate()
	bound, plain := issuer.Token("read:orders", owner.Confirmation()), issuer.Token("read:orders")
	ofMember := issuer.Token("read:orders", member.Confirmation())
	each(t, false, func(t *testing.T, adapter, protocol string) {
		secure := []string{"-tls-cert", f.cert, "-tls-key", f.key}
		for flags, wants := range map[string][6]int{
			// the client with its certificate, another client, none; a plain token; an authority's;
			// a field; 0 where the handshake fails
			"":                            {401, 401, 401, 200, 401, 401},
			"-mtls":                       {200, 401, 401, 200, 200, 401},
			"-mtls -client-ca " + f.roots: {0, 0, 401, 200, 200, 401},
		} {
			ask := served(t, f, issuer, adapter, protocol, append(secure, strings.Fields(flags)...)...)
			for i, got := range [6]int{
				ask(t, owner, bound), ask(t, thief, bound), ask(t, nil, bound), ask(t, nil, plain), ask(t, member, ofMember),
				ask(t, nil, bound, "client-cert", rfc9440(owner)),
			} {
				if got != wants[i] {
					t.Errorf("%q, question %d: %d, want %d", flags, i, got, wants[i])
				}
			}
		}
	})
}

func rfc9440(c *authtest.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.X509().Raw) + ":"
}

// TestCertificatesThatAProxyTellsOf needs no TLS of the program.
func TestCertificatesThatAProxyTellsOf(t *testing.T) {
	f, issuer := writeTLSFiles(t), authtest.NewIssuer(t, &authtest.Options{Socket: true})
	owner, thief := authtest.NewCertificate(t), authtest.NewCertificate(t)
	bound := issuer.Token("read:orders", owner.Confirmation())
	forms := map[string]func(*authtest.Certificate) [2]string{
		"client-cert": func(c *authtest.Certificate) [2]string { return [2]string{"client-cert", rfc9440(c)} },
		"base64der:x-cert": func(c *authtest.Certificate) [2]string {
			return [2]string{"x-cert", strings.Trim(rfc9440(c), ":")}
		},
		"escaped-pem:X-Cert": func(c *authtest.Certificate) [2]string {
			text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.X509().Raw})
			return [2]string{"x-cert", strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B").Replace(string(text))}
		},
		"xfcc": func(c *authtest.Certificate) [2]string {
			sum, _ := base64.RawURLEncoding.DecodeString(c.Thumbprint())
			return [2]string{"x-forwarded-client-cert", fmt.Sprintf("By=a;Hash=%x", sum)}
		},
	}
	each(t, true, func(t *testing.T, adapter, protocol string) {
		for form, write := range forms {
			near := served(t, f, issuer, adapter, protocol, "-client-cert-header", form, "-trusted-proxy", "10.0.0.0/8,127.0.0.1/32")
			good, bad := write(owner), write(thief)
			for what, tt := range map[string]struct{ got, want int }{
				"its client":     {near(t, nil, bound, good[:]...), 200},
				"another client": {near(t, nil, bound, bad[:]...), 401},
				"no certificate": {near(t, nil, bound), 401},
				"a plain token":  {near(t, nil, issuer.Token("read:orders")), 200},
			} {
				if tt.got != tt.want {
					t.Errorf("%s, %s: %d, want %d", form, what, tt.got, tt.want)
				}
			}
		}
		good := forms["client-cert"](owner)
		far := served(t, f, issuer, adapter, protocol, "-client-cert-header", "client-cert", "-trusted-proxy", "10.0.0.0/8")
		if got := far(t, nil, bound, good[:]...); got != 401 {
			t.Errorf("from elsewhere: %d", got)
		}
	})
}

func TestServesTLSUntilStopped(t *testing.T) {
	f := writeTLSFiles(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var errs strings.Builder
	code := run(ctx, []string{"-issuer", "http://127.0.0.1:1", "-audience", "a", "-addr", "127.0.0.1:0", "-tls-cert", f.cert, "-tls-key", f.key, "-mtls"}, &errs)
	if code != 0 || !strings.Contains(errs.String(), "serving") {
		t.Errorf("exit code %d, %q", code, errs.String())
	}
}
