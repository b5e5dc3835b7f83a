package jwks

import (
	"time"
)

// The four schedule of a Cache, DESIGN's words for its rules in time.
const (
	minRefresh    = time.Minute // Cache-Control shortens the interval to this, at least
	burst         = 2           // fetches that unknown key IDs may cause at once
	backoffFloor  = 100 * time.Millisecond
	backoffFirst  = time.Second
	backoffMost   = time.Minute
	backoffEmpty  = 5 * time.Second // while no key set is held
	mostRetryWait = time.Minute     // of what Retry-After asks for
)

// schedule say when a fetch may happen and for how long keys are good. They know neither keys nor networks, and take the time as an argument so that
// one decision sees one instant. Whoever uses them holds the Cache's lock.
type schedule struct {
	refreshEvery, cooldown, maxStale time.Duration
	random                           func() float64 // in [0, 1)

	next      time.Time // when the refresh clock asks for a fetch
	notBefore time.Time // end of the back-off: no trigger fetches earlier
	failures  int       // in a row
	asked     time.Time // when the last good fetch was sent; zero when there was none
	permits   int       // fetches that unknown key IDs may cause now
	refilled  time.Time // when permits was last brought up to date
}

// start sets the schedule going.
func (s *schedule) start(now time.Time) {
	s.next, s.notBefore = now, now
	s.permits, s.refilled = burst, now
}

// succeeded takes note of a good fetch that was sent at asked. The hint is what the answer says about its life, negative for nothing.
func (s *schedule) succeeded(now, asked time.Time, hint time.Duration) {
	s.asked, s.notBefore, s.failures = asked, now, 0
	interval := s.refreshEvery
	if hint >= 0 && hint < interval { // check: max-age-lengthens
		interval = max(hint, min(minRefresh, interval)) // check: max-age-floor
	}
	spread := 0.9 + 0.2*s.random()
	// check: jitter
	s.next = now.Add(time.Duration(0.8 * spread * float64(interval)))
	// check: clock-refresh
}

// failed takes note of a failed fetch, and asks for the next one after a random part of a bound that doubles, or after what the server asked
// for, within bounds. It never asks for none.
func (s *schedule) failed(now time.Time, retryAfter time.Duration, holding bool) {
	most := backoffMost
	if !holding {
		most = backoffEmpty
	}
	bound := most
	if s.failures < 6 { // 1 s doubled six times is over a minute
		bound = min(backoffFirst<<s.failures, most)
	}
	// check: backoff-constant
	s.failures++
	wait := backoffFloor + time.Duration(s.random()*float64(bound-backoffFloor))
	wait = max(wait, min(retryAfter, mostRetryWait)) // check: retry-after
	// check: clock-backoff
	s.next, s.notBefore = now.Add(wait), now.Add(wait)
	// check: refresh-stops
}

// expired takes note that the keys were dropped for their age: a back-off that was set while they were held is too long now.
func (s *schedule) expired(now time.Time) {
	if soon := now.Add(time.Duration(s.random() * float64(backoffEmpty))); soon.Before(s.next) {
		s.next, s.notBefore = soon, soon
	}
}

// backingOff tells whether no trigger may fetch now.
func (s *schedule) backingOff(now time.Time) bool {
	return now.Before(s.notBefore) // check: backoff-other-triggers
}

// goodUntil is the instant from which the last good fetch no longer counts.
func (s *schedule) goodUntil() time.Time { return s.asked.Add(s.maxStale) }

// recent tells whether the last good fetch is younger than the cool-down, so that what it lacks is not published.
func (s *schedule) recent(now time.Time) bool {
	return !s.asked.IsZero() && now.Sub(s.asked) < s.cooldown
}

// hasPermit tells whether an unknown key ID may cause a fetch now.
func (s *schedule) hasPermit(now time.Time) bool {
	if fresh := int(now.Sub(s.refilled) / s.cooldown); fresh > 0 {
		s.refilled = s.refilled.Add(time.Duration(fresh) * s.cooldown)
		s.permits = min(s.permits+fresh, burst)
	}
	return s.permits > 0 // check: clock-permits
}

// takePermit uses one permit.
func (s *schedule) takePermit(now time.Time) {
	if s.permits == burst {
		s.refilled = now // a full bucket does not save up
	}
	s.permits--
}
