package recipes

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearward/bearward/internal/freeport"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// program returns the path of the first of the programs that is here. Without one the test is
// skipped, but for CI, where that is a fault.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		if path := filepath.Join("/usr/sbin", name); exists(path) { // which is not in everybody's PATH
			return path
		}
	}
	text := "no " + names[0] + " on this machine: install the Debian package " + names[0]
	if os.Getenv("CI") == "true" {
		t.Fatal(text)
	}
	t.Skip(text)
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// freeAddress returns an address of loopback where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// configure returns the text of a configuration file with its addresses exchanged.
func configure(t *testing.T, file string, addresses map[string]string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for documented, used := range addresses {
		if !strings.Contains(text, documented) {
			t.Fatalf("%s does not name %s", file, documented)
		}
		text = strings.ReplaceAll(text, documented, used)
	}
	return text
}

// start runs a server until the test ends, and returns when it listens at the address.
func start(t *testing.T, address string, cmd *exec.Cmd) {
	t.Helper()
	var log output
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // ended by our signal, or the test says so
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, log.String())
		}
	})
	for limit := time.After(20 * time.Second); ; {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s ended:\n%s", cmd.Path, log.String())
		case <-limit:
			t.Fatalf("%s does not listen after 20 s:\n%s", cmd.Path, log.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// output is what a server said so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startNginx runs Debian's nginx under a file such as those of /etc/nginx/conf.d.
func startNginx(t *testing.T, file string, addresses map[string]string) {
	t.Helper()
	path, dir := program(t, "nginx"), t.TempDir()
	conf := fmt.Sprintf("daemon off; master_process off; pid %[1]s/pid; error_log stderr;\nevents {}\nhttp {\n"+
		"access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;\n%[2]s}\n",
		dir, configure(t, file, addresses))
	name := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(name, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, addresses["127.0.0.1:8080"], exec.Command(path, "-e", "stderr", "-p", dir, "-c", name))
}

// startCaddy runs Debian's Caddy under a Caddyfile.
func startCaddy(t *testing.T, file string, addresses map[string]string) {
	t.Helper()
	path, dir := program(t, "caddy"), t.TempDir()
	name := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(name, []byte(configure(t, file, addresses)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "run", "--config", name, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	start(t, addresses["127.0.0.1:8080"], cmd)
}

// startHAProxy runs Debian's HAProxy.
func startHAProxy(t *testing.T, file string, addresses map[string]string) {
	t.Helper()
	path := program(t, "haproxy")
	name := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(name, []byte(configure(t, file, addresses)), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, addresses["127.0.0.1:8080"], exec.Command(path, "-db", "-f", name))
}

// serve serves h until the test ends, and returns its address.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // http.ErrServerClosed
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return l.Addr().String()
}

// newGuard returns a guard and its issuer. The guard is closed with the test.
func newGuard(t *testing.T, opts *auth.GuardOptions) (*authtest.Issuer, *auth.Guard) {
	t.Helper()
	issuer := authtest.NewIssuer(t, nil)
	return issuer, issuer.Guard(opts)
}

// get asks for url with the values of Authorization, and the fields.
func get(t *testing.T, url string, authorization []string, fields http.Header) *answer {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range fields {
		r.Header[name] = values
	}
	r.Header["Authorization"] = authorization
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return &answer{resp.StatusCode, resp.Header, body.String()}
}

type answer struct {
	status int
	header http.Header
	body   string
}
