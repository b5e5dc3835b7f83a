package forward

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A running Server, and what it is asked.
type running struct {
	t          *testing.T
	gate, ends string
	client     *http.Client
}

// serve is start, and waits until the Server is ready.
func serve(t *testing.T, o Options) *running {
	t.Helper()
	r := start(t, o)
	r.until("ready", func() bool { code, _ := r.get("/readyz"); return code == 200 })
	return r
}

// start runs a Server until the test ends. It must then end without an error, and no goroutine of
// its own may be left.
func start(t *testing.T, o Options) *running {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	before := runtime.NumGoroutine()
	server, err := NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	r := &running{t, server.Addr().String(), server.Admin().String(), &http.Client{Transport: transport}}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
		leaked := func() string {
			stacks := make([]byte, 1<<20)
			return string(stacks[:runtime.Stack(stacks, true)])
		}
		for limit := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%d goroutines, and %d before:\n%s", runtime.NumGoroutine(), before, leaked())
			}
		}
	})
	return r
}

// ask asks about a request, and returns the status.
func (r *running) ask(target, token string) int {
	r.t.Helper()
	return r.askWith(target, "Bearer "+token, "")
}

// askWith asks about a request with credentials, and with a proof unless it is empty.
func (r *running) askWith(target, credentials, proof string) int {
	r.t.Helper()
	q, err := http.NewRequest("GET", "http://"+r.gate+"/", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	q.Header = http.Header{"X-Forwarded-Method": {"GET"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"api.example.com"}, "X-Forwarded-Uri": {target}, "Authorization": {credentials}}
	if proof != "" {
		q.Header.Set("DPoP", proof)
	}
	resp, err := r.client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (r *running) get(path string) (int, string) {
	r.t.Helper()
	resp, err := r.client.Get("http://" + r.ends + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// until polls until the condition holds.
func (r *running) until(what string, condition func() bool) {
	r.t.Helper()
	for limit := time.Now().Add(20 * time.Second); !condition(); {
		if time.Now().After(limit) {
			r.t.Fatalf("after 20 s not yet: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// post posts to the operators' address, and returns the status and the text.
func (r *running) post(path, body string, fields http.Header) (int, string) {
	r.t.Helper()
	q, err := http.NewRequest("POST", "http://"+r.ends+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if q.Header = fields; fields == nil {
		q.Header = http.Header{"Content-Type": {"application/json"}}
	}
	resp, err := r.client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
