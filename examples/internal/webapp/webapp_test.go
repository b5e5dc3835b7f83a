package webapp_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/bearward/bearward/examples/internal/authserver"
	"github.com/bearward/bearward/examples/internal/webapp"
)

// world is an issuer, an API that takes every token, and the application.
type world struct {
	t      *testing.T
	issuer *authserver.Server
	as     string
	app    string
	calls  chan string // Authorization values that the API got

	mu   sync.Mutex
	sent []string // paths that the application called
}

// RoundTrip is the application's transport.
func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.sent = append(w.sent, req.URL.Path)
	w.mu.Unlock()
	return http.DefaultTransport.RoundTrip(req)
}

func (w *world) hasSent(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.sent, path)
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, calls: make(chan string, 100)}
	serve := func(h func() http.Handler) *httptest.Server {
		ts := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { h().ServeHTTP(rw, r) }))
		t.Cleanup(ts.Close)
		return ts
	}
	w.as = serve(func() http.Handler { return w.issuer }).URL
	api := serve(func() http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.calls <- r.Header.Get("Authorization")
			_, _ = io.WriteString(rw, `{"operation":"list orders","sub":"alice","canary":"not on the list of harmless members"}`)
		})
	})
	var app *webapp.App
	ts := serve(func() http.Handler { return app })
	w.app = strings.Replace(ts.URL, "127.0.0.1", "localhost", 1)

	scopes := []authserver.Scope{{Name: "read:orders", Meaning: "See the orders"}, {Name: "admin:all", Meaning: "Everything"}}
	var err error
	w.issuer, err = authserver.New(authserver.Config{
		Issuer: w.as, Audiences: []string{"https://orders.test"}, Scopes: scopes,
		Users: []authserver.User{{Name: "alice", Password: "wonderland", FullName: "Alice <b>Liddell</b>"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.issuer.Close() })
	app, err = webapp.New(webapp.Config{
		URL: w.app, IssuerURL: w.as, Issuer: w.issuer, Audience: "https://orders.test", Scopes: scopes,
		APIs: []webapp.API{{Adapter: "nethttp", URL: api.URL}}, Key: webapp.NewKey(), TokenLifetime: time.Minute,
		Transport: w, Dial: []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close() })
	return w
}

// person is a browser that follows redirects and keeps cookies.
type person struct {
	*world
	hc *http.Client
}

func (w *world) person() *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &person{w, &http.Client{Jar: jar}}
}

func (p *person) read(resp *http.Response, err error) (int, string, *url.URL) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Request.URL
}

func (p *person) post(path string, form url.Values) (int, string, *url.URL) {
	p.t.Helper()
	resp, err := p.hc.PostForm(p.app+path, form)
	return p.read(resp, err)
}

func (p *person) get(address string) (int, string, *url.URL) {
	p.t.Helper()
	resp, err := p.hc.Get(address)
	return p.read(resp, err)
}

func (p *person) register(change url.Values) (int, string) {
	p.t.Helper()
	form := url.Values{
		"name": {"My app"}, "kind": {"web"}, "callback": {p.app + "/callback"}, "logout": {p.app + "/bye"},
		"scope": {"read:orders", "admin:all"},
	}
	for name, values := range change {
		form[name] = values
	}
	status, page, _ := p.post("/register", form)
	return status, page
}

var formAction = regexp.MustCompile(`<form method="post" action="(/authorize/[^"]+)"`)

// logIn goes to the consent page and allows everything; it returns the answer
// of the application's callback.
func (p *person) logIn() (int, string, *url.URL) {
	p.t.Helper()
	_, page, _ := p.post("/login", nil)
	return p.consent(page)
}

// consent goes on from the issuer's first page.
func (p *person) consent(page string) (int, string, *url.URL) {
	p.t.Helper()
	send := func(form url.Values) (int, string, *url.URL) {
		match := formAction.FindStringSubmatch(page)
		if match == nil {
			p.t.Fatalf("no form on the page:\n%s", page)
		}
		resp, err := p.hc.PostForm(p.as+match[1], form)
		return p.read(resp, err)
	}
	if strings.Contains(page, `name="password"`) {
		_, page, _ = send(url.Values{"username": {"alice"}, "password": {"wonderland"}})
	}
	return send(url.Values{"decision": {"allow"}, "scope": {"profile", "offline_access", "read:orders"}})
}

func TestDashboardShowsTheWireWithoutSecrets(t *testing.T) {
	for _, kind := range []string{"web", "public"} {
		t.Run(kind, func(t *testing.T) {
			p := start(t).person()
			if status, page := p.register(url.Values{"kind": {kind}}); status != 200 || strings.Contains(page, `id="secret"`) != (kind == "web") {
				t.Fatalf("register: %d\n%s", status, page)
			}
			status, page, at := p.logIn()
			if status != 200 || at.Path != "/dashboard" || at.RawQuery != "" {
				t.Fatalf("login: %d at %s\n%s", status, at, page)
			}
			for _, want := range []string{"Alice &lt;b&gt;Liddell&lt;/b&gt;", "code_verifier=‹hidden›", "code=‹hidden›", "resource=https://orders.test", "&#34;typ&#34;: &#34;at&#43;jwt&#34;"} {
				if !strings.Contains(page, want) {
					t.Errorf("the dashboard has no %q:\n%s", want, page)
				}
			}
			if !strings.Contains(page, "&#34;access_token&#34;: &#34;‹hidden›") || strings.Contains(page, "eyJ") {
				t.Errorf("the token answer is not shown as it should be:\n%s", page)
			}
			_, page, _ = p.post("/do/read", nil)
			token := strings.TrimPrefix(<-p.calls, "Bearer ")
			signature := token[strings.LastIndex(token, ".")+1:]
			if !strings.Contains(page, "Bearer ‹access token, signed with key-") || strings.Contains(page, signature) || strings.Contains(page, "canary") {
				t.Errorf("the step is not as it should be:\n%s", page)
			}
			if _, page, _ := p.post("/do/rotate", nil); !strings.Contains(page, "The issuer makes a new key") {
				t.Errorf("rotate:\n%s", page)
			}
			if _, page, _ := p.post("/do/replay", nil); strings.Count(page, "invalid_grant") != 2 {
				t.Errorf("replay:\n%s", page)
			}
			if _, page, _ := p.post("/do/rotate", nil); !strings.Contains(page, "Yours is worthless since the replay") {
				t.Errorf("after the replay:\n%s", page)
			}
		})
	}
}

func TestAnswersThatDoNotBelongHereAreRefused(t *testing.T) {
	w := start(t)
	p := w.person()
	p.register(nil)
	answer := func(state, iss string) string {
		return w.app + "/callback?" + url.Values{"code": {"x"}, "state": {state}, "iss": {iss}}.Encode()
	}
	// Stop at the login page: its address was built from the state.
	var state string
	p.hc.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if s := r.URL.Query().Get("state"); s != "" {
			state = s
		}
		return nil
	}
	begin := func() { p.post("/login", nil) }

	begin()
	stranger := w.person()
	if status, page, _ := stranger.get(answer(state, w.as)); status != 400 || !strings.Contains(page, "does not belong") {
		t.Errorf("another browser: %d\n%s", status, page)
	}
	if status, page, _ := p.get(answer("forged", w.as)); status != 400 || !strings.Contains(page, "does not belong") {
		t.Errorf("a forged state: %d\n%s", status, page)
	}
	if status, page, _ := p.get(answer(state, w.as)); status != 400 || !strings.Contains(page, "is over: it came to nothing") {
		t.Errorf("the state after a wrong answer: %d\n%s", status, page)
	}
	begin()
	if status, page, _ := p.get(answer(state, "https://other.test")); status != 400 || !strings.Contains(page, "another issuer") {
		t.Errorf("another issuer: %d\n%s", status, page)
	}
	begin()
	if status, page, _ := p.get(answer(state, w.as)); status != 400 || !strings.Contains(page, "could not be finished") {
		t.Errorf("a made-up code: %d\n%s", status, page)
	}
	if _, _, at := p.get(w.app + "/dashboard"); at.Path != "/" {
		t.Errorf("logged in after all that: at %s", at)
	}
}

func TestIDTokenOfAnotherLoginIsRefused(t *testing.T) {
	w := start(t)
	p := w.person()
	p.register(nil)
	p.hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := p.hc.PostForm(w.app+"/login", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	query := to.Query()
	query.Set("nonce", "of-another-login")
	to.RawQuery = query.Encode()
	p.hc.CheckRedirect = nil
	_, page, _ := p.get(to.String())
	if status, page, _ := p.consent(page); status != 400 || !strings.Contains(page, "could not be finished") {
		t.Errorf("%d\n%s", status, page)
	}
}

func TestLoginRenewsTheSession(t *testing.T) {
	w := start(t)
	p := w.person()
	p.register(nil)
	at, err := url.Parse(w.app)
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := p.post("/login", nil)
	before := p.hc.Jar.Cookies(at)
	p.consent(page)
	after := p.hc.Jar.Cookies(at)
	if len(before) != 1 || len(after) != 1 || before[0].Value == after[0].Value {
		t.Errorf("cookies before the login %v, after it %v", before, after)
	}
}

func TestOtherSitesCannotPressButtons(t *testing.T) {
	p := start(t).person()
	for _, path := range []string{"/register", "/login", "/do/rotate", "/logout"} {
		req, err := http.NewRequest(http.MethodPost, p.app+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		if status, _, _ := p.read(p.hc.Do(req)); status != http.StatusForbidden {
			t.Errorf("%s: status %d, want 403", path, status)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for want, cfg := range map[string]webapp.Config{
		"Config.URL": {URL: "localhost:1", Key: webapp.NewKey()},
		"Config.Key": {URL: "http://localhost:1", Key: []byte("short")},
	} {
		if _, err := webapp.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want it to name %s", err, want)
		}
	}
}
