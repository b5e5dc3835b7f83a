package jwks

import (
	"context"
	"log/slog"
	"time"

	"github.com/bearward/bearward/internal/fetch"
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

// Triggers returns every Trigger.
func Triggers() []Trigger {
	return []Trigger{TriggerStart, TriggerSnapshot, TriggerClock, TriggerUnknownKey, TriggerRefresh}
}

// A RefreshEvent tells how one fetch ended. Slices are read only.
type RefreshEvent struct {
	Trigger      Trigger       // what asked for it
	URL          string        // of the key set, whole; its query is not in a text, such as Err's. Empty when it is not known yet
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
		slog.String("trigger", string(e.Trigger)), slog.String("url", fetch.RedactURL(e.URL)), slog.Int("keys", e.Keys),
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

// hook returns what is told of each fetch: OnRefresh, and then OnKeySkipped of the keys that the set before did not have, or had for another
// reason. Nil when there is neither.
func (o *Options) hook() func(RefreshEvent) {
	if o.OnKeySkipped == nil {
		return o.OnRefresh
	}
	onRefresh, onSkipped := o.OnRefresh, o.OnKeySkipped
	known := map[Skip]bool{}
	return func(e RefreshEvent) {
		if onRefresh != nil {
			callHook(onRefresh, e)
		}
		if e.Err != nil || e.NotModified || e.Trigger == TriggerSnapshot { // the set is the one before
			return
		}
		now := make(map[Skip]bool, len(e.Skipped))
		for _, s := range e.Skipped {
			id := s
			if id.KeyID != "" {
				id.Index = 0 // the same key in another place is the same key
			}
			if !known[id] && !now[id] {
				callHook(onSkipped, s)
			}
			now[id] = true
		}
		known = now
	}
}

// LogRefreshes returns a hook for Options.OnRefresh that logs each fetch: at level Error when it failed or a key was published with its private part, Warn
// when keys were skipped or the snapshot file could not be used, Info when keys came or went, and Debug when nothing changed. Nothing in it comes from a
// token; key IDs are the issuer's. It panics when logger is nil.
func LogRefreshes(logger *slog.Logger) func(RefreshEvent) {
	if logger == nil {
		panic("jwks: LogRefreshes needs a Logger")
	}
	return func(e RefreshEvent) {
		level, message := slog.LevelDebug, "keys unchanged"
		switch {
		case e.Err != nil && e.Keys == 0:
			level, message = slog.LevelError, "keys not fetched, and none are held: no token can be judged"
		case e.Err != nil:
			level, message = slog.LevelError, "keys not refreshed: those held stay in use"
		case len(e.Exposed) > 0:
			level, message = slog.LevelError, "keys published with their private part"
		case len(e.Skipped) > 0:
			level, message = slog.LevelWarn, "published keys that are not used"
		case e.SnapshotErr != nil:
			level, message = slog.LevelWarn, "snapshot file not used"
		case len(e.Added) > 0 || len(e.Removed) > 0:
			level, message = slog.LevelInfo, "keys changed"
		}
		logger.LogAttrs(context.Background(), level, message, slog.Any("refresh", e))
	}
}
