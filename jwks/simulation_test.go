package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
)

// keptSeeds failed once, here or against a mutant of the engine. They run first.
var keptSeeds = []uint64{1, 2, 3, 5, 8, 13, 7000364}

// seeds returns the seeds to run: one from SIM_SEED, as many as SIM_SEEDS says,
// or a hundred. They begin at SIM_FROM, or at 100: a run over seeds that nobody has worked
// with begins elsewhere.
func seeds(t *testing.T) []uint64 {
	number := func(name string, otherwise uint64) uint64 {
		n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
		if os.Getenv(name) == "" {
			return otherwise
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	if one := number("SIM_SEED", 0); one != 0 {
		return []uint64{one}
	}
	all := slices.Clone(keptSeeds)
	from := number("SIM_FROM", 100)
	for n := range number("SIM_SEEDS", 100) {
		all = append(all, from+n)
	}
	return all
}

// TestK35_RandomSchedulesKeepTheInvariants runs a Cache against an issuer that does everything an
// issuer can do, and compares it with a model that knows only what was published, what was
// answered, and when.
func TestK35_RandomSchedulesKeepTheInvariants(t *testing.T) {
	began, all, steps := time.Now(), seeds(t), 0
	for _, seed := range all {
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { steps += simulate(t, seed) })
		})
		if !ok {
			t.Fatalf("SIM_SEED=%d go test ./jwks -run K35 runs this again", seed)
		}
	}
	figure(t, "%d random schedules, %d steps: %.1f s", len(all), steps, time.Since(began).Seconds())
}

const (
	simRefresh  = 10 * time.Minute
	simCooldown = 30 * time.Second
	simMaxStale = time.Hour
	simMaxBytes = 16 << 10
)

// published is a set: the version of each key ID's material.
type published map[string]byte

// A fetch is one request for the key set that the issuer saw, and those for metadata before it.
type fetch struct {
	sent, ended time.Time
	good        bool
	refresh     bool   // not one that a token caused
	mode        string // that it met
	set         published
}

const (
	simIssuer = "https://issuer.example/realms/sim"
	simForm   = simIssuer + "/.well-known/openid-configuration" // the third: what stands at the others is always 404
)

// A world is one schedule: the issuer, the model of what the cache must hold, and the cache.
type world struct {
	t       *testing.T
	rand    *rand.Rand
	cache   *jwks.Cache
	mu      sync.Mutex // requests and fetches end side by side
	mode    string
	changed time.Time // when mode last changed
	now     published // at the issuer
	gone    map[string]time.Time
	next    int
	fetches []*fetch
	flying  int
	docs    map[string]string
	seen    map[string]*jwks.Key // pointers, of what is held
	counts  []budget
	pending int

	// Of an issuer with metadata.
	discovers bool
	metadata  string            // how it is answered
	place     int               // of the key set
	left      map[int]published // what stands at places that were left
	found     bool              // the metadata was, once
	told      string            // how it was answered last
	looking   *fetch            // a fetch that has asked for metadata, and for no key set yet
}

// A budget is how many fetches unknown key IDs, and bad signatures, had caused at one time.
type budget struct {
	at            time.Time
	n, signatures uint64
}

func simulate(t *testing.T, seed uint64) (steps int) {
	w := &world{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), mode: "ok", changed: time.Now(), now: published{"k0": 0}, next: 1,
		gone: map[string]time.Time{}, seen: map[string]*jwks.Key{},
	}
	if w.rand.IntN(4) == 0 {
		w.mode = w.someMode()
	}
	w.metadata, w.left, w.discovers = "ok", map[int]published{}, seed%2 == 1
	chance := rand.New(rand.NewPCG(seed, 2))
	name := keySetURL
	if w.discovers {
		name = simIssuer
	}
	c, err := jwks.NewSeeded(name, &jwks.Options{Client: &http.Client{Transport: w}, MaxStale: simMaxStale, MaxBytes: simMaxBytes}, chance.Float64, w.discovers)
	if err != nil {
		t.Fatal(err)
	}
	w.cache = c
	for steps = range 120 {
		w.pass()
		if t.Failed() {
			break
		}
		w.step()
	}
	if w.rand.IntN(2) == 0 {
		w.pass()
	}
	c.Close()
	synctest.Wait()
	if w.pending != 0 {
		t.Errorf("%d requests wait after Close", w.pending)
	}
	check(t, c, "k0", "not judged")
	return steps
}

// pass lets a random time pass, and checks what must hold at every moment.
func (w *world) pass() {
	most := time.Second
	switch n := w.rand.IntN(10); {
	case n >= 8:
		most = 20 * time.Minute
	case n >= 5:
		most = time.Minute
	}
	sleep(time.Duration(w.rand.Int64N(int64(most))) + 1)
	w.checkClocks()
}

// step does one random thing.
func (w *world) step() {
	switch n := w.rand.IntN(16); n {
	case 0, 1, 2, 3, 4, 5, 12, 13:
		w.change(n)
	case 14:
		for range 20 {
			w.cache.SignatureFailed()
		}
		synctest.Wait()
	case 6:
		for n := range 20 {
			w.request(fmt.Sprint("forged ", n), false)
		}
	case 7:
		w.request(w.someKey(), true)
	case 8:
		go w.cache.Refresh(context.Background())
	default:
		w.request(w.someKey(), false)
		w.request(fmt.Sprint("k", w.rand.IntN(w.next)), false)
	}
}

// change changes the issuer.
func (w *world) change(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch n {
	case 0, 1:
		if mode := w.someMode(); mode != w.mode {
			w.mode, w.changed = mode, time.Now()
		}
	case 2:
		w.mode, w.metadata, w.changed = "ok", "ok", time.Now()
	case 12: // the metadata
		if modes := []string{"ok", "404", "500", "hang", "another issuer"}; w.discovers {
			w.metadata, w.changed = modes[w.rand.IntN(len(modes))], time.Now()
		}
	case 13: // the key set moves, and what stood there stays
		if w.discovers {
			w.left[w.place] = w.now
			w.place++
			w.now = clone(w.now)
			kid := w.someKey()
			w.now[kid]++
			w.gone[kid] = time.Now()
		}
	case 3: // rotate
		w.now = clone(w.now)
		w.now[fmt.Sprint("k", w.next)] = 0
		w.next++
	case 4: // withdraw
		if len(w.now) > 1 {
			kid := w.someKey()
			w.now = clone(w.now)
			delete(w.now, kid)
			w.gone[kid] = time.Now()
		}
	case 5: // change in place
		kid := w.someKey()
		w.now = clone(w.now)
		w.now[kid]++
		w.gone[kid] = time.Now()
	}
}

func (w *world) someMode() string {
	modes := []string{"ok", "slow", "hang", "500", "429", "garbage", "empty", "truncated", "huge"}
	return modes[w.rand.IntN(len(modes))]
}

func (w *world) someKey() string {
	var kids []string
	for kid := range w.now {
		kids = append(kids, kid)
	}
	slices.Sort(kids)
	return kids[w.rand.IntN(len(kids))]
}

func clone(p published) published {
	c := published{}
	for kid, v := range p {
		c[kid] = v
	}
	return c
}

var edShape = edJWK("", 0)

// doc renders a set, and remembers it: keys cost more than the rest of a schedule.
func (w *world) doc(p published) string {
	var kids []string
	for kid := range p {
		kids = append(kids, kid)
	}
	slices.Sort(kids)
	var keys []any
	for _, kid := range kids {
		keys = append(keys, with(edShape, map[string]any{"kid": kid, "x": materialOf(kid, p[kid])}))
	}
	name := fmt.Sprint(p)
	if w.docs == nil {
		w.docs = map[string]string{}
	}
	if w.docs[name] == "" {
		w.docs[name] = set(keys...)
	}
	return w.docs[name]
}

// RoundTrip is the issuer.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	i := newIssuer()
	w.mu.Lock()
	if w.flying++; w.flying > 1 {
		w.t.Errorf("%d requests under way at a time", w.flying)
	}
	f := w.looking
	if f == nil {
		f = &fetch{sent: time.Now(), refresh: !w.discovers}
		w.checkSpacing(f)
	}
	isMetadata := strings.Contains(r.URL.Path, "/.well-known/")
	if isMetadata {
		f.refresh, w.looking = true, f
		i.answer(w.metadataAnswer(r.URL.String()))
	} else {
		w.looking = nil
		w.fetches = append(w.fetches, f)
		f.mode, f.set = w.mode, w.setAt(r.URL.String())
		i.answer(w.keysAnswer(f))
	}
	w.mu.Unlock()
	resp, err := i.RoundTrip(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying--
	if !isMetadata {
		f.ended = time.Now()
		f.good = err == nil && (f.mode == "ok" || f.mode == "slow")
	} else if ended, contrary := w.discoveryEnded(r.URL.String()); ended { // and no key set is asked for
		f.ended, f.mode = time.Now(), "metadata"
		if contrary {
			f.mode = "contrary"
		}
		w.fetches, w.looking = append(w.fetches, f), nil
	}
	return resp, err
}

// setAt is what is published at a URL.
func (w *world) setAt(url string) published {
	for place, set := range w.left {
		if w.discovers && url == fmt.Sprint(keySetURL, place) {
			return set
		}
	}
	return w.now
}

func (w *world) metadataAnswer(url string) http.HandlerFunc {
	if url != simForm {
		return status(404)
	}
	w.told = w.metadata
	switch {
	case w.metadata == "ok":
		return metadata(simIssuer, fmt.Sprint(keySetURL, w.place))
	case w.metadata == "another issuer":
		return metadata("https://evil.example", keySetURL)
	case w.metadata == "hang":
		return hang
	case w.metadata == "404":
		return status(404)
	}
	return status(500)
}

// discoveryEnded tells whether the fetch ends with this answer at one form, and whether it
// contradicts the configuration. A cache whose URL is known goes on to the key set, unless that is
// so.
func (w *world) discoveryEnded(url string) (ended, contrary bool) {
	if url == simForm {
		if w.told == "ok" {
			w.found = true
			return false, false
		}
	}
	last := simIssuer + "/.well-known/oauth-authorization-server" // the fourth
	if w.found {                                                  // the third is asked first, and so the second last
		last = issuerURL + "/.well-known/openid-configuration/realms/sim"
	}
	if url != last {
		return false, false
	}
	known := w.cache.Status().URL != ""
	contrary = w.told == "another issuer"
	return !known || contrary, contrary
}

func (w *world) keysAnswer(f *fetch) http.HandlerFunc {
	doc := w.doc(f.set)
	switch f.mode {
	case "slow":
		return after(1500*time.Millisecond, body(doc))
	case "hang":
		return hang
	case "500":
		return status(500)
	case "429":
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "20")
			rw.WriteHeader(429)
		}
	case "garbage":
		return body("<html>")
	case "empty":
		return body(`{"keys":[]}`)
	case "truncated":
		return body(doc[:len(doc)/2])
	case "huge":
		return body(strings.Repeat(" ", simMaxBytes) + doc)
	}
	return body(doc)
}

// checkSpacing checks that failures are backed off whatever asks (K-05).
func (w *world) checkSpacing(f *fetch) {
	if len(w.fetches) == 0 {
		return
	}
	if last := w.fetches[len(w.fetches)-1]; !last.ended.IsZero() && !last.good && f.sent.Sub(last.ended) < 100*time.Millisecond {
		w.t.Errorf("a fetch %v after a failed one, want 100 ms at least", f.sent.Sub(last.ended))
	}
}

// lastGood is the last good fetch that has ended, nil when there was none.
func (w *world) lastGood() *fetch { return w.last(func(f *fetch) bool { return f.good }) }

// lastRefresh is the last good one that no token caused. Where there is no metadata, every fetch is
// whole.
func (w *world) lastRefresh() *fetch {
	return w.last(func(f *fetch) bool { return f.good && f.refresh })
}

func (w *world) last(is func(*fetch) bool) *fetch {
	for _, f := range slices.Backward(w.fetches) {
		if is(f) && !f.ended.IsZero() {
			return f
		}
	}
	return nil
}

// expected is what the cache must hold now.
func (w *world) expected() published {
	if f := w.lastRefresh(); f != nil && time.Since(f.sent) < simMaxStale {
		return w.lastGood().set
	}
	return nil
}

// fetchTimeout bounds a whole fetch.
func (w *world) fetchTimeout() time.Duration {
	if w.discovers {
		return 5 * jwks.FetchTimeout
	}
	return jwks.FetchTimeout
}

// checkIdle checks that the next fetch comes in time: the refresh at 88 % of the interval at most;
// after a failure within 5 s, or a minute when the outage is long, the issuer asks for it or
// contradicts what is configured.
func (w *world) checkIdle() {
	last := w.last(func(*fetch) bool { return true })
	if last == nil {
		return
	}
	limit := simRefresh*88/100 + w.fetchTimeout()
	since := last
	if last.good {
		since = w.last(func(f *fetch) bool { return f.good && (f.refresh || !w.discovers) })
		if since == nil {
			return
		}
	} else {
		limit = time.Minute + w.fetchTimeout()
		began := last
		for _, f := range slices.Backward(w.fetches) {
			if f.good {
				break
			}
			began = f
		}
		// A held-back request for the key set may stand for the outage of the metadata before it.
		if last.ended.Sub(began.ended) < 2*time.Minute && last.mode != "429" && last.mode != "contrary" && w.metadata != "another issuer" {
			limit = 5*time.Second + w.fetchTimeout()
		}
	}
	if newest := w.fetches[len(w.fetches)-1]; w.looking != nil || newest.ended.IsZero() {
		return // it is under way
	}
	if idle := time.Since(since.sent); idle > limit {
		w.t.Errorf("no refresh for %v after %+v, want one within %v (K-02, K-04, K-05)", idle, last, limit)
	}
}

// checkClocks checks what must hold at every moment.
func (w *world) checkClocks() {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, s := w.t, w.cache.Status()
	if ready := w.cache.Ready() == nil; ready != (w.expected() != nil) {
		t.Errorf("ready: %v; the last good fetch is %+v (K-30)", ready, w.lastGood())
	}
	if got := len(s.Keys); got != len(w.expected()) {
		t.Errorf("%d keys held, want %d (K-14, K-15, K-16, K-18)", got, len(w.expected()))
	}
	w.checkIdle()
	w.counts = append(w.counts, budget{time.Now(), s.Counters.ByUnknownKey, s.Counters.ByBadSignature})
	now := w.counts[len(w.counts)-1]
	for _, then := range w.counts {
		elapsed := now.at.Sub(then.at)
		if got, most := now.n-then.n, 2+1+uint64(elapsed/(simCooldown*3/4)); got > most { // one may have been in the air then
			t.Errorf("%d fetches by unknown key IDs in %v, want at most %d (K-09)", got, elapsed, most)
		}
		if got, most := now.signatures-then.signatures, 1+1+uint64(elapsed/time.Minute); got > most {
			t.Errorf("%d fetches by bad signatures in %v, want at most %d (K-34)", got, elapsed, most)
		}
	}
	for kid, k := range w.seen { // a pointer's life ends when its key is not held any more
		if v, ok := w.expected()[kid]; !ok || materialOf(kid, v) != material(k) {
			delete(w.seen, kid)
		}
	}
}

// materialOf remembers what it returns: making keys would cost more than the rest of a schedule.
func materialOf(kid string, version byte) string {
	name := fmt.Sprint(kid, " ", version)
	if x, ok := materials.Load(name); ok {
		return x.(string)
	}
	x := edJWK(kid, version)["x"]
	materials.Store(name, x)
	return x.(string)
}

var materials sync.Map // by key ID and version

// request asks for a key, and checks the answer against the model when it is there. One that is
// cancelled leaves in the middle of its wait.
func (w *world) request(kid string, cancelled bool) {
	ctx, cancel := context.WithCancel(context.Background())
	if cancelled {
		patience := time.Duration(w.rand.Int64N(int64(time.Second)))
		time.AfterFunc(patience, cancel)
	}
	w.mu.Lock()
	arrived := time.Now()
	_, known := w.expected()[kid]
	w.pending++
	w.mu.Unlock()
	go func() {
		defer cancel()
		keys, err := w.cache.Keys(ctx, kid)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pending--
		w.checkAnswer(kid, arrived, known, keys, err)
		if errors.Is(err, context.Canceled) && !cancelled {
			w.t.Errorf("key %s: %v, and nobody cancelled it (K-13)", kid, err)
		}
	}()
	synctest.Wait()
}

func (w *world) checkAnswer(kid string, arrived time.Time, known bool, keys []*jwks.Key, err error) {
	t, took, got := w.t, time.Since(arrived), responseFor(keys, err)
	if took > jwks.WaitLimit {
		t.Errorf("key %s: waited %v, want 2 s at most", kid, took)
	}
	if known && (took != 0 || got != "served") {
		t.Errorf("key %s: %s after %v, want a held key served at once (K-01, K-14)", kid, got, took)
	}
	if w.cache.Status().State == jwks.StateClosed {
		return
	}
	good := w.lastGood()
	version, holds := w.expected()[kid]
	if got != "served" && !errors.Is(err, context.Canceled) {
		w.checkAdvice(kid, got, err)
	}
	switch got {
	case "served":
		if !holds || materialOf(kid, version) != material(keys[0]) || len(keys) != 1 {
			t.Errorf("key %s: served, but the last good fetch %+v says otherwise (K-15, K-16, K-34)", kid, good)
			return
		}
		if old := w.seen[kid]; old != nil && old != keys[0] && material(old) == material(keys[0]) {
			t.Errorf("key %s: another pointer to the same key (K-17)", kid)
		}
		w.seen[kid] = keys[0]
		if gone, ok := w.gone[kid]; ok && w.now[kid] != version {
			healthy := gone
			if w.changed.After(gone) {
				healthy = w.changed
			}
			if w.mode == "ok" && w.metadata == "ok" && time.Since(healthy) > simRefresh+w.fetchTimeout() {
				t.Errorf("key %s: served %v after it was withdrawn (K-16)", kid, time.Since(gone))
			}
		}
	case "refused":
		if good == nil || w.expected() == nil {
			t.Errorf("key %s: refused although nothing is held (K-11)", kid)
		} else if holds || good.sent.Before(arrived) && time.Since(good.sent) >= simCooldown {
			t.Errorf("key %s: refused on account of a fetch %v ago (K-12)", kid, time.Since(good.sent))
		}
	default:
		if w.mode == "ok" && w.metadata == "ok" && time.Since(w.changed) > 2*time.Minute && !errors.Is(err, context.Canceled) {
			t.Errorf("key %s: %v although the issuer is well (K-07)", kid, err)
		}
	}
}

// checkAdvice checks what the caller is told besides the error (T23, N7).
func (w *world) checkAdvice(kid, got string, err error) {
	var e *jwks.LookupError
	if !errors.As(err, &e) {
		w.t.Errorf("key %s: %s without a word of when to come back: %v", kid, got, err)
		return
	}
	now := time.Now()
	// Of a fetch that ends at this very moment it may know or not.
	before := w.last(func(f *fetch) bool { return f.good && f.ended.Before(now) })
	fits := e.AskedAt.IsZero() && w.expected() == nil
	for _, f := range w.fetches {
		fits = fits || f.good && e.AskedAt.Equal(f.sent) && (f == before || f.ended.Equal(now))
	}
	if !fits {
		w.t.Errorf("key %s: %s of keys asked for at %v, want those of %+v", kid, got, e.AskedAt, w.lastGood())
	}
	if wait := e.RetryAt.Sub(now); !e.RetryAt.IsZero() && (wait < 0 || wait > time.Minute) {
		w.t.Errorf("key %s: %s, come back in %v, want within a minute", kid, got, wait)
	}
}
