package connectauth

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/connect"

	auth "github.com/bearward/bearward/middleware"
)

// Options adjust a Mux, in place of the function NewMux: Options{AllowExpiredStreams:
// true}.NewMux(guard, rules). The zero value means the defaults.
type Options struct {
	// AllowExpiredStreams lets a stream go on after its token ran out, until its handler returns.
	// By default it is ended at the token's expiry plus the verifier's leeway. Until the token
	// expires, whatever else ends a stream still does, such as the withdrawal of its key.
	AllowExpiredStreams bool
}

// A Mux is an http.Handler of Connect services behind a Guard. Make it with [NewMux] and add
// services by [Handle]. A Mux that serves is safe for concurrent use.
type Mux struct {
	guard    *auth.Guard
	rules    auth.Rules
	table    table
	options  Options
	services map[string]*service // by "/pkg.Service/"
}

// A service is what a Mux serves below one path.
type service struct {
	handler http.Handler
	errors  *connect.ErrorWriter
}

// NewMux returns a Mux without services: Options{}.NewMux(guard, rules).
func NewMux(guard *auth.Guard, rules auth.Rules) *Mux { return Options{}.NewMux(guard, rules) }

// NewMux returns a Mux without services that authorizes by rules. The keys of rules are
// "/pkg.Service/Method", or "/pkg.Service/*" for a whole service; the exact key wins. Rules are
// copied.
//
// It panics, naming the fault, when guard is nil, a key has another form or the guard cannot
// enforce a rule ([auth.Guard.CanEnforce]).
func (o Options) NewMux(guard *auth.Guard, rules auth.Rules) *Mux {
	if guard == nil {
		panic("connectauth: NewMux needs a Guard")
	}
	t, err := newTable(rules)
	if err != nil {
		panic(err.Error())
	}
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		if err := guard.CanEnforce(rules[key]); err != nil {
			panic(fmt.Sprintf("connectauth: rule %q: %v", key, err))
		}
	}
	return &Mux{guard: guard, rules: maps.Clone(rules), table: t, options: o, services: map[string]*service{}}
}

// Handle adds a service to m: newHandler is what protoc-gen-connect-go generates, or what a package
// for health or reflection has of the same form. It is called with s and with opts, in front of
// which the guard's own stand. Go does not infer the interface of s, so it is named:
// Handle[shopv1connect.OrdersHandler](m, shopv1connect.NewOrdersHandler, orders).
//
// It panics, naming the path, when that is not "/pkg.Service/" or is there already. It also does
// when m, newHandler or the handler is nil, and when newHandler made no handler with its options.
func Handle[S any](m *Mux, newHandler func(S, ...connect.HandlerOption) (string, http.Handler), s S, opts ...connect.HandlerOption) {
	if m == nil || newHandler == nil {
		panic("connectauth: Handle needs a Mux and a constructor of the service's handler")
	}
	guard := &interceptor{mux: m}
	all := append([]connect.HandlerOption{connect.WithInterceptors(guard)}, opts...)
	path, h := newHandler(s, all...)
	if name, ok := strings.CutPrefix(path, "/"); !ok || strings.Count(name, "/") != 1 || !strings.HasSuffix(name, "/") || name == "/" {
		panic(fmt.Sprintf("connectauth: service %q: the path is not /pkg.Service/", path))
	}
	if h == nil {
		panic(fmt.Sprintf("connectauth: service %q has a nil handler", path))
	}
	if !guard.used { // check: options-dropped
		panic(fmt.Sprintf("connectauth: service %q has a handler that was made without the options", path))
	}
	if m.services[path] != nil { // check: service-twice
		panic(fmt.Sprintf("connectauth: service %q is there already", path))
	}
	m.services[path] = &service{h, connect.NewErrorWriter(opts...)}
}

// Rules returns a copy of who may call what.
func (m *Mux) Rules() auth.Rules { return maps.Clone(m.rules) }

// A call is what was authorized. It goes with the request's context to the service's handler.
type call struct {
	mux       *Mux
	procedure string
	rule      rule
	w         http.ResponseWriter
	r         *http.Request
}

type callKey struct{}

// callOf returns the call that m authorized for a procedure, and nil when there is none.
func (m *Mux) callOf(ctx context.Context, procedure string) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	if c == nil || c.mux != m || c.procedure != procedure { // check: authorized-call
		return nil
	}
	return c
}

// ServeHTTP serves a procedure to callers who meet its rule.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path // what generated handlers compare
	end := strings.LastIndexByte(path, '/') + 1
	s := m.services[path[:end]]
	if s == nil || end == len(path) {
		http.NotFound(w, r)
		return
	}
	rule := m.table.find(path)
	ctx := r.Context()
	if !rule.requirement.IsPublic() {
		answer := http.Header{}
		sent := auth.RequestCredentials(w, r, rule.key)
		sent.Params, sent.Answer = nil, answer
		var err error
		ctx, err = m.guard.Authorize(ctx, sent, rule.requirement)
		tellCaches(w.Header(), answer)
		if err != nil { // check: refused
			m.refuse(w, r, s, err, answer)
			return
		}
		maps.Copy(w.Header(), answer) // check: answer
	}
	c := &call{m, path, rule, w, r}
	s.handler.ServeHTTP(w, r.WithContext(context.WithValue(ctx, callKey{}, c)))
}

// tellCaches moves to the header what answer says to the caches of HTTP: that is no metadata.
func tellCaches(header, answer http.Header) {
	for _, name := range []string{"Vary", "Cache-Control"} {
		if values := answer[name]; len(values) > 0 { // check: caches
			header[name] = append(header[name], values...)
			delete(answer, name)
		}
	}
}
