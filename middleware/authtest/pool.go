package authtest

import (
	"crypto"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"sync"

	"github.com/bearward/bearward/internal/issuer"
	auth "github.com/bearward/bearward/middleware"
)

// testingKeys are RSA keys for tests, published with this module: making one takes seconds under
// the race detector.
//
//go:embed testdata/rsa.pem
var testingKeys []byte

// keyPool holds private keys for issuers. No two issuers hold the same key at a time; one that is
// released, when a test ends, serves the next test.
var keyPool = pool{rsa: testingKeys, idle: make(map[string][]crypto.Signer)}

type pool struct {
	mu   sync.Mutex
	rsa  []byte // PEM of the keys not parsed yet
	idle map[string][]crypto.Signer
}

// acquire returns a key that signs by alg and that nobody else holds.
func (p *pool) acquire(alg auth.Algorithm) (crypto.Signer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if idle := p.idle[kind(alg)]; len(idle) > 0 {
		p.idle[kind(alg)] = idle[:len(idle)-1]
		return idle[len(idle)-1], nil
	}
	if kind(alg) == "RSA" {
		var block *pem.Block
		if block, p.rsa = pem.Decode(p.rsa); block != nil {
			return x509.ParsePKCS1PrivateKey(block.Bytes)
		}
	}
	return issuer.GenerateKey(alg)
}

// release makes a key free for others.
func (p *pool) release(alg auth.Algorithm, key crypto.Signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle[kind(alg)] = append(p.idle[kind(alg)], key)
}

// kind names the sort of key that a signs with.
func kind(a auth.Algorithm) string {
	switch a {
	case auth.ES256, auth.ES384, auth.ES512, auth.EdDSA:
		return a.String()
	}
	return "RSA"
}
