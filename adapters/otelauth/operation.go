package otelauth

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	auth "github.com/bearward/bearward/middleware"
)

const (
	// other is what the semantic conventions call every value beyond a bound.
	other = "_OTHER"

	// maxNameBytes bounds a name that becomes an attribute: it is kept for as long as the Telemetry
	// is.
	maxNameBytes = 256
)

// isName reports whether an attribute may hold name. An exporter may fail as a whole on a text that
// is not UTF-8.
func isName(name string) bool {
	return len(name) <= maxNameBytes && utf8.ValidString(name) // check: name
}

// operations remembers what is recorded of each operation, of a bounded number of them. Reads take
// no lock.
type operations struct {
	most   int
	beyond *operation // what all share that have no place

	known atomic.Pointer[map[string]*operation] // replaced, never changed
	mu    sync.Mutex                            // of those who replace it
}

func (o *operations) init(most int) {
	o.most, o.beyond = most, newOperation(other)
	o.known.Store(&map[string]*operation{"": newOperation("")})
}

// named returns the operation of that name, or what stands for those beyond the bound.
func (o *operations) named(name string) *operation {
	known := *o.known.Load()
	if op := known[name]; op != nil {
		return op
	}
	if o.full(known) || !isName(name) {
		return o.beyond
	}
	return o.register(name)
}

// full reports whether no further operation has a place; that of no name needs none.
func (o *operations) full(known map[string]*operation) bool {
	return len(known)-1 >= o.most // check: operations-bound
}

func (o *operations) register(name string) *operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	known := *o.known.Load()
	if op := known[name]; op != nil {
		return op
	}
	if o.full(known) {
		return o.beyond
	}
	name = strings.Clone(name) // it may be a part of a request
	more := maps.Clone(known)
	more[name] = newOperation(name)
	o.known.Store(&more)
	return more[name]
}

// Declare gives every operation of rules that is not Public its place, so that no name that comes
// in a request can take it. It may be called again, as when the rules change; what was declared
// stays. The error names the operations that count as "_OTHER", because they are over
// Options.MaxOperations or no attribute may hold them; the rest is declared.
func (t *Telemetry) Declare(rules auth.Rules) error {
	var overLimit []string
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if !rules[name].IsPublic() && t.operations.named(name) == t.operations.beyond {
			overLimit = append(overLimit, name)
		}
	}
	if overLimit != nil {
		return fmt.Errorf("otelauth: Options.MaxOperations is %d: these operations count as %q: %q", t.operations.most, other, overLimit)
	}
	return nil
}

// An operation holds the attribute sets of its decisions, each made when it is first needed.
type operation struct {
	name string
	sets []atomic.Pointer[[]metric.AddOption] // two of each Reason, the second of those reported on only
}

// reasons are the values of error.type by Reason, first that of none, and last what stands for all
// that are not known.
var reasons = func() []string {
	names := []string{""}
	for _, r := range auth.Reasons() {
		names = append(names, string(r))
	}
	return append(names, other)
}()

// indexOf tells where a Reason stands in reasons.
var indexOf = func() map[auth.Reason]int {
	all := map[auth.Reason]int{}
	for i, r := range auth.Reasons() {
		all[r] = i + 1
	}
	return all
}()

// reasonIndex returns where the name of err's Reason is.
func reasonIndex(err *auth.Error) int {
	if err == nil {
		return 0
	}
	if n := indexOf[err.Reason]; n > 0 {
		return n
	}
	return len(reasons) - 1
}

func newOperation(name string) *operation {
	return &operation{name: name, sets: make([]atomic.Pointer[[]metric.AddOption], 2*len(reasons))}
}

// set returns the attributes of d for the counter.
func (op *operation) set(d *auth.Decision) []metric.AddOption {
	n := 2 * reasonIndex(d.Err)
	if d.ReportOnly {
		n++
	}
	if set := op.sets[n].Load(); set != nil {
		return *set
	}
	set := []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(op.attributes(d)...))}
	op.sets[n].Store(&set) // one of several that were made at the same time: they are alike
	return set
}

// attributes are what the counter and the event of d have alike.
func (op *operation) attributes(d *auth.Decision) []attribute.KeyValue {
	attrs := []attribute.KeyValue{attribute.String(keyOutcome, d.Outcome())}
	if op.name != "" {
		attrs = append(attrs, attribute.String(keyOperation, op.name))
	}
	if d.Err != nil {
		attrs = append(attrs, semconv.ErrorTypeKey.String(reasons[reasonIndex(d.Err)]))
	}
	return attrs
}
