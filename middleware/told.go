package auth

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/bearward/bearward/internal/jose"
)

// told is what a Principal tells beyond its scopes. It is read once, when a rule or a handler first
// asks, and not for tokens of which nobody asks it.
type told struct {
	roles, groups, permissions []string
	acr                        string // "" when absent, or no string
	authTime                   jose.NumericDate
	details                    []detailEntry
	detailsErr                 error // the claim is there, and malformed
}

// A detailEntry is an object of authorization_details (RFC 9396 §2).
type detailEntry struct {
	Type *string `json:"type"`
	raw  jsontext.Value
}

var errDetails = errors.New("not an array of objects that each have a type")

// told returns what p tells. Callers that ask at once may read it twice, with the same result.
func (p *Principal) told() *told {
	if t := p.readOnce.Load(); t != nil {
		return t
	}
	var claims struct {
		ACR     jsontext.Value `json:"acr"`
		Time    jsontext.Value `json:"auth_time"`
		Details jsontext.Value `json:"authorization_details"`
	}
	t, at := new(told), p.places()
	t.roles, t.groups, t.permissions = p.list(at.roles), p.list(at.groups), p.list(at.permissions)
	_ = json.Unmarshal([]byte(p.doc), &claims) // an object without duplicates, or it were no Principal
	if json.Unmarshal(claims.ACR, &t.acr) != nil {
		t.acr = ""
	}
	t.authTime, _ = jose.NumericDateOf(string(claims.Time), jose.Value{Kind: kindOf(claims.Time), End: len(claims.Time)})
	t.details, t.detailsErr = detailsOf(claims.Details)
	p.readOnce.Store(t)
	return t
}

// kindOf is the kind of a value, 0 for none.
func kindOf(v jsontext.Value) jsontext.Kind {
	if len(v) == 0 {
		return 0
	}
	return v.Kind()
}

// detailsOf reads authorization_details. Null is absent, as for every claim.
func detailsOf(claim jsontext.Value) ([]detailEntry, error) {
	if k := kindOf(claim); k == 0 || k == 'n' {
		return nil, nil
	}
	var raw []jsontext.Value
	if json.Unmarshal(claim, &raw) != nil {
		return nil, errDetails
	}
	entries := make([]detailEntry, len(raw))
	for i, value := range raw {
		if kindOf(value) != '{' || json.Unmarshal(value, &entries[i]) != nil || entries[i].Type == nil { // check: detail-entry
			return nil, errDetails
		}
		entries[i].raw = value
	}
	return entries, nil
}

// about says what of p a term was compared with, and what it asks for. It holds nothing that the
// token says.
func (n *node) about(p *Principal) *detail {
	at := p.places()
	switch n.kind {
	case kindRole:
		return &detail{claim: strings.Join(at.roles, "."), expected: n.name}
	case kindGroup:
		return &detail{claim: strings.Join(at.groups, "."), expected: n.name}
	case kindPermission:
		return &detail{claim: strings.Join(at.permissions, "."), expected: n.name}
	case kindSubject:
		words, _ := n.words(false)
		return &detail{claim: "sub", expected: words}
	case kindIssuer:
		return &detail{claim: "iss", expected: n.name}
	case kindACR:
		return &detail{claim: "acr", expected: oneOf(n.acr)}
	case kindWithin:
		return &detail{claim: "auth_time", expected: "at most " + inWords(n.within) + " ago"}
	case kindDetail:
		return &detail{claim: "authorization_details", expected: "an array of objects, one of type " + n.name + " that its check accepts"}
	}
	return new(detail)
}
