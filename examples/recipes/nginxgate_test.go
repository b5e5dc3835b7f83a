package recipes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// A replica of the gate that is down changes no answer: the next one is asked, and nginx then tells
// of both.
func TestNginxAsksTheNextGate(t *testing.T) {
	program(t, "nginx")
	for name, c := range map[string]struct {
		token, target string
		down          bool // the issuer
		status        int
		field         string
	}{
		"no scope":  {"other", "/orders", false, 403, "Www-Authenticate"},
		"good":      {"read:orders", "/orders", false, 200, ""},
		"bad token": {"", "/orders", false, 401, "Www-Authenticate"},
		"bad path":  {"read:orders", "/a//b", false, 400, ""},
		"an outage": {"read:orders", "/orders", true, 503, "Retry-After"},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			token := "x"
			if c.token != "" {
				token = issuer.Token(c.token)
			}
			if c.down {
				issuer.Fail(503)
			}
			file := filepath.Join(t.TempDir(), "nginx.conf")
			text := strings.Replace(readFile(t, "nginx/forward_auth.conf"), "server 127.0.0.1:9001;", "server "+freeAddress(t)+"; server 127.0.0.1:9001 backup;", 1)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			b := startBehindGateBy(t, startNginx, file, func(string) *auth.Guard { return issuer.Guard(nil) })
			got, calls := b.send(t, "GET "+c.target, "Authorization: Bearer "+token)
			if got.status != c.status || len(calls) != btoi(c.status == 200) || c.field != "" && got.header.Get(c.field) == "" {
				t.Errorf("got %d %v, %d calls; want %d and %s", got.status, got.header, len(calls), c.status, c.field)
			}
		})
	}
}

// guardWithNonces asks every proof for a nonce.
func guardWithNonces(t *testing.T, issuer *authtest.Issuer, origin string) *auth.Guard {
	nonces, err := dpop.NewNonces(0, []byte(strings.Repeat("n", 32)))
	if err != nil {
		t.Fatal(err)
	}
	binding, err := dpop.New([]string{origin}, dpop.NewMemory(0), &dpop.Options{Nonces: nonces})
	if err != nil {
		t.Fatal(err)
	}
	return issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{binding}})
}

// A nonce reaches the client, which makes its next proof with it.
func TestGatewaysTellTheNonce(t *testing.T) {
	for kind := range gateways {
		t.Run(kind, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			b := startBehindGate(t, kind, func(origin string) *auth.Guard { return guardWithNonces(t, issuer, origin) })
			prover := authtest.NewProver(t, auth.ES256)
			token := issuer.Token("read:orders", prover.Confirmation())
			got, _ := b.send(t, "GET /orders", "Authorization: DPoP "+token, "DPoP: "+prover.Proof("GET", "http://"+b.address+"/orders", token))
			if got.status != 401 || len(got.header["Dpop-Nonce"]) != 1 || len(got.header["Www-Authenticate"]) == 0 || kind == "nginx" && len(got.header["Www-Authenticate"]) != 1 || got.header.Get("Cache-Control") != "no-store" {
				t.Fatalf("got %d %v, want 401, a nonce and its challenge", got.status, got.header)
			}
			proof := prover.Proof("GET", "http://"+b.address+"/orders", token, authtest.Claims{"nonce": got.header.Get("Dpop-Nonce")})
			if got, _ := b.send(t, "GET /orders", "Authorization: DPoP "+token, "DPoP: "+proof); got.status != 200 {
				t.Errorf("with the nonce: got %d %v", got.status, got.header)
			}
		})
	}
}

// An identity may be three times as large as the token.
func TestGatewaysTellALargeIdentity(t *testing.T) {
	client := strings.Repeat("ä", 5<<10)
	for kind := range gateways {
		t.Run(kind, func(t *testing.T) {
			issuer, guard := newGuard(t, nil)
			b := startBehindGate(t, kind, func(string) *auth.Guard { return guard })
			got, calls := b.send(t, "GET /orders", "Authorization: Bearer "+issuer.Token("read:orders", authtest.Claims{"client_id": client}))
			if got.status != 200 || len(calls) != 1 {
				t.Fatalf("got %d, %d calls", got.status, len(calls))
			}
			checkIdentity(t, calls[0], "alice", strings.ReplaceAll(issuer.URL, "/", "%2F"), strings.ReplaceAll(client, "ä", "%C3%A4"), "read:orders")
		})
	}
}

// The same with a guard for each location: what one replica refuses is refused when another is
// down.
func TestNginxAuthRequestAsksTheNextGuard(t *testing.T) {
	program(t, "nginx")
	issuer, guard := newGuard(t, nil)
	for name, c := range map[string]struct {
		scope  string
		status int
	}{"no scope": {"other", 403}, "good": {"read:orders", 200}} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "nginx.conf")
			text := strings.Replace(readFile(t, "nginx/auth_request.conf"), "server 127.0.0.1:9001;", "server "+freeAddress(t)+"; server 127.0.0.1:9001 backup;", 1)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			at := startAuthRequestBy(t, file, newAuthRequest(guard))
			got := getPath(t, at, "/orders", []string{"Bearer " + issuer.Token(c.scope)}, nil)
			if got.status != c.status {
				t.Errorf("got %d %v, want %d", got.status, got.header, c.status)
			}
		})
	}
}
