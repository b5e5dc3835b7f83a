package authtest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"time"
)

const (
	// patience is how long an answer is waited for, and quiet how long its body: a stream has no
	// end.
	patience, quiet = 10 * time.Second, 2 * time.Second
	// mostBody is how many bytes of an answer are compared.
	mostBody = 1 << 18
)

// A request is what is sent.
type request struct {
	method, path string // default: the operation's
	host         string // default: the operation's, or the server's own
	header       map[string]string
	form         string  // a body
	stolen       *stolen // in place of a token and its proof
}

// A reply is what came back.
type reply struct {
	status int // 0: nothing came in time
	header http.Header
	body   []byte
	bare   []byte // body without the path that was asked for
	whole  bool
	head   bool
}

func (r reply) challenge() string { return r.header.Get("WWW-Authenticate") }

// challengeOf returns the challenge of the scheme. An API whose tokens may also be bound to a key
// offers DPoP before Bearer; under DPoP, that one must be the first.
func (r reply) challengeOf(scheme string) string {
	if scheme == "Bearer" {
		for _, c := range r.header.Values("WWW-Authenticate") {
			if strings.HasPrefix(c, "Bearer ") {
				return c
			}
		}
	}
	return r.challenge()
}

// said are the parameters of a challenge that tell one refusal from another.
var said = regexp.MustCompile(`(?:error|scope|acr_values|max_age)="[^"]*"`)

func (r reply) String() string {
	challenge := r.challenge()
	switch {
	case r.status == 0:
		return "no answer"
	case challenge != "" && !said.MatchString(challenge):
		return fmt.Sprintf("%d with challenge %s", r.status, challenge)
	case challenge != "":
		return fmt.Sprintf("%d with %s", r.status, strings.Join(said.FindAllString(challenge, -1), ", "))
	}
	return fmt.Sprint(r.status)
}

// reached reports whether the reply looks like a handler's. 501 and 505 are a server's.
func (r reply) reached() bool {
	return r.status < 300 || r.status >= 500 && r.status != 503 && r.status != 501 && r.status != 505
}

// same reports whether both replies came from one handler, as far as can be seen.
func same(a, b reply) bool {
	if a.status != b.status || a.mediaType() != b.mediaType() {
		return false
	}
	if a.head || b.head {
		length := a.header.Get("Content-Length")
		return length != "" && length == b.header.Get("Content-Length")
	}
	return a.whole && b.whole && bytes.Equal(a.body, b.body)
}

// alike is same for answers to different paths, which they may show.
func alike(a, b reply) bool {
	if same(a, b) {
		return true
	}
	a.body, b.body = a.bare, b.bare
	return same(a, b)
}

func (r reply) mediaType() string {
	t, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	return t
}

// send sends one request with tokens, and again when the answer asks for a nonce.
func (a *assertion) send(q request, tokens ...string) reply {
	a.tb.Helper()
	got := a.sendOnce(q, tokens)
	if a.takeNonce(got) && q.stolen == nil {
		got = a.sendOnce(q, tokens)
	}
	return got
}

func (a *assertion) sendOnce(q request, tokens []string) reply {
	a.tb.Helper()
	if q.method == "" {
		q.method = a.method
	}
	if q.path == "" {
		q.path = a.path
	}
	ctx, cancel := context.WithTimeout(a.tb.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, q.method, a.url, strings.NewReader(q.form))
	if err != nil {
		a.tb.Fatalf("authtest: AssertGuarded: %s: %v", a.key, err)
	}
	if q.form == "" {
		r.Body, r.GetBody, r.ContentLength = nil, nil, 0
	} else {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	raw, query, _ := strings.Cut(q.path, "?")
	r.Host = cmp.Or(q.host, a.host, r.Host)
	r.URL.Opaque, r.URL.RawQuery = raw, query
	if strings.HasPrefix(raw, "//") { // which would be read as a host
		r.URL.Opaque = "//" + r.Host + raw
	}
	a.present(r, raw, q.stolen, tokens)
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	if a.options.Prepare != nil {
		a.options.Prepare(r)
	}

	client := a.client
	if q.stolen != nil && q.stolen.client != nil {
		client = q.stolen.client
	}
	resp, err := client.Do(r)
	if ctx.Err() != nil {
		return reply{header: http.Header{}}
	}
	if err != nil {
		return reply{status: http.StatusBadRequest, header: http.Header{}} // the router closed the connection
	}
	defer resp.Body.Close()
	defer time.AfterFunc(quiet, cancel).Stop()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostBody))
	return reply{
		status: resp.StatusCode, header: resp.Header, body: body, bare: bytes.ReplaceAll(body, []byte(raw), nil),
		whole: err == nil && len(body) < mostBody, head: q.method == http.MethodHead,
	}
}
