package forwardauth

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/bearward/bearward/internal/peer"
)

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
	if !ok || !isMethod(q.method) || q.method == http.MethodConnect { // check: question
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

// isMethod reports whether s has the form of a method that a rule may name.
func isMethod(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || 'Z' < c) && c != '-' {
			return false
		}
	}
	return s != ""
}
