package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/fetch"
	"github.com/bearward/bearward/middleware/resource"
)

// apiDocument looks at the API's document (RFC 9728), and returns the issuers that it names.
func (e *examiner) apiDocument(ctx context.Context) (issuers []string) {
	e.documentURL, _ = resource.URL(e.API) // checked with the options
	f := form{answer: e.ask(ctx, e.documentURL)}
	e.transport(&f.answer)
	if f.ok() {
		f.members = readObject(f.Body)
	}
	switch {
	case f.err != nil:
		e.unanswered(&f.answer, "API_UNREACHABLE")
		return nil
	case isRedirect(&f.answer):
		e.find("API_METADATA_MISSING", f.url, "It redirects (%d) to %s.", f.Status, quote(origin(f.Header.Get("Location"))))
		return nil
	case f.Status == http.StatusUnauthorized || f.Status == http.StatusForbidden:
		e.find("API_METADATA_MISSING", f.url, "It answers %s: the document itself asks for a token.", f.outcome())
		return nil
	case f.members == nil:
		e.find("API_METADATA_MISSING", f.url, "No JSON object%s: it answers %s.", looksLike(&f.answer), f.outcome())
		return nil
	}
	e.report.fact("document", "%s", fetch.RedactURL(f.url))
	e.contentType(&f.answer)
	if got := f.text("resource"); got != e.API { // compared byte for byte (RFC 9728 §3.3)
		e.find("API_METADATA_RESOURCE", f.url, "Its resource is %s, not %s.", quote(got), quote(e.API))
	}
	issuers, _ = f.texts("authorization_servers")
	switch {
	case len(issuers) == 0:
		e.find("API_METADATA_ISSUER", f.url, "It names no authorization_servers.")
	case e.Issuer != "" && !slices.Contains(issuers, e.Issuer):
		e.find("API_METADATA_ISSUER", f.url, "Its authorization_servers do not name %s.", quote(e.Issuer))
	}
	if f.Header.Get("Access-Control-Allow-Origin") != "*" {
		e.find("API_METADATA_CORS", f.url, "It has no Access-Control-Allow-Origin: *.")
	}
	return issuers
}

// operation asks the API without a token, and with forged ones.
func (e *examiner) operation(ctx context.Context) {
	at, named := e.API, e.Operation != ""
	if named {
		at = origin(e.API) + e.Operation
	}
	a := e.call(ctx, at, "")
	e.transport(&a)
	if a.err != nil {
		e.unanswered(&a, "API_UNREACHABLE")
		return
	}
	e.report.fact("without a token", "%s answers %s", fetch.RedactURL(at), a.outcome())
	switch {
	case a.Status == http.StatusUnauthorized:
		e.challenge(&a)
		e.forged(ctx, at)
	case a.Status >= 500 || a.Status == http.StatusTooManyRequests:
		e.find("API_FAILING", at, "Without a token it answers %s.", a.outcome())
	case !named:
		e.find("API_OPERATION_UNKNOWN", at, "Without a token it answers %s. That is no fault where no token is needed.", a.outcome())
	case a.Status/100 == 2: // check: open
		e.find("API_OPEN", at, "Without a token it answers %s.", a.outcome())
	case isRedirect(&a):
		e.find("API_REDIRECTS", at, "Without a token it redirects (%d) to %s.", a.Status, quote(origin(a.Header.Get("Location"))))
	case a.Status == http.StatusNotFound || a.Status == http.StatusMethodNotAllowed:
		e.find("API_OPERATION_UNKNOWN", at, "Without a token it answers %s.", a.outcome())
	default:
		e.find("API_STATUS", at, "Without a token it answers %s, not 401.", a.outcome())
	}
}

// challenge looks at what a 401 tells clients.
func (e *examiner) challenge(a *answer) {
	if strings.HasPrefix(strings.ToLower(a.Header.Get("Content-Type")), "text/html") {
		e.find("API_HTML", a.url, "The body of the 401 is HTML.")
	}
	all := slices.DeleteFunc(challenges(a.Header.Values("WWW-Authenticate")), func(c challenge) bool {
		return c.scheme != "bearer" && c.scheme != "dpop"
	})
	if len(all) == 0 {
		e.find("API_NO_CHALLENGE", a.url, "Its 401 has no WWW-Authenticate with Bearer or DPoP.")
		return
	}
	for _, c := range all {
		if code, ok := c.params["error"]; ok {
			e.find("API_CHALLENGE_ERROR", a.url, "Without a token the challenge has the error %s.", quote(code))
		}
		switch named, ok := c.params["resource_metadata"]; {
		case !ok:
			e.find("API_CHALLENGE_METADATA", a.url, "The challenge has no resource_metadata.")
		case named != e.documentURL:
			e.find("API_CHALLENGE_ELSEWHERE", a.url, "The challenge names another document%s. The document of %s is at %s.", inURL(named), quote(e.API), e.documentURL)
		}
	}
}

// forged sends tokens that nobody has signed.
func (e *examiner) forged(ctx context.Context, at string) {
	for _, token := range e.forgeries() {
		a := e.call(ctx, at, "Bearer "+token)
		switch {
		case a.err != nil:
			e.unanswered(&a, "API_UNREACHABLE")
			return
		case a.Status/100 == 2:
			e.find("API_TAKES_FORGED_TOKENS", at, "A token with \"alg\": %s that nobody has signed gets %s.", quote(algorithmOf(token)), a.outcome())
		case isRedirect(&a):
			e.find("API_REDIRECTS", at, "With a bad token it redirects (%d) to %s.", a.Status, quote(origin(a.Header.Get("Location"))))
		case a.Status >= 500:
			e.find("API_FAILS_ON_TOKENS", at, "With a bad token it answers %s.", a.outcome())
		case a.Status != http.StatusUnauthorized:
			e.find("API_STATUS", at, "With a bad token it answers %s, not 401.", a.outcome())
		}
		if repeats(&a, token) {
			e.find("API_REPEATS_TOKENS", at, "Its answer has a part of the token that was sent.")
		}
	}
}

// forgeries returns a token without a signature, and one with a signature of random bytes under the
// ID of a key that is published, where one is known. They are made up: no one's secret is in them.
func (e *examiner) forgeries() (tokens []string) {
	issuer := e.Issuer
	if issuer == "" && len(e.report.Issuers) > 0 {
		issuer = e.report.Issuers[0]
	}
	now := time.Now()
	claims := map[string]any{
		"iss": issuer, "aud": e.API, "sub": "bearward doctor", "client_id": "bearward doctor", "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	signature := make([]byte, 256)
	_, _ = rand.Read(signature) // never fails
	tokens = append(tokens, compact(map[string]any{"typ": "at+jwt", "alg": "none"}, claims, nil))
	if k := e.known; k != nil {
		alg := k.Algorithm
		if alg == "" {
			alg = "RS256"
		}
		tokens = append(tokens, compact(map[string]any{"typ": "at+jwt", "alg": alg, "kid": k.ID}, claims, signature))
	}
	return tokens
}

func compact(header, claims map[string]any, signature []byte) string {
	h, _ := json.Marshal(header) // strings and numbers
	c, _ := json.Marshal(claims)
	b64 := base64.RawURLEncoding.EncodeToString
	return b64(h) + "." + b64(c) + "." + b64(signature)
}

// algorithmOf returns the "alg" of a token that compact made.
func algorithmOf(token string) string {
	head, _, _ := strings.Cut(token, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(head)
	var header struct{ Alg string }
	_ = json.Unmarshal(raw, &header)
	return header.Alg
}

// repeats reports whether an answer has the claims of a token, as they were sent.
func repeats(a *answer, token string) bool {
	part := []byte(strings.Split(token, ".")[1])
	if bytes.Contains(a.Body, part) {
		return true
	}
	for _, values := range a.Header {
		for _, value := range values {
			if decoded, err := url.QueryUnescape(value); strings.Contains(value, string(part)) || err == nil && strings.Contains(decoded, string(part)) {
				return true
			}
		}
	}
	return false
}
