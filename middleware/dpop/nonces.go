package dpop

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	defaultNonceLifetime = 3 * time.Minute
	minNonceLifetime     = time.Second
	maxNonceLifetime     = time.Hour
	minSecretBytes       = 32
	stepsPerLifetime     = 3
	nonceBytes           = 16
)

// Nonces makes and checks the nonces of an API (RFC 9449 §9). They are for [Options].Nonces, where
// clocks of clients cannot be trusted. A nonce is a MAC of the time under a secret, the same for
// every caller. None is stored, so replicas that share the secret accept each other's. Nonces are
// safe for concurrent use. Make them with [NewNonces].
type Nonces struct {
	secrets [][]byte
	step    time.Duration
	recent  atomic.Pointer[nonceSet]
}

// NewNonces returns Nonces that a client can use for lifetime at least, and a third of it longer at
// most. 0 means 3 minutes; 1 second to 1 hour are allowed. The first secret makes nonces, and those
// of all secrets are accepted. Roll out a new secret in three deployments: accepted everywhere,
// then first everywhere, then alone. A secret has at least 32 bytes. Without one, the process makes
// its own at random: that is for an API that runs as one replica.
func NewNonces(lifetime time.Duration, secrets ...[]byte) (*Nonces, error) {
	if lifetime == 0 {
		lifetime = defaultNonceLifetime
	}
	if lifetime < minNonceLifetime || lifetime > maxNonceLifetime {
		return nil, fmt.Errorf("dpop: a nonce lifetime of %v: want %v to %v", lifetime, minNonceLifetime, maxNonceLifetime)
	}
	if len(secrets) == 0 {
		own := make([]byte, minSecretBytes)
		rand.Read(own)
		secrets = [][]byte{own}
	}
	n := &Nonces{step: lifetime / stepsPerLifetime}
	for i, s := range secrets {
		if len(s) < minSecretBytes { // check: nonce-secret
			return nil, fmt.Errorf("dpop: nonce secret %d has %d bytes: want at least %d", i, len(s), minSecretBytes)
		}
		n.secrets = append(n.secrets, append([]byte(nil), s...))
	}
	return n, nil
}

// A nonceSet holds the nonces that are accepted during one step of time.
type nonceSet struct {
	step     int64
	current  string
	accepted []acceptedNonce
}

type acceptedNonce struct {
	text  string
	until time.Time // the first instant at which no replica accepts it
}

// Current returns the nonce that clients are told now.
func (n *Nonces) Current() string { return n.at(time.Now()).current }

// check returns until when the nonce could be accepted, and whether it is the current one.
func (n *Nonces) check(nonce string, now time.Time) (until time.Time, current bool, err error) {
	set := n.at(now)
	for i := range set.accepted {
		a := &set.accepted[i]
		if subtle.ConstantTimeCompare([]byte(a.text), []byte(nonce)) == 1 {
			return a.until, a.text == set.current, nil
		}
	}
	return time.Time{}, false, errNonce
}

// at returns the nonces of the step that now is in: the step's own, those of the three before it,
// and the next one's, which a replica whose clock is ahead tells already.
func (n *Nonces) at(now time.Time) *nonceSet {
	step := now.UnixNano() / int64(n.step)
	if set := n.recent.Load(); set != nil && set.step == step {
		return set
	}
	set := &nonceSet{step: step, current: nonceOf(n.secrets[0], step)}
	for s := step - stepsPerLifetime; s <= step+1; s++ {
		until := time.Unix(0, (s+stepsPerLifetime+1)*int64(n.step))
		for _, secret := range n.secrets {
			set.accepted = append(set.accepted, acceptedNonce{nonceOf(secret, s), until})
		}
	}
	n.recent.Store(set) // one of several made at the same time: they are alike
	return set
}

func nonceOf(secret []byte, step int64) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("bearward dpop nonce"))
	_ = binary.Write(mac, binary.BigEndian, step) // a hash never fails
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:nonceBytes])
}
