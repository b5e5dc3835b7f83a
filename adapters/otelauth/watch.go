package otelauth

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/bearward/bearward/jwks"
)

// states are all that a key cache can be in.
var states = []jwks.State{jwks.StateEmpty, jwks.StateFresh, jwks.StateStale, jwks.StateExpired, jwks.StateClosed}

// maxNameBytes bounds the name of a key set.
const maxNameBytes = 256

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("otelauth: the name of a key set is empty")
	case len(name) > maxNameBytes:
		return fmt.Errorf("otelauth: the name of a key set is longer than %d bytes", maxNameBytes)
	case !utf8.ValidString(name):
		return fmt.Errorf("otelauth: the name of a key set, %q, is not UTF-8", name)
	}
	return nil
}

// Watch reports what keys holds, under name, each time that metrics are read, until [Telemetry.Close] or [Telemetry.Unwatch]. A key cache that was closed is
// reported as such, and goes on being so. The error tells that name is not 1 to 256 bytes of UTF-8, is taken, that keys is nil, that the Telemetry was closed,
// or what the MeterProvider says. Watch never waits for the network.
func (t *Telemetry) Watch(name string, keys *jwks.Cache) error {
	if err := checkName(name); err != nil {
		return err
	}
	if keys == nil {
		return fmt.Errorf("otelauth: watch %q: the jwks.Cache is nil", name)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.watched == nil {
		return fmt.Errorf("otelauth: watch %q: the Telemetry is closed", name)
	}
	if _, taken := t.watched[name]; taken {
		return fmt.Errorf("otelauth: watch %q: a key set of that name is watched already", name)
	}
	w := newWatch(&t.instruments, name, keys)
	registration, err := t.meter.RegisterCallback(w.observe,
		t.age, t.maxStale, t.held, t.state, t.skipped, t.exposed, t.waits, t.dropped)
	if err != nil {
		return fmt.Errorf("otelauth: watch %q: %w", name, err)
	}
	t.watched[name] = registration
	return nil
}

// Unwatch ends what Watch began for the key set called name, for an API that replaces a key cache. It does nothing when none is
// watched under that name. The error is the MeterProvider's.
func (t *Telemetry) Unwatch(name string) error {
	t.mu.Lock()
	registration, ok := t.watched[name]
	delete(t.watched, name)
	t.mu.Unlock()
	if !ok {
		return nil
	}
	if err := registration.Unregister(); err != nil {
		return fmt.Errorf("otelauth: stop watching %q: %w", name, err)
	}
	return nil
}

// A watch reports one key cache.
type watch struct {
	*instruments
	keys  *jwks.Cache
	name  attribute.KeyValue
	named metric.ObserveOption
	in    map[jwks.State]metric.ObserveOption
}

func newWatch(i *instruments, name string, keys *jwks.Cache) *watch {
	w := &watch{instruments: i, keys: keys, name: attribute.String(keyName, name), in: map[jwks.State]metric.ObserveOption{}}
	w.named = metric.WithAttributeSet(attribute.NewSet(w.name))
	for _, s := range states {
		w.in[s] = metric.WithAttributeSet(attribute.NewSet(w.name, attribute.String(keyState, string(s))))
	}
	return w
}

func (w *watch) observe(_ context.Context, o metric.Observer) error {
	s := w.keys.Status()
	if !s.LastGood.IsZero() { // without a good fetch there is no age, and 0 would say that the keys are new
		o.ObserveFloat64(w.age, s.Age.Seconds(), w.named)
	}
	o.ObserveFloat64(w.maxStale, s.MaxStale.Seconds(), w.named)
	o.ObserveInt64(w.held, int64(len(s.Keys)), w.named)
	for _, state := range states {
		var is int64
		if state == s.State {
			is = 1
		}
		o.ObserveInt64(w.state, is, w.in[state])
	}
	skipped := map[jwks.SkipReason]int64{}
	for _, skip := range s.Skipped {
		skipped[skip.Reason]++
	}
	for reason, n := range skipped {
		o.ObserveInt64(w.skipped, n, metric.WithAttributeSet(attribute.NewSet(w.name, attribute.String(keySkipReason, string(reason)))))
	}
	o.ObserveInt64(w.exposed, int64(len(s.Exposed)), w.named)
	o.ObserveInt64(w.waits, counted(s.Counters.Waits), w.named)
	o.ObserveInt64(w.dropped, counted(s.Counters.DroppedEvents), w.named)
	return nil
}

// counted returns n as OpenTelemetry counts, at most its largest number.
func counted(n uint64) int64 { return int64(min(n, 1<<63-1)) }
