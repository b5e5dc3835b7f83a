package jwks

import (
	"time"
)

// The four clocks of a Cache, DESIGN's words for its rules in time.
const (
	minRefresh    = time.Minute // Cache-Control shortens the interval to this, at least
	burst         = 2           // fetches that unknown key IDs may cause at once
	backoffFloor  = 100 * time.Millisecond
	backoffFirst  = time.Second
	backoffMost   = time.Minute
	backoffEmpty  = 5 * time.Second // while no key set is held
	mostRetryWait = time.Minute     // of what Retry-After asks for
)

// clocks say when a fetch may happen and for how long keys are good. They know neither keys nor networks, and take the time as an argument so that
// one decision sees one instant. Whoever uses them holds the Cache's lock.
type clocks struct {
	refreshEvery, cooldown, maxStale time.Duration
	random                           func() float64 // in [0, 1)

	next      time.Time // when the refresh clock asks for a fetch
	notBefore time.Time // end of the back-off: no trigger fetches earlier
	failures  int       // in a row
	asked     time.Time // when the last good fetch was sent; zero when there was none
	permits   int       // fetches that unknown key IDs may cause now
	refilled  time.Time // when permits was last brought up to date
}

// start sets the clocks going.
func (k *clocks) start(now time.Time) {
	k.next, k.notBefore = now, now
	k.permits, k.refilled = burst, now
}

// succeeded takes note of a good fetch that was sent at asked. The hint is what the answer says about its life, negative for nothing.
func (k *clocks) succeeded(now, asked time.Time, hint time.Duration) {
	k.asked, k.notBefore, k.failures = asked, now, 0
	interval := k.refreshEvery
	if hint >= 0 && hint < interval { // check: max-age-lengthens
		interval = max(hint, min(minRefresh, interval)) // check: max-age-floor
	}
	spread := 0.9 + 0.2*k.random()
	// check: jitter
	k.next = now.Add(time.Duration(0.8 * spread * float64(interval)))
	// check: clock-refresh
}

// failed takes note of a failed fetch, and asks for the next one after a random part of a bound that doubles, or after what the server asked
// for, within bounds. It never asks for none.
func (k *clocks) failed(now time.Time, retryAfter time.Duration, holding bool) {
	most := backoffMost
	if !holding {
		most = backoffEmpty
	}
	bound := most
	if k.failures < 6 { // 1 s doubled six times is over a minute
		bound = min(backoffFirst<<k.failures, most)
	}
	// check: backoff-constant
	k.failures++
	wait := backoffFloor + time.Duration(k.random()*float64(bound-backoffFloor))
	wait = max(wait, min(retryAfter, mostRetryWait)) // check: retry-after
	// check: clock-backoff
	k.next, k.notBefore = now.Add(wait), now.Add(wait)
	// check: refresh-stops
}

// emptied takes note that the keys were dropped for their age: a back-off that was set while they were held is too long now.
func (k *clocks) emptied(now time.Time) {
	if soon := now.Add(time.Duration(k.random() * float64(backoffEmpty))); soon.Before(k.next) {
		k.next, k.notBefore = soon, soon
	}
}

// backingOff tells whether no trigger may fetch now.
func (k *clocks) backingOff(now time.Time) bool {
	return now.Before(k.notBefore) // check: backoff-other-triggers
}

// goodUntil is the instant from which the last good fetch no longer counts.
func (k *clocks) goodUntil() time.Time { return k.asked.Add(k.maxStale) }

// recent tells whether the last good fetch is younger than the cool-down, so that what it lacks is not published.
func (k *clocks) recent(now time.Time) bool {
	return !k.asked.IsZero() && now.Sub(k.asked) < k.cooldown
}

// hasPermit tells whether an unknown key ID may cause a fetch now.
func (k *clocks) hasPermit(now time.Time) bool {
	if fresh := int(now.Sub(k.refilled) / k.cooldown); fresh > 0 {
		k.refilled = k.refilled.Add(time.Duration(fresh) * k.cooldown)
		k.permits = min(k.permits+fresh, burst)
	}
	return k.permits > 0 // check: clock-permits
}

// spend uses one permit.
func (k *clocks) spend(now time.Time) {
	if k.permits == burst {
		k.refilled = now // a full bucket does not save up
	}
	k.permits--
}
