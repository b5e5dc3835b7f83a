package provider_test

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/provider"
)

// A tlsServer is a server on loopback whose certificate can be replaced. It records what it is
// asked with.
type tlsServer struct {
	*httptest.Server
	mu          sync.Mutex
	certificate tls.Certificate
	asked       []string // the values of Authorization, "" for none
}

func newTLSServer(t *testing.T, ca *authtest.CA, answer http.HandlerFunc) *tlsServer {
	t.Helper()
	s := &tlsServer{certificate: ca.Certificate("127.0.0.1", "localhost").TLS()}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, strings.Join(r.Header.Values("Authorization"), ","))
		s.mu.Unlock()
		answer(w, r)
	}))
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return &tls.Config{Certificates: []tls.Certificate{s.certificate}}, nil
	}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are meant to
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *tlsServer) host() string { return strings.TrimPrefix(s.URL, "https://") }

// askedWith returns what the server was asked with since the last time.
func (s *tlsServer) askedWith() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// A pod has a folder of a service account, whose files are replaced as kubelet does it: a link to
// the folder of today is renamed.
type pod struct {
	t      *testing.T
	folder string
	n      int
}

func newPod(t *testing.T, ca *authtest.CA, token string) *pod {
	t.Helper()
	p := &pod{t: t, folder: t.TempDir()}
	p.rotate(ca, token)
	for _, name := range []string{"ca.crt", "token"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(p.folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *pod) rotate(ca *authtest.CA, token string) {
	p.t.Helper()
	p.n++
	today := "..data" + strings.Repeat("x", p.n)
	within := filepath.Join(p.folder, today)
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.X509().Raw})
	for _, err := range []error{
		os.Mkdir(within, 0o700),
		os.WriteFile(filepath.Join(within, "ca.crt"), bundle, 0o600),
		os.WriteFile(filepath.Join(within, "token"), []byte(token+"\n"), 0o600),
		os.Symlink(today, filepath.Join(p.folder, "..tmp")),
		os.Rename(filepath.Join(p.folder, "..tmp"), filepath.Join(p.folder, "..data")),
	} {
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *pod) options(hosts ...string) *provider.ClusterOptions {
	return &provider.ClusterOptions{Hosts: hosts, CAFile: filepath.Join(p.folder, "ca.crt"), TokenFile: filepath.Join(p.folder, "token")}
}

func get(t *testing.T, client *http.Client, url string) (int, error) {
	t.Helper()
	r, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, err
}

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }

func TestInClusterReadsItsFilesAgain(t *testing.T) {
	first, second := authtest.NewCA(t), authtest.NewCA(t)
	api := newTLSServer(t, first, hello)
	p := newPod(t, first, "token-1")
	client, err := provider.InCluster(p.options(api.host()))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(want string) {
		t.Helper()
		if _, err := get(t, client, api.URL); err != nil {
			t.Error(err)
		}
		if asked := api.askedWith(); !slices.Equal(asked, []string{want}) {
			t.Errorf("asked with %q, want %q", asked, want)
		}
	}
	ask("Bearer token-1")
	p.rotate(first, "token-2")
	ask("Bearer token-2")

	api.mu.Lock()
	api.certificate = second.Certificate("127.0.0.1").TLS()
	api.mu.Unlock()
	if _, err := get(t, client, api.URL); err == nil || !strings.Contains(err.Error(), "x509") {
		t.Errorf("a certificate of another CA: %v", err)
	}
	p.rotate(second, "token-3")
	api.askedWith()
	ask("Bearer token-3")
}

// Those who are asked besides the API server learn nothing: a host that metadata names, one that a
// redirect leads to, one that listens beside it, and one without TLS.
func TestInClusterKeepsTheTokenToItsHosts(t *testing.T) {
	ca := authtest.NewCA(t)
	other := newTLSServer(t, ca, func(w http.ResponseWriter, _ *http.Request) { w.Write(keySetText(t)) })
	var api *tlsServer // the handler asks for its URL
	api = newTLSServer(t, ca, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, other.URL+"/keys", http.StatusFound)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"issuer": api.URL, "jwks_uri": other.URL + "/keys"})
	})
	client, err := provider.InCluster(newPod(t, ca, "token-1").options(api.host()))
	if err != nil {
		t.Fatal(err)
	}

	keys, err := jwks.FromIssuer(api.URL, &jwks.Options{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	poll(t, func() bool { return keys.Ready() == nil })
	if asked := api.askedWith(); len(asked) == 0 || slices.ContainsFunc(asked, func(s string) bool { return s != "Bearer token-1" }) {
		t.Errorf("the API server was asked with %q", asked)
	}
	if asked := other.askedWith(); !slices.Equal(asked, []string{""}) {
		t.Errorf("the host that metadata names was asked with %q", asked)
	}

	following := *client
	following.CheckRedirect = nil
	if _, err := get(t, &following, api.URL+"/away"); err != nil {
		t.Fatal(err)
	}
	if asked := other.askedWith(); !slices.Equal(asked, []string{""}) {
		t.Errorf("the host that a redirect names was asked with %q", asked)
	}
	if status, err := get(t, client, api.URL+"/away"); status != http.StatusFound || err != nil {
		t.Errorf("a redirect: %d, %v", status, err)
	}
	if asked := other.askedWith(); asked != nil {
		t.Errorf("the redirect was followed: %q", asked)
	}

	api.askedWith()
	r, err := client.Post(api.URL, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if asked := api.askedWith(); !slices.Equal(asked, []string{""}) {
		t.Errorf("a POST has %q", asked)
	}
}

// A name is the same in capitals (RFC 3986 §3.2.2), and another port another server.
func TestInClusterKnowsItsHosts(t *testing.T) {
	ca := authtest.NewCA(t)
	api, beside := newTLSServer(t, ca, hello), newTLSServer(t, ca, hello)
	_, port, _ := strings.Cut(api.host(), ":")
	client, err := provider.InCluster(newPod(t, ca, "token-1").options("LocalHost:" + port))
	if err != nil {
		t.Fatal(err)
	}
	_, other, _ := strings.Cut(beside.host(), ":")
	for _, url := range []string{"https://localhost:" + port, "https://LOCALHOST:" + port, "https://127.0.0.1:" + port, "https://localhost:" + other} {
		if _, err := get(t, client, url); err != nil {
			t.Error(err)
		}
	}
	if asked, want := api.askedWith(), []string{"Bearer token-1", "Bearer token-1", ""}; !slices.Equal(asked, want) {
		t.Errorf("asked with %q, want %q", asked, want)
	}
	if asked := beside.askedWith(); !slices.Equal(asked, []string{""}) {
		t.Errorf("the server beside it was asked with %q", asked)
	}
}

func TestInClusterAsksByHTTPSAlone(t *testing.T) {
	ca := authtest.NewCA(t)
	reached := make(chan string, 1)
	plain := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached <- r.Header.Get("Authorization") }))
	defer plain.Close()
	client, err := provider.InCluster(newPod(t, ca, "token-1").options(strings.TrimPrefix(plain.URL, "http://")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, client, plain.URL); err == nil || !strings.Contains(err.Error(), "https alone") {
		t.Errorf("plain http: %v", err)
	}
	select {
	case sent := <-reached:
		t.Errorf("the plain server was asked with %q", sent)
	default:
	}
}

// From the files of a pod to a caller who is let in.
func TestKubernetesInCluster(t *testing.T) {
	ca := authtest.NewCA(t)
	api := newTLSServer(t, ca, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Write(keySetText(t))
	})
	client, err := provider.InCluster(newPod(t, ca, "token-1").options(api.host()))
	if err != nil {
		t.Fatal(err)
	}
	p := kubernetes
	p.KeySetURL = api.URL + "/openid/v1/jwks"
	guard, err := p.Guard(&auth.GuardOptions{Keys: &jwks.Options{Client: client}})
	if err != nil {
		t.Fatal(err)
	}
	defer guard.Close()
	poll(t, func() bool { return guard.Ready() == nil })
	now := time.Now().Unix()
	token := sign(t, map[string]any{"alg": "RS256", "kid": "k1"}, map[string]any{
		"iss": p.Config.Issuer, "aud": []string{"orders-api"}, "sub": "system:serviceaccount:shop:billing", "iat": now, "nbf": now, "exp": now + 600,
	})
	ctx, err := guard.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + token}}, auth.AnyToken())
	if err != nil {
		t.Fatal(err)
	}
	if caller, _ := auth.PrincipalFrom(ctx); caller.Subject() != "system:serviceaccount:shop:billing" {
		t.Errorf("the caller is %q", caller.Subject())
	}
}

// Outside a cluster, the preset says so and what to do; a Client of the program's own will do.
func TestKubernetesOutsideACluster(t *testing.T) {
	if _, err := os.Stat("/var/run/secrets/kubernetes.io/serviceaccount/token"); err == nil {
		t.Skip("this is a pod")
	}
	_, err := kubernetes.Guard(nil)
	if err == nil || !strings.Contains(err.Error(), "ClusterOptions.CAFile") || !strings.Contains(err.Error(), "jwks.Options.Client has to reach https://kubernetes.default.svc/openid/v1/jwks") {
		t.Errorf("%v", err)
	}
	g, err := kubernetes.Guard(&auth.GuardOptions{Keys: &jwks.Options{Client: &http.Client{Transport: nowhere{}}}})
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
}

func TestInClusterThatCannotBe(t *testing.T) {
	ca := authtest.NewCA(t)
	p := newPod(t, ca, "token-1")
	file := func(name, text string) string {
		name = filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for name, tt := range map[string]struct {
		change func(*provider.ClusterOptions)
		want   string
	}{
		"no CA":                {func(o *provider.ClusterOptions) { o.CAFile = filepath.Join(p.folder, "none") }, "ClusterOptions.CAFile: open"},
		"a CA that is none":    {func(o *provider.ClusterOptions) { o.CAFile = file("ca", "hello") }, "has no certificate in PEM"},
		"a CA without end":     {func(o *provider.ClusterOptions) { o.CAFile = file("ca", strings.Repeat("x", 1<<20+1)) }, "is over 1048576 bytes"},
		"no token":             {func(o *provider.ClusterOptions) { o.TokenFile = filepath.Join(p.folder, "none") }, "ClusterOptions.TokenFile: open"},
		"an empty token":       {func(o *provider.ClusterOptions) { o.TokenFile = file("token", " \n") }, "has no token"},
		"a token of two":       {func(o *provider.ClusterOptions) { o.TokenFile = file("token", "secret-1\nsecret-2") }, "has no token"},
		"a host that is a URL": {func(o *provider.ClusterOptions) { o.Hosts = []string{"https://api.example"} }, `give the host name alone, "api.example"`},
	} {
		t.Run(name, func(t *testing.T) {
			o := p.options()
			tt.change(o)
			_, err := provider.InCluster(o)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// A file that is gone while the program runs fails the request, and names itself.
func TestInClusterWhenAFileIsGone(t *testing.T) {
	ca := authtest.NewCA(t)
	api := newTLSServer(t, ca, hello)
	p := newPod(t, ca, "token-1")
	client, err := provider.InCluster(p.options(api.host()))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"token", "ca.crt"} {
		if err := os.Remove(filepath.Join(p.folder, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := get(t, client, api.URL); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if asked := api.askedWith(); asked != nil {
		t.Errorf("asked with %q", asked)
	}
}

// keySetText is the key set of a cluster whose key is ours.
func keySetText(t *testing.T) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": keyMembers(t, load(t, "kubernetes"), "k1")})
	if err != nil {
		t.Error(err)
	}
	return text
}

// poll waits until done, and fails the test after half a minute.
func poll(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not done within half a minute")
		}
	}
}
