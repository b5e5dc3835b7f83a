package doctor_test

import (
	"context"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/cmd/bearward/internal/doctor"
	"github.com/bearward/bearward/internal/issuer"
	auth "github.com/bearward/bearward/middleware"
)

// A pipes is a network in memory, so that its time is the bubble's.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.accepted <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// examineSlowly has doctor look at an issuer whose answers come late, and returns how long that
// took.
func examineSlowly(t *testing.T, late time.Duration) (report *doctor.Report, took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		is, err := issuer.New(issuer.Options{URL: "http://127.0.0.1", Algorithm: auth.ES256})
		if err != nil {
			t.Fatal(err)
		}
		is.SetFault(func(f *issuer.Fault) { f.Delay = late })
		network := &pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: is, ErrorLog: log.New(t.Output(), "", 0)}
		served := make(chan error)
		go func() { served <- server.Serve(network) }()
		began := time.Now()
		report, err = doctor.Examine(t.Context(), doctor.Options{Issuer: is.URL(), Transport: &http.Transport{DialContext: network.dial}})
		if err != nil {
			t.Error(err)
		}
		took = time.Since(began)
		server.Close()
		<-served
	})
	return report, took
}

func TestASlowIssuer(t *testing.T) {
	report, _ := examineSlowly(t, 1100*time.Millisecond)
	if got := ids(report); !slices.Equal(got, []string{"SLOW"}) || !strings.Contains(report.Findings[0].What, "2.2s") {
		t.Errorf("got %+v", report.Findings)
	}
	report, _ = examineSlowly(t, 900*time.Millisecond)
	if got := ids(report); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

// The forms are asked at once: an issuer that hangs takes one timeout, not one for each.
func TestAnIssuerThatHangs(t *testing.T) {
	report, took := examineSlowly(t, time.Hour)
	if got := ids(report); !slices.Equal(got, []string{"ISSUER_UNREACHABLE"}) || took != 5*time.Second {
		t.Errorf("got %q after %v", got, took)
	}
}
