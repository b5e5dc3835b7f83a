package authserver

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
)

// keyRing holds one key that signs, at most one that is announced, and those
// that stopped signing but still verify. Its key set lists them in that order
// of use: go-oidc signs with the first key of the algorithm.
type keyRing struct {
	alg goidc.SignatureAlgorithm

	mu      sync.RWMutex
	signing goidc.JSONWebKey
	next    *goidc.JSONWebKey
	old     []goidc.JSONWebKey
}

func newKeyRing(alg goidc.SignatureAlgorithm) (*keyRing, error) {
	key, err := newKey(alg)
	if err != nil {
		return nil, err
	}
	return &keyRing{alg: alg, signing: key}, nil
}

func newKey(alg goidc.SignatureAlgorithm) (goidc.JSONWebKey, error) {
	var signer crypto.Signer
	var err error
	if alg == goidc.ES256 {
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return goidc.JSONWebKey{}, fmt.Errorf("authserver: generate key: %w", err)
	}
	return goidc.JSONWebKey{
		Key: signer, KeyID: "key-" + rand.Text()[:8], Algorithm: string(alg), Use: string(goidc.KeyUsageSignature),
	}, nil
}

func (r *keyRing) jwks(context.Context) (goidc.JSONWebKeySet, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	keys := []goidc.JSONWebKey{r.signing}
	if r.next != nil {
		keys = append(keys, *r.next)
	}
	return goidc.JSONWebKeySet{Keys: append(keys, r.old...)}, nil
}

func (r *keyRing) publish() (kid string, err error) {
	key, err := newKey(r.alg)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next != nil {
		return "", fmt.Errorf("authserver: key %s is published and not yet promoted", r.next.KeyID)
	}
	r.next = &key
	return key.KeyID, nil
}

func (r *keyRing) promote() (kid string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		return "", errors.New("authserver: no published key to promote")
	}
	r.old = append(r.old, r.signing)
	r.signing, r.next = *r.next, nil
	return r.signing.KeyID, nil
}

func (r *keyRing) retire() (kids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range r.old {
		kids = append(kids, key.KeyID)
	}
	r.old = nil
	return kids
}

// PublishKey announces the next signing key in the key set, so that resource
// servers can learn it before the first token needs it.
func (s *Server) PublishKey() (kid string, err error) {
	kid, err = s.keys.publish()
	return kid, s.logKey("key published", kid, err)
}

// PromoteKey signs with the published key from now on. The key before it stays
// in the key set until RetireKeys.
func (s *Server) PromoteKey() (kid string, err error) {
	kid, err = s.keys.promote()
	return kid, s.logKey("key promoted", kid, err)
}

// RetireKeys withdraws the keys that no longer sign and returns their IDs.
// Tokens that they signed are refused as soon as resource servers look.
func (s *Server) RetireKeys() (kids []string) {
	kids = s.keys.retire()
	for _, kid := range kids {
		s.log.Info("key retired", "kid", kid)
	}
	return kids
}

// RotateNow publishes a key and promotes it at once, as in an emergency:
// resource servers meet the new key first in a token.
func (s *Server) RotateNow() (kid string, err error) {
	if _, err := s.PublishKey(); err != nil {
		return "", err
	}
	return s.PromoteKey()
}

func (s *Server) logKey(what, kid string, err error) error {
	if err == nil {
		s.log.Info(what, "kid", kid)
	}
	return err
}

// rotateByClock runs publish, promote and retire, each Overlap apart, once per
// RotateEvery. A step that cannot be done (somebody rotated by hand in between)
// is logged and made up for by the next round.
func (s *Server) rotateByClock(ctx context.Context) {
	if s.cfg.RotateEvery == 0 {
		return
	}
	steps := []struct {
		wait time.Duration
		run  func() error
	}{
		{s.cfg.RotateEvery - 2*s.cfg.Overlap, func() error { _, err := s.PublishKey(); return err }},
		{s.cfg.Overlap, func() error { _, err := s.PromoteKey(); return err }},
		{s.cfg.Overlap, func() error { s.RetireKeys(); return nil }},
	}
	for i := 0; ; i++ {
		step := steps[i%len(steps)]
		select {
		case <-ctx.Done():
			return
		case <-time.After(step.wait):
		}
		if err := step.run(); err != nil {
			s.log.Warn("key rotation", "err", err)
		}
	}
}
