package authtest

import (
	"maps"

	"github.com/bearward/bearward/internal/issuer"
)

// A Change makes a token of [Issuer.Token] differ from the good one. It is [Claims], [Header] or a
// [Defect]. [Prover.Proof] takes Changes too: Claims, Header or a [ProofDefect].
type Change interface {
	change() issuer.Change
}

// Claims are claims of a token, by name: they are added, or take the place of the good token's. A
// value is encoded by encoding/json, so give a date as a number (time.Time.Unix). [Absent] takes a
// claim away. Claims are a [Change].
type Claims map[string]any

// Header changes members of a token's header, by name, as [Claims] changes claims: a [Change]. For
// example, Header{"typ": "JWT"}.
type Header map[string]any

// Absent takes its member away, as a value in [Claims] or [Header].
const Absent absent = 0

type absent uint8

func (c Claims) change() issuer.Change { return issuer.Change{At: issuer.OnMembers, Apply: c.apply} }
func (h Header) change() issuer.Change { return issuer.Change{At: issuer.OnMembers, Apply: h.apply} }

func (c Claims) apply(d *issuer.Draft) error { merge(d.Claims, c); return nil }
func (h Header) apply(d *issuer.Draft) error { merge(d.Header, h); return nil }

// merge gives members those of more.
func merge(members, more map[string]any) {
	maps.Copy(members, more)
	maps.DeleteFunc(members, func(_ string, value any) bool { return value == Absent })
}

// Token returns a good access token (RFC 9068) with the space-delimited scopes, changed as changes
// say, each in its turn; "" is a token without scopes. It is of client "client" for user "alice",
// issued now and good for an hour. With [Options].Config it is in that form.
//
//	issuer.Token("read:orders write:orders")
//	issuer.Token("read:orders", authtest.Claims{"sub": "bob"})
//	issuer.Token("read:orders", authtest.Expired)
//
// It fails the test when changes cannot be made.
func (is *Issuer) Token(scope string, changes ...Change) string {
	is.tb.Helper()
	token, err := is.make(scope, changes)
	if err != nil {
		is.tb.Fatalf("authtest: Token: %v", err)
	}
	return token
}

// make is Token, for those who can do without.
func (is *Issuer) make(scope string, changes []Change) (string, error) {
	all := make([]issuer.Change, len(changes))
	for i, c := range changes {
		all[i] = c.change()
	}
	return is.core.Token(scope, all...)
}
