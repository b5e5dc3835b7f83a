package jwks

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"sync"
	"time"
)

// repeatEvery is how often a problem that goes on is logged.
const repeatEvery = 10 * time.Minute

// maxProblems bounds the different problems that are remembered between two good fetches.
const maxProblems = 32

const skippedMessage = "published keys that are not used"

// LogRefreshes returns a hook for Options.OnRefresh that logs every change. Level Error: keys
// cannot be fetched, or one was published with its private part. Level Warn: keys are skipped, or
// the snapshot file cannot be used. Level Info: keys come or go, or are fetched again after a
// failure. What repeats itself is logged at that level once in ten minutes, and at Debug between.
// Nothing in it comes from a token; key IDs are the issuer's. It panics when logger is nil. One
// hook serves any number of Caches. A Cache logs problems to Options.Logger too, and by default to
// slog.Default(): give it a Logger of slog.DiscardHandler to have each line once.
func LogRefreshes(logger *slog.Logger) func(RefreshEvent) {
	if logger == nil {
		panic("jwks: LogRefreshes needs a Logger")
	}
	l := newProblemLog(logger)
	l.all = true
	return l.hook
}

// A problemLog logs events, and remembers which problems it has logged. It is safe for concurrent
// use.
type problemLog struct {
	logger *slog.Logger // nil: slog.Default()
	all    bool         // also what is no problem

	mu     sync.Mutex
	failed map[string]bool                 // by URL: the last fetch failed
	logged map[string]map[string]time.Time // by URL and problem
}

func newProblemLog(logger *slog.Logger) *problemLog {
	return &problemLog{logger: logger, failed: map[string]bool{}, logged: map[string]map[string]time.Time{}}
}

func (l *problemLog) hook(e RefreshEvent) {
	level, message := l.describe(e)
	if level >= slog.LevelWarn && !l.isNews(e, message) { // check: log-repeats
		level = slog.LevelDebug
	}
	if l.recovered(e) && level < slog.LevelWarn {
		level, message = slog.LevelInfo, "keys fetched again"
	} else if !l.all && (level < slog.LevelWarn || message == skippedMessage) {
		return
	}
	logger := l.logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.LogAttrs(context.Background(), level, message, slog.Any("refresh", e))
}

// describe tells how much e matters, and what it is about.
func (l *problemLog) describe(e RefreshEvent) (slog.Level, string) {
	switch {
	case errors.Is(e.Err, ErrClosed):
		return slog.LevelDebug, "the cache was closed during a fetch"
	case e.Err != nil && e.Keys == 0:
		return slog.LevelError, "keys not fetched, and none are cached: no token can be verified"
	case e.Err != nil:
		return slog.LevelError, "keys not refreshed: those cached stay in use"
	case len(e.Exposed) > 0:
		return slog.LevelError, "keys published with their private part"
	case e.SnapshotErr != nil:
		return slog.LevelWarn, "snapshot file not used"
	case e.DiscoveryErr != nil:
		return slog.LevelWarn, "metadata not read: the key set is fetched from where it was"
	case len(e.Skipped) > 0:
		return slog.LevelWarn, skippedMessage
	case len(e.Added) > 0 || len(e.Removed) > 0:
		return slog.LevelInfo, "keys changed"
	}
	return slog.LevelDebug, "keys unchanged"
}

// ports are what differs between two texts of one network error.
var ports = regexp.MustCompile(`:\d+`)

// isNews reports whether the problem of e was not logged in the last ten minutes of this outage.
func (l *problemLog) isNews(e RefreshEvent, problem string) bool {
	for _, err := range []error{e.Err, e.SnapshotErr, e.DiscoveryErr} {
		if err != nil {
			problem += ports.ReplaceAllString(err.Error(), "")
		}
	}
	for _, s := range e.Skipped {
		problem += " " + s.KeyID + " " + string(s.Reason)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	logged := l.logged[e.Source]
	if logged == nil || len(logged) >= maxProblems {
		logged = map[string]time.Time{}
		l.logged[e.Source] = logged
	}
	if at, ok := logged[problem]; ok && now.Sub(at) < repeatEvery {
		return false
	}
	logged[problem] = now
	return true
}

// recovered reports whether e is the first good fetch after a failed one, and forgets that one.
func (l *problemLog) recovered(e RefreshEvent) bool {
	if e.Trigger == TriggerSnapshot {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.failed[e.Source]
	l.failed[e.Source] = e.Err != nil
	if was && e.Err == nil {
		delete(l.logged, e.Source)
	}
	return was && e.Err == nil
}
