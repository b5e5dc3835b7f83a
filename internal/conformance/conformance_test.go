package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/internal/cite"
)

func mustRead(t *testing.T) ([]row, proofs) {
	t.Helper()
	rows, err := readRows(rowsText)
	if err != nil {
		t.Fatal(err)
	}
	p, err := readProofs(proofsText)
	if err != nil {
		t.Fatal(err)
	}
	return rows, p
}

func TestTheRowsAreWhole(t *testing.T) {
	rows, p := mustRead(t)
	if len(rows) != 354 {
		t.Errorf("%d rows", len(rows))
	}
	known := func(id string) bool { return slices.ContainsFunc(rows, func(r row) bool { return r.ID == id }) }
	for id := range dispositions {
		if !known(id) {
			t.Errorf("a disposition for %s, which is no row", id)
		}
	}
	for id := range p.only {
		if !known(id) {
			t.Errorf("proofs.txt: %s is no row", id)
		}
	}
	for _, r := range rows {
		if groups[r.group()] == "" {
			t.Errorf("%s: nothing says what its group is about", r.ID)
		}
	}
}

func TestARowPassesByItsTestsAlone(t *testing.T) {
	rows := []row{
		{ID: "B-01", HTTP: "2xx", GRPC: "OK"}, {ID: "B-02", HTTP: "2xx", GRPC: "OK"}, {ID: "B-03", HTTP: "401 it", GRPC: "U"}, {ID: "B-20", HTTP: "cfg", GRPC: "cfg"},
		{ID: "K-09", HTTP: "401 it", GRPC: "U"}, {ID: "O-07", HTTP: "cfg", GRPC: "cfg"}, {ID: "D-01", HTTP: "2xx", GRPC: "OK"}, {ID: "D-21", HTTP: "401 it", GRPC: "U"}, {ID: "AT-01", HTTP: "2xx", GRPC: "n/a"},
		{ID: "B-17", HTTP: "any", GRPC: "–"}, {ID: "O-04", HTTP: "all", GRPC: "all"},
	}
	p, err := readProofs("O-07 adapters/chiauth TestCheck\n")
	if err != nil {
		t.Fatal(err)
	}
	var all []ran
	matrix := func(row, door, action string) {
		all = append(all, ran{"adapters", "TestMatrixX/x/" + row + "/" + door + "/a_name/with_a_slash", action})
	}
	for _, door := range []string{"nethttp", "chi-table", "echo", "grpc-bidi"} {
		matrix("B-01", door, "pass")
		matrix("D-21", door, "pass")
		if door != "echo" {
			matrix("B-02", door, "pass")
		}
		matrix("B-03#01", door, "pass")
	}
	matrix("B-03", "chi", "fail")
	matrix("B-17", "chi#02", "pass")
	matrix("B-17", "nethttp", "pass")
	matrix("O-04", "grpc-unary", "pass")
	matrix("AT-01", "chi", "pass")
	matrix("AT-01", "echo", "skip")
	all = append(all, ran{"adapters", "TestMatrixX/x/B-01", "pass"}, ran{"adapters", "TestMatrixConstruction/B-20", "pass"},
		ran{"jwks", "TestK09_J05_ForgedKeyIDs", "pass"}, ran{"jwks", "TestK09_J05_ForgedKeyIDs/one", "pass"}, ran{"adapters/chiauth", "TestCheck", "pass"})
	if _, err := judge(rows, p, all); err == nil {
		t.Error("a test may name a row that there is not")
	}
	rows = append(rows, row{ID: "J-05", HTTP: "401 it", GRPC: "U"})
	results, err := judge(rows, p, all)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"B-01": "pass", "B-02": "MISSING Echo", "B-03": "FAIL", "B-20": "pass", "K-09": "pass", "O-07": "pass", "D-01": "not built yet", "D-21": "pass",
		"AT-01": "MISSING net/http Echo", "B-17": "MISSING Echo", "O-04": "MISSING net/http chi Echo", "J-05": "MISSING net/http chi Echo gRPC",
	}
	for _, r := range results {
		if got := strings.TrimSpace(string(r.State) + " " + strings.Join(r.Lacks, " ")); got != want[r.ID] {
			t.Errorf("%s: %s, want %s", r.ID, got, want[r.ID])
		}
	}
	p.tests[0].test = "TestGone"
	if _, err := judge(rows, p, all); err == nil {
		t.Error("a proof by a test that is not there passes")
	}
}

// The page is written by `make conformance`, and compared with a run by `make ci`; here it is compared with the rows and with the README.
func TestThePageAndTheReadmeAgree(t *testing.T) {
	rows, _ := mustRead(t)
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	var results []result
	for _, r := range rows {
		_, after, ok := strings.Cut(string(text), "\n| "+r.ID+" | ")
		res := result{ID: r.ID, State: notBuilt}
		if ok {
			line, _, _ := strings.Cut(after, "\n")
			if !strings.Contains(line, "| "+r.Statement+" |") {
				t.Errorf("%s has another statement on the page", r.ID)
			}
			cells := strings.Split(strings.TrimSuffix(strings.TrimSpace(line), "|"), " | ")
			last := strings.TrimSpace(cells[len(cells)-1])
			for _, s := range []state{passing, failed, missing} {
				if strings.HasPrefix(last, string(s)) {
					res.State = s
				}
			}
		}
		results = append(results, res)
	}
	line := strings.TrimSpace(summary(results))
	if !strings.Contains(string(text), "\n"+line+"\n") {
		t.Errorf("the page's rows count up to %q, which it does not say", line)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(strings.Fields(string(readme)), " "), line) {
		t.Errorf("the README does not say: %s", line)
	}
}

// Every line of the threat model names rows, and each of them passes.
func TestTheThreatModelStandsOnRowsThatPass(t *testing.T) {
	security, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../" + page)
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
	rows, _ := mustRead(t)
	for id, source := range cite.Rows() {
		i := slices.IndexFunc(rows, func(r row) bool { return r.ID == id })
		if i < 0 {
			t.Errorf("%s is no row", id)
			continue
		}
		want, _, _ := strings.Cut(rows[i].Section, ";")
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
