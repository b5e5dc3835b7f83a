package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bearward/bearward/internal/jose"
)

// A Proof checks that the caller holds the key that a sender-constrained token is bound to, by one member of the token's "cnf"
// (RFC 7800 §3.1). Implementations must be safe for concurrent use.
type Proof interface {
	// Confirms returns the name of the member that the proof checks, such as "x5t#S256" (RFC 8705 §3.1).
	Confirms() string
	// Prove returns nil when c proves possession of the key that the member's JSON text names. An error refuses the token; one that
	// holds a *Error with ReasonUnavailable means that it was not judged.
	Prove(ctx context.Context, c Credentials, p *Principal, member []byte) error
}

var errUnproved = errors.New("no configured Proof checks this member of cnf")

// prove checks every member of cnf. A member that no configured Proof checks refuses the token: it is never taken for a plain
// bearer token (RFC 9700 §4.10.1).
func (g *Guard) prove(ctx context.Context, c *Credentials, p *Principal) *Error {
	if p.cnf == "" {
		return nil
	}
	refuse := func(err error) *Error {
		return &Error{Reason: ReasonBindingNotProved, Err: err, about: &detail{claim: "cnf", expected: "members that a configured Proof checks"}}
	}
	var r jose.Reader
	members := 0
	err := r.Object([]byte(p.cnf), func(name []byte, v jose.Value) error {
		members++
		proof, ok := g.proofs[string(name)]
		if !ok { // check: binding-unproved
			return errUnproved
		}
		// check: binding-proof
		return proof.Prove(ctx, *c, p, []byte(p.cnf[v.Start:v.End]))
	})
	if err == nil && members == 0 { // check: binding-empty
		err = errUnproved
	}
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok && e != nil && e.Reason == ReasonUnavailable {
		return e
	}
	if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		err = fmt.Errorf("cnf: %w", jose.ErrNotObject)
	}
	return refuse(err)
}

// ReadsProofs reports whether g has Proofs. Without any, nothing reads more of Credentials than Operation and Authorization, and an
// adapter need not gather it.
func (g *Guard) ReadsProofs() bool { return len(g.proofs) > 0 }
