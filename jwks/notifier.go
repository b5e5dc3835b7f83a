package jwks

// queueSize is how many events wait for a slow hook.
const queueSize = 64

// A notifier calls a hook on a goroutine of its own. One goroutine uses it; its zero value calls
// nothing.
type notifier struct {
	events chan RefreshEvent
	done   chan struct{}
}

func newNotifier(hook func(RefreshEvent)) notifier {
	if hook == nil {
		return notifier{}
	}
	n := notifier{events: make(chan RefreshEvent, queueSize), done: make(chan struct{})}
	go func() {
		defer close(n.done)
		for e := range n.events {
			callHook(hook, e)
		}
	}()
	return n
}

// notify hands e over, or drops it when too many wait.
func (n notifier) notify(e RefreshEvent) (dropped bool) {
	if n.events == nil {
		return false
	}
	select {
	case n.events <- e:
		return false
	default:
		return true
	}
}

// close waits until the hook has been called with every event handed over.
func (n notifier) close() {
	if n.events != nil {
		close(n.events)
		<-n.done
	}
}

// callHook calls hook and recovers from its panic: the hook runs in the background of somebody's
// API, and must not end it.
func callHook[T any](hook func(T), what T) {
	defer func() { _ = recover() }()
	hook(what)
}
