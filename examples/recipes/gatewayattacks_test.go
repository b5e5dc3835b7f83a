package recipes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// Behind an upgrade to HTTP/2 a client talks to the API itself, and nobody is asked about the rest.
func TestW18_GatewaysUpgradeToWebSocketAlone(t *testing.T) {
	for kind := range gateways {
		t.Run(kind, func(t *testing.T) {
			issuer, guard := newGuard(t, nil)
			b := startBehindGate(t, kind, func(string) *auth.Guard { return guard })
			for _, fields := range [][]string{
				{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"},
				{"Connection: close, Upgrade", "Upgrade: H2C"},
				{"Connection: Upgrade", "Upgrade: websocket, h2c"},
				{"Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"},
				{"Connection: Upgrade", "Upgrade: TLS/1.2"},
				{"Upgrade: h2c"},
			} {
				fields = append(fields, "Authorization: Bearer "+issuer.Token("read:orders"))
				got, calls := b.send(t, "GET /open", fields...)
				if len(calls) == 0 && got.status != 400 {
					t.Errorf("%q: got %d", fields, got.status)
				}
				for _, c := range calls {
					for _, value := range append(c.header["Upgrade"], c.header["Http2-Settings"]...) {
						if !strings.EqualFold(value, "websocket") {
							t.Errorf("%q: the API was asked to upgrade to %q", fields, value)
						}
					}
				}
			}
		})
	}
}

// What a client sends beside its token leaves the identity whole.
func TestW18_TheIdentityIsWholeInLargeRequests(t *testing.T) {
	names := strings.Repeat("orders:of-a-long-name ", 60)
	for kind := range gateways {
		t.Run(kind, func(t *testing.T) {
			issuer, guard := newGuard(t, nil)
			b := startBehindGate(t, kind, func(string) *auth.Guard { return guard })
			good := "Authorization: Bearer " + issuer.Token("read:orders", authtest.Claims{"client_id": names})
			reached, refused := 0, 0
			for size := 40 << 10; size < 66<<10; size += 200 {
				fields := []string{good}
				for left := size - len(good); left > 0; left -= 900 {
					fields = append(fields, "X-Large: "+strings.Repeat("x", min(left, 890)))
				}
				got, calls := b.send(t, "GET /orders", fields...)
				if len(calls) == 0 {
					refused++
					if got.status/100 == 2 {
						t.Errorf("%d bytes: got %d", size, got.status)
					}
					continue
				}
				reached++
				checkIdentity(t, calls[0], "alice", strings.ReplaceAll(issuer.URL, "/", "%2F"), strings.ReplaceAll(names, " ", "%20"), "read:orders")
			}
			if reached == 0 || kind == "haproxy" && refused == 0 {
				t.Errorf("%d requests reached the API, %d were refused", reached, refused)
			}
		})
	}
}

// A list of names in any of several lines of Connection counts.
func TestW18_GatewaysReadEveryConnectionField(t *testing.T) {
	for kind := range gateways {
		t.Run(kind, func(t *testing.T) {
			issuer, guard := newGuard(t, nil)
			b := startBehindGate(t, kind, func(string) *auth.Guard { return guard })
			for _, fields := range [][]string{
				{"Connection: X-Auth-Subject", "Connection: x-other"},
				{"Connection: x-other", "Connection: X-Auth-Subject"},
				{"Connection: X-Auth-Subject", "Connection: close"},
			} {
				got, calls := b.send(t, "GET /orders", append(fields, "Authorization: Bearer "+issuer.Token("read:orders"))...)
				if len(calls) == 0 && got.status != 400 {
					t.Errorf("%q: got %d", fields, got.status)
				}
				for _, c := range calls {
					checkIdentity(t, c, "alice", strings.ReplaceAll(issuer.URL, "/", "%2F"), c.header.Get("X-Auth-Client"), "read:orders")
					for _, list := range c.header["Connection"] {
						if strings.Contains(strings.ToLower(list), "auth") {
							t.Errorf("%q: the API was told Connection: %s", fields, list)
						}
					}
				}
			}
		})
	}
}

// HAProxy lets a request go on when the script that decides has failed. The line below it does not.
func TestHAProxyRefusesWhatItsScriptFailedFor(t *testing.T) {
	program(t, "haproxy")
	const guarded = "    http-request deny deny_status 500 unless { var(txn.bearward) -m bool }\n"
	for name, c := range map[string]struct {
		drop         string
		status, want int
	}{
		"the recipe": {"", 500, 0},
		"trap: without the line below the script": {guarded, 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			script := readFile(t, "haproxy/forward_auth.lua")
			script = strings.Replace(script, "core.httpclient()", `error("a script that fails")`, 1)
			config := readFile(t, "haproxy/forward_auth.cfg")
			if !strings.Contains(config, guarded) {
				t.Fatal("the recipe lacks the line")
			}
			config = strings.Replace(strings.Replace(config, c.drop, "", 1), "lua-load ", "lua-load "+dir+"/", 1)
			for file, text := range map[string]string{"forward_auth.lua": script, "haproxy.cfg": config} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, guard := newGuard(t, nil)
			b := startBehindGateBy(t, startHAProxy, filepath.Join(dir, "haproxy.cfg"), func(string) *auth.Guard { return guard })
			got, calls := b.send(t, "GET /orders")
			if got.status != c.status || len(calls) != c.want {
				t.Errorf("got %d, %d calls; want %d, %d", got.status, len(calls), c.status, c.want)
			}
		})
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Where HAProxy tells of a caller's certificate, an upgrade would let the caller tell of any.
func TestHAProxySendsOnNoUpgradeToH2C(t *testing.T) {
	program(t, "haproxy")
	const line = "http-request del-header Upgrade if { req.fhdr(Upgrade) -m sub -i h2c }\n"
	if !strings.Contains(readFile(t, "../../middleware/mtls/doc.go"), "//\t"+line) {
		t.Fatal("the page of mtls lacks the line")
	}
	for name, c := range map[string]struct {
		line string
		want bool
	}{"the page": {line, false}, "trap: without the line": {"", true}} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "haproxy.cfg")
			text := strings.Replace(readFile(t, "testdata/haproxy.cfg"), "    default_backend", "    "+c.line+"    default_backend", 1)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			b := &behindGate{address: freeAddress(t)}
			startHAProxy(t, file, map[string]string{"127.0.0.1:8080": b.address, "127.0.0.1:9002": serve(t, b)})
			for _, fields := range [][]string{{"Upgrade: h2c"}, {"Upgrade: H2C"}, {"Upgrade: x", "Upgrade: h2c"}} {
				got, calls := b.send(t, "GET /orders", append(fields, "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__")...)
				if got.status != 200 || len(calls) != 1 || (calls[0].header.Get("Upgrade") != "") != c.want {
					t.Errorf("%q: got %d %v", fields, got.status, calls)
				}
			}
		})
	}
}
