package interop_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/bearward/bearward/middleware/authtest"
)

// certificates are those of a test: of the servers, which clients trust by trust, and of clients.
type certificates struct {
	servers           *authtest.CA
	trust, partners   string // files: the authorities of servers, and of partner
	server            certificate
	partner, selfSign certificate
}

// A certificate is there in files too, in PEM, for Node.js.
type certificate struct {
	*authtest.Certificate
	file, keyFile string
}

func newCertificates(t *testing.T) *certificates {
	t.Helper()
	servers, partners := authtest.NewCA(t), authtest.NewCA(t)
	dir := t.TempDir()
	return &certificates{
		servers: servers, trust: write(t, dir, "servers.pem", "CERTIFICATE", servers.X509().Raw),
		partners: write(t, dir, "partners.pem", "CERTIFICATE", partners.X509().Raw),
		server:   inFiles(t, dir, "server", servers.Certificate("127.0.0.1")),
		partner:  inFiles(t, dir, "partner", partners.Certificate("partner.example")),
		selfSign: inFiles(t, dir, "self-signed", authtest.NewCertificate(t)),
	}
}

func inFiles(t *testing.T, dir, name string, c *authtest.Certificate) certificate {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.TLS().PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return certificate{c, write(t, dir, name+".pem", "CERTIFICATE", c.X509().Raw), write(t, dir, name+".key", "PRIVATE KEY", key)}
}

func write(t *testing.T, dir, name, kind string, der []byte) (file string) {
	t.Helper()
	file = filepath.Join(dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// files are what panva's provider reads; none for nil.
func (c *certificates) files() map[string]string {
	if c == nil {
		return map[string]string{}
	}
	return map[string]string{
		"key": c.server.keyFile, "certificate": c.server.file, "authority": c.partners, "selfSigned": c.selfSign.file,
	}
}

// asking are the settings of a server that asks for a client certificate, and takes any: which one
// it has to be, the token says.
func (c *certificates) asking() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.server.TLS()}, ClientAuth: tls.RequestClientCert}
}

// showing are the settings of a client that trusts the servers, and has a certificate.
func (c *certificates) showing(shown ...*authtest.Certificate) *tls.Config {
	config := &tls.Config{RootCAs: c.servers.Pool()}
	for _, s := range shown {
		config.Certificates = append(config.Certificates, s.TLS())
	}
	return config
}

// client trusts the servers; for nil it speaks plain HTTP.
func (c *certificates) client() *http.Client {
	if c == nil {
		return &http.Client{Transport: http.DefaultTransport}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c.showing()}}
}
