package doctor_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearward/bearward/adapters/httpauth"
	"github.com/bearward/bearward/cmd/bearward/internal/doctor"
	"github.com/bearward/bearward/internal/issuer"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/resource"
)

// A lab is a healthy issuer and a healthy API that it guards, each a server over TLS, and what is
// made wrong with them. Its functions are called by many goroutines.
type lab struct {
	plain    bool                                              // the issuer is served over plain http
	path     string                                            // of the issuer's name
	answer   func(w http.ResponseWriter, r *http.Request) bool // in place of the issuer
	metadata func(path string, members map[string]any)
	keys     func(keys []map[string]any) []map[string]any
	header   func(h http.Header)                               // of the issuer's answers
	api      func(w http.ResponseWriter, r *http.Request) bool // in place of the API
	options  func(o *doctor.Options)
	sets     atomic.Int64 // how often the key set was asked for
	metas    atomic.Int64 // how often metadata was asked for

	issuer, apiServer *httptest.Server
	is                *issuer.Issuer
}

// start starts the servers, and returns what doctor is to look at.
func (l *lab) start(t *testing.T) doctor.Options {
	t.Helper()
	l.issuer = httptest.NewUnstartedServer(http.HandlerFunc(l.serveIssuer))
	l.issuer.Config.ErrorLog = log.New(t.Output(), "", 0)
	scheme := "https://"
	if l.plain {
		scheme = "http://"
	}
	var err error
	l.is, err = issuer.New(issuer.Options{
		URL: scheme + l.issuer.Listener.Addr().String() + l.path, Audience: "https://api.example.com", Algorithm: auth.ES256,
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.plain {
		l.issuer.Start()
	} else {
		startTLS(l.issuer)
	}
	t.Cleanup(l.issuer.Close)
	transport := l.transport()
	o := doctor.Options{Issuer: l.is.URL(), Transport: transport, Tries: 2}
	if l.api != nil {
		l.startAPI(t, &o)
	}
	if l.options != nil {
		l.options(&o)
	}
	return o
}

// serverTLS is what the servers show, and what clients trust. A handshake with an elliptic curve is
// faster than with the RSA key of httptest.
var serverTLS = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) { return certificateUntil(time.Now().AddDate(0, 0, 300)) })

func startTLS(server *httptest.Server) {
	certificate, _ := serverTLS()
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
}

// transport trusts the servers, and finds the issuer at every name of example.com, too.
func (l *lab) transport() *http.Transport {
	_, pool := serverTLS()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	dial := new(net.Dialer).DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, _, _ := net.SplitHostPort(address); strings.HasSuffix(host, "example.com") {
			address = l.issuer.Listener.Addr().String()
		}
		return dial(ctx, network, address)
	}
	return transport
}

// startAPI serves an API that a Guard and its document are in front of.
func (l *lab) startAPI(t *testing.T, o *doctor.Options) {
	t.Helper()
	var guarded http.Handler
	l.apiServer = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !l.api(w, r) {
			guarded.ServeHTTP(w, r)
		}
	}))
	l.apiServer.Config.ErrorLog = l.issuer.Config.ErrorLog
	o.API, o.Operation = "https://"+l.apiServer.Listener.Addr().String(), "/orders"
	at, err := resource.URL(o.API)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwks.FromIssuer(l.is.URL(), &jwks.Options{Client: &http.Client{Transport: o.Transport}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if err := keys.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(keys, auth.Config{Issuer: l.is.URL(), Audiences: []string{o.API}})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := auth.NewGuard(verifier, &auth.GuardOptions{ResourceMetadata: at})
	if err != nil {
		t.Fatal(err)
	}
	rules := auth.Rules{"GET /orders": auth.Scopes("read:orders")}
	document, err := resource.New(guard, resource.Metadata{Resource: o.API}, rules)
	if err != nil {
		t.Fatal(err)
	}
	mux := httpauth.NewMux(guard)
	mux.Handle("GET /orders", auth.Scopes("read:orders"), http.NotFoundHandler())
	guarded = document.Handler(mux)
	startTLS(l.apiServer)
	t.Cleanup(l.apiServer.Close)
}

// serveIssuer answers as the embedded issuer does, changed as the lab says.
func (l *lab) serveIssuer(w http.ResponseWriter, r *http.Request) {
	isSet := strings.HasSuffix(r.URL.Path, "/jwks.json")
	if isSet {
		l.sets.Add(1)
	} else {
		l.metas.Add(1)
	}
	if l.header != nil {
		l.header(w.Header())
	}
	if l.answer != nil && l.answer(w, r) {
		return
	}
	real := httptest.NewRecorder()
	l.is.ServeHTTP(real, r)
	for name, values := range real.Header() {
		if _, set := w.Header()[name]; !set {
			w.Header()[name] = values
		}
	}
	body := real.Body.Bytes()
	switch {
	case real.Code != http.StatusOK:
	case isSet && l.keys != nil:
		var set struct {
			Keys []map[string]any `json:"keys"`
		}
		_ = json.Unmarshal(body, &set) // of the embedded issuer
		set.Keys = l.keys(set.Keys)
		body, _ = json.Marshal(set)
	case !isSet && l.metadata != nil:
		var members map[string]any
		_ = json.Unmarshal(body, &members)
		l.metadata(r.URL.Path, members)
		body, _ = json.Marshal(members)
	}
	for name, values := range w.Header() { // a nil value is none
		if values == nil {
			w.Header().Del(name)
		}
	}
	w.WriteHeader(real.Code)
	_, _ = w.Write(body)
}

// examine has doctor look, and returns the report. It leaves out that a busy machine is slow.
func (l *lab) examine(t *testing.T) *doctor.Report {
	t.Helper()
	o := l.start(t)
	report, err := doctor.Examine(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Transport.CloseIdleConnections()
	report.Findings = slices.DeleteFunc(report.Findings, func(f doctor.Finding) bool { return f.ID == "SLOW" })
	return report
}

// ids returns the IDs of the findings, each once, in order.
func ids(r *doctor.Report) []string {
	all := map[string]bool{}
	for _, f := range r.Findings {
		all[f.ID] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// noGoroutines fails the test unless all that doctor started has ended.
func noGoroutines(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		now := string(stacks[:runtime.Stack(stacks, true)])
		if !strings.Contains(now, "doctor.(*") && !strings.Contains(now, "jwks.(*Cache).run") && !strings.Contains(now, "(*persistConn)") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("goroutines are left:\n%s", now)
		}
	}
}
