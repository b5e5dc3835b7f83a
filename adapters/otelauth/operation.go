package otelauth

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/bearward/bearward/middleware"
)

const (
	// other is what the semantic conventions call every value beyond a bound.
	other = "_OTHER"

	// maxOperationBytes bounds the name of one operation: it is kept for as long as the Telemetry is.
	maxOperationBytes = 256
)

// operations remembers what is recorded of each operation, of a bounded number of them. Reads take no lock.
type operations struct {
	most   int
	beyond *operation // what all share that have no place, or that no attribute may hold

	known atomic.Pointer[map[string]*operation] // never changed: replaced
	mu    sync.Mutex                            // of those who replace it
}

// An operation holds the attribute sets of its decisions, each made when it is first needed.
type operation struct {
	name string
	sets []atomic.Pointer[[]metric.AddOption] // by Reason and marks; the last Reason stands for all that are not known
}

// marks are what a decision says in bits.
type marks uint8

const (
	cached marks = 1 << iota
	repeated
	reportOnly
	allMarks = 1 << iota
)

func marksOf(d *middleware.Decision) (m marks) {
	if d.Cached {
		m |= cached
	}
	if d.Repeated {
		m |= repeated
	}
	if d.ReportOnly {
		m |= reportOnly
	}
	return m
}

// reasonNames are the values of error.type by Reason, the zero Reason's included, and last what stands for all others.
var reasonNames = func() []string {
	names := []string{""}
	for _, r := range middleware.Reasons() {
		names = append(names, r.String())
	}
	return append(names, other)
}()

// reasonIndex returns where the names of err are.
func reasonIndex(err *middleware.Error) int {
	if err == nil {
		return 0
	}
	if n := int(err.Reason); n > 0 && n < len(reasonNames) {
		return n
	}
	return len(reasonNames) - 1
}

func (o *operations) init(most int) {
	o.most, o.beyond = most, newOperation(other)
	o.known.Store(new(map[string]*operation))
}

func newOperation(name string) *operation {
	return &operation{name: name, sets: make([]atomic.Pointer[[]metric.AddOption], len(reasonNames)*allMarks)}
}

// named returns the operation of that name, or what stands for those beyond the bound.
func (o *operations) named(name string) *operation {
	if op := (*o.known.Load())[name]; op != nil {
		return op
	}
	return o.admit(name)
}

// admit gives name a place when one is left. An exporter may fail as a whole on a text that is not UTF-8, so such a name gets none.
func (o *operations) admit(name string) *operation {
	if len(name) > maxOperationBytes || !utf8.ValidString(name) || len(*o.known.Load()) >= o.most {
		return o.beyond
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	known := *o.known.Load()
	if op := known[name]; op != nil {
		return op
	}
	if len(known) >= o.most {
		return o.beyond
	}
	name = strings.Clone(name) // it may be a part of something larger
	op := newOperation(name)
	more := make(map[string]*operation, len(known)+1)
	maps.Copy(more, known)
	more[name] = op
	o.known.Store(&more)
	return op
}

// set returns the attributes of a decision.
func (op *operation) set(err *middleware.Error, m marks) []metric.AddOption {
	place := &op.sets[reasonIndex(err)*allMarks+int(m)]
	if set := place.Load(); set != nil {
		return *set
	}
	attrs := append(decided(err, m), attribute.Bool(keyCached, m&cached != 0))
	if op.name != "" {
		attrs = append(attrs, attribute.String(keyOperation, op.name))
	}
	set := []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
	place.Store(&set) // one of several that were made at the same time: they are alike
	return set
}
