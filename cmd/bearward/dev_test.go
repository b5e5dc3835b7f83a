package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/provider"
)

// A devRun is a `bearward dev` that runs.
type devRun struct {
	out, err string // what it has written up to its last line, and at the end
	url      string
	end      func() (code int)
}

// startDev runs `bearward dev`, on a free port, until the test ends or end is called.
func startDev(t *testing.T, colour bool, args ...string) *devRun {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	var stderr strings.Builder
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, terminal{out: write, err: &stderr, colour: colour, errColour: colour}, append([]string{"dev", "-addr", "127.0.0.1:0"}, args...))
		write.Close()
	}()
	d := new(devRun)
	lines := bufio.NewReader(read)
	for !strings.Contains(d.out, "until it is interrupted") {
		line, err := lines.ReadString('\n')
		if d.out += line; err != nil {
			t.Fatalf("exit code %d\n%s%s", <-code, d.out, &stderr)
		}
	}
	rest := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, lines); close(rest) }()
	d.url = regexp.MustCompile(`It serves (\S+)`).FindStringSubmatch(d.out)[1]
	ended := false
	d.end = func() int {
		if ended {
			return 0
		}
		ended = true
		cancel()
		<-rest
		c := <-code
		d.err = stderr.String()
		return c
	}
	t.Cleanup(func() { d.end() })
	return d
}

var (
	anyPort  = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)
	anyToken = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)
)

// stable is what a run has written, without what differs each time.
func stable(s string) string {
	s = strings.ReplaceAll(s, "127.0.0.1:8080", "API")
	return anyToken.ReplaceAllString(anyPort.ReplaceAllString(s, "HOST"), "JWT")
}

// ask calls an API of auth.New's and returns the status.
func askAPI(t *testing.T, api, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func serveAPI(t *testing.T, guard *auth.Guard, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(guard.Require("read:orders")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.PrincipalFrom(r.Context())
		fmt.Fprintln(w, caller.Subject())
	})))
	t.Cleanup(func() { api.Close(); guard.Close() })
	return api.URL
}

func TestDevIsAnIssuerForTheFirstMinute(t *testing.T) {
	d := startDev(t, false)
	guard, err := auth.New(d.url, "https://orders.example", nil)
	api := serveAPI(t, guard, err)
	for name, tt := range map[string]struct {
		args []string
		want int
	}{
		"as dev was told":  {nil, http.StatusOK},
		"another scope":    {[]string{"-scopes", "write:orders"}, http.StatusForbidden},
		"no scope":         {[]string{"-scopes", ""}, http.StatusForbidden},
		"two scopes":       {[]string{"-scopes", "a,read:orders"}, http.StatusOK},
		"another audience": {[]string{"-aud", "https://other.example"}, http.StatusUnauthorized},
		"expired":          {[]string{"-ttl", "-1m"}, http.StatusUnauthorized},
		"another issuer":   {[]string{"-claims", `{"iss": "https://other.example"}`}, http.StatusUnauthorized},
	} {
		token, stderr, code := bearward(t, "", append([]string{"dev", "token", "-issuer", d.url}, tt.args...)...)
		if code != exitGood || stderr != "" || !anyToken.MatchString(token) || strings.Count(token, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q, %q", name, code, token, stderr)
		}
		if got := askAPI(t, api, strings.TrimSpace(token)); got != tt.want {
			t.Errorf("%s: status %d, want %d", name, got, tt.want)
		}
	}
	if got := askAPI(t, api, ""); got != http.StatusUnauthorized {
		t.Errorf("no token: status %d", got)
	}
	if got := askAPI(t, api, anyToken.FindString(d.out)); got != http.StatusOK {
		t.Errorf("the token that dev prints: status %d", got)
	}

	before, _, _ := bearward(t, "", "dev", "token", "-issuer", d.url)
	if out, stderr, code := bearward(t, "", "dev", "rotate", "-issuer", d.url); code != exitGood || !strings.HasPrefix(out, "tokens are signed by key ") {
		t.Errorf("rotate: exit code %d, %q, %q", code, out, stderr)
	}
	after, _, _ := bearward(t, "", "dev", "token", "-issuer", d.url)
	for _, token := range []string{before, after} {
		if got := askAPI(t, api, strings.TrimSpace(token)); got != http.StatusOK {
			t.Errorf("after a rotation: status %d", got)
		}
	}

	if code := d.end(); code != exitGood {
		t.Errorf("exit code %d", code)
	}
	if _, stderr, code := bearward(t, "", "dev", "token", "-issuer", d.url); code != exitOpen || !strings.Contains(stderr, "Is `bearward dev` running?") {
		t.Errorf("after its end: exit code %d, %q", code, stderr)
	}
}

func TestDevWritesWhatIsNeeded(t *testing.T) {
	const warning = "DEVELOPMENT ONLY: every program on this machine gets any token from this issuer.\nNo API that others reach may trust it."
	const tail = `A token for it:
  TOKEN=JWT
  curl -i -H "Authorization: Bearer $TOKEN" http://API/orders
Others, from a second terminal:
  bearward dev token -issuer http://HOST -scopes read:orders

It serves http://HOST%s until it is interrupted (Ctrl-C).
`
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, `The guard of your API:
  guard, err := auth.New("http://HOST", "https://orders.example", nil)
Or provider.FromEnv(nil), and:
  export BEARWARD_ISSUER=http://HOST BEARWARD_AUDIENCE=https://orders.example
` + fmt.Sprintf(tail, "")},
		{[]string{"-preset", "keycloak", "-aud", "the shop"}, `The guard of your API:
  preset, err := provider.Named("keycloak", "http://HOST/realms/dev", "the shop")
  guard, err := preset.Guard(nil)
Or provider.FromEnv(nil), and:
  export BEARWARD_ISSUER=http://HOST/realms/dev BEARWARD_AUDIENCE='the shop' BEARWARD_PRESET=keycloak
` + fmt.Sprintf(tail, "/realms/dev")},
	} {
		plain := startDev(t, false, tt.args...)
		plain.end()
		if got := stable(plain.out); got != tt.want || plain.err != warning+"\n\n" {
			t.Errorf("%q: got\n%s%s\nwant\n%s", tt.args, plain.err, got, tt.want)
		}
		colours := startDev(t, true, tt.args...)
		colours.end()
		if want := "\x1b[1;31m" + warning + "\x1b[0m\n\n"; colours.err != want || !strings.Contains(colours.out, "\x1b[1mA token for it:\x1b[0m\n") {
			t.Errorf("got %q, %q", colours.err, colours.out)
		}
		if got := stable(strings.NewReplacer("\x1b[1m", "", "\x1b[0m", "").Replace(colours.out)); got != tt.want {
			t.Errorf("colours change the text:\n%s", got)
		}
	}
}

func TestDevMakesTokensInTheFormOfAPreset(t *testing.T) {
	d := startDev(t, false, "-preset", "keycloak", "-roles", "admin,Order Admin", "-sub", "bob")
	preset, err := provider.Named("keycloak", d.url, "https://orders.example")
	if err != nil {
		t.Fatal(err)
	}
	guard, err := preset.Guard(nil)
	api := serveAPI(t, guard, err)
	token := anyToken.FindString(d.out)
	if got := askAPI(t, api, token); got != http.StatusOK {
		t.Errorf("status %d", got)
	}
	ctx, err := guard.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + token}}, auth.Role("Order Admin"))
	p, _ := auth.PrincipalFrom(ctx)
	if err != nil || p.Subject() != "bob" || fmt.Sprint(p.Roles()) != "[admin Order Admin]" {
		t.Errorf("got %v, %v", p, err)
	}
}

// The environment that dev prints is the one that an API reads.
func TestDevPrintsTheEnvironmentOfAnAPI(t *testing.T) {
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "BEARWARD_") {
			t.Setenv(name, value) // for what it is set to afterwards
			os.Unsetenv(name)
		}
	}
	d := startDev(t, false, "-preset", "keycloak")
	export := regexp.MustCompile(`(?m)^  export (.*)$`).FindStringSubmatch(d.out)[1]
	for _, entry := range strings.Fields(export) {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	guard, err := provider.FromEnv(nil)
	api := serveAPI(t, guard, err)
	if got := askAPI(t, api, anyToken.FindString(d.out)); got != http.StatusOK {
		t.Errorf("status %d", got)
	}
}

func TestShellWordsAreQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"https://orders.example": "https://orders.example", "a b": "'a b'", "": "''", "it's $HOME": `'it'\''s $HOME'`, "a;b": "'a;b'",
	} {
		if got := shellWord(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestDevRefusesWrongUsageByName(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-addr", "0.0.0.0:0"}, "-addr 0.0.0.0:0: only a loopback address"},
		{[]string{"-addr", "9000"}, "-addr 9000"},
		{[]string{"-preset", "okta"}, `-preset "okta": an issuer on this machine can be one of dex, `},
		{[]string{"-rotate", "10ms"}, "-rotate 10ms"},
		{[]string{"-keys", t.TempDir()}, "-keys "},
		{[]string{"-ttl", "0s"}, "-ttl"},
		{[]string{"-ttl", "721h"}, "-ttl"},
		{[]string{"-ttl", "soon"}, "-ttl"},
		{[]string{"-claims", "["}, "-claims"},
		{[]string{"-port", "1"}, "-port"},
		{[]string{"tokens"}, `"tokens"`},
		{[]string{"token", "-addr", "127.0.0.1:1"}, "-addr"},
		{[]string{"token", "x"}, `"x"`},
		{[]string{"token", "-issuer", "http://issuer.example"}, `-issuer "http://issuer.example"`},
		{[]string{"token", "-issuer", "https://127.0.0.1:1"}, `-issuer "https://127.0.0.1:1"`},
		{[]string{"rotate", "-scopes", "x"}, "-scopes"},
	} {
		args := tt.args
		if args[0] != "token" && args[0] != "rotate" && args[0] != "-addr" {
			args = append(args, "-addr", "127.0.0.1:0")
		}
		out, err, code := bearward(t, "", append([]string{"dev"}, args...)...)
		if code != exitUsage || out != "" || !strings.Contains(err, tt.want) {
			t.Errorf("%q: exit code %d, %q, %q", tt.args, code, out, err)
		}
	}
	if out, err, code := bearward(t, "", "help", "dev"); code != exitGood || err != "" || !strings.HasPrefix(out, devHelp) || !strings.Contains(out, "  -rotate ") {
		t.Errorf("help: exit code %d, %s%s", code, out, err)
	}
}

func TestTheCommandIsOneThatAShellFinds(t *testing.T) {
	for exe, want := range map[string]string{
		"/tmp/go-build1/b001/exe/bearward":            "go run ./cmd/bearward",
		"/home/me/.cache/go-build/ab/abcd-d/bearward": "go run ./cmd/bearward",
		"/usr/local/bin/bearward":                     "bearward",
		"/tmp/go-build1/b001/bearward.test":           "bearward",
		"":                                            "bearward",
	} {
		if got := commandOf(exe); got != want {
			t.Errorf("%q: %s, want %s", exe, got, want)
		}
	}
}
