package forwardauth

import (
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	auth "github.com/bearward/bearward/middleware"
)

// An identityField is a field of accepted answers. Without a name it is left out.
type identityField struct {
	name  string
	value func(*auth.Principal) string
}

// identify sets the identity fields of an answer, empty for nobody.
func (h *Handler) identify(header http.Header, p *auth.Principal) {
	slot := h.told.slot(p)
	t := slot.Load()
	if t == nil || t.caller != p { // check: identity-caller
		t = h.tell(p)
		slot.Store(t)
	}
	for i, f := range h.identity {
		header[f.name] = t.values[i : i+1 : i+1]
	}
}

// A told is what answers tell about a caller. It is read only, and shared by them.
type told struct {
	caller *auth.Principal // whom a Guard gives for a token as long as it remembers it
	values []string        // of Handler.identity
}

func (h *Handler) tell(p *auth.Principal) *told {
	t := &told{p, make([]string, len(h.identity))}
	if p == nil {
		return t
	}
	for i, f := range h.identity {
		t.values[i] = f.value(p)
	}
	return t
}

// A toldCache remembers the told of some callers. Two of one slot take turns.
type toldCache struct {
	seed  maphash.Seed
	slots [1024]atomic.Pointer[told]
}

func newToldCache() *toldCache { return &toldCache{seed: maphash.MakeSeed()} }

func (c *toldCache) slot(p *auth.Principal) *atomic.Pointer[told] {
	return &c.slots[maphash.Comparable(c.seed, p)%uint64(len(c.slots))]
}

// identity returns the identity fields that o names.
func (o *Options) identity(guard *auth.Guard) ([]identityField, error) {
	all := []identityField{
		{o.Fields.Subject, func(p *auth.Principal) string { return encode(p.Subject()) }},
		{o.Fields.Issuer, func(p *auth.Principal) string { return encode(p.Issuer()) }},
		{o.Fields.Client, func(p *auth.Principal) string { return encode(p.ClientID()) }},
		{o.Fields.Scopes, scopes},
	}
	labels := []string{"Subject", "Issuer", "Client", "Scopes"}
	var named []identityField
	taken := map[string]bool{}
	for i, f := range all {
		switch f.name {
		case "-":
			if i == 1 && len(guard.Status()) != 1 { // check: issuer-needed
				return nil, errors.New("forwardauth: Options.Fields.Issuer cannot be left out: the Guard has not exactly one issuer")
			}
			continue
		case "":
			f.name = "X-Auth-" + labels[i]
		}
		if !isFieldName(f.name) {
			return nil, fmt.Errorf("forwardauth: Options.Fields.%s is %q: not letters, digits and hyphens", labels[i], f.name)
		}
		f.name = http.CanonicalHeaderKey(f.name)
		if taken[f.name] { // check: field-twice
			return nil, fmt.Errorf("forwardauth: Options.Fields.%s is %s, which another field is", labels[i], f.name)
		}
		if isTaken(f.name) || f.name == guard.TokenField() { // check: field-taken
			return nil, fmt.Errorf("forwardauth: Options.Fields.%s is %s, which has another meaning", labels[i], f.name)
		}
		taken[f.name] = true
		named = append(named, f)
	}
	return named, nil
}

// isTaken reports whether a field of a request means something already.
func isTaken(name string) bool {
	return strings.HasPrefix(name, "X-Forwarded-") || slices.Contains([]string{"Authorization", "Cache-Control", "Connection", "Content-Length", "Content-Type",
		"Cookie", "Dpop", "Forwarded", "Host", "Proxy-Authorization", "Transfer-Encoding", "Upgrade"}, name) || reroutingFields.has(name)
}

// isFieldName reports whether a name is one that no server reads in two ways.
func isFieldName(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func scopes(p *auth.Principal) string {
	scopes := p.Scopes()
	if len(scopes) == 1 {
		return encode(scopes[0])
	}
	var b strings.Builder
	for i, s := range scopes {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(encode(s))
	}
	return b.String()
}

// encode percent-encodes what is not unreserved (RFC 3986 §2.3), "%" too, and leaves what stands in
// URLs and scopes readable.
func encode(s string) string {
	s = url.PathEscape(s) // check: identity-encoded
	// To who decodes as forms do, a plus is a space.
	s = strings.ReplaceAll(s, "+", "%2B") // check: identity-plus
	return s
}
