package introspect_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

const goodAnswer = `{"active":true,"iss":"` + issuerURL + `","aud":"` + audience + `","sub":"user","client_id":"app","scope":"read:orders"}`

// overTheWire is an Introspector with its own transport, which asks a real server.
func overTheWire(t *testing.T, answer http.HandlerFunc, change func(*introspect.Config)) *introspect.Introspector {
	t.Helper()
	server := httptest.NewServer(answer)
	c := introspect.Config{
		Claims:  auth.Config{Issuer: issuerURL, Audiences: []string{audience}},
		Timeout: time.Second, Logger: quiet,
	}
	if change != nil {
		change(&c)
	}
	i, err := introspect.New(server.URL+"/introspect", basic, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		i.Close()
		server.CloseClientConnections()
		server.Close()
	})
	return i
}

func says(body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { status(200, body, header...)(w, "") }
}

// zipped is a document compressed.
func zipped(t *testing.T, doc io.Reader) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.Copy(z, doc); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// endless reads as one character for ever.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestAHostileEndpoint(t *testing.T) {
	megabyte := zipped(t, io.LimitReader(endless('0'), 1<<20)) // members of gzip follow each other
	bomb := zipped(t, strings.NewReader(`{"active":true,"x":"`)) + strings.Repeat(megabyte, 64) + zipped(t, strings.NewReader(`"}`))
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   auth.Reason
	}{
		"good":             {says(goodAnswer), ""},
		"good, compressed": {says(zipped(t, strings.NewReader(goodAnswer)), "Content-Encoding", "gzip"), ""},
		"hangs": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // the server sees that the caller is gone only then
			<-r.Context().Done()
		}, auth.ReasonUnavailable},
		"hangs after its header": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, auth.ReasonUnavailable},
		"drips": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				<-tick.C
			}
		}, auth.ReasonUnavailable},
		"ends within its answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, goodAnswer[:40])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, auth.ReasonUnavailable},
		"promises more than it sends": {says(goodAnswer, "Content-Length", "5000"), auth.ReasonUnavailable},
		"a huge header":               {says(goodAnswer, "X-Filler", strings.Repeat("x", 100<<10)), auth.ReasonUnavailable},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.Copy(w, endless(' '))
		}, auth.ReasonUnavailable},
		"a bomb":             {says(bomb, "Content-Encoding", "gzip"), auth.ReasonUnavailable},
		"broken compression": {says(bomb[:200], "Content-Encoding", "gzip"), auth.ReasonUnavailable},
		"HTML":               {says("<html>"+goodAnswer, "Content-Type", "text/html"), auth.ReasonUnavailable},
		"HTML called JSON":   {says("<html>"), auth.ReasonUnavailable},
		"deeply nested":      {says(strings.TrimSuffix(goodAnswer, "}") + `,"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}"), auth.ReasonUnavailable},
		`active: "true"`:     {says(strings.Replace(goodAnswer, "true", `"true"`, 1)), auth.ReasonUnavailable},
		"active twice":       {says(strings.Replace(goodAnswer, "{", `{"active":true,`, 1)), auth.ReasonUnavailable},
		"a wrong iss":        {says(strings.Replace(goodAnswer, issuerURL, "https://other.example", 1)), auth.ReasonIssuerNotTrusted},
		"a wrong aud":        {says(strings.Replace(goodAnswer, audience, "https://other.example", 1)), auth.ReasonAudienceMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			i := overTheWire(t, tt.answer, func(c *introspect.Config) {
				if strings.Contains(name, "hangs") || name == "drips" {
					c.Timeout = 200 * time.Millisecond
				}
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			want(t, i, opaque, tt.want)
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
				t.Errorf("an answer took %d MB", took>>20)
			}
		})
	}
}

// A token, and this API's secret, go to the endpoint alone.
func TestNoRedirectIsFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		says(goodAnswer)(w, r)
	}))
	defer other.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{other.URL, "/elsewhere", "https://issuer.example/"} {
			i := overTheWire(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/introspect" {
					elsewhere.Add(1)
				}
				http.Redirect(w, r, to, code)
			}, nil)
			want(t, i, opaque, auth.ReasonUnavailable)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// An endpoint that fails on one token answers about the others.
func TestOneTokenThatTheEndpointFailsOn(t *testing.T) {
	i := overTheWire(t, func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("token") == "poison" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		says(goodAnswer)(w, r)
	}, nil)
	for n := range 8 {
		want(t, i, "poison", auth.ReasonUnavailable)
		want(t, i, fmt.Sprint("good-", n), "")
	}
	if err := i.Ready(); err != nil {
		t.Error(err)
	}
}

// lines is a log that may be written to at any time.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// An endpoint that sends tokens and secrets back, wherever there is room, gets them into no log, no
// error and no event.
func TestNothingThatTheEndpointSendsBackIsTold(t *testing.T) {
	const token, secret = "canary-of-a-token-0123456789", "canary-of-a-secret-0123456789"
	back := func(code int, body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			sent := r.PostForm.Get("token") + " " + r.Header.Get("Authorization") + " " + secret
			fill := strings.NewReplacer("SENT", sent, "ESCAPED", url.QueryEscape(sent))
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], fill.Replace(header[i+1]))
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, fill.Replace(body))
		}
	}
	raw := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			sent := r.PostFormValue("token") + " " + secret
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, strings.ReplaceAll(answer, "SENT", sent))
		}
	}
	const kind = "Content-Type"
	for name, answer := range map[string]http.HandlerFunc{
		"no JSON":              back(200, "SENT", kind, "application/json"),
		"a Content-Type":       back(200, "{}", kind, "text/SENT"),
		"a claim":              back(200, `{"active":true,"iss":"SENT"}`, kind, "application/json"),
		"a member":             back(200, `{"active":"SENT"}`, kind, "application/json"),
		"a name":               back(200, `{"active":true,"SENT":1,"SENT":2}`, kind, "application/json"),
		"an error":             back(400, `{"error":"SENT","error_description":"SENT"}`, kind, "application/json"),
		"unauthorized":         back(401, "SENT", "WWW-Authenticate", `Basic realm="SENT"`),
		"a server error":       back(500, "SENT"),
		"a redirect":           back(302, "SENT", "Location", "/ESCAPED?x=ESCAPED"),
		"a redirect elsewhere": back(307, "SENT", "Location", "https://ESCAPED.example/?ESCAPED"),
		"Retry-After":          back(503, "SENT", "Retry-After", "SENT"),
		"a status line":        raw("HTTP/1.1 SENT\r\n\r\n"),
		"a status code":        raw("HTTP/1.1 2SENT OK\r\n\r\n"),
		"a protocol":           raw("SENT 200 OK\r\n\r\n"),
		"a header line":        raw("HTTP/1.1 200 OK\r\nSENT\r\n\r\n"),
		"a header's name":      raw("HTTP/1.1 200 OK\r\n SENT: 1\r\n\r\n"),
		"a length":             raw("HTTP/1.1 200 OK\r\nContent-Length: SENT\r\n\r\n"),
		"a transfer encoding":  raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: SENT\r\n\r\n"),
		"a chunk":              raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nSENT\r\n\r\n"),
		"a trailer":            raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: SENT\r\n\r\n0\r\n\r\n"),
		"an encoding":          back(200, "SENT", "Content-Encoding", "gzip"),
	} {
		t.Run(name, func(t *testing.T) {
			var log, told lines
			server := httptest.NewServer(answer)
			defer server.Close()
			i, err := introspect.New(server.URL, introspect.Post("orders-api", introspect.FixedSecret(secret)), introspect.Config{
				Claims: auth.Config{Issuer: issuerURL, Audiences: []string{audience}},
				Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				OnCall: func(c introspect.Call) { fmt.Fprintf(&told, "%+v %#v\n", c, c.Err) },
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time the endpoint may be known to be down
				_, err = i.VerifyToken(t.Context(), token)
				refusal := auth.AsError(err)
				fmt.Fprintf(&told, "%v %+v %v %s %s\n", err, refusal, refusal.Err, refusal.Detail(), refusal.Expected()) // Seen is the claim
			}
			fmt.Fprintf(&told, "%v %+v\n", i.Ready(), i.Status())
			i.Close()
			for _, canary := range []string{token, secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte("orders-api:" + secret)), "canary"} {
				for what, text := range map[string]string{"the log": log.String(), "an error or event": told.String()} {
					if strings.Contains(text, canary) {
						t.Errorf("%s has %q:\n%s", what, canary, text)
					}
				}
			}
		})
	}
}

// A Transport's own panic may quote what it was given; a mistake of the runtime's kind is told.
func TestAPanicTellsNoToken(t *testing.T) {
	for name, tt := range map[string]struct {
		panics func(token string)
		want   string
	}{
		"a text":   {func(token string) { panic("cannot send " + token) }, "introspect: panic: of a value that is not told"},
		"an error": {func(token string) { panic(fmt.Errorf("cannot send %s", token)) }, "introspect: panic: of a value that is not told"},
		"an index": {func(token string) { panic([]int(nil)[len(token)]) }, "introspect: panic: runtime error: index out of range [22] with length 0"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint()
			e.answer = func(_ http.ResponseWriter, token string) bool { tt.panics(token); return true }
			_, err := mustNew(t, e, nil).VerifyToken(t.Context(), opaque)
			if got := auth.AsError(err).Err; got == nil || got.Error() != tt.want {
				t.Errorf("told %v, want %s", got, tt.want)
			}
		})
	}
}
