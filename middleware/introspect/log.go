package introspect

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// repeatEvery is how often a problem that goes on is logged.
const repeatEvery = 10 * time.Minute

// A problemLog logs when the endpoint cannot be had, and when it can again.
type problemLog struct {
	logger *slog.Logger // nil: slog.Default()
	issuer string

	mu      sync.Mutex
	problem Outcome // "" for none
	told    time.Time
}

func (l *problemLog) tell(r result) {
	level, message := slog.LevelError, ""
	switch r.outcome {
	case Unavailable:
		message = "introspection has no usable answer: tokens that are not remembered are not judged"
	case Misconfigured:
		message = "introspection is refused to this API: every token that is not remembered is answered 500"
	}
	l.mu.Lock()
	now := time.Now()
	before := l.problem
	switch {
	case message == "" && before != "":
		level, message, l.problem = slog.LevelInfo, "introspection answers again", ""
	case message == "":
	case before == r.outcome && now.Sub(l.told) < repeatEvery: // check: log-repeats
		message = ""
	default:
		l.problem, l.told = r.outcome, now
	}
	l.mu.Unlock()
	if message == "" {
		return
	}
	logger := l.logger
	if logger == nil {
		logger = slog.Default()
	}
	attrs := []slog.Attr{slog.String("issuer", l.issuer)}
	if r.err != nil {
		attrs = append(attrs, slog.String("err", r.err.Error()))
	}
	logger.LogAttrs(context.Background(), level, message, attrs...)
}
