package promauth_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bearward/bearward/adapters/promauth"
	"github.com/bearward/bearward/jwks"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/introspect"
)

// everything gathers Metrics of which every series exists.
func everything(t *testing.T) *prometheus.Registry {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	synctest.Test(t, func(t *testing.T) {
		m, err := promauth.New(reg, nil)
		if err != nil {
			t.Fatal(err)
		}
		measured := mustIssuer(t, m, "main")
		if err := measured.Watch(authtest.NewIssuer(t, nil).Source(&jwks.Options{OnRefresh: measured.OnRefresh})); err != nil {
			t.Fatal(err)
		}
		measured.OnCall(introspect.Call{Outcome: introspect.Active})
		synctest.Wait()
	})
	return reg
}

func TestTheTableOfThePackageCommentIsWhatIsCollected(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, row := range regexp.MustCompile(`(?m)^//\t(bearward_\w+) +(\w+) +(\w+(?:, \w+)*)  +\S`).FindAllStringSubmatch(string(source), -1) {
		labels := strings.Split(row[3], ", ")
		slices.Sort(labels)
		want = append(want, strings.Join([]string{row[1], row[2], strings.Join(labels, " ")}, ": "))
	}
	slices.Sort(want)

	families, err := everything(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		got = append(got, strings.Join([]string{f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, " ")}, ": "))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("collected\n\t%s\nthe package comment has\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// Prometheus's own linter knows its naming practice.
func TestNamesFollowThePractice(t *testing.T) {
	problems, err := testutil.GatherAndLint(everything(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// What packages jwks and introspect add to closed sets must become a label here.
func TestClosedSetsAreComplete(t *testing.T) {
	api, err := os.ReadFile("../../internal/house/api.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := gathered(t, everything(t))
	for _, c := range []struct{ typ, series, label, without string }{
		{"State", "bearward_jwks_state{", "state", ""},
		{"Trigger", "bearward_jwks_fetches_total{", "trigger", string(jwks.TriggerSnapshot)},
		{"SkipReason", "bearward_jwks_skipped_keys{", "reason", ""},
		{"Outcome", "bearward_introspection_calls_total{", "outcome", ""},
	} {
		var want, got []string
		for _, m := range regexp.MustCompile(`(?m)^(?:jwks|middleware/introspect): const \w+ `+c.typ+` = "(\w+)"$`).FindAllStringSubmatch(string(api), -1) {
			if m[1] != c.without {
				want = append(want, m[1])
			}
		}
		for series := range all {
			if m := regexp.MustCompile(`\b` + c.label + `="(\w+)"`).FindStringSubmatch(series); m != nil && strings.HasPrefix(series, c.series) {
				got = append(got, m[1])
			}
		}
		slices.Sort(got)
		got = slices.Compact(got)
		slices.Sort(want)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: labels %v, constants %v", c.typ, got, want)
		}
	}
}
