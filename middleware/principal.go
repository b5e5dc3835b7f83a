package auth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/jwks"
)

// A Principal is the caller that a verified access token names, with its scopes and claims. It is
// immutable and may be shared between requests; its accessors return values or copies.
//
// The methods of a nil *Principal return empty values: empty text, no scope, the zero time.
// So a handler of an Optional or Public route may use what [PrincipalFrom] returned
// without looking at its second result.
type Principal struct {
	doc string // the claims, byte for byte as they were signed

	issuer, subject, clientID, tokenID string

	aud    []string
	audBuf [2]string // backs aud for the usual one or two names

	scope  string   // the scopes as one string
	scopes []string // the scopes that came as an array

	exp, iat jose.NumericDate
	until    time.Time     // exp plus the leeway that the verifier grants
	cnf      *confirmation // nil when there is none

	lists    *lists
	readOnce atomic.Pointer[told]
	leeway   time.Duration // that its verifier grants

	key        *jwks.Key // what verified the token, nil for a NewPrincipal
	verifiedBy *Verifier // and who, nil for a NewPrincipal

	met [3]atomic.Pointer[node] // the first rules of nothing but scopes that it was found to meet
}

// orNobody returns p, or the Principal about whom nothing is known in place of nil.
func (p *Principal) orNobody() *Principal {
	if p == nil {
		return new(Principal)
	}
	return p
}

// NewPrincipal returns the Principal of claims in RFC 9068's form, for tests and for a
// [TokenVerifier] that verifies by other means. It checks only that claims are one JSON object
// whose members have the right types. It does not keep claims.
func NewPrincipal(claims []byte) (*Principal, error) {
	var r claimReader
	p := &Principal{doc: string(claims)}
	if err := r.read(rfc9068Plan, claims); err != nil {
		return nil, fmt.Errorf("auth: NewPrincipal: %w", err)
	}
	for _, step := range []func(*claimReader, *Principal) *Error{
		(*claimReader).issuer, (*claimReader).audience, (*claimReader).identity, (*claimReader).times,
		(*claimReader).readConfirmation, (*claimReader).readScopes,
	} {
		if err := step(&r, p); err != nil {
			return nil, fmt.Errorf("auth: NewPrincipal: claim %q: %w", err.Claim(), err.Err)
		}
	}
	p.until = p.expiry(0) // zero when the claims do not say
	return p, nil
}

// expiry returns when the token is no longer good: at exp, or at iat and maxAge when that is
// earlier and maxAge is not 0, and in both cases the leeway later. It is the zero time when the
// claims do not say.
func (p *Principal) expiry(maxAge time.Duration) time.Time {
	until := p.exp.Time()
	if until.IsZero() {
		return until
	}
	if end := p.iat.Time().Add(maxAge); maxAge > 0 && p.iat.Given && end.Before(until) { // check: max-age-in-expiry
		until = end
	}
	return until.Add(p.leeway)
}

// Issuer returns "iss".
func (p *Principal) Issuer() string { return p.orNobody().issuer }

// Subject returns "sub". A client that acts for itself may have the same Subject as a user: to tell
// who is who, use Identity.
func (p *Principal) Subject() string { return p.orNobody().subject }

// ClientID returns the client that the token was issued to, or "" when the token does not say.
func (p *Principal) ClientID() string { return p.orNobody().clientID }

// TokenID returns "jti", or "".
func (p *Principal) TokenID() string { return p.orNobody().tokenID }

// IsClient reports whether the client acts for itself and for no user: its subject is its client ID
// (RFC 9068 §2.2).
func (p *Principal) IsClient() bool {
	p = p.orNobody()
	return p.clientID != "" && p.subject == p.clientID
}

// An Identity tells subjects apart: two are equal only if issuer, subject and kind are. It is
// comparable, for use as a map key. A client whose ID happens to be a user's name is never that
// user (RFC 9700 §4.15).
type Identity struct {
	Issuer, Subject string // "iss" and "sub"
	Client          bool   // the subject is the client itself, as [Principal.IsClient] tells
}

// Identity returns the issuer and subject of the token, and whether it is a client.
func (p *Principal) Identity() Identity { return Identity{p.Issuer(), p.Subject(), p.IsClient()} }

// Audience returns a copy of "aud", in the token's order; a single string is one element.
func (p *Principal) Audience() []string { return slices.Clone(p.orNobody().aud) }

// Scopes returns a copy of the scopes, in the token's order.
func (p *Principal) Scopes() []string {
	p = p.orNobody()
	return append(strings.Fields(p.scope), p.scopes...)
}

// HasScope reports whether the token has exactly this scope: case-sensitive, whole, no hierarchy
// (RFC 6749 §3.3).
func (p *Principal) HasScope(scope string) bool {
	if p == nil {
		return false
	}
	if scope == "" || strings.IndexByte(scope, ' ') >= 0 { // check: scope-single
		return false
	}
	for from := 0; ; {
		at := strings.Index(p.scope[from:], scope)
		if at < 0 {
			return slices.Contains(p.scopes, scope)
		}
		from += at
		end := from + len(scope)
		if (from == 0 || p.scope[from-1] == ' ') && (end == len(p.scope) || p.scope[end] == ' ') { // check: scope-whole
			return true
		}
		from++
	}
}

// hasScopesOf reports whether p has the scopes of n, which asks for nothing else. Neither of the
// two ever changes, so the first rules that p meets are remembered with it. What two callers write
// at the same time, one of them loses, which costs one comparison. Nothing is replaced: callers who
// share a token would wait for each other's writes.
func (p *Principal) hasScopesOf(n *node) bool {
	for i := range p.met {
		if p.met[i].Load() == n {
			return true
		}
	}
	for _, scope := range n.needs.scopes {
		if !p.HasScope(scope) { // check: scopes-of-rule
			return false
		}
	}
	for i := range p.met {
		if p.met[i].Load() == nil {
			p.met[i].Store(n)
			break
		}
	}
	return true
}

// Expiry returns "exp".
func (p *Principal) Expiry() time.Time { return p.orNobody().exp.Time() }

// ValidUntil returns the instant from which on the token is refused: Expiry plus the leeway of the
// verifier that accepted it. It is the zero time for a token without known end, which only another
// TokenVerifier than this package's can have accepted.
func (p *Principal) ValidUntil() time.Time { return p.orNobody().until }

// IssuedAt returns "iat", or the zero time.
func (p *Principal) IssuedAt() time.Time { return p.orNobody().iat.Time() }

// Confirmation returns a copy of the JSON text of "cnf" (RFC 7800 §3.1), or nil when the token is
// not sender-constrained.
func (p *Principal) Confirmation() []byte {
	if p == nil || p.cnf == nil {
		return nil
	}
	return []byte(p.cnf.text)
}

// Claims decodes the claims into v as go-json-experiment's Unmarshal does: member names match
// exactly, and duplicates are refused. v must be a pointer. Each call decodes again and shares
// nothing with the Principal. A nil Principal has no claims: v stays as it is, and there is an
// error.
func (p *Principal) Claims(v any) error {
	if p == nil {
		return errors.New("auth: decode claims: there is no Principal")
	}
	if err := json.Unmarshal([]byte(p.doc), v); err != nil {
		return fmt.Errorf("auth: decode claims: %w", err)
	}
	return nil
}

// Roles returns the roles that Config.RolesClaim leads to. The claim may be an array of strings, or
// one of objects with a "value" (RFC 9068 §2.2.3.1, RFC 7643 §4.1.2). It may be an object with a
// member for each role (ZITADEL). A single string is one role, whatever is in it (.NET). It returns
// nil when there are none, or in another form.
func (p *Principal) Roles() []string { return slices.Clone(p.orNobody().told().roles) }

// Groups returns the groups that Config.GroupsClaim leads to, in the forms of Roles.
func (p *Principal) Groups() []string { return slices.Clone(p.orNobody().told().groups) }

// Permissions returns the permissions that Config.PermissionsClaim leads to, in the forms of Roles.
func (p *Principal) Permissions() []string {
	return slices.Clone(p.orNobody().told().permissions)
}

// Entitlements returns the claim "entitlements" (RFC 9068 §2.2.3.1), in the forms of Roles.
func (p *Principal) Entitlements() []string { return p.list([]string{"entitlements"}) }

// places returns where the lists stand; nowhere in the zero Principal.
func (p *Principal) places() lists {
	if p == nil || p.lists == nil {
		return lists{}
	}
	return *p.lists
}

// list decodes the list that path leads to.
func (p *Principal) list(path []string) []string {
	if len(path) == 0 {
		return nil
	}
	value := jsontext.Value(p.orNobody().doc)
	for _, name := range path {
		var members map[string]jsontext.Value
		if json.Unmarshal(value, &members) != nil || members[name] == nil {
			return nil
		}
		value = members[name]
	}
	switch value.Kind() {
	case '"': // a list of one, as .NET writes it
		var one string
		if json.Unmarshal(value, &one) != nil || one == "" {
			return nil
		}
		return []string{one}
	case '[':
		return elementsOf(value)
	case '{':
		var members map[string]jsontext.Value
		if json.Unmarshal(value, &members) != nil {
			return nil
		}
		return slices.Sorted(maps.Keys(members))
	}
	return nil
}

// elementsOf returns an array's strings, or its objects' "value" members.
func elementsOf(array jsontext.Value) []string {
	var plain []string
	if json.Unmarshal(array, &plain) == nil {
		return plain
	}
	var valued []struct {
		Value *string `json:"value"`
	}
	if json.Unmarshal(array, &valued) != nil {
		return nil
	}
	plain = nil
	for _, v := range valued {
		if v.Value == nil {
			return nil
		}
		plain = append(plain, *v.Value)
	}
	return plain
}

// String names the issuer and nothing else, so that a Principal in a log shows no other claim's
// value.
func (p *Principal) String() string {
	if p == nil {
		return "no Principal"
	}
	return "Principal of " + p.issuer
}

// ClaimsOf decodes the claims of p into a T; see [Principal.Claims].
func ClaimsOf[T any](p *Principal) (T, error) {
	var v T
	err := p.Claims(&v)
	return v, err
}

// CheckClaims makes one of [Config].Checks of a function of the claims as a T. Claims that do not
// decode into a T are refused.
func CheckClaims[T any](check func(*T) error) func(*Principal) error {
	return func(p *Principal) error {
		v, err := ClaimsOf[T](p)
		if err != nil {
			return undecodedError{err}
		}
		return check(&v)
	}
}

// An undecodedError is of claims that do not decode into what a check of CheckClaims asks for. Its
// text quotes them.
type undecodedError struct{ error }

func (e undecodedError) Unwrap() error { return e.error }

// Detail tells operators of it.
func (undecodedError) Detail() string { return "a claim has another type than CheckClaims asks for" }
