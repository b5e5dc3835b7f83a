package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestFlagsThatTheProfileDoesNotAllow(t *testing.T) {
	f := writeTLSFiles(t)
	pair := []string{"-tls-cert", f.cert, "-tls-key", f.key}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an unknown profile":           {[]string{"-profile", "fapi1"}, `-profile "fapi1" is not fapi2`},
		"no bound tokens":              {[]string{"-profile", "fapi2"}, "-profile fapi2 needs -dpop require or -mtls"},
		"TLS alone":                    {append(pair, "-profile", "fapi2"), "-profile fapi2 needs -dpop require or -mtls"},
		"plain tokens":                 {[]string{"-profile", "fapi2", "-dpop", "allow"}, "-profile fapi2 and -dpop allow contradict each other"},
		"plain tokens, and mTLS":       {append(pair, "-mtls", "-profile", "fapi2", "-dpop", "allow"), "-profile fapi2 and -dpop allow contradict each other"},
		"an issuer that signs by less": {[]string{"-profile", "fapi2", "-dpop", "require", "-preset", "cognito"}, "may sign by RS256"},
	} {
		var errs strings.Builder
		issuer := "http://127.0.0.1:1"
		if slices.Contains(c.args, "cognito") {
			issuer = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a"
		}
		code := run(t.Context(), append([]string{"-issuer", issuer, "-audience", "a", "-addr", "127.0.0.1:0"}, c.args...), &errs)
		if code != exitUsage || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit code %d, %q; want %q", name, code, errs.String(), c.want)
		}
	}
}

// TestProfileOverTheWire runs the program with DPoP and client certificates together.
func TestProfileOverTheWire(t *testing.T) {
	f, issuer := writeTLSFiles(t), authtest.NewIssuer(t, &authtest.Options{Socket: true, Algorithm: auth.ES256})
	weak := authtest.NewIssuer(t, &authtest.Options{Socket: true, Algorithm: auth.RS256})
	owner, thief := authtest.NewCertificate(t), authtest.NewCertificate(t)
	key, other, rsa := authtest.NewProver(t, auth.ES256), authtest.NewProver(t, auth.ES256), authtest.NewProver(t, auth.RS256)
	args := []string{"-tls-cert", f.cert, "-tls-key", f.key, "-mtls", "-dpop", "require", "-profile", "fapi2"}
	each(t, false, func(t *testing.T, adapter, protocol string) {
		r := start(t, issuer, append(args, "-adapter", adapter)...)
		ask := func(r *running, c *authtest.Certificate, token string, field ...string) int {
			if adapter == "grpc" {
				return askGRPC(t, r.addr, f.client(c), token, field...)
			}
			return askHTTP(t, r.addr, protocol, f.client(c), token, field...)
		}
		proof := func(r *running, p *authtest.Prover, token string) []string {
			if adapter == "grpc" {
				return []string{"dpop", p.Proof("POST", "https://"+r.addr+orderspb.Orders_ListOrders_FullMethodName, token)}
			}
			return []string{"dpop", p.Proof("GET", "https://"+r.addr+"/orders", token)}
		}
		byKey, byRSA, byCert := issuer.Token("read:orders", key.Confirmation()), issuer.Token("read:orders", rsa.Confirmation()), issuer.Token("read:orders", owner.Confirmation())
		both := issuer.Token("read:orders", authtest.Claims{"cnf": map[string]any{"jkt": key.Thumbprint(), "x5t#S256": owner.Thumbprint()}})
		plain, short := issuer.Token("read:orders"), issuer.Token("write:orders", owner.Confirmation())
		used := proof(r, key, byKey)
		for _, tt := range []struct {
			what  string
			cert  *authtest.Certificate
			token string
			field []string
			want  int
		}{
			{"bound to a key, with a proof", nil, "DPoP " + byKey, used, 200},
			{"the proof again", nil, "DPoP " + byKey, used, 401},
			{"another's proof", nil, "DPoP " + byKey, proof(r, other, byKey), 401},
			{"under Bearer", nil, byKey, proof(r, key, byKey), 401},
			{"a proof by RS256", nil, "DPoP " + byRSA, proof(r, rsa, byRSA), 401},
			{"bound to a certificate, with it", owner, byCert, nil, 200},
			{"another's certificate", thief, byCert, nil, 401},
			{"no certificate", nil, byCert, nil, 401},
			{"under DPoP", owner, "DPoP " + byCert, proof(r, key, byCert), 401},
			{"bound to both, with both", owner, "DPoP " + both, proof(r, key, both), 200},
			{"bound to both, with the key alone", nil, "DPoP " + both, proof(r, key, both), 401},
			{"bound to both, with the certificate alone", owner, both, nil, 401},
			{"a plain token", owner, plain, nil, 401},
			{"a plain token with a proof", nil, "DPoP " + plain, proof(r, key, plain), 401},
			{"a scope is missing", owner, short, nil, 403},
		} {
			if got := ask(r, tt.cert, tt.token, tt.field...); got != tt.want {
				t.Errorf("%s: %d, want %d\n%s", tt.what, got, tt.want, r.log())
			}
		}
		if protocol == "HTTP/2.0" {
			return // the algorithm of a token has nothing to do with it
		}
		rs := start(t, weak, append(args, "-adapter", adapter)...)
		if got := ask(rs, owner, weak.Token("read:orders", owner.Confirmation())); got != 401 || !strings.Contains(rs.log(), "ALGORITHM_NOT_ALLOWED") {
			t.Errorf("a token by RS256: %d\n%s", got, rs.log())
		}
	})
}

// Where a proxy ends TLS, it tells of the certificate that a token is bound to.
func TestProfileBehindAProxy(t *testing.T) {
	f, issuer := writeTLSFiles(t), authtest.NewIssuer(t, &authtest.Options{Socket: true, Algorithm: auth.EdDSA})
	owner, thief := authtest.NewCertificate(t), authtest.NewCertificate(t)
	bound, plain := issuer.Token("read:orders", owner.Confirmation()), issuer.Token("read:orders")
	each(t, true, func(t *testing.T, adapter, protocol string) {
		ask := served(t, f, issuer, adapter, protocol, "-profile", "fapi2", "-client-cert-header", "client-cert", "-trusted-proxy", "127.0.0.1/32")
		for what, tt := range map[string]struct {
			token string
			field []string
			want  int
		}{
			"its client":     {bound, []string{"client-cert", rfc9440(owner)}, 200},
			"another client": {bound, []string{"client-cert", rfc9440(thief)}, 401},
			"no certificate": {bound, nil, 401},
			"a plain token":  {plain, []string{"client-cert", rfc9440(owner)}, 401},
		} {
			if got := ask(t, nil, tt.token, tt.field...); got != tt.want {
				t.Errorf("%s: %d, want %d", what, got, tt.want)
			}
		}
	})
}
