package api_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// Over TLS a proof is for an https URI, by HTTP/1.1, HTTP/2 and gRPC.
func TestDPoPOverTLS(t *testing.T) {
	lent := httptest.NewTLSServer(nil) // for its certificate, which is for 127.0.0.1
	defer lent.Close()
	roots := x509.NewCertPool()
	roots.AddCert(lent.Certificate())
	serverTLS := &tls.Config{Certificates: lent.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}

	issuer, client := authtest.NewIssuer(t, &authtest.Options{Socket: true}), authtest.NewProver(t, auth.ES256)
	token := issuer.Token("read:orders", client.Confirmation())
	for _, adapter := range api.Adapters() {
		s, err := api.Start(api.Config{Adapter: adapter, Addr: "127.0.0.1:0", Issuer: issuer.URL, Audience: issuer.Audience, TLS: serverTLS, DPoP: api.DPoP{Require: true, Nonces: true}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { shutdown(t, s) })
		origin := "https://" + s.Addr()
		if adapter == "grpc" {
			conn, err := grpc.NewClient(s.Addr(), append(grpcauthtest.Prove(client, origin, token), grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(roots, "")))...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			if _, err := orderspb.NewOrdersClient(conn).ListOrders(t.Context(), &orderspb.ListOrdersRequest{}); err != nil {
				t.Errorf("grpc: %v", err)
			}
			continue
		}
		for _, version := range []int{1, 2} {
			c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: version == 2}}
			t.Cleanup(c.CloseIdleConnections)
			client.SetNonce("")
			for what, want := range []int{401, 200, 401} { // without a nonce, with it, and for another scheme
				r, err := http.NewRequestWithContext(t.Context(), "GET", origin+"/orders?page=1", nil)
				if err != nil {
					t.Fatal(err)
				}
				client.Prove(r, map[bool]string{true: "http://" + s.Addr(), false: origin}[what == 2], token)
				resp, err := c.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if nonce := resp.Header.Get("DPoP-Nonce"); nonce != "" {
					client.SetNonce(nonce)
				}
				if resp.StatusCode != want || resp.ProtoMajor != version {
					t.Error(fmt.Sprint(adapter, " ", resp.Proto, " ", resp.Status, resp.Header["Www-Authenticate"]))
				}
			}
		}
	}
}

// An API that cannot know what clients call it does not start.
func TestDPoPNeedsAnOrigin(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		if s, err := api.Start(api.Config{Adapter: "nethttp", Addr: addr, Issuer: "http://127.0.0.1:1", Audience: "a", DPoP: api.DPoP{Allow: true}}); err == nil {
			shutdown(t, s)
			t.Errorf("%s: starts", addr)
		}
	}
}
