package auth

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bearward/bearward/internal/jose"
)

// A confirmation is a token's "cnf" (RFC 7800 §3.1). It is read once, when the token is verified,
// and remembered with it; plain tokens have none.
type confirmation struct {
	text    string
	members []confirmed
	one     [1]confirmed // backs members for the usual one
	err     error        // why text cannot be read; only a Guard refuses for it
}

// A confirmed is one member of cnf: its name, and its value's JSON text.
type confirmed struct{ name, value string }

// readConfirmation reads cnf.
func (r *claimReader) readConfirmation(p *Principal) *Error {
	if !r.has(claimCnf) {
		return nil
	}
	v := r.found[claimCnf]
	c := &confirmation{text: p.doc[v.Start:v.End]}
	c.members = c.one[:0]
	c.err = r.Object(r.raw[v.Start:v.End], func(name []byte, v jose.Value) error {
		if bindsNothing(string(name), c.text[v.Start:v.End]) {
			return nil
		}
		c.members = append(c.members, confirmed{string(name), c.text[v.Start:v.End]})
		return nil
	})
	if _, ok := errors.AsType[*jsontext.SyntacticError](c.err); ok {
		c.err = fmt.Errorf("cnf: %w", jose.ErrNotObject)
	}
	p.cnf = c
	return nil
}

// bindsNothing reports whether a member of cnf is no binding, whatever configured Bindings there
// are: one that is null, as serializers write for what is not set, or Keycloak's note that jkt is
// what RFC 9449 §6.1 says it is. Where nothing else is left, the token is refused. All other
// members that no Binding checks refuse it too, although RFC 7800 §3.1 would ignore them.
func bindsNothing(name, value string) bool {
	return value == "null" || name == "kc-jkt-type" && value == `"DPoP"` // check: binding-note
}
