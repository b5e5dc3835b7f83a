// Package rows knows the rows of the conformance matrix, which of them are planned, and which tests
// prove them. A row is one testable statement: of an RFC, or a promise of our own.
package rows

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed rows.md
var rowsText string

//go:embed planned.txt
var plannedText string

//go:embed reworded.md
var rewordedText string

// A Row is one testable statement. HTTP and GRPC say what callers see, in the shorthand of rows.md.
type Row struct {
	ID, Section, Level, Statement, HTTP, GRPC string
	Planned                                   bool   // what it asks for is not built
	Why                                       string // it is not
	Reworded                                  string // the statement that it is to have, "" for the same
}

// Group returns the letters of the row's ID.
func (r Row) Group() string { group, _, _ := strings.Cut(r.ID, "-"); return group }

// Groups say what each group of rows is about.
var Groups = map[string]string{
	"B": "RFC 6750 and 9110: bearer tokens", "AT": "RFC 9068: JWT access tokens", "J": "RFC 8725 and JOSE", "S": "RFC 9700: security BCP", "AS": "RFC 8414: metadata of the issuer",
	"G": "gRPC conventions", "K": "the key cache", "O": "our own promises", "D": "RFC 9449: DPoP", "M": "RFC 8705: mutual TLS", "PR": "RFC 9728: resource metadata", "I": "RFC 7662: introspection",
	"IJ": "RFC 9701: JWT introspection responses", "SU": "RFC 9470: step-up", "RI": "RFC 8707: resource indicators", "RA": "RFC 9396: rich authorization", "SL": "token status lists",
	"MC": "MCP authorization", "F": "FAPI 2.0", "W": "promises of the second wave",
}

// A Disposition is what is done about a row.
type Disposition string

const (
	Built      Disposition = "built"
	Refused    Disposition = "refused"     // the thing is not offered, and a test shows that it is refused or ignored
	NotOffered Disposition = "not offered" // and what stands in its place is tested
	Recipe     Disposition = "Recipe"      // documented, and tested per router
	NotBuilt   Disposition = "not Built yet"
)

// Dispositions are those of the rows that are neither planned nor simply built.
var Dispositions = map[string]Disposition{
	"J-16": Refused, "AT-29": Refused, "AT-30": Refused, "J-30": Refused, "J-31": Refused, "J-32": Refused, "J-33": Refused,
	"B-09": Refused, "B-11": Refused,
	"B-07": NotOffered, "B-10": NotOffered, "B-12": NotOffered, "J-39": NotOffered,
	"B-33": Recipe, "B-34": Recipe, "S-05": Recipe, "S-10": Recipe,
}

// All returns the rows, in the order of rows.md.
func All() ([]Row, error) {
	all, err := Read(rowsText)
	if err != nil {
		return nil, err
	}
	find := func(id string) (*Row, error) {
		i := slices.IndexFunc(all, func(r Row) bool { return r.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("%q is no row", id)
		}
		return &all[i], nil
	}
	for line := range strings.Lines(plannedText) {
		line, why, _ := strings.Cut(line, "#")
		for _, id := range strings.Fields(line) {
			r, err := find(id)
			if err != nil {
				return nil, fmt.Errorf("planned.txt: %w", err)
			}
			r.Planned, r.Why = true, strings.TrimSpace(why)
		}
	}
	reworded, err := Read(rewordedText)
	if err != nil {
		return nil, fmt.Errorf("reworded.md: %w", err)
	}
	for _, n := range reworded {
		r, err := find(n.ID)
		if err != nil {
			return nil, fmt.Errorf("reworded.md: %w", err)
		}
		if r.Statement == n.Statement {
			return nil, fmt.Errorf("reworded.md: %s says that already: delete the line", n.ID)
		}
		r.Reworded = n.Statement
	}
	return all, nil
}

// Read returns the rows of a page.
func Read(text string) ([]Row, error) {
	var rows []Row
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 2 || !ID.MatchString(strings.TrimSpace(cells[1])) {
			continue
		}
		if len(cells) != 8 {
			return nil, fmt.Errorf("%d cells in %q", len(cells)-2, line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		r := Row{ID: cells[1], Section: cells[2], Level: cells[3], Statement: cells[4], HTTP: cells[5], GRPC: cells[6]}
		if slices.ContainsFunc(rows, func(o Row) bool { return o.ID == r.ID }) {
			return nil, fmt.Errorf("%s is there twice", r.ID)
		}
		rows = append(rows, r)
	}
	return rows, nil
}
