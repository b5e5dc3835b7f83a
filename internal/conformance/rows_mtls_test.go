package main_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/mtls"
	"github.com/bearward/bearward/middleware/resource"
)

// eachSecured puts a test of a row to every transport over TLS.
func eachSecured(t *testing.T, row string, guard *auth.Guard, over secured, test func(t *testing.T, name string, ask transport)) {
	eachTransport(t, row, securedTransports(t, guard, over), test)
}

// securedTransports are those over TLS: HTTP/1.1, HTTP/2 and gRPC, by its own server and under
// http.Server.
func securedTransports(t *testing.T, guard *auth.Guard, over secured) map[string]transport {
	all := map[string]transport{}
	for kind, change := range map[string]func(*secured){
		"": func(*secured) {}, "-h2": func(s *secured) { s.http2 = true }, "-under-http": func(s *secured) { s.serveHTTP = true },
	} {
		s := over
		change(&s)
		for name, ask := range (setup{guard: guard, needs: needs, over: &s}).transports(t) {
			if kind == "" || isRPC(name) == (kind == "-under-http") {
				all[name+kind] = ask
			}
		}
	}
	return all
}

// clients are those that a token is asked for with.
type clients struct{ owner, thief, member *authtest.Certificate }

func newClients(t *testing.T, over *secured) clients {
	return clients{authtest.NewCertificate(t), authtest.NewCertificate(t), over.ca.Certificate()}
}

func wantAnswer(t *testing.T, what string, a answer, status int) {
	t.Helper()
	challenge := status == 401 && len(a.challenges) > 0 && strings.Contains(a.challenges[0], `error="invalid_token"`)
	if a.status != status || (status == 401) != (a.code == "INVALID_TOKEN") || (status == 401) != challenge {
		t.Errorf("%s: %d %s %q, want %d", what, a.status, a.code, a.challenges, status)
	}
}

// TestMatrixCertificates asks with the certificate of the connection.
func TestMatrixCertificates(t *testing.T) {
	issuer, over := authtest.NewIssuer(t, nil), newSecured(t)
	guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{must(mtls.New(nil))}})
	who := newClients(t, over)
	token := bearer(issuer.Token("read:orders", who.owner.Confirmation()))
	plain := bearer(issuer.Token("read:orders"))
	for row, tt := range map[string]struct {
		client *authtest.Certificate
		status int
	}{"M-01": {who.owner, 200}, "M-02": {who.thief, 401}, "M-03": {nil, 401}} {
		eachSecured(t, row, guard, *over, func(t *testing.T, _ string, ask transport) {
			for _, need := range []string{"orders", "any", "optional"} {
				wantAnswer(t, need, ask(t, request{need: need, authorization: token, client: tt.client}), tt.status)
			}
			if tt.status == 200 {
				if a := ask(t, request{need: "admin", authorization: token, client: tt.client}); a.status != 403 {
					t.Errorf("a scope is missing: %d", a.status)
				}
			}
			wantAnswer(t, "a plain token", ask(t, request{need: "orders", authorization: plain, client: tt.client}), 200)
		})
	}
	eachSecured(t, "M-04", guard, *over, func(t *testing.T, _ string, ask transport) {
		good := who.owner.Thumbprint()
		raw := must(base64.RawURLEncoding.DecodeString(good))
		for what, v := range map[string]any{
			"padded": good + "=", "hex": hex.EncodeToString(raw), "SHA-1": base64.RawURLEncoding.EncodeToString(raw[:20]), "empty": "", "null": nil, "a number": 1,
		} {
			wrong := bearer(issuer.Token("read:orders", authtest.Claims{"cnf": object{"x5t#S256": v}}))
			wantAnswer(t, what, ask(t, request{need: "orders", authorization: wrong, client: who.owner}), 401)
		}
		wantAnswer(t, "good", ask(t, request{need: "orders", authorization: token, client: who.owner}), 200)
	})
	eachSecured(t, "M-06", guard, *over, func(t *testing.T, _ string, ask transport) {
		wantAnswer(t, "self-signed", ask(t, request{need: "orders", authorization: token, client: who.owner}), 200)
		ofCA := bearer(issuer.Token("read:orders", who.member.Confirmation()))
		wantAnswer(t, "of an authority", ask(t, request{need: "orders", authorization: ofCA, client: who.member}), 200)
	})
	chain := *over
	chain.want = tls.VerifyClientCertIfGiven
	eachSecured(t, "M-06", guard, chain, func(t *testing.T, _ string, ask transport) {
		ofCA := bearer(issuer.Token("read:orders", who.member.Confirmation()))
		wantAnswer(t, "of the authority that the operator wants", ask(t, request{need: "orders", authorization: ofCA, client: who.member}), 200)
	})
}

// TestMatrixCertificatesOfProxies asks through a proxy, and as somebody who says to be one.
func TestMatrixCertificatesOfProxies(t *testing.T) {
	issuer, over := authtest.NewIssuer(t, nil), newSecured(t)
	who := newClients(t, over)
	token := bearer(issuer.Token("read:orders", who.owner.Confirmation()))
	field := func(c *authtest.Certificate) [2]string {
		return [2]string{"Client-Cert", ":" + base64.StdEncoding.EncodeToString(c.X509().Raw) + ":"}
	}
	from := func(address string) *auth.Guard {
		proxy := mtls.Proxy{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}}
		return issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{must(mtls.New(&mtls.Options{From: []mtls.Proxy{proxy}}))}})
	}
	near, far := from("127.0.0.0/8"), from("192.0.2.0/24")
	for _, row := range []string{"M-07", "S-09"} {
		eachSecured(t, row, near, *over, func(t *testing.T, name string, ask transport) {
			for _, proxy := range []*authtest.Certificate{nil, who.thief} {
				wantAnswer(t, "the caller's", ask(t, request{need: "orders", authorization: token, client: proxy, field: field(who.owner)}), 200)
			}
			for what, f := range map[string][2]string{
				"none": {}, "another's": field(who.thief), "malformed": {"Client-Cert", ":MIIB:"}, "no byte sequence": {"Client-Cert", field(who.owner)[1][1:]},
				"two in one": {"Client-Cert", field(who.owner)[1] + ", " + field(who.owner)[1]},
			} {
				wantAnswer(t, what, ask(t, request{need: "orders", authorization: token, client: who.owner, field: f}), 401)
			}
			if !isRPC(name) {
				twice := func(r *http.Request) { r.Header.Add("Client-Cert", field(who.owner)[1]) }
				wantAnswer(t, "two", ask(t, request{need: "orders", authorization: token, field: field(who.owner), shape: twice}), 401)
			}
		})
		eachSecured(t, row, far, *over, func(t *testing.T, _ string, ask transport) {
			wantAnswer(t, "the field", ask(t, request{need: "orders", authorization: token, field: field(who.owner)}), 401)
			wantAnswer(t, "the field over another's connection", ask(t, request{need: "orders", authorization: token, client: who.thief, field: field(who.owner)}), 401)
			wantAnswer(t, "the connection", ask(t, request{need: "orders", authorization: token, client: who.owner, field: field(who.thief)}), 200)
		})
	}
}

// TestMatrixCertificateAndKey binds a token in two ways.
func TestMatrixCertificateAndKey(t *testing.T) {
	const origin = "https://api.example"
	issuer, over := authtest.NewIssuer(t, nil), newSecured(t)
	who, prover, other := newClients(t, over), authtest.NewProver(t, auth.ES256), authtest.NewProver(t, auth.ES256)
	guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{
		must(dpop.New([]string{origin}, dpop.NewMemory(0), nil)), must(mtls.New(nil)),
	}})
	token := issuer.Token("read:orders", authtest.Claims{"cnf": object{"jkt": prover.Thumbprint(), "x5t#S256": who.owner.Thumbprint()}})
	eachSecured(t, "M-09", guard, *over, func(t *testing.T, name string, ask transport) {
		method, path := requestOf(name, "orders")
		proofOf := func(p *authtest.Prover) [2]string { return [2]string{"DPoP", p.Proof(method, origin+path, token)} }
		by := func(scheme string, client *authtest.Certificate, proof [2]string) answer {
			return ask(t, request{need: "orders", authorization: []string{scheme + " " + token}, client: client, field: proof})
		}
		wantAnswer(t, "both", by("DPoP", who.owner, proofOf(prover)), 200)
		wantAnswer(t, "the key alone", by("DPoP", nil, proofOf(prover)), 401)
		wantAnswer(t, "another certificate", by("DPoP", who.thief, proofOf(prover)), 401)
		wantAnswer(t, "another key", by("DPoP", who.owner, proofOf(other)), 401)
		wantAnswer(t, "the certificate alone", by("Bearer", who.owner, [2]string{}), 401)
		if a := by("DPoP", who.owner, [2]string{}); a.status != 401 || a.code != "INVALID_DPOP_PROOF" {
			t.Errorf("no proof: %d %s", a.status, a.code)
		}
	})
}

// requestOf returns the method and the path by which a transport asks for an operation.
func requestOf(transport, need string) (method, path string) {
	if method := methodOf(transport); method != "" {
		return "POST", method
	}
	return "GET", "/" + need
}

// TestCertificateBindingsAreAdvertised reads the document of an API by way of each router.
func TestCertificateBindingsAreAdvertised(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Audience: ordersAPI})
	byKey, byCertificate := must(dpop.New([]string{dpopOrigin}, dpop.NewMemory(0), nil)), must(mtls.New(nil))
	proxied := must(mtls.New(&mtls.Options{From: []mtls.Proxy{{Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}}))
	for name, build := range withDocument {
		t.Run("M-08/"+name, func(t *testing.T) {
			for what, tt := range map[string]struct {
				bindings []auth.Binding
				want     any // of tls_client_certificate_bound_access_tokens
			}{
				"none":                  {nil, nil},
				"a key":                 {[]auth.Binding{byKey}, nil},
				"a certificate":         {[]auth.Binding{byCertificate}, true},
				"a proxy's certificate": {[]auth.Binding{proxied}, true},
				"both":                  {[]auth.Binding{byKey, byCertificate}, true},
			} {
				guard := guardOf(t, issuer, ordersAPI, tt.bindings...)
				d := must(resource.New(guard, resource.Metadata{}, documented))
				server := httptest.NewServer(build(guard, documented, d))
				resp := must(server.Client().Get(server.URL + d.Pattern()))
				var members map[string]any
				err := json.NewDecoder(resp.Body).Decode(&members)
				resp.Body.Close()
				server.Close()
				if got := members["tls_client_certificate_bound_access_tokens"]; err != nil || got != tt.want {
					t.Errorf("%s: %v, %v; want %v", what, got, err, tt.want)
				}
			}
			forged := resource.Metadata{More: map[string]any{"tls_client_certificate_bound_access_tokens": true}}
			if _, err := resource.New(guardOf(t, issuer, ordersAPI), forged, documented); err == nil {
				t.Error("what no Binding checks can be advertised")
			}
		})
	}
}
