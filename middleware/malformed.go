package auth

import (
	"errors"
	"strconv"

	"github.com/bearward/bearward/internal/jose"
)

// Refusals of what is no compact JWS at all. They are made once, so that garbage costs no memory.
var noCompact = map[error]*Error{
	jose.ErrCompact:   malformed("", jose.ErrCompact),
	jose.ErrOpaque:    malformed("", jose.ErrOpaque),
	jose.ErrEncrypted: malformed("", jose.ErrEncrypted),
	jose.ErrJSONForm:  malformed("", jose.ErrJSONForm),
	jose.ErrUnsigned:  malformed("", jose.ErrUnsigned),
	jose.ErrNoToken:   malformed("", jose.ErrNoToken),
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

// tooLarge refuses a token of more than limit bytes.
func tooLarge(limit int) *Error {
	return &Error{Reason: ReasonTokenTooLarge, about: &detail{note: "over " + strconv.Itoa(limit) + " bytes (Config.MaxTokenBytes)"}}
}
