package auth

import (
	"errors"
	"slices"
	"strings"

	"github.com/bearward/bearward/internal/jose"
)

// The claims that are read in every token. A claimPlan numbers them first.
const (
	claimIss = iota
	claimSub
	claimAud
	claimExp
	claimNbf
	claimIat
	claimJti
	claimCnf
	claimAuthTime
	claimAcr
	claimAmr
	builtinClaims
)

var builtinNames = [builtinClaims]string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "auth_time", "acr", "amr",
}

// A claimPlan says which claims of a token are looked at, by number. It is immutable.
type claimPlan struct {
	names     []string
	buckets   [64][]int // the numbers of the names of each bucketOf
	scope     int
	fallback  int  // of the scopes, -1 for none
	array     bool // scopes may be an array too
	lists     lists
	clientIDs []int
	required  []int
	needsID   bool // one of clientIDs is required
	fixed     []fixedClaim
	idToken   []int // each marks an ID token
}

// lists says where the lists of a Principal stand: the names that lead there from the top.
type lists struct{ roles, groups, permissions []string }

type fixedClaim struct {
	claim int
	value string
}

var rfc9068Plan = newClaimPlan(Config{
	ScopeClaim: "scope", ClientIDClaims: []string{"client_id"},
	RolesClaim: []string{"roles"}, GroupsClaim: []string{"groups"}, PermissionsClaim: []string{"permissions"},
})

func newClaimPlan(c Config) *claimPlan {
	p := &claimPlan{array: c.ScopeArray}
	for _, name := range builtinNames {
		p.claim(name)
	}
	p.scope, p.fallback = p.claim(c.ScopeClaim), -1
	if c.ScopeFallback != "" {
		p.fallback = p.claim(c.ScopeFallback)
	}
	p.lists = lists{c.RolesClaim, c.GroupsClaim, c.PermissionsClaim}
	for _, name := range c.ClientIDClaims {
		p.clientIDs = append(p.clientIDs, p.claim(name))
	}
	for _, name := range c.RequiredClaims {
		if name == "client_id" {
			p.needsID = true
			continue
		}
		p.required = append(p.required, p.claim(name))
	}
	for _, name := range c.IDTokenClaims {
		p.idToken = append(p.idToken, p.claim(name))
	}
	for name, value := range c.FixedClaims {
		p.fixed = append(p.fixed, fixedClaim{p.claim(name), value})
	}
	slices.SortFunc(p.fixed, func(a, b fixedClaim) int { return strings.Compare(p.names[a.claim], p.names[b.claim]) })
	return p
}

// claim returns the number of name, which it is given when it has none.
func (p *claimPlan) claim(name string) int {
	n, ok := p.number([]byte(name))
	if !ok {
		n = len(p.names)
		p.names = append(p.names, name)
		look := bucketOf([]byte(name))
		p.buckets[look] = append(p.buckets[look], n)
	}
	return n
}

// number returns the number of name. Most names of a token differ at a glance from all that are
// looked for, so this takes a fraction of what a map takes.
func (p *claimPlan) number(name []byte) (int, bool) {
	for _, n := range p.buckets[bucketOf(name)] {
		if p.names[n] == string(name) {
			return n, true
		}
	}
	return 0, false
}

// bucketOf is what tells most names apart: their length, their first byte and their last. It is
// below 64.
func bucketOf(name []byte) byte {
	if len(name) == 0 {
		return 0
	}
	return (byte(len(name)) ^ name[0]<<1 ^ name[len(name)-1]<<3) % 64
}

// A claimReader reads the claims of one token: first where each one stands, then, step by step,
// what it says.
type claimReader struct {
	jose.Reader
	plan  *claimPlan
	raw   []byte
	found []jose.Value // by number; Kind 0 for an absent claim

	notBefore jose.NumericDate // nbf, once it was read
}

// read finds the claims of doc, which must stay as it is while the steps run. A claim that is null
// is absent: serializers write that for what is not set. Not so cnf: a binding that names no key is
// none that anybody could prove, and no plain token.
func (r *claimReader) read(plan *claimPlan, doc []byte) error {
	r.plan, r.raw = plan, doc
	r.found = append(r.found[:0], make([]jose.Value, len(plan.names))...)
	return r.Object(doc, func(name []byte, v jose.Value) error {
		if n, ok := plan.number(name); ok && (v.Kind != 'n' || n == claimCnf) { // check: null-binding
			r.found[n] = v
		}
		return nil
	})
}

func (r *claimReader) has(claim int) bool { return r.found[claim].Kind != 0 }

var errMissing = errors.New("missing")

// fault is the refusal for a claim that is missing or of the wrong type.
func (r *claimReader) fault(reason Reason, claim int, expected string, err error) *Error {
	return &Error{Reason: reason, Err: err, about: &detail{claim: r.plan.names[claim], expected: expected}}
}

// text reads a claim that must be a string when it is there.
func (r *claimReader) text(p *Principal, reason Reason, claim int) (string, *Error) {
	if !r.has(claim) {
		return "", nil
	}
	s, err := jose.Text(p.doc, r.found[claim])
	if err != nil { // check: claim-string-type
		return "", r.fault(reason, claim, "a string", err)
	}
	return s, nil
}

// issuer reads iss.
func (r *claimReader) issuer(p *Principal) (err *Error) {
	p.issuer, err = r.text(p, ReasonIssuerNotTrusted, claimIss)
	return err
}

// audience reads aud: a string, or an array of strings (RFC 7519 §4.1.3).
func (r *claimReader) audience(p *Principal) *Error {
	const expected = "a string or an array of strings"
	v := r.found[claimAud]
	p.aud = p.audBuf[:0]
	switch v.Kind {
	case 0:
		return nil
	case '"':
		s, err := jose.Text(p.doc, v)
		if err != nil {
			return r.fault(ReasonAudienceMismatch, claimAud, expected, err)
		}
		p.aud = append(p.aud, s)
		return nil
	}
	if err := jose.Strings(r.raw, p.doc, v, func(s string) { p.aud = append(p.aud, s) }); err != nil { // check: audience-type
		return r.fault(ReasonAudienceMismatch, claimAud, expected, err)
	}
	if len(p.aud) == 0 { // names nobody, as an absent one does (Ory Hydra)
		r.found[claimAud] = jose.Value{}
	}
	return nil
}

// date reads a NumericDate.
func (r *claimReader) date(p *Principal, claim int) (jose.NumericDate, *Error) {
	if !r.has(claim) {
		return jose.NumericDate{}, nil
	}
	d, err := jose.NumericDateOf(p.doc, r.found[claim])
	if err != nil { // check: claim-date-type
		return d, r.fault(ReasonClaimInvalid, claim, "seconds since the epoch", err)
	}
	return d, nil
}

// times reads exp and iat.
func (r *claimReader) times(p *Principal) *Error {
	if err := r.expiry(p); err != nil {
		return err
	}
	return r.issuedAt(p)
}

func (r *claimReader) expiry(p *Principal) (err *Error) {
	p.exp, err = r.date(p, claimExp)
	return err
}

func (r *claimReader) issuedAt(p *Principal) (err *Error) {
	p.iat, err = r.date(p, claimIat)
	return err
}

// identity reads sub, jti and the client ID.
func (r *claimReader) identity(p *Principal) (err *Error) {
	if err = r.subject(p); err != nil {
		return err
	}
	if err = r.tokenID(p); err != nil {
		return err
	}
	return r.client(p)
}

func (r *claimReader) subject(p *Principal) (err *Error) {
	p.subject, err = r.text(p, ReasonClaimInvalid, claimSub)
	return err
}

func (r *claimReader) tokenID(p *Principal) (err *Error) {
	p.tokenID, err = r.text(p, ReasonClaimInvalid, claimJti)
	return err
}

// client reads the first client ID that the token has.
func (r *claimReader) client(p *Principal) (err *Error) {
	for _, claim := range r.plan.clientIDs {
		if r.has(claim) {
			p.clientID, err = r.text(p, ReasonClaimInvalid, claim)
			return err
		}
	}
	return nil
}

// readScopes reads the scopes, and where the lists of the Principal stand.
func (r *claimReader) readScopes(p *Principal) *Error {
	p.lists = &r.plan.lists
	if !r.has(r.plan.scope) && r.plan.fallback >= 0 {
		return r.scopes(p, r.plan.fallback, true)
	}
	return r.scopes(p, r.plan.scope, r.plan.array)
}

// scopes reads the scopes that a claim holds, as a string or, where array says so, as an array.
func (r *claimReader) scopes(p *Principal, claim int, array bool) *Error {
	v := r.found[claim]
	switch {
	case v.Kind == 0:
		return nil
	case v.Kind == '"':
		s, err := jose.Text(p.doc, v)
		if err == nil && !isScopeList(s) { // check: scope-characters
			err = errScope
		}
		if err != nil {
			return r.fault(ReasonClaimInvalid, claim, "space-delimited scopes of RFC 6749 §3.3", err)
		}
		p.scope = s
		return nil
	case v.Kind == '[' && array: // check: scope-form-array
		err := jose.Strings(r.raw, p.doc, v, func(s string) { p.scopes = append(p.scopes, s) })
		if err == nil && slices.ContainsFunc(p.scopes, func(s string) bool { return !isScope(s) }) { // check: scope-characters-array
			err = errScope
		}
		if err != nil {
			return r.fault(ReasonClaimInvalid, claim, "an array of scopes of RFC 6749 §3.3", err)
		}
		return nil
	}
	// check: scope-type
	return r.fault(ReasonClaimInvalid, claim, "scopes in one string (or in an array, with Config.ScopeArray)", jose.ErrWrongType)
}

// The types of auth_time, acr and amr are checked when they are there (RFC 9068 §2.2.1). They are
// checked of tokens that say they are of that profile alone: other issuers write them as they like.

func (r *claimReader) authTime(p *Principal) *Error {
	_, err := r.date(p, claimAuthTime)
	return err
}

func (r *claimReader) acr(p *Principal) *Error {
	_, err := r.text(p, ReasonClaimInvalid, claimAcr)
	return err
}

func (r *claimReader) amr(p *Principal) *Error {
	if !r.has(claimAmr) {
		return nil
	}
	if err := jose.Strings(r.raw, p.doc, r.found[claimAmr], func(string) {}); err != nil { // check: amr-type
		return r.fault(ReasonClaimInvalid, claimAmr, "an array of strings", err)
	}
	return nil
}

// required checks that the plan's required claims are there.
func (r *claimReader) required(p *Principal) *Error {
	for _, claim := range r.plan.required {
		if err := r.requiredClaim(claim); err != nil {
			return err
		}
	}
	if r.plan.needsID {
		return r.requiredClient(p)
	}
	return nil
}

// requiredClaim checks that a claim is there. An empty string counts as missing.
func (r *claimReader) requiredClaim(claim int) *Error {
	if v := r.found[claim]; v.Kind == 0 || v.Kind == '"' && v.End-v.Start == len(`""`) { // check: required-claims
		return r.missing(claim)
	}
	return nil
}

// missing refuses a token for a required claim.
func (r *claimReader) missing(claim int) *Error {
	fault := r.fault(ReasonClaimInvalid, claim, "a value", errMissing)
	fault.about.note = "missing, null or empty, and one of Config.RequiredClaims"
	return fault
}

func (r *claimReader) requiredClient(p *Principal) *Error {
	if p.clientID == "" { // check: required-client-id
		return r.missing(r.plan.clientIDs[0])
	}
	return nil
}

// fixed checks the claims whose value the configuration fixes.
func (r *claimReader) fixed(p *Principal) *Error {
	for _, f := range r.plan.fixed {
		if err := r.fixedClaim(p, f); err != nil {
			return err
		}
	}
	return nil
}

func (r *claimReader) fixedClaim(p *Principal, f fixedClaim) *Error {
	got, err := r.text(p, ReasonClaimInvalid, f.claim)
	if err != nil {
		return err
	}
	if !r.has(f.claim) || got != f.value && !r.isBoundType(f, got) { // check: fixed-claims
		fault := r.fault(ReasonClaimInvalid, f.claim, f.value, nil)
		fault.about.seen, fault.about.note = printable(got), fixedNote(r.has(f.claim))
		return fault
	}
	return nil
}

// isBoundType reports whether got is the type of token that an issuer which fixes "Bearer" writes
// into one that is bound to its sender (Keycloak; RFC 9449 §5). The Guard asks for the proof.
func (r *claimReader) isBoundType(f fixedClaim, got string) bool {
	return f.value == "Bearer" && got == "DPoP" && r.has(claimCnf) // check: fixed-type-bound
}

// idTokenMark returns the claim by which the token is an ID token (OpenID Connect Core §2,
// §3.3.2.11), or -1.
func (r *claimReader) idTokenMark() int {
	for _, claim := range r.plan.idToken {
		if r.has(claim) {
			return claim
		}
	}
	return -1
}
