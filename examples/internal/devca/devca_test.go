package devca_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearward/bearward/examples/internal/devca"
)

func TestServerIsTrustedByItsClientsAlone(t *testing.T) {
	ca, err := devca.New()
	if err != nil {
		t.Fatal(err)
	}
	other, err := devca.New()
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewUnstartedServer(http.NotFoundHandler())
	ts.TLS = ca.Server()
	ts.StartTLS()
	defer ts.Close()
	_, port, _ := strings.Cut(ts.Listener.Addr().String(), ":")
	get := func(client *tls.Config, host string) error {
		hc := &http.Client{Transport: &http.Transport{TLSClientConfig: client}}
		defer hc.CloseIdleConnections()
		resp, err := hc.Get("https://" + host + ":" + port)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		if err := get(ca.Client(), host); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if err := get(other.Client(), "127.0.0.1"); err == nil {
		t.Error("a client of another CA trusts the server")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.PEM) {
		t.Error("PEM holds no certificate")
	}
}
