package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/provider"
)

// start runs a Server until the test ends. The function that it returns ends it before.
func start(t *testing.T, o Options) (*Server, func() error) {
	t.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Audience == "" {
		o.Audience = "api"
	}
	s, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	end := func() error {
		cancel()
		err := <-ended
		ended <- err
		return err
	}
	t.Cleanup(func() { _ = end() })
	return s, end
}

func TestOnlyProgramsOfThisMachineGetTokens(t *testing.T) {
	s, _ := start(t, Options{})
	for name, tt := range map[string]struct {
		method, path, host string
		header             map[string]string
		body               string
		want               int
	}{
		"a program":                     {want: http.StatusOK},
		"by the name localhost":         {host: "localhost:9000", want: http.StatusOK},
		"by IPv6":                       {host: "[::1]:9000", want: http.StatusOK},
		"a name that was rebound":       {host: "evil.example:9000", want: http.StatusMisdirectedRequest},
		"a name that looks local":       {host: "127.0.0.1.evil.example", want: http.StatusMisdirectedRequest},
		"user information in the host":  {host: "127.0.0.1@evil.example", want: http.StatusMisdirectedRequest},
		"a rebound name, for keys":      {method: "GET", path: "/jwks.json", host: "evil.example", want: http.StatusMisdirectedRequest},
		"a private address":             {host: "192.168.1.1", want: http.StatusMisdirectedRequest},
		"a page":                        {header: map[string]string{"Origin": "https://evil.example"}, want: http.StatusForbidden},
		"a page of this machine":        {header: map[string]string{"Origin": "http://127.0.0.1:3000"}, want: http.StatusForbidden},
		"a page without an origin":      {header: map[string]string{"Sec-Fetch-Site": "cross-site"}, want: http.StatusForbidden},
		"a form":                        {header: map[string]string{"Content-Type": "text/plain"}, want: http.StatusUnsupportedMediaType},
		"no type":                       {header: map[string]string{"Content-Type": ""}, want: http.StatusUnsupportedMediaType},
		"an image's GET":                {method: "GET", want: http.StatusMethodNotAllowed},
		"a preflight":                   {method: "OPTIONS", want: http.StatusMethodNotAllowed},
		"a rotation by a page":          {path: rotatePath, header: map[string]string{"Origin": "null"}, want: http.StatusForbidden},
		"a member that is not known":    {body: `{"scope": "x"}`, want: http.StatusBadRequest},
		"a lifetime beyond the bound":   {body: `{"ttl": "721h"}`, want: http.StatusBadRequest},
		"a body beyond the bound":       {body: `{"sub": "` + strings.Repeat("x", maxRequestBytes) + `"}`, want: http.StatusBadRequest},
		"a path that is not the server": {method: "GET", path: "/dev", want: http.StatusNotFound},
	} {
		if tt.method == "" {
			tt.method = http.MethodPost
		}
		if tt.path == "" {
			tt.path = tokenPath
		}
		if tt.body == "" {
			tt.body = "{}"
		}
		r, err := http.NewRequestWithContext(t.Context(), tt.method, s.Base()+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = tt.host
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		for field, value := range tt.header {
			r.Header.Set(field, value)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.want || strings.Contains(string(body), "eyJ") != (tt.want == http.StatusOK) || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: status %d, want %d: %.100s", name, resp.StatusCode, tt.want, body)
		}
	}
}

// A client that follows the metadata to a login is told in a sentence that there is none.
func TestLoginsAreRefusedWithASentence(t *testing.T) {
	for _, preset := range []string{"", "keycloak"} {
		s, _ := start(t, Options{Preset: preset})
		var metadata struct {
			Authorize string `json:"authorization_endpoint"`
			Token     string `json:"token_endpoint"`
		}
		ask := func(method, at string, want int) []byte {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader("grant_type=client_credentials"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if resp.StatusCode != want || err != nil {
				t.Errorf("%s %s: status %d, %v: %s", method, at, resp.StatusCode, err, body)
			}
			return body
		}
		if err := json.Unmarshal(ask("GET", s.URL()+"/.well-known/openid-configuration", http.StatusOK), &metadata); err != nil {
			t.Fatal(err)
		}
		for method, at := range map[string]string{"GET": metadata.Authorize, "POST": metadata.Token} {
			var refusal struct {
				Code        string `json:"error"`
				Description string `json:"error_description"`
			}
			if err := json.Unmarshal(ask(method, at, http.StatusBadRequest), &refusal); err != nil || refusal.Code != "unsupported_grant_type" || !strings.Contains(refusal.Description, "bearward dev token") {
				t.Errorf("%s %s: %+v, %v", method, at, refusal, err)
			}
		}
		if body := ask("GET", s.URL()+"/", http.StatusNotFound); !strings.Contains(string(body), "bearward dev token") {
			t.Errorf("at its root: %s", body)
		}
	}
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	var addrs []string
	for _, addr := range []string{
		"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "10.0.0.1:0", "example.com:0", "localhost.example.com:0", "[fe80::1%lo]:0", "[::1%lo]:0", "127.1:0", "*:0",
	} {
		if l, err := listen(t.Context(), addr); !errors.Is(err, errNotLoopback) {
			t.Errorf("%s: %v, %v", addr, l, err)
		}
	}
	for _, addr := range []string{"127.0.0.1:0", "127.0.0.2:0", "localhost:0", "LOCALHOST:0", "[::1]:0"} {
		l, err := listen(t.Context(), addr)
		if err != nil {
			if missing := new(net.OpError); errors.As(err, &missing) && runtime.GOOS != "linux" || addr == "[::1]:0" {
				continue // a machine without that address
			}
			t.Errorf("%s: %v", addr, err)
			continue
		}
		addrs = append(addrs, l.Addr().String())
		if ip := netip.MustParseAddrPort(l.Addr().String()).Addr(); !ip.IsLoopback() {
			t.Errorf("%s: listens on %v", addr, ip)
		}
		l.Close()
	}
	if _, err := listen(t.Context(), "127.0.0.1"); err == nil {
		t.Error("no port")
	}
	taken, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := listen(t.Context(), taken.Addr().String()); err == nil || !strings.Contains(err.Error(), "port 0") {
		t.Errorf("a port that is taken: %v (%v)", err, addrs)
	}
}

func TestLocalhostMustBeLoopback(t *testing.T) {
	for _, tt := range []struct{ ips, want string }{
		{"127.0.0.1", "127.0.0.1"}, {"::1 127.0.0.1", "127.0.0.1"}, {"::1", "::1"}, {"::ffff:127.0.0.1", "127.0.0.1"},
		{"192.0.2.1", ""}, {"127.0.0.1 192.0.2.1", ""},
	} {
		got, err := localhost(t.Context(), func(context.Context, string, string) (ips []netip.Addr, _ error) {
			for _, ip := range strings.Fields(tt.ips) {
				ips = append(ips, netip.MustParseAddr(ip))
			}
			return ips, nil
		})
		if got != tt.want || errors.Is(err, errNotLoopback) != (tt.want == "") {
			t.Errorf("%s: %q, %v", tt.ips, got, err)
		}
	}
}

func TestTokensFollowEachPreset(t *testing.T) {
	for _, name := range append(Presets(), "") {
		s, _ := start(t, Options{Preset: name, Token: Token{Scopes: []string{"read:orders", "x"}, Groups: []string{"ops"}}})
		guard, err := auth.New(s.URL(), "api", nil)
		if name != "" {
			var preset provider.Preset
			if preset, err = provider.Named(name, s.URL(), "api"); err == nil {
				guard, err = preset.Guard(nil)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.Issue(Token{Client: "shop", Permissions: []string{"p"}, Roles: []string{"r"}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, err := guard.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + token}}, auth.Scopes("read:orders"))
		p, _ := auth.PrincipalFrom(ctx)
		if err != nil || p.ClientID() != "shop" || fmt.Sprint(p.Roles(), p.Groups(), p.Permissions()) != "[r] [ops] [p]" {
			t.Errorf("%q: %v, %v", name, p, err)
		}
		guard.Close()
	}
	if !slices.Contains(Presets(), "keycloak") || slices.Contains(Presets(), "okta") {
		t.Errorf("got %q", Presets())
	}
}

func TestAKeyFileKeepsTheKey(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key.pem")
	var ids []string
	for range 2 {
		s, end := start(t, Options{KeyFile: name})
		ids = append(ids, s.issuer.KeyID())
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	other, _ := start(t, Options{})
	if ids[0] != ids[1] || other.issuer.KeyID() == ids[0] {
		t.Errorf("keys %q, and %s without a file", ids, other.issuer.KeyID())
	}
	info, err := os.Stat(name)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct {
		text   string
		mode   os.FileMode
		preset string
	}{
		"that others read":         {string(text), 0o640, ""},
		"of another algorithm":     {string(text), 0o600, "keycloak"},
		"of another format":        {"key", 0o600, ""},
		"that is broken":           {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600, ""},
		"that is a public key":     {strings.ReplaceAll(string(text), "PRIVATE", "PUBLIC"), 0o600, ""},
		"in a folder that is none": {"", 0, ""},
	} {
		name := filepath.Join(t.TempDir(), "x", "key.pem")
		if tt.mode != 0 {
			if err := errors.Join(os.Mkdir(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(tt.text), tt.mode)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := New(t.Context(), Options{Addr: "127.0.0.1:0", Audience: "api", KeyFile: name, Preset: tt.preset}); err == nil || !strings.HasPrefix(err.Error(), "-keys "+name+": ") {
			t.Errorf("a file %s: %v", what, err)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	rotated := make(chan string, 10)
	s, end := start(t, Options{Rotate: time.Second, Rotated: func(id string) { rotated <- id }})
	id, n := <-rotated, 3
	if err := end(); err != nil {
		t.Fatal(err)
	}
	for len(rotated) > 0 {
		id, n = <-rotated, min(n+1, keptKeys)
	}
	if id != s.issuer.KeyID() || len(s.issuer.KeyIDs()) != n {
		t.Errorf("key %s signs, not %s; %q are published, want %d", s.issuer.KeyID(), id, s.issuer.KeyIDs(), n)
	}
	for range 2 * keptKeys {
		if _, err := s.rotate(); err != nil {
			t.Fatal(err)
		}
	}
	if ids := s.issuer.KeyIDs(); len(ids) != keptKeys || ids[keptKeys-1] != s.issuer.KeyID() {
		t.Errorf("%q are published, and %s signs", ids, s.issuer.KeyID())
	}
}

// An API that runs on while the issuer starts again fetches the new keys at once: no key has the ID
// of another.
func TestAnAPIOutlivesTheIssuer(t *testing.T) {
	first, end := start(t, Options{})
	guard, err := auth.New(first.URL(), "api", &auth.GuardOptions{Keys: &jwks.Options{}})
	if err != nil {
		t.Fatal(err)
	}
	defer guard.Close()
	allowed := func(s *Server) error {
		token, err := s.Issue(Token{})
		if err != nil {
			return err
		}
		_, err = guard.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + token}}, auth.AnyToken())
		return err
	}
	if err := allowed(first); err != nil {
		t.Fatal(err)
	}
	addr := first.listener.Addr().String()
	if err := end(); err != nil {
		t.Fatal(err)
	}
	again, _ := start(t, Options{Addr: addr})
	if err := allowed(again); err != nil {
		t.Error(err)
	}
}

func TestServeEndsWithItsGoroutines(t *testing.T) {
	s, end := start(t, Options{})
	if _, err := Ask(t.Context(), s.URL(), Token{}); err != nil {
		t.Fatal(err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	stacks := ""
	for range 2000 { // a goroutine that has sent may still be on its way out
		buf := make([]byte, 1<<20)
		if stacks = string(buf[:runtime.Stack(buf, true)]); !strings.Contains(stacks, "dev.(*Server).Serve") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("goroutines left:\n%s", stacks)
}

func TestAskToldWhatIsWrong(t *testing.T) {
	other := &http.Server{Handler: http.RedirectHandler("http://issuer.example/", http.StatusFound), ReadHeaderTimeout: time.Second}
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- other.Serve(l) }()
	_, err = Ask(t.Context(), "http://"+l.Addr().String(), Token{})
	if silent := (NoServerError{}); !errors.As(err, &silent) || !strings.Contains(err.Error(), "status 302") {
		t.Errorf("got %v", err)
	}
	other.Close()
	<-ended
	s, _ := start(t, Options{})
	_, err = Ask(t.Context(), s.URL(), Token{Lifetime: Duration(721 * time.Hour)})
	if silent := (NoServerError{}); err == nil || errors.As(err, &silent) || !strings.Contains(err.Error(), "-ttl 721h0m0s") {
		t.Errorf("got %v", err)
	}
}

// Another user of the machine may listen where `bearward dev` is looked for.
func TestWhatAnotherProgramAnswersIsNotObeyed(t *testing.T) {
	for _, tt := range []struct {
		status     int
		body, want string
		silent     bool
	}{
		{http.StatusBadRequest, "\x1b[2Jno\u009b31m\u202e\n", "?[2Jno?31m?", false},
		{http.StatusOK, `{"token": "a\n-H X: y"}`, "it is not a `bearward dev`", true},
		{http.StatusOK, `{"token": "\u001b[2J"}`, "it is not a `bearward dev`", true},
		{http.StatusOK, `{"key_id": "\u009b2J"}`, "it is not a `bearward dev`", true},
	} {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		}))
		token, err := Ask(t.Context(), other.URL, Token{})
		id, errRotate := AskRotate(t.Context(), other.URL)
		other.Close()
		if silent := (NoServerError{}); token != "" || id != "" || err == nil || errRotate == nil || !strings.HasSuffix(err.Error(), tt.want) || errors.As(err, &silent) != tt.silent {
			t.Errorf("%q: %q, %q, %v, %v; want %q", tt.body, token, id, err, errRotate, tt.want)
		}
	}
}
