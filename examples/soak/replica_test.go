//go:build unix

package soak_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bearward/bearward/adapters/promauth"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/introspect"
	"github.com/bearward/bearward/middleware/mtls"
)

const (
	origin        = "https://soak.example"
	refresh       = time.Second // of keys
	opaqueAge     = 2 * time.Second
	proofAge      = 2 * time.Second
	proofLeeway   = time.Second
	replayTimeout = time.Second // a loaded machine is slow, too
)

// A replica is an API behind every adapter, with two Guards over one Issuers and one Introspector:
// one asks Redis which tokens are revoked, the other does not.
type replica struct {
	fronts  []front
	issuers *auth.Issuers
	guest   *jwks.Cache

	plain, shown *http.Client // without a client certificate, and with one
	closes       []func()
}

func (w *world) newReplica(ca *authtest.CA, quiet *slog.Logger) *replica {
	t := w.t
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r := &replica{}
	metrics, err := promauth.New(prometheus.NewRegistry(), nil)
	must(err)
	var verifiers []*auth.Verifier
	for _, n := range w.tenants[:len(w.tenants)-1] {
		keys, v := verifierOf(t, n, metrics, quiet)
		verifiers = append(verifiers, v)
		r.closes = append(r.closes, func() { _ = keys.Close() })
	}
	r.issuers, err = auth.NewIssuers(verifiers...)
	must(err)
	asked, err := introspect.New(w.opaque.url, introspect.Basic("soak", introspect.FixedSecret("a secret")), introspect.Config{
		Claims: auth.Config{Issuer: opaqueIssuer, Audiences: []string{audience}}, MaxAge: opaqueAge, Logger: quiet, OnCall: metrics.OnCall,
	})
	must(err)
	r.closes = append(r.closes, func() { _ = asked.Close() })
	tokens, err := auth.NewForms(r.issuers, asked)
	must(err)
	store := w.redis.store(quiet)
	r.closes = append(r.closes, func() { _ = store.Close() })
	bound, err := dpop.New([]string{origin}, store, &dpop.Options{MaxAge: proofAge, Leeway: proofLeeway, ReplayTimeout: replayTimeout})
	must(err)
	certificates, err := mtls.New(&mtls.Options{Logger: quiet})
	must(err)
	guard := func(revoked func(context.Context, *auth.Principal) (bool, error)) *auth.Guard {
		g, err := auth.NewGuard(tokens, &auth.GuardOptions{
			OnDecision: metrics.OnDecision, Bindings: []auth.Binding{bound, certificates}, Revoked: revoked,
		})
		must(err)
		return g
	}
	r.plain, r.shown = clientOf(ca), clientOf(ca, w.certificate.TLS())
	checked, unchecked := guard(store.Revoked), guard(nil)
	r.serveNetHTTP(w, ca, checked)
	r.serveChi(w, ca, unchecked)
	r.serveEcho(w, ca, checked)
	r.serveGin(w, ca, unchecked)
	r.serveGateway(w, ca, checked)
	r.serveTools(w, ca, checked)
	r.serveGRPC(w, ca, checked)
	r.serveConnect(w, ca, checked)
	return r
}

func verifierOf(t *testing.T, n *tenant, metrics *promauth.Metrics, quiet *slog.Logger) (*jwks.Cache, *auth.Verifier) {
	opts := &jwks.Options{RefreshEvery: refresh, Cooldown: time.Second, Timeout: time.Second, Logger: quiet}
	if metrics != nil {
		opts.OnRefresh = metrics.OnRefresh
	}
	keys, err := jwks.FromIssuer(n.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	v, err := auth.NewVerifier(keys, auth.Config{Issuer: n.URL, Audiences: []string{audience}})
	if err != nil {
		t.Fatal(err)
	}
	return keys, v
}

// admit has the replica trust n.
func (r *replica) admit(t *testing.T, n *tenant) {
	keys, v := verifierOf(t, n, nil, slog.New(slog.DiscardHandler))
	if err := r.issuers.Add(v); err != nil {
		t.Error(err)
	}
	r.guest = keys
}

// dismiss has the replica trust n no longer.
func (r *replica) dismiss(t *testing.T, n *tenant) {
	if r.issuers.Remove(n.URL) == nil {
		t.Errorf("%s was not trusted", n.URL)
	}
	_ = r.guest.Close()
	r.guest = nil
}

func serverTLS(ca *authtest.CA) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{ca.Certificate("127.0.0.1").TLS()}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13}
}

func clientTLS(ca *authtest.CA, shown ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: ca.Pool(), Certificates: shown, MinVersion: tls.VersionTLS13}
}

func clientOf(ca *authtest.CA, shown ...tls.Certificate) *http.Client {
	return &http.Client{
		Transport: &http.Transport{TLSClientConfig: clientTLS(ca, shown...), MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: true},
	}
}

// listen starts a server over TLS that asks for client certificates and requires none, and returns
// its URL.
func (r *replica) listen(ca *authtest.CA, h http.Handler) string {
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnContext = auth.ConnContext
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.TLS, s.EnableHTTP2 = serverTLS(ca), true
	s.StartTLS()
	r.closeFirst(s.Close)
	return s.URL
}

// closeFirst has f called before what is there already is closed.
func (r *replica) closeFirst(f func()) { r.closes = append([]func(){f}, r.closes...) }

func (r *replica) close() {
	r.plain.CloseIdleConnections()
	r.shown.CloseIdleConnections()
	for _, c := range r.closes {
		c()
	}
	r.shown.CloseIdleConnections() // the gateway's, too
	if r.guest != nil {
		_ = r.guest.Close()
	}
}
