package forwardauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"

	auth "github.com/bearward/bearward/middleware"
)

// A Fault is why a request was refused before its token was read. The set is closed ([Faults]).
type Fault string

const (
	FaultPeer      Fault = "PEER_UNKNOWN"      // 403: who asks is none of Options.Gateways
	FaultConn      Fault = "CONN_CONTEXT"      // 500: http.Server.ConnContext is not auth.ConnContext
	FaultQuestion  Fault = "QUESTION_INVALID"  // 400: the gateway did not tell method, host, scheme and path, each once
	FaultOrigin    Fault = "ORIGIN_UNKNOWN"    // 400: the host or scheme is none of Options.For
	FaultPath      Fault = "PATH_AMBIGUOUS"    // 400: gateway and API might read the path differently
	FaultIdentity  Fault = "IDENTITY_CLAIMED"  // 400: the client sent an identity field
	FaultRerouting Fault = "REROUTING_CLAIMED" // 400: the client sent a field that names another method, path or protocol
)

// Faults returns every Fault: for the labels of metrics.
func Faults() []Fault {
	return []Fault{FaultPeer, FaultConn, FaultQuestion, FaultOrigin, FaultPath, FaultIdentity, FaultRerouting}
}

func (f Fault) status() int {
	switch f {
	case FaultPeer:
		return http.StatusForbidden
	case FaultConn:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// A Handler answers the questions of gateways. Make it with [New]. It is safe for concurrent use.
type Handler struct {
	guard      *auth.Guard
	options    Options
	origins    []origin
	identity   []identityField
	reserved   names // of the identity fields
	told       *toldCache
	onlyIssuer string // whose subjects are told without their issuer; "" when the issuer is told
	table      atomic.Pointer[table]
}

// New returns a Handler that decides by guard and rules. The error names the field or the rule that
// is wrong.
func New(guard *auth.Guard, rules auth.Rules, options Options) (*Handler, error) {
	if guard == nil {
		return nil, errors.New("forwardauth: New needs a Guard")
	}
	if err := options.check(); err != nil {
		return nil, err
	}
	h := &Handler{guard: guard, options: options, told: newToldCache()}
	for i, s := range options.For {
		o, err := parseOrigin(s)
		if err != nil {
			return nil, fmt.Errorf("forwardauth: Options.For[%d]: %w", i, err)
		}
		h.origins = append(h.origins, o)
	}
	h.options.Gateways = slices.Clone(options.Gateways)
	var err error
	if h.identity, err = options.identity(guard); err != nil {
		return nil, err
	}
	for _, f := range h.identity {
		h.reserved.add(f.name)
	}
	if issuers := guard.Status(); options.Fields.Issuer == "-" && len(issuers) > 0 {
		h.onlyIssuer = issuers[0].Issuer
	}
	return h, h.Swap(rules)
}

// Swap replaces all rules at once, for every request from then on. They may name other operations
// than those before. When they have a fault, the error names it, and those before stay in use.
func (h *Handler) Swap(rules auth.Rules) error {
	t, err := newTable(h.guard, rules)
	if err != nil {
		return err
	}
	h.table.Store(t)
	return nil
}

// ServeHTTP answers whether a request may go on: 200 with the identity fields, or the refusal that
// the client is to be sent.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = noStore // check: no-store
	q, m, fault := h.read(r)
	if fault != "" {
		h.refuse(w, r, fault)
		return
	}
	c := auth.RequestCredentials(w, r, "")
	c.Method, c.Target = q.method, q.target
	c.TLS = nil // check: gateway-certificate
	c.Params = m
	c.Operation = m.route.key
	ctx, err := h.guard.Authorize(r.Context(), c, m.route.req)
	if err != nil { // check: refused
		h.guard.Refuse(w, r, err)
		return
	}
	p, _ := auth.PrincipalFrom(ctx)
	if h.onlyIssuer != "" && p != nil && p.Issuer() != h.onlyIssuer { // check: issuer-other
		h.guard.Refuse(w, r, errIssuerNeeded)
		return
	}
	h.identify(w.Header(), p)
	// Without more, net/http answers 200 with Content-Length: 0.
}

// noStore is made once: read only.
var noStore = []string{"no-store"}

// errIssuerNeeded is made once: read only.
var errIssuerNeeded = &auth.Error{Reason: auth.ReasonInternal, Err: errors.New("forwardauth: Options.Fields.Issuer is left out, and the token is of another issuer")}

// refuse answers a request whose token was not read. The text is constant.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, fault Fault) {
	h.report(r.Context(), fault)
	body, _ := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   Fault  `json:"code"`
	}{http.StatusText(fault.status()), fault.status(), fault})
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(fault.status())
	_, _ = w.Write(body)
}

// report calls Options.OnRefused, whose panic changes no answer.
func (h *Handler) report(ctx context.Context, fault Fault) {
	if h.options.OnRefused == nil {
		return
	}
	defer func() { _ = recover() }()
	h.options.OnRefused(ctx, fault)
}
