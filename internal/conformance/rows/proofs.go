package rows

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed proofs.txt
var proofsText string

// Columns are the places in which a row can be tested, in the order of the report.
var Columns = []string{"net/http", "chi", "Echo", "gin", "gRPC", "Connect", "guard", "key cache", "vectors", "house"}

// The columns of the adapters: those that serve HTTP, and those that serve calls.
var httpColumns, rpcColumns = Columns[:4], Columns[4:6]

// ColumnOf says which column a test of a package counts for.
func ColumnOf(pkg string) string {
	switch {
	case strings.HasPrefix(pkg, "jwks"):
		return "key cache"
	case pkg == "adapters/httpauth":
		return "net/http"
	case pkg == "adapters/chiauth":
		return "chi"
	case pkg == "adapters/echoauth":
		return "Echo"
	case pkg == "adapters/ginauth":
		return "gin"
	case pkg == "adapters/grpcauth":
		return "gRPC"
	case pkg == "adapters/connectauth":
		return "Connect"
	case strings.HasPrefix(pkg, "bench/"):
		return "vectors"
	case pkg == "internal/house":
		return "house"
	}
	return "guard"
}

// TransportColumn says which column a transport of the matrix counts for; "" when it is none.
func TransportColumn(transport string) string {
	switch kind, _, _ := strings.Cut(transport, "-"); kind {
	case "nethttp":
		return "net/http"
	case "chi":
		return "chi"
	case "echo":
		return "Echo"
	case "gin":
		return "gin"
	case "grpc":
		return "gRPC"
	case "connect":
		return "Connect"
	}
	return ""
}

// A Proof says that a test, which does not carry the row's id in its name, tests it.
type Proof struct{ Row, Package, Test string }

// Proofs are what proofs.txt says: the tests of rows, and the columns of rows that are not asked of
// every adapter.
type Proofs struct {
	Tests []Proof
	Only  map[string][]string // row to columns
	Why   map[string]string   // why a row is asked there only
}

// AllProofs returns what proofs.txt says.
func AllProofs() (Proofs, error) { return ReadProofs(proofsText) }

// ReadProofs returns what a text of the form of proofs.txt says.
func ReadProofs(text string) (Proofs, error) {
	p := Proofs{Only: map[string][]string{}, Why: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, rest, _ := strings.Cut(line, " ")
		if !ID.MatchString(id) {
			return p, fmt.Errorf("proofs.txt: no row: %q", line)
		}
		if only, ok := strings.CutPrefix(rest, "only "); ok {
			where, why, ok := strings.Cut(only, ": ")
			if !ok {
				return p, fmt.Errorf("proofs.txt: no reason: %q", line)
			}
			for c := range strings.SplitSeq(where, ", ") {
				if !slices.Contains(Columns, c) {
					return p, fmt.Errorf("proofs.txt: no column %q: %q", c, line)
				}
				p.Only[id] = append(p.Only[id], c)
			}
			p.Why[id] = why
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) != 2 {
			return p, fmt.Errorf("proofs.txt: want a row, a package and a test: %q", line)
		}
		p.Tests = append(p.Tests, Proof{id, fields[0], fields[1]})
	}
	return p, nil
}

// Needs returns the columns in which the row must be tested; none when any one will do.
func (p Proofs) Needs(r Row) []string {
	if only, ok := p.Only[r.ID]; ok {
		return only
	}
	if g := r.Group(); g == "K" || g == "AS" {
		return []string{"key cache"}
	}
	var need []string
	if asked(r.HTTP) {
		need = append(need, httpColumns...)
	}
	if asked(r.GRPC) {
		need = append(need, rpcColumns...)
	}
	return need
}

// asked reports whether a cell says what callers see there, rather than what a constructor says
// ("cfg") or nothing at all.
func asked(cell string) bool {
	return cell != "–" && cell != "n/a" && !strings.HasPrefix(cell, "cfg")
}
