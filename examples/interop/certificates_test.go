package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bearward/bearward/examples/internal/devca"
)

// authorities are the certificates of a test: one that servers are trusted by, one that clients
// are, and a client's own that nobody signed.
type authorities struct {
	servers        *devca.CA
	server, trust  certificate // of 127.0.0.1; trust has no key
	partners       certificate // signs partner, and others
	partner, other certificate
	selfSigned     certificate
}

// A certificate is there as files in PEM, for Node.js, and as Go wants it.
type certificate struct {
	file, keyFile string
	tls.Certificate
}

func newAuthorities(t *testing.T) *authorities {
	t.Helper()
	servers, err := devca.New()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a := &authorities{servers: servers, trust: certificate{file: filepath.Join(dir, "servers.pem")}}
	if err := os.WriteFile(a.trust.file, servers.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	a.server = write(t, dir, "server", servers.Server().Certificates[0])
	a.partners = issue(t, dir, "partners", nil)
	a.partner = issue(t, dir, "partner.example", &a.partners)
	a.other = issue(t, dir, "thief.example", &a.partners)
	a.selfSigned = issue(t, dir, "self-signed.example", nil)
	return a
}

// issue makes a certificate, which signs itself when by is nil.
func issue(t *testing.T, dir, name string, by *certificate) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
		IsCA: by == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, any(key)
	if by != nil {
		if parent, err = x509.ParseCertificate(by.Certificate.Certificate[0]); err != nil {
			t.Fatal(err)
		}
		signer = by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, dir, name, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
}

// write writes a certificate and its key to dir.
func write(t *testing.T, dir, name string, pair tls.Certificate) certificate {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	c := certificate{filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"), pair}
	for file, block := range map[string]*pem.Block{
		c.file: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, c.keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// files are what the authorization server reads; none for nil.
func (a *authorities) files() map[string]string {
	if a == nil {
		return map[string]string{}
	}
	return map[string]string{
		"key": a.server.keyFile, "certificate": a.server.file, "authority": a.partners.file, "selfSigned": a.selfSigned.file,
	}
}

// client trusts the servers; http.DefaultClient for nil.
func (a *authorities) client() *http.Client {
	if a == nil {
		return http.DefaultClient
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: a.servers.Client()}}
}
