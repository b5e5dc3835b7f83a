package recipes

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

const gateRules = `
	GET /orders       = read:orders
	POST /orders      = write:orders
	GET /orders/{id}  = read:orders
	GET /admin        = admin:all
	GET /admin/{name} = admin:all
	GET /files/       = read:files
	GET /open         = public
	GET /maybe        = optional
	GET /{name}       = read:orders
`

// gateways are what stands in front of the API, each under the configuration of the recipe.
var gateways = map[string]struct {
	file  string
	start func(t *testing.T, file string, addresses map[string]string)
}{
	"nginx":   {"nginx/forward_auth.conf", startNginx},
	"caddy":   {"caddy/forward_auth.Caddyfile", startCaddy},
	"haproxy": {"haproxy/forward_auth.cfg", startHAProxy},
}

// A behindGate is a gateway, the gate that it asks, and the API behind it.
type behindGate struct {
	address string
	calls   calls // that reached the API
}

// A call is a request as the API got it.
type call struct {
	method, target string
	header         http.Header
}

type calls struct {
	mu  sync.Mutex
	all []call
}

// take returns the calls since the last time.
func (c *calls) take() []call {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	return all
}

func (b *behindGate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.calls.mu.Lock()
	b.calls.all = append(b.calls.all, call{r.Method, r.RequestURI, r.Header.Clone()})
	b.calls.mu.Unlock()
	if r.Header.Get("Upgrade") == "websocket" {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		_ = conn.Write(r.Context(), websocket.MessageText, []byte(r.Header.Get("X-Auth-Subject")))
		_ = conn.Close(websocket.StatusNormalClosure, "")
		return
	}
	io.WriteString(w, "the API")
}

func startBehindGate(t *testing.T, kind string, guardAt func(origin string) *auth.Guard) *behindGate {
	t.Helper()
	program(t, kind)
	g := gateways[kind]
	file := g.file
	if kind == "haproxy" {
		file = withScript(t, file)
	}
	return startBehindGateBy(t, g.start, file, guardAt)
}

// withScript returns a copy of HAProxy's configuration that finds the script beside it.
func withScript(t *testing.T, file string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "lua-load ", "lua-load "+dir+"/", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func startBehindGateBy(t *testing.T, start func(*testing.T, string, map[string]string), file string, guardAt func(origin string) *auth.Guard) *behindGate {
	t.Helper()
	b := &behindGate{address: freeAddress(t)}
	gate, err := newGate(guardAt("http://"+b.address), "http://"+b.address, gateRules)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = gate.Serve(l) // http.ErrServerClosed
	}()
	t.Cleanup(func() {
		_ = gate.Close()
		<-done
	})
	start(t, file, map[string]string{"127.0.0.1:8080": b.address, "127.0.0.1:9001": l.Addr().String(), "127.0.0.1:9002": serve(t, b)})
	return b
}

// send writes a request as it stands, and returns the answer and what reached the API.
func (b *behindGate) send(t *testing.T, line string, fields ...string) (*answer, []call) {
	t.Helper()
	conn, err := net.Dial("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	text := line + " HTTP/1.1\r\nHost: " + b.address + "\r\n"
	if !slices.ContainsFunc(fields, func(f string) bool { return strings.HasPrefix(f, "Connection:") }) {
		text += "Connection: close\r\n"
	}
	for _, f := range fields {
		text += f + "\r\n"
	}
	if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return &answer{resp.StatusCode, resp.Header, string(body)}, b.calls.take()
}

func TestW18_GatewaysAskTheGate(t *testing.T) {
	for kind := range gateways {
		t.Run(kind, func(t *testing.T) {
			issuer, guard := newGuard(t, nil)
			b := startBehindGate(t, kind, func(string) *auth.Guard { return guard })
			good := "Authorization: Bearer " + issuer.Token("read:orders", authtest.Claims{"sub": "Änne 100%", "client_id": "shop"})
			large := "Authorization: Bearer " + issuer.Token("read:orders", authtest.Claims{"padding": strings.Repeat("x", 8<<10)})
			for _, c := range []struct {
				name, line string
				fields     []string
				status     int
				challenge  string
			}{
				{"a good token", "GET /orders?a=%2f&b=c", []string{good}, 200, ""},
				{"HEAD", "HEAD /orders", []string{good}, 200, ""},
				{"by another method", "POST /orders", []string{good, "Content-Length: 0"}, 403, `Bearer realm="api", error="insufficient_scope"`},
				{"a method of no rule", "DELETE /orders", []string{good}, 403, ""},
				{"a path of no rule", "GET /stats/all", []string{good}, 403, ""},
				{"no token", "GET /orders", nil, 401, `Bearer realm="api"`},
				{"an expired token", "GET /orders", []string{"Authorization: Bearer " + issuer.Token("read:orders", authtest.Expired)}, 401, `Bearer realm="api", error="invalid_token"`},
				{"a forged token", "GET /orders", []string{"Authorization: Bearer " + issuer.Token("read:orders", authtest.BadSignature)}, 401, `Bearer realm="api", error="invalid_token"`},
				{"another scope", "GET /orders", []string{"Authorization: Bearer " + issuer.Token("write:orders")}, 403, `Bearer realm="api", error="insufficient_scope"`},
				{"two tokens", "GET /orders", []string{good, good}, 400, ""},
				{"two tokens in one line", "GET /orders", []string{good + ", x"}, 400, `Bearer realm="api", error="invalid_request"`},
				{"a large token", "GET /orders", []string{large}, 200, ""},
				{"a public path", "GET /open", nil, 200, ""},
				{"an optional token that is bad", "GET /maybe", []string{"Authorization: Bearer x"}, 401, "Bearer"},
				{"a token in the query", "GET /orders?access_token=x", nil, 401, `Bearer realm="api"`},
			} {
				t.Run(c.name, func(t *testing.T) {
					got, calls := b.send(t, c.line, c.fields...)
					challenge := got.header.Get("Www-Authenticate")
					wantsNone := c.challenge == "" && !strings.HasPrefix(c.name, "two tokens")
					if got.status != c.status || !strings.HasPrefix(challenge, c.challenge) || wantsNone && challenge != "" || len(calls) != btoi(c.status == 200) {
						t.Errorf("got %d %q, %d calls; want %d %q\n%s", got.status, challenge, len(calls), c.status, c.challenge, got.body)
					}
				})
			}
			got, calls := b.send(t, "GET /orders?a=%2f&b=c", good)
			if got.status != 200 || len(calls) != 1 || calls[0].target != "/orders?a=%2f&b=c" || calls[0].header.Get("Authorization") != "" {
				t.Fatalf("got %d, %v", got.status, calls)
			}
			checkIdentity(t, calls[0], "%C3%84nne%20100%25", strings.ReplaceAll(issuer.URL, "/", "%2F"), "shop", "read:orders")
			_, calls = b.send(t, "GET /maybe")
			checkIdentity(t, calls[0], "", "", "", "")
			_, calls = b.send(t, "GET /open", good)
			checkIdentity(t, calls[0], "", "", "", "")
			b.upgrade(t, strings.TrimPrefix(good, "Authorization: "))
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkIdentity compares the identity fields that the API got, in every spelling.
func checkIdentity(t *testing.T, c call, want ...string) {
	t.Helper()
	for i, name := range []string{"subject", "issuer", "client", "scopes"} {
		var values []string
		for field, v := range c.header {
			if strings.ReplaceAll(strings.ToLower(field), "_", "-") == "x-auth-"+name {
				values = append(values, v...)
			}
		}
		if strings.Join(values, "|") != want[i] { // nginx leaves out what is empty
			t.Errorf("X-Auth-%s is %q at the API, want %q", name, values, want[i])
		}
	}
}

// upgrade opens a WebSocket through the gateway, with and without a token.
func (b *behindGate) upgrade(t *testing.T, authorization string) {
	t.Helper()
	_, resp, err := websocket.Dial(t.Context(), "ws://"+b.address+"/orders", nil)
	if err == nil || resp == nil || resp.StatusCode != 401 {
		t.Errorf("a WebSocket without a token: %v, %v", resp, err)
	}
	conn, _, err := websocket.Dial(t.Context(), "ws://"+b.address+"/orders", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {authorization}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if _, text, err := conn.Read(t.Context()); err != nil || string(text) != "%C3%84nne%20100%25" {
		t.Errorf("the WebSocket said %q, %v", text, err)
	}
}

// What reaches the API has an identity of the gate's alone.
func TestW18_GatewaysCarryNoIdentityOfTheClient(t *testing.T) {
	for kind := range gateways {
		t.Run(kind, func(t *testing.T) {
			issuer, guard := newGuard(t, nil)
			b := startBehindGate(t, kind, func(string) *auth.Guard { return guard })
			good := "Authorization: Bearer " + issuer.Token("read:orders")
			reached := 0
			for _, fields := range [][]string{
				{"X-Auth-Subject: root"}, {"x-auth-subject: root"}, {"X_Auth_Subject: root"}, {"X-Auth_Subject: root"}, {"X-Auth-Scopes: admin:all"}, {"x_auth_issuer: root"}, {"X-Auth-Client:"},
				{"X-Auth-Subject: root", "X-Auth-Subject: admin"}, {"X.Auth.Subject: root"},
				{"Connection: close, X-Auth-Subject"}, {"Connection: X-Auth-Subject, X-Auth-Issuer, X-Auth-Scopes, X-Auth-Client"}, {"Connection: close, Authorization"}, {"Connection: close, X-Forwarded-Uri"},
				{"X-Forwarded-Uri: /open"}, {"X-Forwarded-Method: GET"}, {"X-Forwarded-Host: evil.example"}, {"X-Forwarded-Proto: https"}, {"X_Forwarded_Uri: /open"},
				{"X-Original-URL: /admin"}, {"X-Rewrite-URL: /admin"}, {"X-HTTP-Method-Override: DELETE"}, {"Forwarded: host=evil.example"},
			} {
				got, calls := b.send(t, "GET /orders", append(fields, good)...)
				if got.status != 200 && got.status/100 != 4 {
					t.Errorf("%q: got %d", fields, got.status)
				}
				for _, c := range calls {
					reached++
					checkIdentity(t, c, "alice", strings.ReplaceAll(issuer.URL, "/", "%2F"), c.header.Get("X-Auth-Client"), "read:orders")
					for field := range c.header {
						if l := strings.ToLower(field); strings.HasPrefix(l, "x-original") || strings.HasPrefix(l, "x-rewrite") || strings.Contains(l, "override") {
							t.Errorf("%q reached the API", field)
						}
					}
				}
				got, calls = b.send(t, "GET /admin", append(fields, good)...)
				if got.status/100 != 4 || len(calls) > 0 {
					t.Errorf("%q: GET /admin: got %d, %d calls", fields, got.status, len(calls))
				}
			}
			if reached == 0 {
				t.Error("nothing reached the API: fields of other meanings must not be refused")
			}
		})
	}
}

// Gateway, gate and API agree on a path, or the request is refused: also for an API that reads more
// into a path than ServeMux does.
func TestW18_GatewaysAndTheAPIAgreeOnThePath(t *testing.T) {
	rules, err := auth.ParseRules(gateRules)
	if err != nil {
		t.Fatal(err)
	}
	router := http.NewServeMux()
	for key := range rules {
		router.Handle(key, http.NotFoundHandler())
	}
	ruleOf := func(method, p string) string {
		_, pattern := router.Handler(&http.Request{Method: method, URL: &url.URL{Path: p}})
		return rules[pattern].String()
	}
	for kind := range gateways {
		t.Run(kind, func(t *testing.T) {
			issuer, guard := newGuard(t, nil)
			b := startBehindGate(t, kind, func(string) *auth.Guard { return guard })
			reached := 0
			for _, scope := range []string{"", "read:orders", "read:files", "admin:all"} {
				var fields []string
				if scope != "" {
					fields = []string{"Authorization: Bearer " + issuer.Token(scope)}
				}
				for _, target := range []string{
					"/orders", "/orders/", "/orders/17", "/orders/17/", "/ORDERS", "/admin", "/admin/", "/ADMIN", "/Admin", "/%61dmin", "/adm%69n", "/admin%00", "/admin%20", "/admin%0a",
					"/admin;x", "/admin%3bx", "/admin/..;/open", "/open/..;/admin", "/open/../admin", "/open/%2e%2e/admin", "/open/.%2e/admin", "/open/..%2fadmin", "/open/..%2Fadmin", "/open%2f..%2fadmin",
					"/files/..%5cadmin", `/files\..\admin`, `/\admin`, "/files/../admin", "/files/%2e%2e%2fadmin", "/files/%252e%252e%252fadmin", "/files/..%c0%afadmin", "//admin", "///admin", "//evil.example/admin", "/./admin", "/admin/.", "/admin/./x", "/admin//x",
					"/admin/..%2forders", "/admin/%2e%2e/orders", "/admin/x/../../orders", "/orders/..%2fadmin", "/orders/%2fadmin", "/files/a%2fb", "/files//a", "/files/a/b", "/files/a%20b", "/open?x=/../admin", "/open%3f/../admin", "/open%23/../admin", "/open#/../admin",
					"http://" + b.address + "/admin", "http://evil.example/admin", "http://" + b.address + "/open", "/admin?access_token=x", "/admin/%e2%80%ae", "/orders/%ff",
				} {
					got, calls := b.send(t, "GET "+target, fields...)
					if got.status/100 == 5 {
						t.Errorf("%s with %q: got %d", target, scope, got.status)
					}
					for _, c := range calls {
						reached++
						u, err := url.ParseRequestURI(c.target)
						if err != nil {
							t.Errorf("%s reached the API as %s: %v", target, c.target, err)
							continue
						}
						for name, read := range map[string]string{"strict": u.Path, "lax": laxPath(u.EscapedPath())} {
							if rule := ruleOf("GET", read); rule != "public" && rule != "optional" && rule != scope {
								t.Errorf("%s with %q reached the API as %s, which a %s router takes for %s: %q", target, scope, c.target, name, read, rule)
							}
						}
					}
				}
			}
			if reached < 8 {
				t.Errorf("only %d requests reached the API", reached)
			}
		})
	}
}

// laxPath reads a path as the laxest of APIs: decoded twice, backslashes as slashes, parameters
// dropped, cut at NUL, cleaned, in lower case.
func laxPath(escaped string) string {
	p := escaped
	for range 2 {
		if decoded, err := url.PathUnescape(p); err == nil {
			p = decoded
		}
	}
	p, _, _ = strings.Cut(strings.ReplaceAll(p, `\`, "/"), "\x00")
	segments := strings.Split(p, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.ToLower(strings.TrimSpace(path.Clean("/" + strings.Join(segments, "/"))))
}

func TestForwardAuthTraps(t *testing.T) {
	for _, c := range []struct {
		name, kind, file, right, wrong string
		fields                         []string
	}{
		{"fields that Connection names", "caddy", "caddy/forward_auth.Caddyfile", "respond @drops 400", "", []string{"Connection: close, X-Auth-Subject"}},
		{"an identity that is not replaced", "nginx", "nginx/forward_auth.conf", "proxy_set_header X-Auth-Subject $subject;", "", nil},
	} {
		t.Run("trap: "+c.name, func(t *testing.T) {
			program(t, c.kind)
			text, err := os.ReadFile(c.file)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "trap.conf")
			if err := os.WriteFile(file, []byte(strings.Replace(string(text), c.right, c.wrong, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			issuer, guard := newGuard(t, nil)
			b := startBehindGateBy(t, map[string]func(*testing.T, string, map[string]string){"caddy": startCaddy, "nginx": startNginx}[c.kind], file, func(string) *auth.Guard { return guard })
			got, calls := b.send(t, "GET /orders", append(c.fields, "Authorization: Bearer "+issuer.Token("read:orders"))...)
			if got.status != 200 || len(calls) != 1 || calls[0].header.Get("X-Auth-Subject") != "" {
				t.Errorf("got %d %v, want the API to be told no subject", got.status, calls)
			}
		})
	}
}

func TestGatewaysTellWhatIsNotAvailable(t *testing.T) {
	for kind := range gateways {
		t.Run(kind, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			issuer.Fail(503)
			guard := issuer.Guard(nil)
			b := startBehindGate(t, kind, func(string) *auth.Guard { return guard })
			got, calls := b.send(t, "GET /orders", "Authorization: Bearer "+issuer.Token("read:orders"))
			if got.status != 503 || got.header.Get("Retry-After") == "" || got.header.Get("Www-Authenticate") != "" || len(calls) > 0 {
				t.Errorf("got %d %v, want 503 and Retry-After", got.status, got.header)
			}
		})
	}
}

// A proof is for the API's public address, and used up by one question.
func TestGatewaysAskAboutAProofOnce(t *testing.T) {
	for kind := range gateways {
		t.Run(kind, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			b := startBehindGate(t, kind, func(origin string) *auth.Guard {
				binding, err := dpop.New([]string{origin}, dpop.NewMemory(0), nil)
				if err != nil {
					t.Fatal(err)
				}
				return issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{binding}})
			})
			prover := authtest.NewProver(t, auth.ES256)
			token := issuer.Token("read:orders", prover.Confirmation())
			for i := range 3 {
				proof := prover.Proof("GET", fmt.Sprintf("http://%s/orders/%d", b.address, i), token)
				for try, want := range []int{200, 401} {
					got, calls := b.send(t, fmt.Sprintf("GET /orders/%d", i), "Authorization: DPoP "+token, "DPoP: "+proof)
					if got.status != want || len(calls) != btoi(want == 200) || want == 401 && !strings.HasPrefix(got.header.Get("Www-Authenticate"), "DPoP ") {
						t.Errorf("try %d: got %d %v, want %d", try+1, got.status, got.header, want)
					}
				}
			}
			got, _ := b.send(t, "GET /orders", "Authorization: DPoP "+token, "DPoP: "+prover.Proof("GET", "http://evil.example/orders", token))
			if got.status != 401 {
				t.Errorf("a proof for another origin: got %d", got.status)
			}
		})
	}
}
