package forward

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// newServer returns a Server that does not serve: the test calls it. It is closed with the test.
func newServer(t *testing.T, file string) *Server {
	t.Helper()
	s, err := NewServer(Options{File: file, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// answering returns s behind a listener, without its clock: the test says when files are read.
func answering(t *testing.T, s *Server) *running {
	gate := httptest.NewUnstartedServer(http.HandlerFunc(s.answer))
	gate.Config.ConnContext = auth.ConnContext
	gate.Start()
	t.Cleanup(gate.Close)
	return &running{t: t, gate: gate.Listener.Addr().String(), client: gate.Client()}
}

// A file that is read while an editor writes it may have the wide rule, and lack the narrow one.
func TestHalfWrittenRulesAreNotTaken(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	file := oneIssuer(t, issuer)
	const half = "GET /files/ = any token\n"
	const whole = half + "GET /files/secret = admin\n"
	rules := filepath.Join(filepath.Dir(file), "rules.txt")
	write(t, rules, whole)
	s := newServer(t, file)
	r := answering(t, s)
	token := issuer.Token("")
	for i, step := range []struct {
		text string
		want int // for what the narrow rule is about
	}{
		{whole, 403}, {half, 403}, {whole, 403}, {half, 403}, {"", 403}, {half, 403}, {whole, 403}, // each was there for one look
		{half, 403}, {half, 200}, // and this one is meant
		{whole, 200}, {whole, 403},
		{"GET /files/ = \n", 403}, {"GET /files/ = \n", 403}, {half, 403}, {half, 200},
	} {
		write(t, rules, step.text)
		s.reload(t.Context(), false)
		if got := r.ask("/files/secret", token); got != step.want {
			t.Errorf("step %d: got %d, want %d", i, got, step.want)
		}
	}
}

// The same holds for the rules of a changed configuration, and a signal says that they are whole.
func TestHalfWrittenRulesOfAChangedConfigurationAreNotTaken(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	file := oneIssuer(t, issuer)
	const half = "GET /files/ = any token\n"
	const whole = half + "GET /files/secret = admin\n"
	write(t, filepath.Join(filepath.Dir(file), "rules.txt"), whole)
	s := newServer(t, file)
	r := answering(t, s)
	token := issuer.Token("")
	r.until("the keys", func() bool { return r.ask("/files/a", token) == 200 })
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		config, rules string
		asked         bool
		want          int // for what the narrow rule is about
	}{
		{"one.txt", half, false, 403}, {"one.txt", whole, false, 403}, {"one.txt", half, false, 403}, {"rules.txt", whole, false, 403},
		{"one.txt", half, false, 403}, {"one.txt", half, false, 200}, // it was meant
		{"two.txt", whole, false, 200}, {"two.txt", whole, false, 403},
		{"three.txt", half, true, 200},
	} {
		write(t, filepath.Join(filepath.Dir(file), step.config), step.rules)
		write(t, file, strings.Replace(string(text), "rules.txt", step.config, 1))
		s.reload(t.Context(), step.asked)
		if got := r.ask("/files/secret", token); got != step.want {
			t.Errorf("step %d: got %d, want %d", i, got, step.want)
		}
	}
}

// Who reads the metrics may not revoke for that.
func TestRevocationsAreHeardFromThisMachineAndThoseNamed(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	file := oneIssuer(t, issuer)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, strings.Replace(string(text), "{", `{"revokers": ["10.1.0.0/24", "fd00::7"], `, 1))
	s := newServer(t, file)
	ends := s.ends()
	body := fmt.Sprintf(`{"issuer": %q, "token_id": "1", "until": %q}`, issuer.URL, time.Now().Add(time.Hour).Format(time.RFC3339))
	for from, want := range map[string]int{
		"127.0.0.1:1": 204, "[::1]:1": 204, "127.9.9.9:1": 204, "[::ffff:127.0.0.1]:1": 204, "10.1.0.9:1": 204, "[::ffff:10.1.0.9]:1": 204, "[fd00::7]:1": 204,
		"10.0.0.9:1": 403, "10.1.1.9:1": 403, "[fd00::8]:1": 403, "[fe80::1%eth0]:1": 403, "10.1.0.9": 403, "": 403, "@": 403, "localhost:1": 403,
	} {
		for _, field := range []string{"", "X-Forwarded-For", "X-Real-Ip"} {
			r := httptest.NewRequest("POST", "/revocations", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			if field != "" {
				r.Header.Set(field, "127.0.0.1")
			}
			r.RemoteAddr = from
			w := httptest.NewRecorder()
			if ends.ServeHTTP(w, r); w.Code != want {
				t.Errorf("from %q: got %d %s, want %d", from, w.Code, w.Body, want)
			}
		}
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		if ends.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Errorf("metrics from %q: got %d", from, w.Code)
		}
	}
}

// A process that was killed leaves its socket behind, and the next one starts all the same.
func TestASocketThatWasLeftBehindIsReplaced(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	file := oneIssuer(t, issuer)
	path := filepath.Join(t.TempDir(), "gate.sock")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, strings.Replace(string(text), `"listen": "127.0.0.1:0"`, fmt.Sprintf(`"listen": "unix:%s"`, path), 1))
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string) {
		t.Helper()
		if s, err := NewServer(Options{File: file, Log: slog.New(slog.DiscardHandler)}); err == nil {
			t.Errorf("%s was replaced", what)
			_ = s.close()
		}
	}
	refused("a socket in use")
	left.SetUnlinkOnClose(false)
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, file)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := s.listen.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, "a file of somebody's")
	refused("a file")
	if got, err := os.ReadFile(path); err != nil || string(got) != "a file of somebody's" {
		t.Errorf("the file has %q, %v", got, err)
	}
}
