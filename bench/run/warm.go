package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/bearward/bearward/bench/measure"
	auth "github.com/bearward/bearward/middleware"
)

// gmac returns the keyed hash that a token cache cannot do without: an attacker must not be able
// to find two tokens of one tag.
func gmac() (func(token []byte) error, error) {
	tag, err := tagger()
	return func(token []byte) error {
		if tag(token) == [16]byte{} {
			return errors.New("no tag")
		}
		return nil
	}, err
}

// tagger returns the hash itself, for one caller at a time.
func tagger() (func(token []byte) [16]byte, error) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce, out := make([]byte, gcm.NonceSize()), make([]byte, 0, 16)
	return func(token []byte) [16]byte { return [16]byte(gcm.Seal(out, nonce, nil, token)) }, nil
}

// sink is a ResponseWriter that keeps nothing but the status.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

// serve is one request to h, which must be answered with status.
func serve(h http.Handler, token string, status int) func() error {
	request := requestTo(h, token)
	return func() error {
		if got := request(); got != status {
			return errors.New(http.StatusText(got))
		}
		return nil
	}
}

// statusOf is what h answers.
func statusOf(h http.Handler, token string) int { return requestTo(h, token)() }

// requestTo is one request to h, and its status.
func requestTo(h http.Handler, token string) func() int {
	r := httptest.NewRequest("GET", "/orders", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := &sink{header: make(http.Header)}
	return func() int {
		clear(w.header)
		w.status = http.StatusOK
		h.ServeHTTP(w, r)
		return w.status
	}
}

var nothing = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// warm measures the path of a token that is remembered.
func warm(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	v, err := s.verifier(0)
	if err != nil {
		return err
	}
	tag, err := gmac()
	if err != nil {
		return err
	}
	raw := []byte(s.token)
	hash := measure.Of("GMAC of the token alone", func() error { return tag(raw) })
	verify := measure.Of("**Bearward**, VerifyToken of a remembered token", accept(ctx, v, s.token))
	var sunk *http.Request
	var now time.Time
	floor := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = tag(raw)
		now = time.Now()
		sunk = r.WithContext(ctx)
	})
	least := measure.Of("GMAC, time.Now and Request.WithContext", serve(floor, s.token, http.StatusOK))
	guarded := must(auth.NewGuard(v, nil)).Require("read:orders")(nothing)
	middleware := measure.Of("**Bearward**, whole net/http middleware", serve(guarded, s.token, http.StatusOK))
	if err := measure.Race(p.rounds, p.slice, hash, verify, least, middleware); err != nil {
		return err
	}
	if sunk == nil || now.IsZero() {
		return errors.New("the floor did nothing")
	}
	r.atMost("warm", "warm VerifyToken / GMAC of the token", 1.5, verify.Over(hash))
	r.count("warm", "warm VerifyToken, allocations", 0, verify.Allocs)
	r.knownMiss("warm", "warm net/http middleware / (GMAC + time.Now + WithContext)", 1.25, middleware.Over(least), 1.45,
		"the floor authenticates nobody: the field, the tag's entry, its times and key, the rule, and the record that handlers read take a third of it again, "+
			"in some thirty steps of 1 to 3 % each (Where the time goes: a remembered token)")
	r.count("warm", "warm net/http middleware, allocations", 1, middleware.Allocs)
	r.compare("A remembered token", "Ratios are to the GMAC of the token.", hash, []*measure.Contestant{hash, verify, least, middleware}, nil)
	return nil
}
