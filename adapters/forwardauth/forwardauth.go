package forwardauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/bearward/bearward/internal/peer"
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
	origins    []string
	identity   []identityField
	reserved   []string // the spellings of the identity fields' names
	onlyIssuer string   // whose subjects are told without their issuer; "" when the issuer is told
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
	h := &Handler{guard: guard, options: options}
	for i, s := range options.For {
		origin, err := parseOrigin(s)
		if err != nil {
			return nil, fmt.Errorf("forwardauth: Options.For[%d]: %w", i, err)
		}
		h.origins = append(h.origins, origin)
	}
	h.options.Gateways = slices.Clone(options.Gateways)
	var err error
	if h.identity, err = options.identity(guard); err != nil {
		return nil, err
	}
	for _, f := range h.identity {
		h.reserved = append(h.reserved, spelling(f.name))
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
	w.Header().Set("Cache-Control", "no-store") // check: no-store
	q, m, fault := h.read(r)
	if fault != "" {
		h.refuse(w, r, fault)
		return
	}
	c := auth.RequestCredentials(w, r, "")
	c.Method, c.Target = q.method, q.target
	c.TLS = nil // check: gateway-certificate
	rule := new(route)
	if m.route != nil {
		rule = m.route
		c.Params = m
	}
	c.Operation = rule.key
	ctx, err := h.guard.Authorize(r.Context(), c, rule.req)
	if err != nil { // check: refused
		h.guard.Refuse(w, r, err)
		return
	}
	p, _ := auth.PrincipalFrom(ctx)
	if h.onlyIssuer != "" && p != nil && p.Issuer() != h.onlyIssuer { // check: issuer-other
		h.guard.Refuse(w, r, errIssuerNeeded)
		return
	}
	values := make([]string, len(h.identity))
	for i, f := range h.identity {
		values[i] = f.encoded(p)
		w.Header()[f.name] = values[i : i+1 : i+1]
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
}

// errIssuerNeeded is made once: read only.
var errIssuerNeeded = &auth.Error{Reason: auth.ReasonInternal, Err: errors.New("forwardauth: Options.Fields.Issuer is left out, and the token is of another issuer")}

// A question is a client's request, as the gateway tells it.
type question struct{ method, scheme, host, target string }

// read returns the client's request and its rule, or why it is refused without a look at its token.
func (h *Handler) read(r *http.Request) (q question, m *match, fault Fault) {
	switch from := peer.From(r.Context()); {
	case !from.IsValid():
		return q, nil, FaultConn
	case !h.hears(from): // check: peer
		return q, nil, FaultPeer
	}
	if fault := h.readFields(r.Header); fault != "" {
		return q, nil, fault
	}
	q, ok := h.ask(r)
	if !ok || q.method == "" || strings.Trim(q.method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" || q.method == http.MethodConnect { // check: question
		return q, nil, FaultQuestion
	}
	if !slices.Contains(h.origins, originOf(q.scheme, q.host)) { // check: origin
		return q, nil, FaultOrigin
	}
	path, ok := readPath(q.target)
	if !ok { // check: path
		return q, nil, FaultPath
	}
	if m, ok = h.table.Load().find(q.method, path); !ok { // check: path-rule
		return q, nil, FaultPath
	}
	return q, m, ""
}

// hears reports whether a connection of from is a gateway's.
func (h *Handler) hears(from netip.Addr) bool {
	if s := h.options.UnixSocket; s != "" && from == peer.Socket(s) { // check: peer-socket
		return true
	}
	return slices.ContainsFunc(h.options.Gateways, func(p netip.Prefix) bool { return p.Contains(from) }) // check: peer-address
}

// reroutingFields are those by which frameworks let a request name another method or path.
var reroutingFields = []string{"x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url", "x-original-method"}

// readFields refuses names that a client must not send, in whatever spelling.
func (h *Handler) readFields(all http.Header) Fault {
	for name := range all {
		if isSpelled(name, h.reserved) { // check: identity-claimed
			return FaultIdentity
		}
		if isSpelled(name, reroutingFields) { // check: rerouting
			return FaultRerouting
		}
	}
	// Behind an upgrade to HTTP/2 a client would talk to the API itself.
	for _, to := range all["Upgrade"] {
		if !strings.EqualFold(to, "websocket") { // check: upgrade
			return FaultRerouting
		}
	}
	// A field that Connection names is taken away on the way (RFC 9110 §7.6.1).
	for _, list := range all["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			if isSpelled(strings.TrimSpace(name), h.reserved) { // check: identity-hop
				return FaultIdentity
			}
		}
	}
	return ""
}

// spelling returns the one form of all names that CGI, WSGI and others take for the same.
func spelling(name string) string {
	b := []byte(name)
	for i, c := range b {
		b[i] = spelled(c)
	}
	return string(b)
}

// spelled is what one byte of a name is in its spelling.
func spelled(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	}
	return '-'
}

// isSpelled reports whether the spelling of name is one of all.
func isSpelled(name string, all []string) bool {
	return slices.ContainsFunc(all, func(s string) bool {
		if len(s) != len(name) {
			return false
		}
		for i := range len(s) {
			if s[i] != spelled(name[i]) {
				return false
			}
		}
		return true
	})
}

// ask reads the gateway's question. It is false when something is missing or there twice.
func (h *Handler) ask(r *http.Request) (q question, ok bool) {
	ok = true
	one := func(name string) string {
		if v := r.Header[name]; len(v) == 1 && v[0] != "" { // check: question-once
			return v[0]
		}
		ok = false
		return ""
	}
	q.scheme = one("X-Forwarded-Proto")
	if h.options.Form == Direct {
		q.method, q.host = r.Method, r.Host
		q.target = strings.TrimPrefix(r.RequestURI, h.options.Prefix)
		return q, ok && strings.HasPrefix(r.RequestURI, h.options.Prefix+"/")
	}
	q.method, q.host, q.target = one("X-Forwarded-Method"), one("X-Forwarded-Host"), one("X-Forwarded-Uri")
	return q, ok
}

// refuse answers a request whose token was not read. The text is constant.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, fault Fault) {
	h.tell(r.Context(), fault)
	body, _ := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   Fault  `json:"code"`
	}{http.StatusText(fault.status()), fault.status(), fault})
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(fault.status())
	_, _ = w.Write(body)
}

// tell calls Options.OnRefused, whose panic changes no answer.
func (h *Handler) tell(ctx context.Context, fault Fault) {
	if h.options.OnRefused == nil {
		return
	}
	defer func() { _ = recover() }()
	h.options.OnRefused(ctx, fault)
}

// encoded is the field's value for a caller, "" for none.
func (f identityField) encoded(p *auth.Principal) string {
	if p == nil {
		return ""
	}
	return f.value(p)
}

// encode percent-encodes what is not unreserved (RFC 3986 §2.3), "%" too, and leaves what stands in
// URLs and scopes readable.
func encode(s string) string {
	s = url.PathEscape(s) // check: identity-encoded
	return s
}
