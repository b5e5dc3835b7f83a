package clientcert_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bearward/bearward/examples/internal/clientcert"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/mtls"
)

// A certificate that was kept is the same one, and Bearward's own Binding takes its thumbprint.
func TestBindingTakesTheCertificate(t *testing.T) {
	made, err := clientcert.New()
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := clientcert.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	binding, err := mtls.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	proved := make(chan error, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		proved <- binding.Check(r.Context(), "", &auth.Credentials{TLS: r.TLS}, nil, []byte(`"`+made.Thumbprint()+`"`))
	}))
	if server.TLS, err = clientcert.Asking(new(tls.Config)); err != nil {
		t.Fatal(err)
	}
	server.StartTLS()
	defer server.Close()
	for name, c := range map[string]*clientcert.Certificate{"with it": kept, "without": nil} {
		transport := server.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig = c.In(transport.TLSClientConfig)
		transport.DisableKeepAlives = true
		resp, err := (&http.Client{Transport: transport}).Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if err := <-proved; (err == nil) != (c != nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := clientcert.Parse([]byte("nothing")); err == nil {
		t.Error("what is no certificate was read")
	}
	if _, err := clientcert.Asking(nil); err == nil {
		t.Error("certificates were asked for without TLS")
	}
}
