package dev

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/bearward/bearward/internal/issuer"
	"github.com/bearward/bearward/internal/jose"
	auth "github.com/bearward/bearward/middleware"
)

// A keyFile makes an issuer's keys. The second, which signs at first, is the file's: it is read
// where there is one, and written where there is none. The others are in memory alone.
type keyFile struct {
	name string
	made int
}

func (f *keyFile) next(alg auth.Algorithm) (crypto.Signer, error) {
	if f.made++; f.made != 2 || f.name == "" {
		return issuer.GenerateKey(alg)
	}
	text, err := os.ReadFile(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return f.create(alg)
	}
	if err != nil {
		return nil, err
	}
	return f.parse(alg, text)
}

func (f *keyFile) parse(alg auth.Algorithm, text []byte) (crypto.Signer, error) {
	info, err := os.Stat(f.name)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 { // check: dev-key-file-mode
		return nil, fmt.Errorf("others may read it (mode %#o): chmod 600", mode)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("it has no PEM block PRIVATE KEY (RFC 5958)")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%T does not sign", key)
	}
	if _, err := jose.Sign(alg.String(), private, nil); err != nil {
		return nil, err
	}
	return private, nil
}

func (f *keyFile) create(alg auth.Algorithm) (crypto.Signer, error) {
	key, err := issuer.GenerateKey(alg)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return key, errors.Join(pem.Encode(file, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), file.Close())
}
