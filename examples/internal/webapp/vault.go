package webapp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
)

// vault encrypts what must not lie around in clear: tokens and client secrets.
type vault struct{ aead cipher.AEAD }

func newVault(key []byte) (*vault, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("webapp: Config.Key has %d bytes, want 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("webapp: Config.Key: %w", err)
	}
	// Each message gets a random nonce, kept in front of it.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("webapp: Config.Key: %w", err)
	}
	return &vault{aead}, nil
}

// seal encrypts v for one owner: what is sealed for another does not open.
func (v *vault) seal(owner string, value any) ([]byte, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("webapp: seal: %w", err)
	}
	return v.aead.Seal(nil, nil, plain, []byte(owner)), nil
}

func (v *vault) open(owner string, sealed []byte, value any) error {
	plain, err := v.aead.Open(nil, nil, sealed, []byte(owner))
	if err != nil {
		return errors.New("webapp: what is stored does not open with this key")
	}
	if err := json.Unmarshal(plain, value); err != nil {
		return fmt.Errorf("webapp: open: %w", err)
	}
	return nil
}

// NewKey returns a random key for Config.Key.
func NewKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
}
