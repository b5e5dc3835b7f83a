package main_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// TestMatrixRandomBytes sends tokens with random text in random places. Whatever it is, the
// challenge is one of those that a Guard has for its Reasons, byte for byte, so nothing of it can
// be there (row B-21); and nothing of it is anywhere else in the answer or in the log (row B-35).
func TestMatrixRandomBytes(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	g := newGroup(t, "random", issuer.Verifier(auth.Config{}))
	known := map[string]bool{}
	renderer := issuer.Guard(&auth.GuardOptions{ResourceMetadata: metadataURL})
	for _, r := range auth.Reasons() {
		h := http.Header{}
		renderer.SetRefusalHeader(h, &auth.Error{Reason: r})
		for _, line := range h["Www-Authenticate"] {
			known[line] = true
		}
	}
	const seed = 1
	chance := rand.New(rand.NewPCG(seed, seed))
	for range 40 {
		sent, mark := randomToken(issuer, chance)
		g.secret.add([]string{sent})
		for name, ask := range g.transports {
			a := ask(t, request{need: "orders", authorization: []string{sent}, shape: func(r *http.Request) {
				r.URL.RawQuery = "q=" + url.QueryEscape(mark)
				r.Header.Set("X-Mark", base64.StdEncoding.EncodeToString([]byte(mark)))
			}})
			if a.status != 400 && a.status != 401 {
				t.Errorf("%s, %q: status %d", name, sent, a.status)
			}
			t.Run("B-21/"+name, func(t *testing.T) {
				if len(a.challenges) != 1 || !known[a.challenges[0]] {
					t.Errorf("%q: challenge %q", sent, a.challenges)
				}
			})
			t.Run("B-35/"+name, func(t *testing.T) { checkSecrecy(t, a, []string{sent, mark}) })
		}
	}
}

// randomToken is an Authorization value that is refused, and the random text in it.
func randomToken(issuer *authtest.Issuer, chance *rand.Rand) (authorization, mark string) {
	var b strings.Builder
	for range 12 + chance.IntN(40) {
		switch chance.IntN(4) {
		case 0:
			const odd = "\"\\\r\n\t ,;=<>&%\x00\x7f"
			b.WriteByte(odd[chance.IntN(len(odd))])
		case 1:
			b.WriteRune(rune(0x80 + chance.IntN(0x2000)))
		default:
			b.WriteByte(byte('!' + chance.IntN('~'-'!')))
		}
	}
	mark = canary + b.String()
	claims := []string{"iss", "aud", "exp", "nbf", "iat", "cnf", "sub", mark}
	members := []string{"typ", "alg", "kid", "crit", "jku", mark}
	var change authtest.Change = authtest.Claims{claims[chance.IntN(len(claims))]: mark}
	if chance.IntN(2) == 0 {
		change = authtest.Header{members[chance.IntN(len(members))]: mark}
	}
	if chance.IntN(4) == 0 { // no token at all: what token68 allows of it
		return "Bearer " + base64.StdEncoding.EncodeToString([]byte(mark)), mark
	}
	earlier := authtest.Claims{"iat": time.Now().Add(-15 * time.Minute).Unix()} // than the keys were asked for: with an unknown kid, it is refused
	return "Bearer " + token(issuer, "read:orders", earlier, change, authtest.BadSignature), mark
}

// TestMatrixProxy holds the recipe of ExampleMux_proxy: what stands behind a proxy gets neither the
// caller's token (row S-05) nor an identity that the caller made up (row S-10).
func TestMatrixProxy(t *testing.T) {
	var seen http.Header
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header }))
	defer upstream.Close()
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Header.Del("Authorization")
		r.Out.Header.Del("X-User")
		if p, ok := auth.PrincipalFrom(r.In.Context()); ok {
			r.Out.Header.Set("X-User", p.Subject())
		}
	}}
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	mux := httpauth.NewMux(guard)
	mux.Handle("GET /orders", auth.Optional(), proxy)
	r := chi.NewRouter()
	chiauth.NewRouter(guard, r).Get("/orders", auth.Optional(), proxy.ServeHTTP)
	e := echo.New()
	e.GET("/orders", echo.WrapHandler(proxy), echoauth.Enforce(guard, auth.Optional()))

	raw := issuer.Token("read:orders")
	for name, h := range map[string]http.Handler{"nethttp": mux, "chi": r, "echo": e} {
		ask := overHTTP(t, h)
		for user, authorization := range map[string][]string{"alice": bearer(raw), "": nil} {
			seen = nil
			a := ask(t, request{need: "orders", authorization: authorization, field: [2]string{"X-User", "admin"}})
			if a.status != 200 {
				t.Fatalf("%s: status %d", name, a.status)
			}
			t.Run("S-05/"+name, func(t *testing.T) {
				if text := fmt.Sprint(seen); slices.ContainsFunc(pieces(authorization), func(p string) bool { return strings.Contains(text, p) }) {
					t.Errorf("the token is handed on: %s", text)
				}
			})
			t.Run("S-10/"+name, func(t *testing.T) {
				if got := seen.Get("X-User"); got != user || len(seen["X-User"]) > 1 {
					t.Errorf("user %q, want %q", seen["X-User"], user)
				}
			})
		}
	}
}
