package rows

import (
	"slices"
	"strings"
	"testing"
)

func TestNamesOfTests(t *testing.T) {
	for name, want := range map[string]string{
		"TestK09_ForgedKeyIDsCauseFewFetches": "K-09",
		"TestJ05_K09_ForgedKeyIDs":            "J-05 K-09",
		"TestJWXStaysInThreeFiles":            "",
		"TestK9_Short":                        "",
	} {
		if got := strings.Join(OfFunction(name), " "); got != want {
			t.Errorf("%s: rows %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string][2]string{
		"TestMatrixToken/token/AT-18/chi/an_hour_ago": {"AT-18", "chi"},
		"TestMatrixToken/token#12/B-24#01/echo#02":    {"B-24", "echo"},
		"TestMatrixConstruction/B-20":                 {"B-20", ""},
		"TestMatrixToken/token":                       {"", ""},
	} {
		if id, next := OfSubtest(name); id != want[0] || next != want[1] {
			t.Errorf("%s: %q and %q, want %q", name, id, next, want)
		}
	}
}

func TestReadNamesWhatIsWrong(t *testing.T) {
	const good = "| B-01 | 6750 §2.1 | MUST | accepted | 2xx | OK |\n"
	if all, err := Read("| Id | Section |\n" + good); err != nil || len(all) != 1 || all[0].GRPC != "OK" {
		t.Errorf("%v, %v", all, err)
	}
	for text, want := range map[string]string{
		good + good: "twice",
		strings.Replace(good, "accepted", "accepted | refused", 1): "cells",
	} {
		if _, err := Read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
	for text, want := range map[string]string{
		"X\n":                         "no row",
		"B-01 only Gin: no reason\n":  "no column",
		"B-01 only chi\n":             "no reason",
		"B-01 adapters/chiauth\n":     "a package and a test",
		"B-01 adapters/chiauth T x\n": "a package and a test",
	} {
		if _, err := ReadProofs(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one that says %q", text, err, want)
		}
	}
}

func TestWhereARowIsAsked(t *testing.T) {
	p, err := ReadProofs("W-02 only chi: a reason\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		row  Row
		want []string
	}{
		{Row{ID: "W-01", HTTP: "2xx", GRPC: "OK"}, []string{"net/http", "chi", "Echo", "gin", "gRPC", "Connect"}},
		{Row{ID: "W-02", HTTP: "2xx", GRPC: "OK"}, []string{"chi"}},
		{Row{ID: "W-03", HTTP: "–", GRPC: "–"}, nil},
		{Row{ID: "K-01", HTTP: "2xx", GRPC: "OK"}, []string{"key cache"}},
	} {
		if got := p.Needs(c.row); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.row.ID, got, c.want)
		}
	}
}
