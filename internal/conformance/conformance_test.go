package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/internal/cite"
	"github.com/bearward/bearward/internal/conformance/rows"
)

func mustRead(t *testing.T) ([]rows.Row, rows.Proofs) {
	t.Helper()
	matrix, err := rows.All()
	if err != nil {
		t.Fatal(err)
	}
	p, err := rows.AllProofs()
	if err != nil {
		t.Fatal(err)
	}
	return matrix, p
}

func TestTheRowsAreWhole(t *testing.T) {
	matrix, p := mustRead(t)
	if len(matrix) != 380 {
		t.Errorf("%d rows", len(matrix))
	}
	known := func(id string) bool { return slices.ContainsFunc(matrix, func(r rows.Row) bool { return r.ID == id }) }
	for id := range rows.Dispositions {
		if !known(id) {
			t.Errorf("a disposition for %s, which is no row", id)
		}
	}
	for id := range p.Only {
		if !known(id) {
			t.Errorf("proofs.txt: %s is no row", id)
		}
	}
	for _, r := range matrix {
		if rows.Groups[r.Group()] == "" {
			t.Errorf("%s: nothing says what its group is about", r.ID)
		}
	}
}

func TestARowPassesByItsTestsAlone(t *testing.T) {
	matrix := []rows.Row{
		{ID: "B-01", HTTP: "2xx", GRPC: "OK"}, {ID: "B-02", HTTP: "2xx", GRPC: "OK"}, {ID: "B-03", HTTP: "401 it", GRPC: "U"}, {ID: "B-20", HTTP: "cfg", GRPC: "cfg"},
		{ID: "K-09", HTTP: "401 it", GRPC: "U"}, {ID: "O-07", HTTP: "cfg", GRPC: "cfg"}, {ID: "D-01", HTTP: "2xx", GRPC: "OK", Planned: true}, {ID: "D-21", HTTP: "401 it", GRPC: "U", Planned: true}, {ID: "AT-01", HTTP: "2xx", GRPC: "n/a"},
		{ID: "B-17", HTTP: "any", GRPC: "–"}, {ID: "O-04", HTTP: "all", GRPC: "all"},
		{ID: "B-04", HTTP: "2xx", GRPC: "OK"},
	}
	p, err := rows.ReadProofs("O-07 adapters/chiauth TestCheck\n")
	if err != nil {
		t.Fatal(err)
	}
	var all []ran
	transport := func(row, transport, action string) {
		all = append(all, ran{"internal/conformance", "TestMatrixX/x/" + row + "/" + transport + "/a_name/with_a_slash", action})
	}
	for _, kind := range []string{"nethttp", "chi-table", "echo", "gin", "grpc-bidi", "connect-unary"} {
		transport("B-01", kind, "pass")
		transport("D-21", kind, "pass")
		if kind != "echo" {
			transport("B-02", kind, "pass")
		}
		transport("B-03#01", kind, "pass")
	}
	transport("B-03", "chi", "fail")
	transport("B-17", "chi#02", "pass")
	transport("B-17", "nethttp", "pass")
	transport("O-04", "grpc-unary", "pass")
	for kind, action := range map[string]string{"nethttp": "pass", "chi": "pass", "echo": "pass", "gin": "fail", "grpc-unary": "pass", "connect-unary": "pass"} {
		all = append(all, ran{"internal/routers", "TestEveryRow/TestMatrixX/x/B-04/" + kind + "/a_name", action})
	}
	transport("AT-01", "chi", "pass")
	transport("AT-01", "echo", "skip")
	all = append(all, ran{"internal/conformance", "TestMatrixX/x/B-01", "pass"}, ran{"internal/conformance", "TestMatrixConstruction/B-20", "pass"},
		ran{"jwks", "TestK09_J05_ForgedKeyIDs", "pass"}, ran{"jwks", "TestK09_J05_ForgedKeyIDs/one", "pass"}, ran{"adapters/chiauth", "TestCheck", "pass"})
	if _, err := resultsOf(matrix, p, all); err == nil {
		t.Error("a test may name a row that there is not")
	}
	matrix = append(matrix, rows.Row{ID: "J-05", HTTP: "401 it", GRPC: "U"})
	results, err := resultsOf(matrix, p, all)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"B-01": "pass", "B-02": "MISSING Echo", "B-03": "FAIL", "B-20": "pass", "K-09": "pass", "O-07": "pass", "D-01": "not built yet", "D-21": "pass",
		"AT-01": "MISSING net/http Echo gin", "B-17": "MISSING Echo gin", "O-04": "MISSING net/http chi Echo gin Connect", "J-05": "MISSING net/http chi Echo gin gRPC Connect",
		"B-04": "FAIL",
	}
	for _, r := range results {
		if got := strings.TrimSpace(string(r.State) + " " + strings.Join(r.Lacks, " ")); got != want[r.ID] {
			t.Errorf("%s: %s, want %s", r.ID, got, want[r.ID])
		}
	}
	p.Tests[0].Test = "TestGone"
	if _, err := resultsOf(matrix, p, all); err == nil {
		t.Error("a proof by a test that is not there passes")
	}
}

// The page is written by `make conformance`, and compared with a run by `make ci`; here its
// statements are compared with the rows.
func TestThePageSaysWhatTheRowsSay(t *testing.T) {
	matrix, _ := mustRead(t)
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, r := range matrix {
		_, line, ok := strings.Cut(string(text), "\n| "+r.ID+" | ")
		line, _, _ = strings.Cut(line, "\n")
		switch {
		case ok && !strings.Contains(line, "| "+r.Statement+" |"):
			t.Errorf("%s has another statement on the page", r.ID)
		case ok:
			found++
		case !r.Planned:
			t.Errorf("%s is not on the page", r.ID)
		}
	}
	if found < 200 {
		t.Errorf("the page has %d rows", found)
	}
}

// Every line of the threat model names rows, and each of them passes.
func TestTheThreatModelStandsOnRowsThatPass(t *testing.T) {
	security, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, model, ok := strings.Cut(string(security), "| an attacker |")
	if !ok {
		t.Fatal("SECURITY.md has no table of attackers")
	}
	model, _, _ = strings.Cut(model, "\n\n")
	lines := strings.Split(model, "\n")[2:]
	if len(lines) < 10 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		ids := regexp.MustCompile(`[A-Z]{1,2}-\d\d`).FindAllString(cells[len(cells)-1], -1)
		if len(ids) == 0 {
			t.Errorf("no row: %s", line)
		}
		for _, id := range ids {
			_, after, ok := strings.Cut(string(text), "\n| "+id+" | ")
			after, _, _ = strings.Cut(after, "\n")
			if !ok || !strings.Contains(after, "| pass") {
				t.Errorf("row %s does not pass: %s", id, line)
			}
		}
	}
}

// The test kits name the sources of rows as the matrix does.
func TestCitedSources(t *testing.T) {
	matrix, _ := mustRead(t)
	for id, source := range cite.Rows() {
		i := slices.IndexFunc(matrix, func(r rows.Row) bool { return r.ID == id })
		if i < 0 {
			t.Errorf("%s is no row", id)
			continue
		}
		want, _, _ := strings.Cut(matrix[i].Section, ";")
		switch {
		case want == "OURS":
			want = "Bearward"
		case want[0] >= '0' && want[0] <= '9':
			want = "RFC " + want
		}
		if source != want {
			t.Errorf("%s: %q, want %q", id, source, want)
		}
	}
}
