// Package clientcert makes the certificates that clients of the examples show when they connect,
// and that tokens are bound to (RFC 8705). They are self-signed: what counts is that the client has
// the key.
package clientcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// life is how long a certificate is good.
const life = 24 * time.Hour

// Certificate is a client's certificate with its private key.
type Certificate struct{ pair tls.Certificate }

// New returns a certificate with a key of its own.
func New() (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("clientcert: %w", err)
	}
	var serial [16]byte
	_, _ = rand.Read(serial[:]) // never fails
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:]), Subject: pkix.Name{CommonName: "Bearward example application"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("clientcert: %w", err)
	}
	return &Certificate{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}, nil
}

// Parse reads what Marshal wrote.
func Parse(text []byte) (*Certificate, error) {
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, fmt.Errorf("clientcert: %w", err)
	}
	return &Certificate{pair}, nil
}

// Marshal writes the certificate and its private key as PEM.
func (c *Certificate) Marshal() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(c.pair.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("clientcert: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.pair.Certificate[0]})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), nil
}

// Thumbprint names the certificate: it is "cnf.x5t#S256" of the tokens that are bound to it (RFC
// 8705 §3.1).
func (c *Certificate) Thumbprint() string {
	sum := sha256.Sum256(c.pair.Certificate[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// In returns config with the certificate, and with none when c is nil.
func (c *Certificate) In(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.Certificates = nil
	if c != nil {
		config.Certificates = []tls.Certificate{c.pair}
	}
	return config
}

// Asking returns the settings of a server that asks clients for a certificate, and takes any: that
// the client has its key is what the handshake proves (RFC 8705 §2.2).
func Asking(server *tls.Config) (*tls.Config, error) {
	if server == nil {
		return nil, errors.New("clientcert: certificates need TLS")
	}
	server = server.Clone()
	server.ClientAuth = tls.RequestClientCert
	return server, nil
}
