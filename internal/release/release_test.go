package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Every nested module builds by the version of the root that it requires, which is the one at HEAD
// under the version to come. No replace is in force: a consumer gets none.
func TestW23_ModulesBuildAsAConsumerGetsThem(t *testing.T) {
	if testing.Short() {
		t.Skip("builds every dependency again")
	}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	if _, err := run(t.Context(), "../..", nil, "git", "rev-parse", "HEAD"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no clone of the repository")
	}
	var said strings.Builder
	err := rehearse(t.Context(), "../..", &said)
	t.Log(said.String())
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsGoneIsTold(t *testing.T) {
	const before = `middleware: func Old(a string) error
middleware: func Kept() error
middleware: method (*Guard) Former() error
middleware: field (Config) Width int
middleware: type Vanished struct
middleware: const Zero Reason = "ZERO"
`
	const now = `middleware: func Old(a, b string) error
middleware: func Kept() error
middleware: func New() error
`
	for _, tt := range []struct {
		changes string
		want    []string // names that are not told
	}{
		{"", []string{"Old", "Former", "Width", "Vanished", "Zero"}},
		{"- [CHANGE] `auth.Old` takes two. `Guard.Former` is gone, and `Config.Width`.\n- [CHANGE] `auth.Vanished` is gone.\n- [CHANGE] `auth.Zero` too.\n", nil},
		{"- [FEATURE] `auth.Old` takes two.\n- [CHANGE] `Olden`\n", []string{"Old", "Former", "Width", "Vanished", "Zero"}},
		{"- [SECURITY] `auth.Old` takes two.\n- [CHANGE] `auth.Config` has other fields.\n", []string{"Former", "Vanished", "Zero"}},
	} {
		gone, lines := notTold(before, now, tt.changes)
		if gone != 5 {
			t.Errorf("%d lines are gone, want 5", gone)
		}
		for _, line := range lines {
			if !slices.ContainsFunc(tt.want, func(name string) bool { return strings.Contains(line, name) }) {
				t.Errorf("%q: %s is told", tt.changes, line)
			}
		}
		if len(lines) != len(tt.want) {
			t.Errorf("%q: not told are %q, want %q", tt.changes, lines, tt.want)
		}
	}
}

func TestRequirementsOfAnotherVersionAreFound(t *testing.T) {
	r := &release{version: "v0.2.0", files: map[string][]byte{
		"":              []byte("module " + rootPath + "\n"),
		"adapters/good": []byte("module " + rootPath + "/adapters/good\n\nrequire " + rootPath + " v0.2.0\n"),
		"adapters/old":  []byte("module " + rootPath + "/adapters/old\n\nrequire " + rootPath + " v0.1.0\n"),
		"adapters/sub":  []byte("module " + rootPath + "/adapters/sub\n\nrequire " + rootPath + "/adapters/good v0.1.0\n"),
		"adapters/name": []byte("module " + rootPath + "/adapters/other\n"),
	}}
	_, err := r.checkRequirements(t.Context(), "")
	if err == nil {
		t.Fatal("nothing was found")
	}
	for _, want := range []string{"adapters/old/go.mod", "adapters/sub/go.mod", "adapters/name/go.mod"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "adapters/good/go.mod") {
		t.Errorf("a good one is named: %v", err)
	}
}

func TestTheChangelogNamesTheVersion(t *testing.T) {
	version, text, err := newest("# Changelog\n\nWords.\n\n## v1.2.3, unreleased\n\n- [FIX] a\n\n## v1.2.2\n\n- [FIX] b\n")
	if version != "v1.2.3" || !strings.Contains(text, "[FIX] a") || strings.Contains(text, "[FIX] b") || err != nil {
		t.Errorf("%q, %q, %v", version, text, err)
	}
	for _, log := range []string{"", "# Changelog\n", "\n## Unreleased\n", "\n## v1.2\n"} {
		if version, _, err := newest(log); err == nil {
			t.Errorf("%q: version %q", log, version)
		}
	}
}
