package forwardauth_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/bearward/bearward/adapters/forwardauth"
	auth "github.com/bearward/bearward/middleware"
)

// must returns v, and panics when err is not nil: for what a program cannot start without.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// gateway is where questions come from in these tests.
var gateway = netip.MustParsePrefix("10.0.0.7/32")

// options are those of a Handler for https://api.example.com, behind one gateway.
func options() forwardauth.Options {
	return forwardauth.Options{For: []string{"https://api.example.com"}, Gateways: []netip.Prefix{gateway}}
}

// A connection is one that exists in its addresses alone.
type connection struct {
	net.Conn
	remote, local net.Addr
}

func (c connection) RemoteAddr() net.Addr { return c.remote }
func (c connection) LocalAddr() net.Addr  { return c.local }

// from returns a request that came by a connection of an address.
func from(r *http.Request, address string) *http.Request {
	tcp := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 4711))
	return r.WithContext(auth.ConnContext(r.Context(), connection{nil, tcp, tcp}))
}

// question is what a gateway asks about a request.
func question(method, target, token string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Forwarded-Method", method)
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-Host", "api.example.com")
	r.Header.Set("X-Forwarded-Uri", target)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return from(r, "10.0.0.7")
}

func ask(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A told collects faults.
type told []forwardauth.Fault

func (t *told) add(_ context.Context, f forwardauth.Fault) { *t = append(*t, f) }

func rules(t testing.TB, text string) auth.Rules {
	t.Helper()
	all, err := auth.ParseRules(text)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
