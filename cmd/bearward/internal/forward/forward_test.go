package forward

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/middleware/authtest"
)

// files writes a configuration and rules, and returns the name of the first.
func files(t *testing.T, config, rules string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules.txt"), rules)
	file := filepath.Join(dir, "forward.json")
	write(t, file, config)
	return file
}

// write replaces a file at once.
func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

const rulesText = "GET /orders = read:orders\n"

func TestConfigurationsAreStrict(t *testing.T) {
	const rest = `"listen": "127.0.0.1:0", "for": ["https://api.example.com"], "gateways": ["127.0.0.1", "10.0.0.0/28", "::1"], "rules": "rules.txt", "issuers": [{"issuer": "https://issuer.example", "audience": "a"}]}`
	if err := Check(files(t, "{"+rest, rulesText)); err != nil {
		t.Fatal(err)
	}
	for want, config := range map[string]string{
		":2:3: there is no setting /gateway":    "{\n  \"gateway\": [],\n" + rest,
		":3:4: there is no setting /issuers/0/": "{\"issuers\": [\n{\"issuer\": \"x\",\n   \"audiance\": 1}]}",
		":1:12: /listen cannot be read here":    `{"listen": 7}`,
		":1:13: ":                               `{"listen": "`,
		"duplicate":                             `{"listen": "a", "listen": "b"}`,
		`no "rules"`:                            `{}`,
		`no "listen"`:                           `{"rules": "rules.txt"}`,
		`"form" is "other"`:                     `{"form": "other", ` + rest,
		`"dpop" is "on"`:                        `{"dpop": "on", ` + rest,
		`neither an address nor a range`:        strings.Replace("{"+rest, "::1", "localhost", 1),
		"every caller would be heard":           strings.Replace("{"+rest, "10.0.0.0/28", "0.0.0.0/0", 1),
		`"revokers": "ops" is neither`:          `{"revokers": ["ops"], ` + rest,
		`everybody, or nobody, could revoke`:    `{"revokers": ["0.0.0.0/0"], ` + rest,
		"::ffff:10.0.0.1/128: everybody, or":    `{"revokers": ["::ffff:10.0.0.1"], ` + rest,
		"Options.For is empty":                  strings.Replace("{"+rest, `"https://api.example.com"`, "", 1),
		"Options.Gateways or":                   strings.Replace("{"+rest, `"127.0.0.1", "10.0.0.0/28", "::1"`, "", 1),
		`no "issuers"`:                          strings.Replace("{"+rest, `{"issuer": "https://issuer.example", "audience": "a"}`, "", 1),
		`"issuers", the 1. of them`:             strings.Replace("{"+rest, `"audience"`, `"preset": "nobody", "audience"`, 1),
		"rules.txt":                             strings.Replace("{"+rest, `"rules.txt"`, `"other/rules.txt"`, 1),
	} {
		err := Check(files(t, config, rulesText))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot %v, want an error with %q", config, err, want)
		}
	}
}

func TestServer(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	file := files(t, fmt.Sprintf(`{"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "for": ["https://api.example.com"], "gateways": ["127.0.0.1"], "rules": "rules.txt",
		"dpop": "allow", "issuers": [{"issuer": %q, "audience": %q}]}`, issuer.URL, issuer.Audience), rulesText)
	r := serve(t, Options{File: file, Every: 5 * time.Millisecond})
	good, other := issuer.Token("read:orders"), issuer.Token("other")
	for _, c := range []struct {
		target, token string
		want          int
	}{{"/orders", good, 200}, {"/orders", other, 403}, {"/orders", "x", 401}, {"/a/../orders", good, 400}, {"/stats", good, 403}} {
		if got := r.ask(c.target, c.token); got != c.want {
			t.Errorf("%s: got %d, want %d", c.target, got, c.want)
		}
	}
	rules := filepath.Join(filepath.Dir(file), "rules.txt")
	write(t, rules, "GET /orders = read:orders\nGET /stats = other\n")
	r.until("new rules", func() bool { return r.ask("/stats", other) == 200 })
	write(t, rules, "GET /stats = \n")
	r.until("a fault is counted", func() bool {
		_, text := r.get("/metrics")
		return strings.Contains(text, "bearward_forward_rules_failing 1\n")
	})
	if got := r.ask("/stats", other); got != 200 {
		t.Errorf("rules with a fault replaced good ones: got %d", got)
	}
	if err := os.Remove(rules); err != nil {
		t.Fatal(err)
	}
	write(t, rules, rulesText)
	r.until("the first rules", func() bool { return r.ask("/stats", other) == 403 })
	for _, line := range []string{`bearward_forward_decisions_total{reason="INSUFFICIENT_SCOPE"} 1`, `bearward_forward_faults_total{fault="PATH_AMBIGUOUS"} 1`, "bearward_forward_ready 1", "bearward_forward_rules_failing 0"} {
		r.until(line, func() bool { return r.has(line) }) // rules are counted once they are in use
	}
}
