package otelauth

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/bearward/bearward/jwks"
)

// Attributes of a key cache.
const (
	keyIssuer     = "bearward.issuer"
	keyState      = "bearward.jwks.state"
	keySkipReason = "bearward.jwks.skip_reason"
)

// An Issuer measures one key cache under a name that the program chooses. It is for a cache made by
// jwks.New, whose fetches otherwise bear the URL of its keys. It is safe for concurrent use. Make
// it with [Telemetry.Issuer].
type Issuer struct {
	telemetry      *Telemetry
	name           attribute.KeyValue
	named          metric.MeasurementOption
	added, removed metric.MeasurementOption
	in             map[jwks.State]metric.MeasurementOption

	keys         atomic.Pointer[jwks.Cache] // nil until Watch
	registration metric.Registration        // the Telemetry's mutex guards it; nil until Watch
}

// Issuer returns the Issuer whose metrics bear name, which is the operator's word for it, such as
// "main"; it need not be a URL. The error says that name is empty, over 256 bytes, no UTF-8, or
// taken.
func (t *Telemetry) Issuer(name string) (*Issuer, error) {
	if name == "" || !isName(name) {
		return nil, fmt.Errorf("otelauth: Issuer needs a name, of at most %d bytes of UTF-8", maxNameBytes)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.issuers[name] != nil {
		return nil, fmt.Errorf("otelauth: Issuer: the name %q is taken", name)
	}
	i := t.newIssuer(name)
	t.issuers[name] = i
	return i, nil
}

func (t *Telemetry) newIssuer(name string) *Issuer {
	i := &Issuer{telemetry: t, name: attribute.String(keyIssuer, name), in: map[jwks.State]metric.MeasurementOption{}}
	i.named = i.with()
	i.added, i.removed = i.with(attribute.String(keyChange, "added")), i.with(attribute.String(keyChange, "removed"))
	for _, s := range jwks.States() {
		i.in[s] = i.with(attribute.String(keyState, string(s)))
	}
	return i
}

// with returns the Issuer's attribute and others.
func (i *Issuer) with(attrs ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(attrs, i.name)...))
}

// Watch makes the Status of keys part of every reading of the metrics, until [Telemetry.Close]; it
// never waits for the network. Without it there are only the metrics of OnRefresh. It may be called
// again with the cache that took the place of the first. The error says that keys is nil, that the
// Telemetry is closed, or what the MeterProvider says.
func (i *Issuer) Watch(keys *jwks.Cache) error {
	if keys == nil {
		return errors.New("otelauth: Watch needs a jwks.Cache")
	}
	t := i.telemetry
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errors.New("otelauth: Watch: the Telemetry is closed")
	}
	if i.registration == nil {
		r, err := t.meter.RegisterCallback(i.observe, t.observables()...)
		if err != nil {
			return fmt.Errorf("otelauth: Watch: %w", err)
		}
		i.registration = r
	}
	i.keys.Store(keys)
	return nil
}

// leave ends what Watch began. The Telemetry's mutex is held.
func (i *Issuer) leave() error {
	i.keys.Store(nil)
	if i.registration == nil {
		return nil
	}
	if err := i.registration.Unregister(); err != nil {
		return fmt.Errorf("otelauth: Close: %w", err)
	}
	i.registration = nil
	return nil
}

// observe tells the Status of the cache that is watched.
func (i *Issuer) observe(_ context.Context, o metric.Observer) error {
	keys := i.keys.Load()
	if keys == nil {
		return nil
	}
	i.report(o, keys.Status())
	return nil
}

// report tells s.
func (i *Issuer) report(o metric.Observer, s jwks.Status) {
	t := i.telemetry
	for _, state := range jwks.States() {
		var is int64
		if state == s.State {
			is = 1
		}
		o.ObserveInt64(t.state, is, i.in[state])
	}
	if !s.LastGood.IsZero() { // an age of 0 would look like a fetch of this moment
		o.ObserveFloat64(t.keyAge, s.Age.Seconds(), i.named)
	}
	o.ObserveFloat64(t.maxStale, s.MaxStale.Seconds(), i.named)
	o.ObserveInt64(t.keys, int64(len(s.Keys)), i.named)
	skipped := map[jwks.SkipReason]int64{}
	for _, skip := range s.Skipped {
		skipped[skip.Reason]++
	}
	for reason, n := range skipped {
		o.ObserveInt64(t.skippedKeys, n, i.with(attribute.String(keySkipReason, string(reason))))
	}
	o.ObserveInt64(t.exposedKeys, int64(len(s.Exposed)), i.named)
	for _, c := range []struct {
		instrument metric.Int64Observable
		n          uint64
	}{
		{t.waits, s.Counters.Waits}, {t.unknownKeys, s.Counters.Unknown},
		{t.unjudged, s.Counters.Unavailable}, {t.droppedEvents, s.Counters.DroppedEvents},
	} {
		o.ObserveInt64(c.instrument, int64(min(c.n, 1<<63-1)), i.named)
	}
}
