package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"sync"

	auth "github.com/bearward/bearward/middleware"
)

// testingKeys are RSA keys for tests, published with this module: making one takes seconds under the race detector.
//
//go:embed testdata/rsa.pem
var testingKeys []byte

// keyPool lends private keys to issuers. No two borrowers at a time have the same key; a key that comes back, when a test ends, serves
// the next test.
var keyPool = pool{rsa: testingKeys, idle: make(map[string][]crypto.Signer)}

type pool struct {
	mu   sync.Mutex
	rsa  []byte // PEM of the keys not parsed yet
	idle map[string][]crypto.Signer
}

// kind names the sort of key that a signs with.
func kind(a auth.Algorithm) string {
	switch a {
	case auth.ES256:
		return "P-256"
	case auth.ES384:
		return "P-384"
	case auth.ES512:
		return "P-521"
	case auth.EdDSA:
		return "Ed25519"
	}
	return "RSA"
}

// borrow returns a key of the given kind that nobody else holds.
func (p *pool) borrow(kind string) (crypto.Signer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if idle := p.idle[kind]; len(idle) > 0 {
		p.idle[kind] = idle[:len(idle)-1]
		return idle[len(idle)-1], nil
	}
	if kind == "RSA" {
		var block *pem.Block
		if block, p.rsa = pem.Decode(p.rsa); block != nil {
			return x509.ParsePKCS1PrivateKey(block.Bytes)
		}
	}
	return generate(kind)
}

// giveBack ends a loan.
func (p *pool) giveBack(kind string, key crypto.Signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle[kind] = append(p.idle[kind], key)
}

func generate(kind string) (crypto.Signer, error) {
	switch kind {
	case "P-256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "P-384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "P-521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "Ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}
