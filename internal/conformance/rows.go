package main

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

//go:embed rows.md
var rowsText string

//go:embed proofs.txt
var proofsText string

// A row is one testable statement.
type row struct {
	ID, Section, Level, Statement, HTTP, GRPC string
}

func (r row) group() string { group, _, _ := strings.Cut(r.ID, "-"); return group }

// waveOne are the groups that are built, in the order of the page.
var waveOne = []string{"B", "AT", "J", "S", "AS", "G", "K", "O"}

// groups say what each group of rows is about.
var groups = map[string]string{
	"B": "RFC 6750 and 9110: bearer tokens", "AT": "RFC 9068: JWT access tokens", "J": "RFC 8725 and JOSE", "S": "RFC 9700: security BCP", "AS": "RFC 8414: metadata of the issuer",
	"G": "gRPC conventions", "K": "the key cache", "O": "our own promises", "D": "RFC 9449: DPoP", "M": "RFC 8705: mutual TLS", "PR": "RFC 9728: resource metadata", "I": "RFC 7662: introspection",
	"IJ": "RFC 9701: JWT introspection responses", "SU": "RFC 9470: step-up", "RI": "RFC 8707: resource indicators", "RA": "RFC 9396: rich authorization", "SL": "token status lists",
	"MC": "MCP authorization", "F": "FAPI 2.0",
}

// A disposition is what is done about a row.
type disposition string

const (
	built      disposition = "built"
	refuseTest disposition = "refused"     // the thing is not offered, and a test shows that it is refused or ignored
	notOffered disposition = "not offered" // and what stands in its place is tested
	recipe     disposition = "recipe"      // documented, and tested per router
	later      disposition = "not built yet"
)

// dispositions are those of the rows of wave 1 that are not simply built.
var dispositions = map[string]disposition{
	"J-16": refuseTest, "AT-29": refuseTest, "AT-30": refuseTest, "J-30": refuseTest, "J-31": refuseTest, "J-32": refuseTest, "J-33": refuseTest, "S-03": refuseTest,
	"S-06": refuseTest, "S-07": refuseTest, "S-08": refuseTest, "B-09": refuseTest, "B-11": refuseTest,
	"B-07": notOffered, "B-10": notOffered, "B-12": notOffered, "J-39": notOffered,
	"B-33": recipe, "B-34": recipe, "S-05": recipe, "S-10": recipe,
}

var rowID = regexp.MustCompile(`^[A-Z]{1,2}-\d\d$`)

func readRows(text string) ([]row, error) {
	var rows []row
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 2 || !rowID.MatchString(strings.TrimSpace(cells[1])) {
			continue
		}
		if len(cells) != 8 {
			return nil, fmt.Errorf("rows.md: %d cells in %q", len(cells)-2, line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		r := row{cells[1], cells[2], cells[3], cells[4], cells[5], cells[6]}
		if slices.ContainsFunc(rows, func(o row) bool { return o.ID == r.ID }) {
			return nil, fmt.Errorf("rows.md: %s is there twice", r.ID)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// columns are the places in which a row can be tested, in the order of the report.
var columns = []string{"net/http", "chi", "Echo", "gRPC", "guard", "key cache", "vectors", "house"}

var httpColumns = columns[:3]

// columnOf says which column a test of a package counts for.
func columnOf(pkg string) string {
	switch {
	case strings.HasPrefix(pkg, "jwks"):
		return "key cache"
	case pkg == "adapters/httpauth":
		return "net/http"
	case pkg == "adapters/chiauth":
		return "chi"
	case pkg == "adapters/echoauth":
		return "Echo"
	case pkg == "adapters/grpcauth":
		return "gRPC"
	case strings.HasPrefix(pkg, "bench/"):
		return "vectors"
	case pkg == "":
		return "house"
	}
	return "guard"
}

// doorColumn says which column a door of the matrix counts for; "" when it is none.
func doorColumn(door string) string {
	switch kind, _, _ := strings.Cut(door, "-"); kind {
	case "nethttp":
		return "net/http"
	case "chi":
		return "chi"
	case "echo":
		return "Echo"
	case "grpc":
		return "gRPC"
	}
	return ""
}

// A proof says that a test, which does not carry the row's id in its name, tests it.
type proof struct{ row, pkg, test string }

// Proofs are what proofs.txt says: the tests of rows, and the columns of rows that are not asked of every adapter.
type proofs struct {
	tests []proof
	only  map[string][]string // row to columns
	why   map[string]string
}

func readProofs(text string) (proofs, error) {
	p := proofs{only: map[string][]string{}, why: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, rest, _ := strings.Cut(line, " ")
		if !rowID.MatchString(id) {
			return p, fmt.Errorf("proofs.txt: no row: %q", line)
		}
		if only, ok := strings.CutPrefix(rest, "only "); ok {
			where, why, ok := strings.Cut(only, ": ")
			if !ok {
				return p, fmt.Errorf("proofs.txt: no reason: %q", line)
			}
			for c := range strings.SplitSeq(where, ", ") {
				if !slices.Contains(columns, c) {
					return p, fmt.Errorf("proofs.txt: no column %q: %q", c, line)
				}
				p.only[id] = append(p.only[id], c)
			}
			p.why[id] = why
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) != 2 {
			return p, fmt.Errorf("proofs.txt: want a row, a package and a test: %q", line)
		}
		p.tests = append(p.tests, proof{id, strings.TrimPrefix(fields[0], "."), fields[1]})
	}
	return p, nil
}

// needs returns the columns in which the row must be tested; none when any one will do.
func (p proofs) needs(r row) []string {
	if only, ok := p.only[r.ID]; ok {
		return only
	}
	if g := r.group(); g == "K" || g == "AS" {
		return []string{"key cache"}
	}
	var need []string
	if asked(r.HTTP) {
		need = append(need, httpColumns...)
	}
	if asked(r.GRPC) {
		need = append(need, "gRPC")
	}
	return need
}

// asked reports whether a cell says what callers see there, rather than what a constructor says ("cfg") or nothing at all.
func asked(cell string) bool {
	return cell != "–" && cell != "n/a" && !strings.HasPrefix(cell, "cfg")
}
