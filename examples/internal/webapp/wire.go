package webapp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/bearward/bearward/examples/internal/prover"
)

// exchange is one request and its answer, as the page shows them. It never holds a secret: headers,
// fields and members are shown by name, and their values only when the name is on a list of
// harmless ones.
type exchange struct {
	Title, From, To   string
	Subject           string // what the headline says was accepted or refused; "": nothing
	Request, Response []string
	Status            string // such as "200"
	OK                bool   // the status says success
	Fault             string // how the answer differs from what was promised; "" if it does not

	wants string // the OAuth error that is promised; "": success
	// check tells how an answer differs from what was promised; nil: wants says what is.
	check func(resp *http.Response, body []byte) string
	lane  *lane // where it is drawn; nil: it is not
}

// recorder collects the parts of one action.
type recorder struct {
	mu      sync.Mutex
	parts   []part
	ahead   exchange                     // names the exchanges that follow
	names   func(*http.Request) exchange // does so for each of them; nil: ahead does
	opening string                       // of the headline, when what was recorded does not tell it
}

type recorderKey struct{}

func record(ctx context.Context) (*recorder, context.Context) {
	rec := new(recorder)
	return rec, context.WithValue(ctx, recorderKey{}, rec)
}

// expect names the exchanges that follow, and promises what comes of them.
func (r *recorder) expect(e exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead = e
}

func (r *recorder) add(parts ...part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts = append(r.parts, parts...)
}

// note adds something that is no exchange.
func (r *recorder) note(text string) { r.add(part{Note: text}) }

// noteExchange adds what went through the wire under the name that was given to expect. The answer
// is nil when there was none.
func (r *recorder) noteExchange(req *http.Request, e exchange, resp *http.Response, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ahead := r.ahead
	if r.names != nil {
		ahead = r.names(req)
	}
	e.Title, e.From, e.To, e.Subject = ahead.Title, ahead.From, ahead.To, ahead.Subject
	e.check, e.lane = ahead.check, ahead.lane
	oauthError := oauthErrorOf(body)
	switch {
	case ahead.check != nil && resp != nil:
		e.Fault = ahead.check(resp, body)
	case ahead.wants != oauthError:
		e.Fault = "the answer is " + strings.TrimSpace(e.Status+" "+oauthError)
	case ahead.wants == "" && !e.OK:
		e.Fault = "the answer is " + e.Status
	}
	r.parts = append(r.parts, part{Exchange: &e})
}

// oauthErrorOf is the OAuth error of an answer; "" when it is none.
func oauthErrorOf(body []byte) string {
	var refusal struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &refusal) // no JSON: no OAuth error
	return refusal.Error
}

func (r *recorder) done() []part {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.parts)
}

// wire is a transport that records what goes through it.
type wire struct{ base http.RoundTripper }

// maxRecorded bounds what is read of a recorded body, in bytes.
const maxRecorded = 256 << 10

func (t wire) RoundTrip(req *http.Request) (*http.Response, error) {
	rec, _ := req.Context().Value(recorderKey{}).(*recorder)
	if rec == nil {
		return t.base.RoundTrip(req)
	}
	e := exchange{Request: requestLines(req)}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		e.Status, e.Response = "no answer", []string{"The connection was closed without an answer."}
		rec.noteExchange(req, e, nil, nil)
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRecorded))
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	e.Status, e.OK = fmt.Sprint(resp.StatusCode), resp.StatusCode < 400
	e.Response = responseLines(resp, body)
	rec.noteExchange(req, e, resp, body)
	return resp, nil
}

func requestLines(req *http.Request) []string {
	lines := []string{req.Method + " " + req.URL.Path, "Host: " + req.URL.Host}
	for _, name := range []string{"Authorization", prover.Field} {
		if value := req.Header.Get(name); value != "" {
			lines = append(lines, name+": "+describeField(name, value))
		}
	}
	for _, name := range []string{mcpMethod, mcpName} {
		if value := req.Header.Get(name); value != "" {
			lines = append(lines, name+": "+value)
		}
	}
	if req.GetBody == nil {
		return lines
	}
	body, err := req.GetBody()
	if err != nil {
		return lines
	}
	raw, _ := io.ReadAll(io.LimitReader(body, maxForm))
	switch req.Header.Get("Content-Type") {
	case "application/x-www-form-urlencoded":
		form, _ := url.ParseQuery(string(raw))
		return append(append(lines, ""), formLines(form)...)
	case "application/json":
		return append(lines, memberLines(raw)...)
	}
	return lines
}

// memberLines are the members of a JSON object, after an empty line. They are none for anything
// else.
func memberLines(body []byte) []string {
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		return nil
	}
	return append([]string{""}, strings.Split(pretty(hideMembers(members)), "\n")...)
}

// describeField says what a header field with credentials is, without them.
func describeField(name, value string) string {
	if name == prover.Field {
		return describeProof(value)
	}
	return describe(value)
}

// describe says what an Authorization value is, without it.
func describe(authorization string) string {
	scheme, token, _ := strings.Cut(authorization, " ")
	if scheme == "Basic" {
		return "Basic ‹client ID and secret›"
	}
	if kid := keyID(token); kid != "" {
		return fmt.Sprintf("%s ‹access token, signed with %s›", scheme, kid)
	}
	if !strings.Contains(token, ".") {
		return scheme + " ‹opaque access token›"
	}
	return scheme + " ‹token›"
}

// harmlessFields are the parameters whose values are shown.
var harmlessFields = []string{
	"grant_type", "redirect_uri", "resource", "scope", "client_id", "response_type", "code_challenge_method",
	"token_type_hint", "iss", "error", "error_description",
}

func formLines(form url.Values) []string {
	var lines []string
	for name, values := range form {
		for _, value := range values {
			switch {
			case value == "":
				continue
			case slices.Contains(harmlessFields, name):
				lines = append(lines, name+"="+value)
			default:
				lines = append(lines, name+"=‹hidden›")
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// harmlessHeaders are the header fields of answers that are shown.
var harmlessHeaders = []string{"WWW-Authenticate", "Retry-After", "Content-Type", "Cache-Control"}

func responseLines(resp *http.Response, body []byte) []string {
	lines := []string{resp.Proto + " " + resp.Status}
	for _, name := range harmlessHeaders {
		for _, value := range resp.Header.Values(name) {
			lines = append(lines, name+": "+value)
		}
	}
	return append(lines, memberLines(body)...)
}

// harmlessMembers are the JSON members whose values are shown.
var harmlessMembers = []string{
	"token_type", "expires_in", "scope", "error", "error_description", "keys", "issuer", "jwks_uri", "token_endpoint",
	"authorization_endpoint", "operation", "sub", "status", "orders", "stats", "type", "title", "detail", "code",
	// of MCP, of registrations, and of what leads to them
	"method", "params", "result", "resource", "resource_name", "authorization_servers", "scopes_supported", "bearer_methods_supported",
	"registration_endpoint", "code_challenge_methods_supported", "client_name", "client_id", "redirect_uris", "token_endpoint_auth_method",
}

func hideMembers(members map[string]any) map[string]any {
	shown := make(map[string]any)
	for name, value := range members {
		switch {
		case name == "keys":
			shown[name] = keyNames(value)
		case slices.Contains(harmlessMembers, name):
			if members, ok := value.(map[string]any); ok {
				delete(members, "_meta") // of MCP: the names of the programs, again in each message
			}
			shown[name] = value
		case strings.HasSuffix(name, "_token"):
			shown[name] = "‹hidden›"
		}
	}
	return shown
}

// keyNames shortens a key set to what tells its keys apart.
func keyNames(set any) []any {
	keys, _ := set.([]any)
	names := make([]any, 0, len(keys))
	for _, key := range keys {
		if key, ok := key.(map[string]any); ok {
			names = append(names, map[string]any{"kid": key["kid"], "alg": key["alg"], "use": key["use"]})
		}
	}
	return names
}
