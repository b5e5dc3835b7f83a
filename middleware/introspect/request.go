package introspect

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/bearward/bearward/internal/fetch"
	auth "github.com/bearward/bearward/middleware"
)

// maxAnswerBytes bounds an answer, after decompression.
const maxAnswerBytes = 256 << 10

const (
	jsonType   = "application/json"
	signedType = "application/token-introspection+jwt" // RFC 9701 §4
)

// A result is what came of one request.
type result struct {
	outcome    Outcome
	principal  *auth.Principal // of a token that is good
	refused    *auth.Error     // of one that the issuer calls active, and whose claims are not accepted
	err        error           // of Unavailable and Misconfigured
	down       bool            // it is the endpoint that is at fault, not this token
	retryAfter time.Duration   // what the endpoint asked for
}

// fault is a result that says nothing about the endpoint beyond this token.
func fault(err error) result { return result{outcome: Unavailable, err: err} }

// endpointFault reports whether the endpoint can answer about no token.
func (r result) endpointFault() bool { return r.down }

func (r result) reason() auth.Reason {
	if r.outcome == Misconfigured { // check: misconfigured
		return auth.ReasonInternal
	}
	if r.outcome == Inactive {
		return auth.ReasonTokenInactive
	}
	return auth.ReasonUnavailable
}

// inactive is made once: read only.
var inactive = &auth.Error{Reason: auth.ReasonTokenInactive, Err: note("the endpoint says so of a token that has ended, was revoked, or is not for the client that asks")}

// refusal returns why the token is not accepted, nil when it is.
func (r result) refusal() *auth.Error {
	switch {
	case r.principal != nil:
		return nil
	case r.refused != nil:
		return r.refused
	}
	if r.outcome == Inactive {
		return inactive
	}
	return &auth.Error{Reason: r.reason(), Err: r.err}
}

// request asks the endpoint about one token (RFC 7662 §2.1).
func (i *Introspector) request(ctx context.Context, endpoint, raw string) result {
	form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {jsonType}}
	if i.signed != nil {
		header.Set("Accept", signedType) // check: signed-accept
	}
	if err := i.client.add(form, header, i.Issuer()); err != nil {
		return result{outcome: Misconfigured, down: true, err: fmt.Errorf("introspect: %w", err)}
	}
	a, err := i.requests.Do(ctx, fetch.Request{
		Method: http.MethodPost, URL: endpoint, Header: header, Body: []byte(form.Encode()),
		MaxBytes: maxAnswerBytes, Statuses: []int{http.StatusBadRequest},
	})
	if err != nil {
		return i.failed(err)
	}
	if a.Status == http.StatusBadRequest {
		return i.badRequest(a)
	}
	r := i.read(ctx, a)
	if r.outcome == Active || r.outcome == Inactive {
		i.answered.Store(true)
	}
	return r
}

// failed tells whose fault it is that there is no answer.
func (i *Introspector) failed(err error) result {
	r := fault(fmt.Errorf("introspect: %w", tellable(err)))
	status, ok := errors.AsType[*fetch.StatusError](err)
	switch {
	case !ok: // check: no-answer
		r.down = !errors.Is(err, fetch.ErrTooLong)
		i.found.lookAgain()
	case status.Code == http.StatusNotFound || status.Code == http.StatusGone:
		i.found.lookAgain()
	case status.Code == http.StatusUnauthorized || status.Code == http.StatusForbidden:
		r.outcome, r.down = Misconfigured, true
		r.err = fmt.Errorf("introspect: the endpoint refuses this API's own credentials (client %q): %w", i.client.clientID, tellable(err))
	case status.Code == http.StatusTooManyRequests || status.Code == http.StatusServiceUnavailable: // check: endpoint-down
		r.down, r.retryAfter = true, status.RetryAfter
	}
	return r
}

// badRequest reads a 400. Before any good answer it is about how this API asks; after one, it may
// be how a server answers about a token that it does not know.
func (i *Introspector) badRequest(a fetch.Answer) result {
	var body struct {
		Error  *string `json:"error"`
		Active any     `json:"active"`
	}
	isError := json.Unmarshal(a.Body, &body) == nil && body.Error != nil
	told := "status 400"
	if isError && knownErrors[*body.Error] {
		told += ", " + *body.Error
	}
	switch {
	case !i.answered.Load(): // check: bad-request-first
		return result{outcome: Misconfigured, err: fmt.Errorf("introspect: the endpoint does not accept how this API asks (client %q): %s", i.client.clientID, told)}
	case isError && body.Active == nil && *body.Error != "invalid_client" && *body.Error != "unauthorized_client": // check: bad-request-error
		return result{outcome: Inactive}
	}
	return fault(errors.New("introspect: " + told))
}

// knownErrors are the codes of RFC 6749 §5.2 and RFC 7009 §2.2.1, which are safe to log.
var knownErrors = map[string]bool{
	"invalid_request": true, "invalid_client": true, "invalid_grant": true, "unauthorized_client": true,
	"unsupported_token_type": true, "invalid_token": true,
}

var errNotActive = errors.New(`introspect: the answer is not one JSON object with a boolean "active"`)

// read reads a 200.
func (i *Introspector) read(ctx context.Context, a fetch.Answer) result {
	mediaType, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	want := jsonType
	if i.signed != nil {
		want = signedType
	}
	if err != nil || mediaType != want { // check: content-type
		return fault(fmt.Errorf("introspect: the answer's Content-Type is not %s", want))
	}
	claims := a.Body
	if i.signed != nil {
		if claims, err = i.signed.open(ctx, a.Body); err != nil {
			return fault(err)
		}
	}
	var state struct {
		Active    *bool  `json:"active"`
		TokenUse  string `json:"token_use"`
		TokenType string `json:"token_type"`
		Type      string `json:"typ"`
	}
	if err := json.Unmarshal(claims, &state); err != nil || state.Active == nil { // check: active
		return fault(errNotActive)
	}
	if !*state.Active { // check: inactive
		return result{outcome: Inactive}
	}
	// Servers answer about refresh tokens, too, and call them active.
	if isOtherKind(state.TokenUse) || isOtherKind(state.TokenType) || isOtherKind(state.Type) { // check: refresh-token
		return result{outcome: Active, refused: errOtherKind}
	}
	p, err := i.verify(claims)
	if err == nil {
		return result{outcome: Active, principal: p}
	}
	refused := auth.AsError(err)
	if refused.Reason == auth.ReasonTokenMalformed {
		return fault(fmt.Errorf("introspect: the answer: %w", err))
	}
	return result{outcome: Active, refused: refused}
}
