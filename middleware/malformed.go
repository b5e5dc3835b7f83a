package auth

import (
	"errors"

	"github.com/bearward/bearward/internal/jose"
)

// Refusals of what is no compact JWS at all. They are made once, so that garbage costs no memory.
var noCompact = map[error]*Error{
	jose.ErrCompact:   malformed("", jose.ErrCompact),
	jose.ErrOpaque:    malformed("", jose.ErrOpaque),
	jose.ErrEncrypted: malformed("", jose.ErrEncrypted),
	jose.ErrJSONForm:  malformed("", jose.ErrJSONForm),
}

// notCompact refuses a token that [jose.Split] does not take.
func notCompact(err error) *Error {
	if refused, ok := noCompact[err]; ok {
		return refused
	}
	return malformed("", err)
}

// malformed refuses a token for a fault in one of its parts, "" for the whole. Operators are told
// the fault when it is a constant text: any other may quote the token.
func malformed(part string, err error) *Error {
	note := ""
	if fault, ok := errors.AsType[jose.Fault](err); ok {
		note = string(fault)
		if part != "" {
			note = part + ": " + note
		}
	}
	return &Error{Reason: ReasonTokenMalformed, Err: err, about: &detail{note: note}}
}
