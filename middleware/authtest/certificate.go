package authtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"
)

// certificateLife is how long certificates are good, before and after they are made.
const certificateLife = 24 * time.Hour

// A CA is a small certificate authority, for servers that take certificates of one authority alone.
// Where self-signed ones are enough, use [NewCertificate]. It is safe for concurrent use.
type CA struct {
	tb   testing.TB
	self *Certificate
}

// NewCA returns a CA with a key of its own.
func NewCA(tb testing.TB) *CA {
	tb.Helper()
	return &CA{tb, newCertificate(tb, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authtest CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})}
}

// Pool returns a pool that has the CA alone, for tls.Config.ClientCAs and RootCAs.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.self.leaf)
	return pool
}

// X509 returns the CA's own certificate. It is read only.
func (ca *CA) X509() *x509.Certificate { return ca.self.leaf }

// Certificate returns a new certificate of the CA, for clients and for servers. names are DNS names
// and IP addresses of a server.
func (ca *CA) Certificate(names ...string) *Certificate {
	ca.tb.Helper()
	return newCertificate(ca.tb, ca.self, leafTemplate(names))
}

// A Certificate is an X.509 certificate with its private key: a client's, to which tokens are bound
// (RFC 8705 §3), or a server's. It is safe for concurrent use.
//
//	client := authtest.NewCertificate(t)
//	token := issuer.Token("read:orders", client.Confirmation())
//	client.Present(request)
type Certificate struct {
	tb     testing.TB
	pair   tls.Certificate
	leaf   *x509.Certificate
	issuer *Certificate // nil for self-signed ones
}

// NewCertificate returns a new self-signed certificate. names are as for [CA.Certificate].
func NewCertificate(tb testing.TB, names ...string) *Certificate {
	tb.Helper()
	return newCertificate(tb, nil, leafTemplate(names))
}

// Another returns the certificate of another client, with a key of its own: of the same CA, or
// self-signed as c is.
func (c *Certificate) Another() *Certificate {
	c.tb.Helper()
	return newCertificate(c.tb, c.issuer, leafTemplate(nil))
}

// TLS returns the certificate and its key, for tls.Config.Certificates.
func (c *Certificate) TLS() tls.Certificate { return c.pair }

// X509 returns the certificate. It is read only.
func (c *Certificate) X509() *x509.Certificate { return c.leaf }

// Thumbprint returns the certificate's SHA-256 in base64url, which "cnf.x5t#S256" holds (RFC 8705
// §3.1).
func (c *Certificate) Thumbprint() string {
	sum := sha256.Sum256(c.leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Confirmation returns the claim that binds a token to the certificate, for [Issuer.Token].
func (c *Certificate) Confirmation() Claims {
	return Claims{"cnf": map[string]any{"x5t#S256": c.Thumbprint()}}
}

// Present makes r one that came by a TLS connection with this client certificate: for requests that
// a test gives to a handler itself.
func (c *Certificate) Present(r *http.Request) {
	r.TLS = &tls.ConnectionState{
		Version: tls.VersionTLS13, HandshakeComplete: true, PeerCertificates: []*x509.Certificate{c.leaf},
	}
}

func leafTemplate(names []string) *x509.Certificate {
	t := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "authtest"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	return t
}

// newCertificate makes one of template, signed by issuer, or by itself when issuer is nil.
func newCertificate(tb testing.TB, issuer *Certificate, template *x509.Certificate) *Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatalf("authtest: a certificate's key: %v", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		tb.Fatalf("authtest: a certificate's number: %v", err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-certificateLife), time.Now().Add(certificateLife)
	parent, signingKey := template, any(key)
	if issuer != nil {
		parent, signingKey = issuer.leaf, issuer.pair.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signingKey)
	if err != nil {
		tb.Fatalf("authtest: a certificate: %v", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatalf("authtest: a certificate: %v", err)
	}
	return &Certificate{tb, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, leaf, issuer}
}
