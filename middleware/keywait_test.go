package auth_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// roundTripper answers requests in memory.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A keySite publishes Ed25519 keys in memory.
type keySite struct {
	mu   sync.Mutex
	keys []*signingKey
	slow time.Duration
}

func (s *keySite) setKeys(keys ...*signingKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
}

func (s *keySite) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	keys, slow := s.keys, s.slow
	s.mu.Unlock()
	all := []map[string]string{}
	for _, k := range keys {
		public := k.private.Public().(ed25519.PublicKey)
		all = append(all, map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": k.kid, "x": encode(public)})
	}
	doc, err := json.Marshal(map[string]any{"keys": all})
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(slow):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(doc)), Request: r}, nil
}

// guarded returns an API over the site's keys, which are fetched, and what it logs.
func (s *keySite) guarded(t *testing.T, more func(*auth.Config)) (*jwks.Cache, http.Handler, *bytes.Buffer) {
	keys, err := jwks.New(testIssuer+"/keys", &jwks.Options{Client: &http.Client{Transport: s}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if err := keys.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	config := auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}}
	if more != nil {
		more(&config)
	}
	log := new(bytes.Buffer)
	g := must(auth.NewWithKeys(keys, config, &auth.GuardOptions{OnDecision: auth.LogRefusals(slog.New(slog.NewTextHandler(log, nil)))}))
	return keys, g.Enforce(auth.AnyToken())(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), log
}

func asks(api http.Handler, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	return w
}

// A token of the very instant at which the keys were asked for may be newer than they are.
func TestATokenOfTheInstantOfAskingIsNotJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := new(keySite)
		site.setKeys(newSigningKey(t, "EdDSA", "first"))
		keys, api, _ := site.guarded(t, nil)
		defer keys.Close()
		time.Sleep(time.Minute) // a whole second, as iat tells it
		forger := newSigningKey(t, "EdDSA", "forged")
		for range 2 { // the permits
			asks(api, forger.sign(t, forger.header(), claims()))
		}
		newer := newSigningKey(t, "EdDSA", "newer")
		site.setKeys(newer)
		if w := asks(api, newer.sign(t, newer.header(), claims())); w.Code != 503 {
			t.Errorf("a good token: %d, want 503", w.Code)
		}
	})
}

// T23: while forged key IDs use up the permits, a token that is newer than the keys known is not
// thrown away, and nothing else is answered with 503.
func TestK11_ATokenNewerThanTheKeysIsNotJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := new(keySite)
		site.setKeys(newSigningKey(t, "EdDSA", "first"))
		keys, api, log := site.guarded(t, nil)
		time.Sleep(time.Minute + time.Second/2) // so that the keys are asked for within a second
		forger := newSigningKey(t, "EdDSA", "forged")
		for range 4 { // two permits, and then none
			if w := asks(api, forger.sign(t, forger.header(), claims())); w.Code != 401 {
				t.Fatalf("a forged token: %d", w.Code)
			}
		}
		asked := time.Now() // when the keys known were asked for
		time.Sleep(5 * time.Second)
		newer := newSigningKey(t, "EdDSA", "newer")
		site.setKeys(newer)
		now := time.Now()
		iat := fmt.Sprintf(`"iat":%d`, now.Unix())
		at := func(at time.Time) string { return fmt.Sprintf(`"iat":%d`, at.Unix()) }
		exp := fmt.Sprintf(`"exp":%d`, now.Unix()+300)
		for _, tt := range []struct {
			name  string
			edits []string
			want  auth.Reason
		}{
			{"issued now", nil, auth.ReasonKeyNotYetKnown},
			{"issued a second after the keys were asked for", []string{iat, at(asked.Add(time.Second))}, auth.ReasonKeyNotYetKnown},
			{"issued in the second in which the keys were asked for", []string{iat, at(asked)}, auth.ReasonKeyUnknown},
			{"issued before", []string{iat, at(asked.Add(-time.Second))}, auth.ReasonKeyUnknown},
			{"issued in a second, within the leeway", []string{iat, at(now.Add(time.Second))}, auth.ReasonKeyUnknown},
			{"issued in an hour", []string{iat, at(now.Add(time.Hour))}, auth.ReasonKeyUnknown},
			{"without iat", []string{iat, `"x":1`}, auth.ReasonKeyUnknown},
			{"iat is text", []string{iat, `"iat":"` + strconv.FormatInt(now.Unix(), 10) + `"`}, auth.ReasonKeyUnknown},
			{"iat is null", []string{iat, `"iat":null`}, auth.ReasonKeyUnknown},
			{"iat is an object", []string{iat, `"iat":{}`}, auth.ReasonKeyUnknown},
			{"of another issuer", []string{testIssuer, "https://other.example"}, auth.ReasonKeyUnknown},
			{"for another audience", []string{testAudience, "https://other.example"}, auth.ReasonKeyUnknown},
			{"expired", []string{exp, fmt.Sprintf(`"exp":%d`, now.Unix()-300)}, auth.ReasonKeyUnknown},
			{"without exp", []string{exp, `"y":1`}, auth.ReasonKeyUnknown},
		} {
			log.Reset()
			fetches := keys.Status().Counters.Fetches
			w := asks(api, newer.sign(t, newer.header(), claims(tt.edits...)))
			status := map[auth.Reason]int{auth.ReasonKeyUnknown: 401, auth.ReasonKeyNotYetKnown: 503}[tt.want]
			if w.Code != status || !strings.Contains(log.String(), "reason="+string(tt.want)) || !strings.Contains(log.String(), "level=INFO") {
				t.Errorf("%s: %d, want %d for %s\n%s", tt.name, w.Code, status, tt.want, log)
			}
			if got := keys.Status().Counters.Fetches - fetches; got != 0 {
				t.Errorf("%s: %d fetches", tt.name, got)
			}
			if status == 503 {
				// The next permit comes 22.5 to 30 s after the first was taken.
				due := 25 * time.Second
				again, err := strconv.Atoi(w.Header().Get("Retry-After"))
				if wait := time.Duration(again) * time.Second; err != nil || wait < due-30*time.Second/4 || wait > due*5/4+2*time.Second {
					t.Errorf("%s: Retry-After %d, want %v and a little more", tt.name, again, due)
				}
				if got := w.Header().Get("WWW-Authenticate"); got != "" {
					t.Errorf("%s: a challenge %q, although the token may be good", tt.name, got)
				}
			}
		}
		// Who comes back when he was told is served.
		w := asks(api, newer.sign(t, newer.header(), claims()))
		again, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if err != nil {
			t.Fatal(err)
		}
		token := newer.sign(t, newer.header(), claims())
		time.Sleep(time.Duration(again) * time.Second)
		if w := asks(api, token); w.Code != 200 {
			t.Errorf("after Retry-After: %d, want 200", w.Code)
		}
	})
}

// H12: a token under a key just published is verified although a full house of forged ones waits.
func TestForgedTokensThatWaitKeepOutNoGoodOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := new(keySite)
		site.setKeys(newSigningKey(t, "EdDSA", "first"))
		_, api, _ := site.guarded(t, nil)
		time.Sleep(time.Minute)
		newer, forger := newSigningKey(t, "EdDSA", "newer"), newSigningKey(t, "EdDSA", "forged")
		site.setKeys(newer)
		site.mu.Lock()
		site.slow = time.Second
		site.mu.Unlock()
		forged, good := forger.sign(t, forger.header(), claims()), newer.sign(t, newer.header(), claims())
		var all sync.WaitGroup
		for range 4096 {
			all.Go(func() { asks(api, forged) })
		}
		synctest.Wait()
		const honest = 20
		var served atomic.Int64
		for range honest { // one alone would be sent away once in 4,097 times
			all.Go(func() {
				if asks(api, good).Code == 200 {
					served.Add(1)
				}
			})
		}
		all.Wait()
		if got := served.Load(); got < honest-2 {
			t.Errorf("%d of %d good tokens were accepted", got, honest)
		}
	})
}

// K-34: a new key under the old one's ID, or in a set without IDs, is found in the background
// within the minute; the request does not wait, and forged signatures cause no more than one fetch
// a minute.
func TestK34_AKeyReplacedInPlaceIsFound(t *testing.T) {
	for name, kid := range map[string]string{"under the same ID": "k1", "without IDs": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				site := new(keySite)
				header := fmt.Sprintf(`{"alg":"EdDSA","typ":"at+jwt","kid":%q}`, kid)
				if kid == "" {
					header = `{"alg":"EdDSA","typ":"at+jwt"}`
				}
				old, restarted := newSigningKey(t, "EdDSA", kid), newSigningKey(t, "EdDSA", kid)
				site.setKeys(old)
				keys, api, _ := site.guarded(t, nil)
				time.Sleep(time.Second)
				site.setKeys(restarted) // the issuer restarted with a new key
				site.mu.Lock()
				site.slow = time.Second
				site.mu.Unlock()
				token := restarted.sign(t, header, claims())
				began := time.Now()
				if w := asks(api, token); w.Code != 401 || time.Since(began) != 0 {
					t.Errorf("at first: %d after %v, want 401 at once", w.Code, time.Since(began))
				}
				time.Sleep(2 * time.Second)
				if w := asks(api, token); w.Code != 200 {
					t.Errorf("after the fetch: %d, want 200", w.Code)
				}
				forger := newSigningKey(t, "EdDSA", kid)
				forged := forger.sign(t, header, claims())
				for range 180 {
					if w := asks(api, forged); w.Code != 401 {
						t.Fatalf("a forged signature: %d", w.Code)
					}
					time.Sleep(time.Second)
				}
				if got := keys.Status().Counters.ByBadSignature; got > 4 {
					t.Errorf("%d fetches in three minutes", got)
				}
			})
		})
	}
}

// H12: what waits for a key holds neither a copy of its token nor what was read of it.
func TestAWaitingRequestHoldsNextToNothing(t *testing.T) {
	const waiting, size = 200, 8 << 10
	src := &blocking{release: make(chan bool)}
	v, err := auth.NewVerifier(src, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}})
	if err != nil {
		t.Fatal(err)
	}
	k := newSigningKey(t, "EdDSA", "k1")
	token := k.sign(t, k.header(), claims(`"jti"`, `"pad":"`+strings.Repeat("x", size)+`","jti"`))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all sync.WaitGroup
	for range waiting {
		src.arrived.Add(1)
		all.Go(func() { _, _ = v.VerifyToken(context.Background(), token) })
	}
	src.arrived.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	close(src.release)
	all.Wait()
	if got := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / waiting; got > 2<<10 {
		t.Errorf("each waiting request holds %d bytes of heap, want 2 KiB at most for a token of %d", got, len(token))
	}
}

// blocking answers when it is released.
type blocking struct {
	arrived sync.WaitGroup
	release chan bool
}

func (b *blocking) Keys(context.Context, string) ([]*jwks.Key, error) {
	b.arrived.Done()
	<-b.release
	return nil, jwks.ErrUnavailable
}

// A Source that panics while a request waits must not leave its memory to two others.
func TestAPanickingSourceLeavesNoMemoryBehind(t *testing.T) {
	v, err := auth.NewVerifier(panicking{}, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}})
	if err != nil {
		t.Fatal(err)
	}
	k := newSigningKey(t, "EdDSA", "k1")
	token := k.sign(t, k.header(), claims())
	for range 100 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is gone")
				}
			}()
			_, _ = v.VerifyToken(t.Context(), token)
		}()
	}
}

type panicking struct{}

func (panicking) Keys(context.Context, string) ([]*jwks.Key, error) {
	panic(errors.New("the source's own"))
}
