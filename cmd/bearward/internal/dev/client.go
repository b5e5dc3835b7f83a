package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// Ask has the Server at a URL make a token.
func Ask(ctx context.Context, at string, t Token) (string, error) {
	a, err := ask(ctx, at, tokenPath, t)
	return a.Token, err
}

// AskRotate has the Server at a URL make a new key, and returns its ID.
func AskRotate(ctx context.Context, at string) (string, error) {
	a, err := ask(ctx, at, rotatePath, Token{})
	return a.KeyID, err
}

// A NoServerError is about a Server that did not answer.
type NoServerError struct{ error }

// Unwrap returns why.
func (e NoServerError) Unwrap() error { return e.error }

// ask sends t to the Server whose issuer is at a URL. It follows no redirect and uses no proxy.
func ask(ctx context.Context, at, path string, t Token) (a answer, err error) {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" || !isLocal(u.Host) {
		return a, fmt.Errorf("-issuer %q: it must be http on a loopback address, as `bearward dev` prints it", at)
	}
	body, err := json.Marshal(t)
	if err != nil {
		return a, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+u.Host+path, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	r.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		return a, NoServerError{err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return a, NoServerError{err}
	case resp.StatusCode == http.StatusBadRequest:
		return a, fmt.Errorf("%s", strings.Map(printed, strings.TrimSpace(string(text))))
	case resp.StatusCode != http.StatusOK || json.Unmarshal(text, &a) != nil || strings.ContainsFunc(a.Token+a.KeyID, isOdd): // check: dev-answer
		return answer{}, NoServerError{fmt.Errorf("%s: status %d: it is not a `bearward dev`", at, resp.StatusCode)}
	}
	return a, nil
}

// isOdd reports whether no token and no key ID has r: another program may listen there, of another
// user of the machine, and what it says is written to a terminal and into a command.
func isOdd(r rune) bool { return r <= ' ' || r > '~' }

// printed is r where a terminal shows it and does not obey it.
func printed(r rune) rune {
	if !unicode.IsPrint(r) { // check: dev-terminal
		return '?'
	}
	return r
}
