package mtls_test

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/mtls"
)

// An exampleT stands for the *testing.T of a test.
type exampleT struct{ testing.TB }

func (exampleT) Helper()                  {}
func (exampleT) Cleanup(func())           {}
func (exampleT) Context() context.Context { return context.Background() }

// A token that is bound to a certificate is accepted from the client that shows it, and from nobody
// else.
func ExampleNew() {
	binding, err := mtls.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	var t exampleT // in a test: its *testing.T
	issuer, client, thief := authtest.NewIssuer(t, nil), authtest.NewCertificate(t), authtest.NewCertificate(t)
	guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{binding}})
	orders := guard.Require("read:orders")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "your orders") }))
	token := issuer.Token("read:orders", client.Confirmation())

	for _, certificate := range []*authtest.Certificate{client, thief, nil} {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		if certificate != nil {
			certificate.Present(r)
		}
		w := httptest.NewRecorder()
		orders.ServeHTTP(w, r)
		fmt.Println(w.Code, cmp.Or(w.Header().Get("WWW-Authenticate"), w.Body.String()))
	}
	// Output:
	// 200 your orders
	// 401 Bearer realm="api", error="invalid_token", error_description="The access token is bound to a key whose possession was not proved"
	// 401 Bearer realm="api", error="invalid_token", error_description="The access token is bound to a key whose possession was not proved"
}

// A Proxy is an error when it cannot be meant.
func ExampleProxy() {
	_, err := mtls.New(&mtls.Options{From: []mtls.Proxy{{Addresses: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}}})
	fmt.Println(err)
	_, err = mtls.New(&mtls.Options{From: []mtls.Proxy{{UnixSocket: "/run/api/proxy.sock", Form: mtls.EscapedPEM}}})
	fmt.Println(err)
	// Output:
	// mtls: Options.From[0].Addresses[0] is 0.0.0.0/0: every caller would be believed
	// mtls: Options.From[0].Field is "": not the name of a header field
}

// What a Guard asks of a Binding.
func ExampleBinding() {
	binding, err := mtls.New(&mtls.Options{From: []mtls.Proxy{{Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}}}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(binding.Member(), binding.Fields())
	c := &auth.Credentials{Peer: netip.MustParseAddr("10.1.0.7")}
	fmt.Println(binding.Check(context.Background(), "token", c, nil, []byte(`"x"`)))
	// Output:
	// x5t#S256 [Client-Cert]
	// auth: request refused: BINDING_NOT_PROVED
}

func ExampleForm() {
	fmt.Println(mtls.RFC9440, mtls.EscapedPEM, mtls.XFCC, mtls.Base64DER)
	// Output: RFC9440 EscapedPEM XFCC Base64DER
}
