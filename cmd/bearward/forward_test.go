package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// forwardFiles writes a configuration and its rules, and returns the name of the first.
func forwardFiles(t *testing.T, config, rules string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"forward.json": config, "rules.txt": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "forward.json")
}

func TestForwardCommand(t *testing.T) {
	good := `{"listen": "127.0.0.1:0", "for": ["https://api.example.com"], "gateways": ["127.0.0.1"], "rules": "rules.txt", "issuers": [{"issuer": "https://issuer.example", "audience": "a"}]}`
	for _, c := range []struct {
		args     []string
		code     int
		out, err string
	}{
		{[]string{"forward", "-h"}, exitGood, "bearward forward -config FILE", ""},
		{[]string{"forward"}, exitUsage, "", "it takes -config FILE"},
		{[]string{"forward", "-config", "/nowhere"}, exitUsage, "", "/nowhere"},
		{[]string{"forward", "-check", "-config", forwardFiles(t, good, "GET /orders = read:orders\n")}, exitGood, "nothing found", ""},
		{[]string{"forward", "-check", "-config", forwardFiles(t, good, "GET /orders read:orders\n")}, exitUsage, "", "rules.txt: auth: ParseRules: line 1, column"},
	} {
		var out, err strings.Builder
		if code := run(t.Context(), terminal{out: &out, err: &err}, c.args); code != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(err.String(), c.err) {
			t.Errorf("%q: got %d\n%s%s", c.args, code, &out, &err)
		}
	}
}
