package forwardauth

import (
	"net/http"
	"slices"
	"strings"
)

// reroutingFields are those by which frameworks let a request name another method or path.
var reroutingFields = namesOf("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Original-Method")

// readFields refuses names that a client must not send, in whatever spelling.
func (h *Handler) readFields(all http.Header) Fault {
	for name := range all {
		if h.reserved.has(name) { // check: identity-claimed
			return FaultIdentity
		}
		if reroutingFields.has(name) { // check: rerouting
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
			if h.reserved.has(strings.TrimSpace(name)) { // check: identity-hop
				return FaultIdentity
			}
		}
	}
	return ""
}

// names are those of fields, compared by their spelling: the one form of all names that CGI, WSGI
// and others take for the same.
type names struct {
	spellings []string
	lengths   uint64 // has a bit for each length that a name has, so that most others cost nothing
}

func namesOf(all ...string) (n names) {
	for _, name := range all {
		n.add(name)
	}
	return n
}

func (n *names) add(name string) {
	b := []byte(name)
	for i, c := range b {
		b[i] = spelled(c)
	}
	n.spellings = append(n.spellings, string(b))
	n.lengths |= lengthBit(len(b))
}

// lengthBit is one bit of 64. Lengths of 64 apart share theirs.
func lengthBit(length int) uint64 { return 1 << (length % 64) }

// has reports whether the spelling of name is one of n's.
func (n *names) has(name string) bool {
	if n.lengths&lengthBit(len(name)) == 0 {
		return false
	}
	return slices.ContainsFunc(n.spellings, func(s string) bool {
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
