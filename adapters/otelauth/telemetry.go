package otelauth

import (
	"errors"
	"fmt"
	"reflect"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	auth "github.com/bearward/bearward/middleware"
)

// scope is the name of the instrumentation scope, of metrics and of spans.
const scope = "github.com/bearward/bearward/adapters/otelauth"

// Defaults and bounds of Options.
const (
	defaultOperations = 200
	defaultIssuers    = 100
	mostOperations    = 2000 // attribute sets that the SDK keeps of an instrument, unless told otherwise
)

// Options adjust a Telemetry. The zero value, and nil, mean the defaults. They are read once, by
// New.
type Options struct {
	// MeterProvider makes the instruments. Default: the global one, of package otel, which may be
	// set later than New is called.
	MeterProvider metric.MeterProvider

	// TracerProvider makes the spans of key fetches. The events of refusals need none: they go to
	// the request's own span, which may be of any package. Default: the global one, of package
	// otel, which may be set later than New is called.
	TracerProvider trace.TracerProvider

	// MaxOperations bounds the operations that are told apart: those of Declare, and then those
	// that come first. Decisions on others count under "_OTHER". 1 to 2,000, default 200.
	MaxOperations int

	// MaxIssuers bounds the issuers that are told apart: those of Watch and Issuer, and then those
	// that come first. Fetches of the keys of others, and calls, count under "_OTHER". 1 to 2,000,
	// default 100.
	MaxIssuers int
}

// A Telemetry turns the hooks of Bearward into metrics and span events. It is safe for concurrent
// use. Its zero value is not usable.
type Telemetry struct {
	instruments
	meter      metric.Meter
	tracer     trace.Tracer
	operations operations
	durations  durations

	mostIssuers  int
	beyond       *Issuer    // what all share that have no place
	mu           sync.Mutex // guards what follows
	issuers      map[string]*Issuer
	watched      []*auth.Guard
	registration metric.Registration // of watched; nil until Watch
	closed       bool
}

// New returns a Telemetry; opts may be nil. The error names the field of opts that cannot be used,
// or the instrument that the MeterProvider does not make. New starts no goroutine and registers no
// callback: that is for [Telemetry.Watch].
func New(opts *Options) (*Telemetry, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	t := &Telemetry{
		meter:     o.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL)),
		tracer:    o.TracerProvider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		durations: newDurations(),

		mostIssuers: o.MaxIssuers,
		issuers:     map[string]*Issuer{},
	}
	t.beyond = t.newIssuer(other)
	t.operations.init(o.MaxOperations)
	if t.instruments, err = newInstruments(t.meter); err != nil {
		return nil, err
	}
	return t, nil
}

// withDefaults returns a copy with every default filled in, or says which field cannot be used.
func (o *Options) withDefaults() (Options, error) {
	var full Options
	if o != nil {
		full = *o
	}
	if full.MeterProvider == nil {
		full.MeterProvider = otel.GetMeterProvider()
	}
	if full.TracerProvider == nil {
		full.TracerProvider = otel.GetTracerProvider()
	}
	if full.MaxOperations == 0 {
		full.MaxOperations = defaultOperations
	}
	if full.MaxIssuers == 0 {
		full.MaxIssuers = defaultIssuers
	}
	switch {
	case holdsNil(full.MeterProvider):
		return full, fmt.Errorf("otelauth: Options.MeterProvider holds a nil %T", full.MeterProvider)
	case holdsNil(full.TracerProvider):
		return full, fmt.Errorf("otelauth: Options.TracerProvider holds a nil %T", full.TracerProvider)
	case full.MaxOperations < 1 || full.MaxOperations > mostOperations:
		return full, fmt.Errorf("otelauth: Options.MaxOperations is %d, not within 1 to %d", full.MaxOperations, mostOperations)
	case full.MaxIssuers < 1 || full.MaxIssuers > mostOperations:
		return full, fmt.Errorf("otelauth: Options.MaxIssuers is %d, not within 1 to %d", full.MaxIssuers, mostOperations)
	}
	return full, nil
}

// holdsNil reports whether v holds a nil pointer, as the result of a constructor does whose error
// was not looked at.
func holdsNil(v any) bool {
	p := reflect.ValueOf(v)
	return p.Kind() == reflect.Pointer && p.IsNil()
}

// Close ends what [Telemetry.Watch] and [Issuer.Watch] began: key caches are no longer reported,
// and can be collected. The hooks go on counting, so it does not matter whether a Guard is closed
// before or after. It is safe to call twice. The errors are the MeterProvider's.
func (t *Telemetry) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	var errs []error
	for _, i := range t.issuers {
		errs = append(errs, i.leave())
	}
	t.watched = nil
	if t.registration != nil {
		errs = append(errs, t.registration.Unregister())
		t.registration = nil
	}
	return errors.Join(errs...)
}
