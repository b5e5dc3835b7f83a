package otelauth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/metric"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// OnRefresh counts e under the name of its issuer, and makes a span of it. It is for
// [jwks.Options].OnRefresh of any number of key caches, and so for [auth.GuardOptions].Keys.
func (t *Telemetry) OnRefresh(e jwks.RefreshEvent) { t.issuerOf(e.Source).OnRefresh(e) }

// Watch makes the Status of g part of every reading of the metrics, until [Telemetry.Close]: the
// state of each issuer's keys, under the issuer's name. It never waits for the network. Without it
// there are only the metrics of OnRefresh. An issuer of two Guards is reported as the first has it.
// The error says that g is nil, that the Telemetry is closed, or what the MeterProvider says.
func (t *Telemetry) Watch(g *auth.Guard) error {
	if g == nil {
		return errors.New("otelauth: Watch needs a Guard")
	}
	for _, s := range g.Status() {
		t.issuerOf(s.Issuer)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errors.New("otelauth: Watch: the Telemetry is closed")
	}
	if t.registration == nil {
		r, err := t.meter.RegisterCallback(t.observe, t.observables()...)
		if err != nil {
			return fmt.Errorf("otelauth: Watch: %w", err)
		}
		t.registration = r
	}
	if !slices.Contains(t.watched, g) {
		t.watched = append(t.watched, g)
	}
	return nil
}

// issuerOf returns the Issuer of that name, or what stands for those that have no place.
func (t *Telemetry) issuerOf(name string) *Issuer {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.issuers[name]; i != nil {
		return i
	}
	if name == "" || !isName(name) || len(t.issuers) >= t.mostIssuers { // check: issuers-bound
		return t.beyond
	}
	i := t.newIssuer(name)
	t.issuers[name] = i
	return i
}

// observe tells the Status of every Guard that is watched, each issuer once.
func (t *Telemetry) observe(_ context.Context, o metric.Observer) error {
	t.mu.Lock()
	watched := slices.Clone(t.watched)
	t.mu.Unlock()
	told := map[*Issuer]bool{t.beyond: true} // which would be many as one
	for _, g := range watched {
		for _, s := range g.Status() {
			i := t.issuerOf(s.Issuer)
			if told[i] || s.Keys.State == "" || i.keys.Load() != nil {
				continue
			}
			told[i] = true
			i.report(o, s.Keys)
		}
	}
	return nil
}
