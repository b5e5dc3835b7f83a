package webapp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/oauth2"
)

// Step is one exchange as the dashboard shows it. It never holds a secret:
// headers, fields and members are shown by name, and their values only when
// the name is on a list of harmless ones.
type Step struct {
	Title, From, To   string
	Request, Response []string
	Status            string // such as "200", "403" or "UNAVAILABLE"
	Good              bool
}

// recorder collects the steps of one action.
type recorder struct {
	mu              sync.Mutex
	steps           []Step
	title, from, to string
}

type recorderKey struct{}

func record(ctx context.Context) (*recorder, context.Context) {
	rec := new(recorder)
	return rec, context.WithValue(ctx, recorderKey{}, rec)
}

func recorderOf(ctx context.Context) *recorder {
	rec, _ := ctx.Value(recorderKey{}).(*recorder)
	return rec
}

// next names the exchanges that follow.
func (r *recorder) next(title, from, to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.title, r.from, r.to = title, from, to
}

func (r *recorder) add(steps ...Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range steps {
		if s.Title == "" {
			s.Title, s.From, s.To = r.title, r.from, r.to
		}
		r.steps = append(r.steps, s)
	}
}

// note adds something that is no exchange.
func (r *recorder) note(title string) { r.add(Step{Title: title, Good: true}) }

func (r *recorder) Steps() []Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.steps)
}

// wire is a transport that records what goes through it.
type wire struct{ base http.RoundTripper }

// maxRecorded bounds what is read of a recorded body, in bytes.
const maxRecorded = 256 << 10

func (t wire) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := recorderOf(req.Context())
	if rec == nil {
		return t.base.RoundTrip(req)
	}
	step := Step{Request: requestLines(req)}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		step.Status, step.Response = "no answer", []string{"The connection was closed without an answer."}
		rec.add(step)
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRecorded))
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	step.Status, step.Good = fmt.Sprint(resp.StatusCode), resp.StatusCode < 400
	step.Response = responseLines(resp, body)
	rec.add(step)
	return resp, nil
}

func requestLines(req *http.Request) []string {
	lines := []string{req.Method + " " + req.URL.Path, "Host: " + req.URL.Host}
	if value := req.Header.Get("Authorization"); value != "" {
		lines = append(lines, "Authorization: "+describe(value))
	}
	if req.GetBody == nil || req.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return lines
	}
	body, err := req.GetBody()
	if err != nil {
		return lines
	}
	raw, _ := io.ReadAll(io.LimitReader(body, maxForm))
	form, _ := url.ParseQuery(string(raw))
	return append(append(lines, ""), formLines(form)...)
}

// describe says what an Authorization value is, without it.
func describe(authorization string) string {
	scheme, token, _ := strings.Cut(authorization, " ")
	if scheme == "Basic" {
		return "Basic ‹client ID and secret›"
	}
	header := decodePart(token, 0)
	if kid, ok := header["kid"].(string); ok {
		return fmt.Sprintf("%s ‹access token, signed with %s›", scheme, kid)
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
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		return lines
	}
	return append(lines, "", pretty(hideMembers(members)))
}

// harmlessMembers are the JSON members whose values are shown.
var harmlessMembers = []string{
	"token_type", "expires_in", "scope", "error", "error_description", "keys", "issuer", "jwks_uri", "token_endpoint",
	"authorization_endpoint", "operation", "sub", "status", "orders", "stats", "type", "title", "detail", "code",
}

func hideMembers(members map[string]any) map[string]any {
	shown := make(map[string]any)
	for name, value := range members {
		switch {
		case name == "keys":
			shown[name] = keyNames(value)
		case slices.Contains(harmlessMembers, name):
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

func pretty(v any) string {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // the template escapes
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // decoded from JSON
	return strings.TrimSpace(text.String())
}

// frontChannel tells the two steps that went through the browser.
func frontChannel(conf *oauth2.Config, cfg Config, answer url.Values) []Step {
	there := url.Values{
		"response_type": {"code"}, "client_id": {conf.ClientID}, "redirect_uri": {conf.RedirectURL},
		"scope": {strings.Join(conf.Scopes, " ")}, "resource": {cfg.Audience}, "code_challenge_method": {"S256"},
		"code_challenge": {"."}, "state": {"."}, "nonce": {"."},
	}
	return []Step{{
		Title: "The application sends your browser to the issuer", From: "browser", To: "issuer",
		Request: append([]string{"GET " + conf.Endpoint.AuthURL, ""}, formLines(there)...), Status: "page", Good: true,
		Response: []string{"You logged in and chose what to allow."},
	}, {
		Title: "The issuer sends your browser back with a code that works once", From: "browser", To: "application",
		Request: append([]string{"GET " + conf.RedirectURL, ""}, formLines(answer)...), Status: "303", Good: true,
		Response: []string{"state is this browser's, iss is the issuer that was asked."},
	}}
}

// decodePart decodes part i of a compact JWS: 0 the header, 1 the claims. It
// returns nil for anything else. Nothing is verified: it is for showing.
func decodePart(token string, i int) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		return nil
	}
	var members map[string]any
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members
}
