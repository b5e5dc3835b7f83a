package jwks

import (
	"time"
)

// Bounds of a schedule.
const (
	minRefresh    = time.Minute // Cache-Control shortens the interval to this, at least
	burst         = 2           // fetches that unknown key IDs may cause at once
	recheckEvery  = time.Minute // between two fetches that bad signatures cause
	backoffFloor  = 100 * time.Millisecond
	backoffFirst  = time.Second
	backoffShort  = 5 * time.Second // the longest step while no keys are cached, and early in an outage
	shortOutage   = 2 * time.Minute // for how long an outage keeps to backoffShort while keys are cached
	backoffMost   = time.Minute
	mostRetryWait = time.Minute // of what Retry-After asks for
)

// A schedule says when a fetch may happen and for how long keys are good. It knows neither keys nor
// networks, and takes the time as an argument so that one decision sees one instant. The user of it
// holds the Cache's lock.
type schedule struct {
	refreshEvery, cooldown, maxStale time.Duration
	random                           func() float64 // in [0, 1)

	next      time.Time     // when the refresh clock asks for a fetch
	notBefore time.Time     // end of the back-off: no trigger fetches earlier
	step      time.Duration // bound of the last back-off; 0 after a good refresh
	failing   time.Time     // when the first of the failures in a row ended; zero after a good refresh
	asked     time.Time     // when the keys cached were asked for; zero when there were none
	refreshed time.Time     // when the last good refresh was sent; zero when there was none
	permits   int           // fetches that unknown key IDs may cause now
	refill    time.Duration // how long the next permit takes to come
	refilled  time.Time     // when permits was last brought up to date
	recheck   time.Time     // from when on a bad signature may cause a fetch
}

// start begins the schedule: the first fetch is due.
func (s *schedule) start(now time.Time) {
	s.next, s.notBefore = now, now
	s.permits, s.refill, s.refilled = burst, s.cooldown, now
	s.recheck = now
}

// succeeded takes note of a good refresh that was sent at asked. The hint is what the answer says
// about its life, negative for nothing.
func (s *schedule) succeeded(now, asked time.Time, hint time.Duration) {
	s.asked, s.refreshed = asked, asked
	s.notBefore, s.step, s.failing = now, 0, time.Time{}
	interval := s.refreshEvery
	if hint >= 0 && hint < interval { // check: max-age-lengthens
		interval = max(hint, min(minRefresh, interval)) // check: max-age-floor
	}
	spread := 0.9 + 0.2*s.random()
	// check: jitter
	s.next = now.Add(time.Duration(0.8 * spread * float64(interval)))
	// check: clock-refresh
}

// looked takes note of a good fetch that a token caused. It is no refresh: the next one is not put
// off, or forged tokens could keep the metadata from being read. The keys live on from it only when
// it was whole: when there is no metadata.
func (s *schedule) looked(asked time.Time, whole bool) {
	s.asked = asked
	if whole {
		s.refreshed = asked
	}
}

// failed takes note of a failed fetch, and asks for the next one after a random part of a bound
// that doubles, or after what the server asked for, within bounds. It never asks for none.
func (s *schedule) failed(now time.Time, retryAfter time.Duration, cached, misconfigured bool) {
	if s.failing.IsZero() {
		s.failing = now
	}
	s.step = min(max(2*s.step, backoffFirst), s.longestStep(now, cached, misconfigured))
	// check: backoff-constant
	wait := backoffFloor + time.Duration(s.random()*float64(s.step-backoffFloor))
	wait = max(wait, min(retryAfter, mostRetryWait)) // check: retry-after
	// check: clock-backoff
	s.next, s.notBefore = now.Add(wait), now.Add(wait)
	// check: refresh-stops
}

// longestStep bounds a step of the back-off. Who waits for keys has no part in it: a thousand
// replicas whose callers could shorten it would keep a recovering issuer down.
func (s *schedule) longestStep(now time.Time, cached, misconfigured bool) time.Duration {
	switch {
	case misconfigured: // check: backoff-misconfigured
		return backoffMost
	case cached && now.Sub(s.failing) >= shortOutage: // check: backoff-long-outage
		return backoffMost
	}
	return backoffShort
}

// expired takes note that the keys were dropped for their age: a back-off that was set while they
// were cached may be too long now.
func (s *schedule) expired(now time.Time) {
	if soon := now.Add(time.Duration(s.random() * float64(backoffShort))); soon.Before(s.next) {
		s.next, s.notBefore = soon, soon
	}
}

// backingOff tells whether no trigger may fetch now.
func (s *schedule) backingOff(now time.Time) bool {
	return now.Before(s.notBefore) // check: backoff-other-triggers
}

// due tells whether the refresh clock asks for a fetch now.
func (s *schedule) due(now time.Time) bool { return !now.Before(s.next) }

// goodUntil is the instant from which the last good refresh no longer counts.
func (s *schedule) goodUntil() time.Time { return s.refreshed.Add(s.maxStale) }

// recent tells whether the keys cached were asked for within the cool-down, so that what they lack
// is not published.
func (s *schedule) recent(now time.Time) bool {
	return !s.asked.IsZero() && now.Sub(s.asked) < s.cooldown
}

// hasPermit tells whether an unknown key ID may cause a fetch now.
func (s *schedule) hasPermit(now time.Time) bool {
	if fresh := int(now.Sub(s.refilled) / s.refill); fresh > 0 {
		s.refilled = s.refilled.Add(time.Duration(fresh) * s.refill)
		s.permits = min(s.permits+fresh, burst)
	}
	return s.permits > 0 // check: clock-permits
}

// takePermit uses one permit, and draws how long the next takes: a flood of unknown key IDs at a
// thousand replicas must not make them fetch together.
func (s *schedule) takePermit(now time.Time) {
	if s.permits == burst {
		s.refilled = now // a full bucket does not save up
	}
	s.permits--
	s.refill = s.cooldown - time.Duration(s.random()*float64(s.cooldown/4)) // check: permit-jitter
}

// takeRecheck uses the permit of bad signatures, if there is one.
func (s *schedule) takeRecheck(now time.Time) bool {
	if now.Before(s.recheck) { // check: recheck-permit
		return false
	}
	s.recheck = now.Add(recheckEvery)
	return true
}

// nextAnswer tells when an unknown key ID may be answered otherwise: when it may cause a fetch, or
// when the refresh clock does, whichever is first; never an instant that has passed. Zero: at once.
func (s *schedule) nextAnswer(now time.Time) time.Time {
	if s.due(now) { // the fetch has not begun yet
		return now
	}
	if s.hasPermit(now) && !s.backingOff(now) {
		return time.Time{}
	}
	at := s.notBefore
	if permit := s.refilled.Add(s.refill); s.permits == 0 && permit.After(at) {
		at = permit
	}
	if s.next.Before(at) {
		return s.next
	}
	return at
}
