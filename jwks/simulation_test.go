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
var keptSeeds = []uint64{1, 2, 3, 5, 8, 13}

// seeds returns the seeds to run: one from BEARWARD_SIM_SEED, as many as BEARWARD_SIM_SEEDS says, or a hundred.
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
	if one := number("BEARWARD_SIM_SEED", 0); one != 0 {
		return []uint64{one}
	}
	all := slices.Clone(keptSeeds)
	for n := range number("BEARWARD_SIM_SEEDS", 100) {
		all = append(all, 100+n)
	}
	return all
}

// TestK35_RandomSchedulesKeepTheInvariants runs a Cache against an issuer that does everything an issuer can do, and compares it with a
// model that knows only what was published, what was answered, and when.
func TestK35_RandomSchedulesKeepTheInvariants(t *testing.T) {
	began, all, steps := time.Now(), seeds(t), 0
	for _, seed := range all {
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { steps += simulate(t, seed) })
		})
		if !ok {
			t.Fatalf("BEARWARD_SIM_SEED=%d go test ./jwks -run K35 runs this again", seed)
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

// A fetch is one request that the issuer saw.
type fetch struct {
	sent, ended time.Time
	good        bool
	set         published
}

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
}

// A budget is how many fetches unknown key IDs had caused at one time.
type budget struct {
	at time.Time
	n  uint64
}

func simulate(t *testing.T, seed uint64) (steps int) {
	w := &world{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), mode: "ok", changed: time.Now(), now: published{"k0": 0}, next: 1,
		gone: map[string]time.Time{}, seen: map[string]*jwks.Key{},
	}
	if w.rand.IntN(4) == 0 {
		w.mode = w.someMode()
	}
	chance := rand.New(rand.NewPCG(seed, 2))
	c, err := jwks.NewSeeded(keySetURL, &jwks.Options{Client: &http.Client{Transport: w}, MaxStale: simMaxStale, MaxBytes: simMaxBytes}, chance.Float64)
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
	switch n := w.rand.IntN(12); n {
	case 0, 1, 2, 3, 4, 5:
		w.change(n)
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
		w.mode, w.changed = "ok", time.Now()
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
	w.mu.Lock()
	f := &fetch{sent: time.Now(), set: w.now}
	w.checkSpacing(f)
	w.fetches = append(w.fetches, f)
	if w.flying++; w.flying > 1 {
		w.t.Errorf("%d fetches in the air at a time", w.flying)
	}
	i := newIssuer()
	doc := w.doc(w.now)
	switch w.mode {
	case "ok":
		i.answer(body(doc))
	case "slow":
		i.answer(after(1500*time.Millisecond, body(doc)))
	case "hang":
		i.answer(hang)
	case "500":
		i.answer(status(500))
	case "429":
		i.answer(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "20")
			rw.WriteHeader(429)
		})
	case "garbage":
		i.answer(body("<html>"))
	case "empty":
		i.answer(body(`{"keys":[]}`))
	case "truncated":
		i.answer(body(doc[:len(doc)/2]))
	case "huge":
		i.answer(body(strings.Repeat(" ", simMaxBytes) + doc))
	}
	mode := w.mode
	w.mu.Unlock()
	resp, err := i.RoundTrip(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying--
	f.ended = time.Now()
	f.good = err == nil && (mode == "ok" || mode == "slow")
	return resp, err
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
func (w *world) lastGood() *fetch {
	for _, f := range slices.Backward(w.fetches) {
		if f.good && !f.ended.IsZero() {
			return f
		}
	}
	return nil
}

// held is what the cache must hold now.
func (w *world) held() published {
	if f := w.lastGood(); f != nil && time.Since(f.sent) < simMaxStale {
		return f.set
	}
	return nil
}

// checkClocks checks what must hold at every moment.
func (w *world) checkClocks() {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, s := w.t, w.cache.Status()
	if ready := w.cache.Ready() == nil; ready != (w.held() != nil) {
		t.Errorf("ready: %v; the last good fetch is %+v (K-30)", ready, w.lastGood())
	}
	if got := len(s.Keys); got != len(w.held()) {
		t.Errorf("%d keys held, want %d (K-14, K-15, K-16, K-18)", got, len(w.held()))
	}
	if len(w.fetches) > 0 {
		// The clock asks at 88 % of the interval at most, or after a back-off or a Retry-After of a minute.
		last := w.fetches[len(w.fetches)-1]
		limit := simRefresh*88/100 + jwks.FetchTimeout
		if !last.good {
			limit = time.Minute + jwks.FetchTimeout
		}
		if idle := time.Since(last.sent); idle > limit {
			t.Errorf("no fetch for %v, want one within %v (K-02, K-04)", idle, limit)
		}
	}
	w.counts = append(w.counts, budget{time.Now(), s.Counters.ByUnknownKey})
	now := w.counts[len(w.counts)-1]
	for _, then := range w.counts {
		elapsed := now.at.Sub(then.at)
		if got, most := now.n-then.n, 2+1+uint64(elapsed/simCooldown); got > most { // one may have been in the air then
			t.Errorf("%d fetches by unknown key IDs in %v, want at most %d (K-09)", got, elapsed, most)
		}
	}
	for kid, k := range w.seen { // a pointer's life ends when its key is not held any more
		if v, ok := w.held()[kid]; !ok || materialOf(kid, v) != material(k) {
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

// request asks for a key, and checks the verdict against the model when it is there. One that is cancelled leaves in the middle of its wait.
func (w *world) request(kid string, cancelled bool) {
	ctx, cancel := context.WithCancel(context.Background())
	if cancelled {
		patience := time.Duration(w.rand.Int64N(int64(time.Second)))
		time.AfterFunc(patience, cancel)
	}
	w.mu.Lock()
	arrived := time.Now()
	_, known := w.held()[kid]
	w.pending++
	w.mu.Unlock()
	go func() {
		defer cancel()
		keys, err := w.cache.Keys(ctx, kid)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pending--
		w.checkVerdict(kid, arrived, known, keys, err)
		if errors.Is(err, context.Canceled) && !cancelled {
			w.t.Errorf("key %s: %v, and nobody cancelled it (K-13)", kid, err)
		}
	}()
	synctest.Wait()
}

func (w *world) checkVerdict(kid string, arrived time.Time, known bool, keys []*jwks.Key, err error) {
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
	version, holds := w.held()[kid]
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
			if w.mode == "ok" && time.Since(healthy) > simRefresh+jwks.FetchTimeout {
				t.Errorf("key %s: served %v after it was withdrawn (K-16)", kid, time.Since(gone))
			}
		}
	case "refused":
		if good == nil || w.held() == nil {
			t.Errorf("key %s: refused although nothing is held (K-11)", kid)
		} else if holds || good.sent.Before(arrived) && time.Since(good.sent) >= simCooldown {
			t.Errorf("key %s: refused on account of a fetch %v ago (K-12)", kid, time.Since(good.sent))
		}
	default:
		if w.mode == "ok" && time.Since(w.changed) > 2*time.Minute && !errors.Is(err, context.Canceled) {
			t.Errorf("key %s: %v although the issuer is well (K-07)", kid, err)
		}
	}
}
