package jwks

import (
	"log/slog"
	"time"
)

// A Trigger tells what asked for a fetch. The set is closed, so a trigger may become a metric's label.
type Trigger string

const (
	TriggerStart      Trigger = "start"       // the Cache was made
	TriggerSnapshot   Trigger = "snapshot"    // SnapshotFile was read at start, which is no fetch
	TriggerClock      Trigger = "clock"       // the refresh interval or the back-off ended
	TriggerUnknownKey Trigger = "unknown_key" // a request came with a key ID that is not held
	TriggerRefresh    Trigger = "refresh"     // Refresh was called
)

// A RefreshEvent tells how one fetch ended. Slices are read only.
type RefreshEvent struct {
	Trigger      Trigger
	URL          string        // of the key set; empty when it is not known yet
	Elapsed      time.Duration // from asking to the end, discovery included
	Err          error         // why the fetch does not count; the keys held stay in use. Nil when it was good
	DiscoveryErr error         // why the metadata could not be read, when the known URL of the key set served all the same
	SnapshotErr  error         // why SnapshotFile could not be read or written
	NotModified  bool          // the issuer said that nothing changed (304)

	Keys           int      // held now
	Added, Removed []*Key   // a key changed in place is in both
	Skipped        []Skip   // published keys that are not used; empty with NotModified
	Exposed        []string // IDs of keys published with their private part: anybody can sign with these (RFC 7517 §9.2)

	Next time.Duration // until the refresh clock asks for the next fetch
}

// LogValue groups the fields that say something, for log/slog.
func (e RefreshEvent) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("trigger", string(e.Trigger)), slog.String("url", e.URL), slog.Int("keys", e.Keys),
		slog.Duration("elapsed", e.Elapsed), slog.Duration("next", e.Next),
	}
	for _, problem := range []struct {
		name string
		err  error
	}{{"error", e.Err}, {"discovery_error", e.DiscoveryErr}, {"snapshot_error", e.SnapshotErr}} {
		if problem.err != nil {
			attrs = append(attrs, slog.String(problem.name, problem.err.Error()))
		}
	}
	if len(e.Added) > 0 {
		attrs = append(attrs, slog.Any("added", e.Added))
	}
	if len(e.Removed) > 0 {
		attrs = append(attrs, slog.Any("removed", e.Removed))
	}
	if len(e.Skipped) > 0 {
		attrs = append(attrs, slog.Any("skipped", e.Skipped))
	}
	if len(e.Exposed) > 0 {
		attrs = append(attrs, slog.Any("exposed", e.Exposed))
	}
	return slog.GroupValue(attrs...)
}

// queueSize is how many events wait for a slow hook.
const queueSize = 64

// A teller calls a hook on a goroutine of its own. One goroutine tells; its zero value tells nobody.
type teller struct {
	events chan RefreshEvent
	ended  chan struct{}
}

func newTeller(hook func(RefreshEvent)) teller {
	if hook == nil {
		return teller{}
	}
	t := teller{events: make(chan RefreshEvent, queueSize), ended: make(chan struct{})}
	go func() {
		defer close(t.ended)
		for e := range t.events {
			contain(hook, e)
		}
	}()
	return t
}

// contain calls hook and swallows its panic: the hook runs in the background of somebody's API, and must not end it.
func contain(hook func(RefreshEvent), e RefreshEvent) {
	defer func() { _ = recover() }()
	hook(e)
}

// tell hands e over, or drops it when too many wait.
func (t teller) tell(e RefreshEvent) (dropped bool) {
	if t.events == nil {
		return false
	}
	select {
	case t.events <- e:
		return false
	default:
		return true
	}
}

// close waits for the events handed over to be told.
func (t teller) close() {
	if t.events != nil {
		close(t.events)
		<-t.ended
	}
}
