package mcpauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	auth "github.com/bearward/bearward/middleware"
)

// offlineAccess is a scope by which clients ask for refresh tokens (OpenID Connect Core §11).
const offlineAccess = "offline_access"

// MaxBodyBytes is the longest body of a request that is read: 4 MiB, as in the SDK. A longer one is
// answered with 413.
const MaxBodyBytes = 4 << 20

// Options adjust a [Guard] or [Handler]. The zero value, and nil, mean the defaults.
type Options struct {
	// HTTP is for the SDK's handler that [Guard] makes. Default nil: the SDK's defaults. [Handler]
	// does not use it.
	HTTP *mcp.StreamableHTTPOptions
	// EntryScopes are the scopes that a 401 names when the request's header names no operation, or
	// one whose rule has no scopes. Clients ask for them when they log in first. Default none: the
	// client then asks for all that the resource's metadata names.
	EntryScopes []string
	// Origins are the web origins whose scripts may call the server, such as
	// "https://app.example.com". Default: that of GuardOptions.ResourceMetadata, or none. Answers
	// to scripts need CORS fields, too, which are not this package's.
	Origins []string
	// Logger is told, at Info, of requests that are refused for their body or Origin. Hooks of the
	// Guard are told only of what the Guard decides. Nothing that the caller sent is logged.
	// Default slog.Default().
	Logger *slog.Logger
}

// Guard returns the SDK's handler for server (mcp.NewStreamableHTTPHandler) behind guard: [Check],
// [Enforce] and [Handler] in one. Call it after the tools, resources and prompts were added. It
// panics when a parameter is nil, when Check returns an error, and when Handler panics.
func Guard(server *mcp.Server, guard *auth.Guard, rules auth.Rules, opts *Options) http.Handler {
	if opts == nil {
		opts = &Options{}
	}
	if err := Check(server, rules); err != nil { // check: guard-check
		panic(err.Error())
	}
	server.AddReceivingMiddleware(Enforce(rules)) // check: guard-enforce
	return Handler(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, opts.HTTP), guard, rules, opts)
}

// Handler returns a handler that authorizes each request by the rule of its operation, and then
// lets next serve it. That is a handler of the SDK, whose server has [Enforce] as its receiving
// middleware. The rules are copied. Handler panics when next or guard is nil, and when the guard
// cannot enforce a rule ([auth.Guard.CanEnforce]). It panics when a key of the rules, a scope or an
// origin of the options has no meaning.
func Handler(next http.Handler, guard *auth.Guard, rules auth.Rules, opts *Options) http.Handler {
	if opts == nil {
		opts = &Options{}
	}
	if next == nil || guard == nil {
		panic("mcpauth: Handler needs a handler and a Guard")
	}
	t, err := newTable(rules)
	errs := []error{err}
	for key, req := range rules {
		if err := guard.CanEnforce(req); err != nil { // check: can-enforce
			errs = append(errs, fmt.Errorf("rule %q: %w", key, err))
		}
	}
	origins := opts.Origins
	if metadata, err := url.Parse(guard.ResourceMetadata()); origins == nil && err == nil && metadata.Host != "" {
		origins = []string{metadata.Scheme + "://" + metadata.Host}
	}
	for _, origin := range origins {
		if u, err := url.Parse(origin); err != nil || u.Scheme == "" || u.Host == "" || origin != u.Scheme+"://"+u.Host {
			errs = append(errs, fmt.Errorf("Options.Origins: %q is not of the form https://host", origin))
		}
	}
	if slices.Contains(opts.EntryScopes, offlineAccess) || slices.Contains(slices.Collect(t.scopes()), offlineAccess) { // check: offline-access
		errs = append(errs, errors.New("the scope offline_access is the client's affair: no challenge may name it"))
	}
	for _, scope := range opts.EntryScopes {
		if _, err := auth.ParseRequirement(strconv.Quote(scope)); err != nil {
			errs = append(errs, fmt.Errorf("Options.EntryScopes: %q is not a scope", scope))
		}
	}
	if err := errors.Join(errs...); err != nil {
		panic("mcpauth: " + err.Error())
	}
	logger := opts.Logger
	if logger == nil {
		logger = slog.Default()
	}
	entry := slices.Sorted(slices.Values(opts.EntryScopes))
	return &handler{next: withTokenInfo(next), guard: guard, table: t, entryScopes: entry, origins: slices.Clone(origins), logger: logger}
}

// handler is what Handler returns.
type handler struct {
	next        http.Handler
	guard       *auth.Guard
	table       *table
	entryScopes []string
	origins     []string
	logger      *slog.Logger
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, origin := range r.Header["Origin"] {
		if !slices.Contains(h.origins, origin) { // check: origin
			h.refuse(w, r, http.StatusForbidden, nil, faultOrigin)
			return
		}
	}
	switch r.Method {
	case http.MethodPost:
		h.post(w, r)
	case http.MethodGet, http.MethodDelete:
		ctx, refused := h.authorize(w, r, r.Context(), h.table.byKey(r.Method), nil)
		if refused != nil { // check: stream-rule
			h.answer(w, nil, refused)
			return
		}
		h.serve(w, r, ctx, h.table.byKey(r.Method), operation{}, nil, nil)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	}
}

// post authorizes a message: by its header, then by its body.
func (h *handler) post(w http.ResponseWriter, r *http.Request) {
	named, isNamed, f := headerOperation(r.Header)
	if f != "" {
		h.refuse(w, r, http.StatusBadRequest, nil, f)
		return
	}
	var rules []rule // of the operation, as soon as it is known
	if isNamed {
		rules = h.table.find(named)
	}
	entry := rule{"POST", h.entry(r, rules)}
	ctx, refused := h.authorize(w, r, r.Context(), []rule{entry}, rules)
	if refused != nil {
		h.answer(w, nil, refused)
		return
	}
	if isNamed {
		if ctx, refused = h.authorize(w, r, ctx, rules, rules); refused != nil { // check: header-first
			h.answer(w, idOf(w, r), refused)
			return
		}
	}
	reader := http.MaxBytesReader(w, r.Body, MaxBodyBytes)
	// check: body-size
	body, err := io.ReadAll(reader)
	if err != nil {
		status := http.StatusBadRequest
		if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
			status = http.StatusRequestEntityTooLarge
		}
		h.refuse(w, r, status, nil, faultUnread)
		return
	}
	op, id, f := parse(body)
	if f == "" && !agree(r.Header, op) {
		f = faultDiffers
	}
	if f != "" {
		h.refuse(w, r, http.StatusBadRequest, id, f)
		return
	}
	if !isNamed {
		rules = h.table.find(op)
		if ctx, refused = h.authorize(w, r, ctx, rules, rules); refused != nil { // check: body-rule
			h.answer(w, id, refused)
			return
		}
	}
	rules = append([]rule{entry}, rules...) // check: entry-rechecked
	h.serve(w, r, ctx, rules, op, body, id)
}

// maxAnswered is the longest body that is read only to repeat its ID in a refusal, in bytes.
const maxAnswered = 64 << 10

// idOf returns the ID of a message that was refused by its header. Clients close the session over
// an answer that does not repeat it.
func idOf(w http.ResponseWriter, r *http.Request) []byte {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswered))
	if err != nil {
		return nil
	}
	_, id, _ := parse(body)
	return id
}

// entry returns what is asked of a request before its body is read. A token that is presented must
// be good. None need be presented where the operation, or one that may be in the body, takes none.
func (h *handler) entry(r *http.Request, named []rule) auth.Requirement {
	anonymous := named != nil || h.table.anonymous()
	for _, rule := range named {
		anonymous = anonymous && takesAnonymous(rule.requirement)
	}
	if anonymous && len(r.Header[h.guard.TokenField()]) == 0 { // check: entry
		return auth.Optional()
	}
	return auth.AnyToken()
}

// authorize asks guard about each of the rules. A refusal names the scopes of the rules in named.
func (h *handler) authorize(w http.ResponseWriter, r *http.Request, ctx context.Context, rules, named []rule) (context.Context, *auth.Error) {
	for _, rule := range rules {
		accepted, err := h.guard.Authorize(ctx, auth.RequestCredentials(w, r, rule.key), rule.requirement)
		if err != nil {
			return ctx, h.withScopes(ctx, auth.AsError(err), named)
		}
		ctx = accepted
	}
	return ctx, nil
}

// withScopes adds to a refusal the scopes that its challenge names. Where the token is good, those
// of its scopes that some rule asks for are among them: a client would lose them otherwise.
func (h *handler) withScopes(ctx context.Context, refused *auth.Error, named []rule) *auth.Error {
	e := *refused
	needed := e.Scopes
	for _, rule := range named {
		needed = append(needed[:len(needed):len(needed)], rule.requirement.ChallengeScopes()...)
	}
	p, known := auth.PrincipalFrom(ctx)
	switch {
	case known && (e.Reason == auth.ReasonInsufficientScope || e.Reason == auth.ReasonInsufficientUserAuthentication): // a scope or a stronger log-in is missing
		e.Scopes = needed
		for scope := range h.table.scopes() {
			if h.guard.Grants(p, scope) { // check: granted-scopes
				e.Scopes = append(e.Scopes, scope)
			}
		}
	case e.Status() == http.StatusUnauthorized && len(needed) > 0:
		e.Scopes = needed
	case e.Status() == http.StatusUnauthorized:
		e.Scopes = h.entryScopes
	}
	e.Scopes = slices.Compact(slices.Sorted(slices.Values(e.Scopes)))
	return &e
}

// refuse answers a request that is refused beside what guard decides. The fault is a constant.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, status int, id []byte, f fault) {
	h.logger.LogAttrs(r.Context(), slog.LevelInfo, "mcpauth: request refused", slog.Int("status", status), slog.String("reason", string(f)))
	w.Header().Set("Cache-Control", "no-store")
	writeError(w, status, id, "The request was refused: "+string(f), nil)
}

// answer answers a request that guard refused.
func (h *handler) answer(w http.ResponseWriter, id []byte, refused *auth.Error) {
	h.guard.SetRefusalHeader(w.Header(), refused)
	problem, _ := refused.MarshalJSON() // never fails
	writeError(w, refused.Status(), id, refused.Description(), problem)
}

// writeError writes an error of JSON-RPC, as the SDK's transport does: its client keeps the session
// over nothing else.
func writeError(w http.ResponseWriter, status int, id []byte, text string, data json.RawMessage) {
	if id == nil {
		id = []byte("null")
	}
	body, _ := json.Marshal(struct { // of constants and valid JSON
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   *jsonrpc.Error  `json:"error"`
	}{"2.0", id, &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: text, Data: data}})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// serve lets the SDK serve a request that was authorized by rules.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, ctx context.Context, rules []rule, op operation, body, id []byte) {
	p, _ := auth.PrincipalFrom(ctx)
	// The SDK keeps the context of the request that begins a session: it must not name a caller,
	// and is not ctx.
	inner := r.Clone(r.Context())
	for _, field := range h.guard.ReadsFields() {
		inner.Header.Del(field) // check: binding-fields
	}
	if body != nil {
		inner.Body, inner.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	a := &authorized{op: op, principal: p}
	if p != nil && p.Subject() == "" && p.ClientID() == "" {
		a.token = hashOf(r.Header[h.guard.TokenField()])
	}
	inner = withAuthorized(inner, a)
	recheck := func(ctx context.Context) (context.Context, error) { return h.recheck(ctx, r, rules) }
	if f := serveOpen(ctx, recheck, w, inner, h.next); f != "" {
		h.refuse(w, r, http.StatusGatewayTimeout, id, f) // not 401: clients would call the tool again
	}
}

// recheck asks guard again about each of the rules by which a request was authorized.
func (h *handler) recheck(ctx context.Context, r *http.Request, rules []rule) (context.Context, error) {
	for _, rule := range rules {
		accepted, err := h.guard.Recheck(ctx, auth.RequestCredentials(nil, r, rule.key), rule.requirement)
		if err != nil { // check: recheck-refused
			return nil, err
		}
		ctx = accepted
	}
	return ctx, nil
}
