package jwks

import (
	"log/slog"
	"time"

	"github.com/bearward/bearward/internal/fetch"
)

// A Trigger tells what asked for a fetch. The set is closed, so a trigger may become a metric's
// label.
type Trigger string

const (
	TriggerStart        Trigger = "start"         // the Cache was made
	TriggerSnapshot     Trigger = "snapshot"      // SnapshotFile was read at start, which is no fetch
	TriggerClock        Trigger = "clock"         // the refresh interval or the back-off ended
	TriggerUnknownKey   Trigger = "unknown_key"   // a request came with a key ID that is not cached
	TriggerBadSignature Trigger = "bad_signature" // no key cached verified a signature under a key ID that is, or under none
	TriggerRefresh      Trigger = "refresh"       // Refresh was called
)

// isRefresh tells whether a fetch by t begins with discovery, and so puts off the next one. What
// callers cause is none.
func (t Trigger) isRefresh() bool {
	return t != TriggerUnknownKey && t != TriggerBadSignature && t != TriggerSnapshot
}

// Triggers returns every Trigger.
func Triggers() []Trigger {
	return []Trigger{TriggerStart, TriggerSnapshot, TriggerClock, TriggerUnknownKey, TriggerBadSignature, TriggerRefresh}
}

// A RefreshEvent tells [Options].OnRefresh how one fetch ended, and which keys came and went.
// Slices are read only.
type RefreshEvent struct {
	Source       string        // the Cache's issuer, or the URL that New was given, without its query: fit for a label
	Trigger      Trigger       // what asked for it
	URL          string        // of the key set, whole; its query is not in a text, such as Err's. Empty when it is not known yet
	Elapsed      time.Duration // from asking to the end, discovery included
	Err          error         // why the fetch does not count; the cached keys stay in use. Nil when it was good
	DiscoveryErr error         // why the metadata could not be read, when the known URL of the key set served all the same
	SnapshotErr  error         // why SnapshotFile could not be read or written
	NotModified  bool          // the issuer said that nothing changed (304)

	Keys           int      // cached now
	Added, Removed []*Key   // a key changed in place is in both
	Skipped        []Skip   // published keys that are not used, also those of a set without a usable key; empty with NotModified
	Exposed        []string // IDs of keys published with their private part: anybody can sign with these (RFC 7517 §9.2)

	Next time.Duration // until the refresh clock asks for the next fetch

	read bool // a key set was read, with usable keys or not
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
