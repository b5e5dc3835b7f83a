package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// One guard for the tokens of several issuers, bound ones among them.
func TestSeveralIssuers(t *testing.T) {
	socket := &authtest.Options{Socket: true}
	one, two, other := authtest.NewIssuer(t, socket), authtest.NewIssuer(t, socket), authtest.NewIssuer(t, socket)
	client := authtest.NewProver(t, auth.ES256)
	for _, adapter := range []string{"nethttp", "chi", "echo"} {
		r := start(t, one, "-adapter", adapter, "-issuer", one.URL, "-issuer", two.URL, "-dpop", "allow", "-metrics", "127.0.0.1:0")
		for name, issuer := range map[string]*authtest.Issuer{"the first": one, "the second": two} {
			r.want(name, r.send("Bearer "+issuer.Token("read:orders")), 200, "")
			r.want(name+", another scope", r.send("Bearer "+issuer.Token("write:orders")), 403, "")
			bound := issuer.Token("read:orders", client.Confirmation())
			r.want(name+", bound", r.send("DPoP "+bound, client.Proof("GET", "http://"+r.addr+"/orders", bound)), 200, "")
			r.want(name+", stolen", r.send("Bearer "+bound), 401, "")
		}
		r.want("another issuer", r.send("Bearer "+other.Token("read:orders")), 401, "")
		r.want("the second's name, by the first's key", r.send("Bearer "+one.Token("read:orders", authtest.Claims{"iss": two.URL})), 401, "")

		addr := ""
		for i := 0; i < 400 && addr == ""; i++ { // it logs after it listens
			if i > 0 {
				time.Sleep(50 * time.Millisecond)
			}
			_, rest, _ := strings.Cut(r.log(), "addr=127.0.0.1")
			_, rest, _ = strings.Cut(rest, "/metrics")
			_, rest, _ = strings.Cut(rest, "addr=")
			if line, _, whole := strings.Cut(rest, "\n"); whole {
				addr = line
			}
		}
		resp, err := http.Get("http://" + addr + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, issuer := range []string{"main", "issuer2"} {
			if !strings.Contains(string(text), `bearward_jwks_state{issuer="`+issuer+`"`) {
				t.Errorf("the metrics have no issuer %q", issuer)
			}
		}
	}
}

// Opaque tokens are the first issuer's, and may be bound as JWTs are.
func TestOpaqueTokensBesideAnotherIssuer(t *testing.T) {
	o, other := newOpaqueIssuer(t), authtest.NewIssuer(t, &authtest.Options{Socket: true})
	client := authtest.NewProver(t, auth.ES256)
	r := o.start(t, "-issuer", other.URL, "-introspect", "auto", "-dpop", "allow")
	plain, bound := o.give("opaque-plain", nil), o.give("opaque-bound", client.Confirmation())
	prove := func(token string) string { return client.Proof("GET", "http://"+r.addr+"/orders", token) }
	r.want("opaque", r.send("Bearer "+plain), 200, "")
	r.want("opaque and bound", r.send("DPoP "+bound, prove(bound)), 200, "")
	r.want("opaque and stolen", r.send("Bearer "+bound), 401, refusedInvalid)
	r.want("opaque, by another's key", r.send("DPoP "+bound, authtest.NewProver(t, auth.ES256).Proof("GET", "http://"+r.addr+"/orders", bound)), 401, `DPoP realm="api", error="invalid_token"`)
	r.want("unknown", r.send("Bearer opaque-unknown"), 401, refusedInvalid)
	r.want("a JWT of the first", r.send("Bearer "+o.jwt()), 200, "")
	jwt := other.Token("read:orders")
	r.want("a JWT of the second", r.send("Bearer "+jwt), 200, "")
	if n := o.questions(jwt); n != 0 {
		t.Errorf("the first issuer was asked about a token of the second, %d times", n)
	}
}
