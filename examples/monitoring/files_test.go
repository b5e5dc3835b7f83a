// Package monitoring tests the dashboard and the alert rules of this folder.
package monitoring

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
)

// program returns the path of a program of Debian's package prometheus. Without
// it the test is skipped, but for CI, where that is a fault.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("no %s on this machine", name)
	}
	t.Skipf("no %s on this machine: install Debian's package prometheus", name)
	return ""
}

func TestPromtoolAccepts(t *testing.T) {
	promtool := program(t, "promtool")
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"},
		{"check", "rules", "alerts.yml"},
		{"test", "rules", "alerts_test.yml"},
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func mustRead(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// found returns the first groups of a pattern's matches, each once, in order.
func found(pattern, text string) (all []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// alerts returns the names of the alert rules.
func alerts(t *testing.T) []string {
	t.Helper()
	names := found(`(?m)^ +- alert: (\w+)$`, mustRead(t, "alerts.yml"))
	if len(names) < 6 {
		t.Errorf("alerts.yml has %d alerts", len(names))
	}
	return names
}

func TestEveryAlertIsTestedBothWaysAndExplained(t *testing.T) {
	tests, readme := mustRead(t, "alerts_test.yml"), mustRead(t, "README.md")
	fires := found(`(?m)^        alertname: (\w+)\n        exp_alerts:\n          - exp_labels:`, tests)
	silent := found(`(?m)^      - \{eval_time: \w+, alertname: (\w+)\}`, tests)
	explained := found("(?m)^### (Bearward\\w+)$", readme)
	for name, got := range map[string][]string{"a case in which it fires": fires, "a case in which it is silent": silent, "a section in README.md": explained} {
		if want := alerts(t); !slices.Equal(got, want) {
			t.Errorf("%s have %v, want %v", name, got, want)
		}
	}
}

// documented returns the metrics that promauth's package comment lists, which a
// test there holds to what is collected.
func documented(t *testing.T) []string {
	t.Helper()
	return found(`(?m)^//\t(bearward_\w+) `, mustRead(t, filepath.Join("..", "..", "adapters", "promauth", "doc.go")))
}

func TestEveryMetricExists(t *testing.T) {
	known := documented(t)
	used := map[string]bool{}
	for _, file := range []string{"dashboard.json", "alerts.yml", "alerts_test.yml", "README.md"} {
		for _, name := range found(`\b(bearward_\w+)`, mustRead(t, file)) {
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				name = strings.TrimSuffix(name, suffix)
			}
			if !slices.Contains(known, name) {
				t.Errorf("%s: promauth has no metric %s", file, name)
			}
			if file == "dashboard.json" {
				used[name] = true
			}
		}
	}
	for _, name := range known {
		if !used[name] {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

// A reason that is misspelt would match nothing, and its alert never fire.
func TestEveryReasonExists(t *testing.T) {
	var known []string
	for _, r := range auth.Reasons() {
		known = append(known, string(r))
	}
	for _, file := range []string{"dashboard.json", "alerts.yml", "alerts_test.yml"} {
		for _, names := range found(`reason=~?\\?"([A-Z_|]+)\\?"`, mustRead(t, file)) {
			for name := range strings.SplitSeq(names, "|") {
				if !slices.Contains(known, name) {
					t.Errorf("%s: %s is no reason", file, name)
				}
			}
		}
	}
}

// A dashboard is what is asserted of dashboard.json, and what Grafana's import
// needs of one.
type dashboard struct {
	Title         string
	UID           string
	SchemaVersion int
	Templating    struct {
		List []struct {
			Name, Type, Definition string
			Datasource             *source
		}
	}
	Panels []struct {
		ID          int
		Type, Title string
		Datasource  *source
		GridPos     struct{ H, W, X, Y int }
		Targets     []struct {
			RefID, Expr string
			Datasource  *source
		}
	}
}

// source names a data source.
type source struct{ Type, UID string }

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(mustRead(t, "dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDashboardCanBeImported(t *testing.T) {
	d := readDashboard(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 36 {
		t.Errorf("title %q, uid %q, schemaVersion %d", d.Title, d.UID, d.SchemaVersion)
	}
	wantSource := func(where string, s *source) {
		if s == nil || s.Type != "prometheus" || s.UID != "${datasource}" {
			t.Errorf("%s: the data source is %v, not the variable", where, s)
		}
	}
	if v := d.Templating.List; len(v) == 0 || v[0].Name != "datasource" || v[0].Type != "datasource" {
		t.Error("the first variable is not the data source")
	}
	for _, v := range d.Templating.List[1:] {
		wantSource("$"+v.Name, v.Datasource)
	}
	ids := map[int]bool{}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d, %q: the id is taken, or there is no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q lies over %q, or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		wantSource(p.Title, p.Datasource)
		if len(p.Targets) == 0 {
			t.Errorf("%q asks nothing", p.Title)
		}
		for _, target := range p.Targets {
			wantSource(p.Title+" "+target.RefID, target.Datasource)
		}
	}
}
