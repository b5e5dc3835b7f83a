package jwks

// maxWaiters is how many requests wait for one fetch at a time.
const maxWaiters = 4096

// A sharedFetch is one fetch, shared by all who wait for it. The Cache's lock guards its waiters.
type sharedFetch struct {
	trigger  Trigger
	done     chan struct{} // closed when it has ended
	err      error         // valid after done
	waiters  []*waiter
	arrivals int // waiters so far
}

// A waiter is one request that waits. It is all that is kept of it here.
type waiter struct {
	fetch     *sharedFetch
	at        int           // in fetch.waiters
	displaced chan struct{} // closed when another request got its place
}

func newSharedFetch(trigger Trigger) *sharedFetch {
	return &sharedFetch{trigger: trigger, done: make(chan struct{})}
}

// join adds a waiter, and returns nil when there is no place. Once all places are taken, each
// request that comes has the same chance of one, and takes that of another: forged tokens, which
// look like good ones until their key is there, cannot keep all of those out.
func (f *sharedFetch) join(random func() float64) *waiter {
	f.arrivals++
	w := &waiter{fetch: f, displaced: make(chan struct{})}
	if len(f.waiters) < maxWaiters { // check: waiters
		w.at = len(f.waiters)
		f.waiters = append(f.waiters, w)
		return w
	}
	w.at = int(random() * float64(f.arrivals))
	if w.at >= len(f.waiters) { // check: waiters-displaced
		return nil
	}
	close(f.waiters[w.at].displaced)
	f.waiters[w.at] = w
	return w
}

// leave takes w from the waiters, if it is still there.
func (f *sharedFetch) leave(w *waiter) {
	last := len(f.waiters) - 1
	if w.at > last || f.waiters[w.at] != w {
		return
	}
	f.waiters[w.at] = f.waiters[last]
	f.waiters[w.at].at = w.at
	f.waiters[last] = nil
	f.waiters = f.waiters[:last]
}
