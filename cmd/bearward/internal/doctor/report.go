package doctor

import (
	"cmp"
	"fmt"
	"slices"
)

// A Severity says how much a Finding matters.
type Severity string

const (
	Fault   Severity = "fault"   // APIs or clients fail, or keys are unsafe
	Open    Severity = "open"    // it could not be told whether all is well
	Warning Severity = "warning" // works today, and will surprise somebody
	Note    Severity = "note"    // worth knowing
)

// Severities are all, the worst first.
func Severities() []Severity { return []Severity{Fault, Open, Warning, Note} }

// A Finding is one thing that is not as it should be.
type Finding struct {
	ID       string   `json:"id"`       // of the Kind; it stays the same from version to version
	Severity Severity `json:"severity"` // the Kind's, or Fault for what clients of MCP cannot do without
	Where    string   `json:"where"`    // the URL that was looked at
	What     string   `json:"what"`     // what is wrong
	Means    string   `json:"means"`    // what it means for an API that this module guards
	Do       string   `json:"do"`       // what to change
	Side     Side     `json:"side"`     // who has to change it
}

// A Fact is one line about what was looked at, whether or not all is well.
type Fact struct {
	Name string `json:"name"` // "metadata", "key set"
	Text string `json:"text"`
}

// Version is that of the JSON form of a Report. Members may be added to it; when one changes its
// meaning or goes, Version grows.
const Version = 1

// A Report is what Examine found. Its JSON form is stable (see [Version]).
type Report struct {
	Version  int       `json:"version"`
	Issuers  []string  `json:"issuers"` // that were looked at
	API      string    `json:"api,omitempty"`
	Facts    []Fact    `json:"facts"`
	Findings []Finding `json:"findings"` // the worst first
}

// Count returns how many findings are of a severity.
func (r *Report) Count(s Severity) (n int) {
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Worst returns the severity that matters most, or "" when there is no finding.
func (r *Report) Worst() Severity {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Severity
}

func (r *Report) fact(name, format string, args ...any) {
	r.Facts = append(r.Facts, Fact{name, clean(fmt.Sprintf(format, args...))})
}

// add adds a finding, unless it is there.
func (r *Report) add(f Finding) {
	if !slices.Contains(r.Findings, f) {
		r.Findings = append(r.Findings, f)
	}
}

// sort puts alarms first, then the worst, and what was found first before the rest.
func (r *Report) sort() {
	order := Severities()
	rank := func(f Finding) int {
		if kindOf(f.ID).Alarm {
			return -1
		}
		return slices.Index(order, f.Severity)
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(rank(a), rank(b)) })
}
