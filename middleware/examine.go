package auth

import (
	"context"
	"slices"
	"time"

	"github.com/bearward/bearward/internal/steps"
)

func init() { steps.Examine = examine }

// examine is for package explain. It makes every check of a token that authorize makes up to the
// first fault, by the same functions.
func examine(ctx context.Context, q steps.Question) steps.Result {
	x := &examination{ctx: ctx, now: q.At}
	if x.now.IsZero() {
		x.now = time.Now()
	}
	g := q.Guard.(*Guard)
	p := g.examineToken(x, q.Token)
	g.examineSender(x, p)
	if req, ok := q.Requirement.(*Requirement); ok {
		g.examineRule(x, p, req.now())
	}
	if x.refusal != nil {
		x.Refusal = x.refusal
	}
	return x.Result
}

// An examination collects what the checks of one token find.
type examination struct {
	steps.Result
	ctx     context.Context
	now     time.Time
	refusal *Error // the first fault in the order of checks
	scope   string // the claim that holds the scopes
}

// The parts of a token and of a Guard, by which steps are told apart.
const (
	partToken  = "token"
	partHeader = "header"
	partKey    = "key"
	partClaims = "claims"
	partGuard  = "guard"
	partRule   = "rule"
)

// first makes err the refusal, unless a check before it found a fault.
func (x *examination) first(err *Error) {
	if x.refusal == nil {
		x.refusal = err
	}
}

// look records a check that was made. The second check of a name adds its fault to the first's.
func (x *examination) look(part, name string, err *Error) {
	x.first(err)
	i := x.find(part, name)
	if i < 0 {
		i = len(x.Steps)
		unverified := !x.Verified && (part == partClaims || part == partRule || part == partGuard)
		x.Steps = append(x.Steps, steps.Step{Part: part, Name: name, Unverified: unverified})
	}
	if err != nil {
		x.Steps[i].Err = err
	}
}

// skip records checks that cannot be made.
func (x *examination) skip(why, part string, names ...string) {
	for _, name := range names {
		if x.find(part, name) < 0 {
			x.Steps = append(x.Steps, steps.Step{Part: part, Name: name, Skipped: why})
		}
	}
}

func (x *examination) find(part, name string) int {
	return slices.IndexFunc(x.Steps, func(s steps.Step) bool { return s.Part == part && s.Name == name })
}

// failed reports whether a check was not made, or found a fault.
func (x *examination) failed(part, name string) bool {
	i := x.find(part, name)
	return i >= 0 && (x.Steps[i].Err != nil || x.Steps[i].Skipped != "")
}

// examineToken looks at the token alone. It returns what the claims say, verified or not, and nil
// when they cannot be read.
func (g *Guard) examineToken(x *examination, token string) *Principal {
	x.look(partToken, "syntax", checkSyntax(token))
	verifier := g.verifier
	if f, ok := verifier.(*forms); ok {
		verifier = f.of(token)
	}
	switch v := verifier.(type) {
	case *Verifier:
		return v.examine(x, token)
	case *Issuers:
		return v.examine(x, token)
	}
	p, err := askVerifier(x.ctx, verifier, token)
	x.Verified = err == nil
	x.look(partToken, "verifier", err)
	if p != nil {
		x.Claims = []byte(p.doc)
	}
	return p
}

// examine finds the Verifier of the token's issuer, whose settings apply.
func (is *Issuers) examine(x *examination, token string) *Principal {
	trusted := is.trusted.Load()
	v, err := is.verifierOf(trusted, token)
	if err == nil {
		return v.examine(x, token)
	}
	const noIssuer = "which issuer's settings apply is not known"
	if err.Reason == ReasonIssuerNotTrusted {
		x.look(partClaims, "iss", err)
	} else {
		x.look(partToken, "form", err)
	}
	x.skip(noIssuer, partHeader, "form", "alg", "crit", "typ")
	x.skip(noIssuer, partKey, "key", "signature")
	x.skip(noIssuer, partClaims, "form", "iss", "aud", "exp")
	return nil
}

// examine makes the checks of verify, in its order.
func (v *Verifier) examine(x *examination, token string) *Principal {
	s := v.scratch.New().(*scratch)
	x.look(partToken, "size", v.size(token))
	parts, err := splitCompact(token)
	x.look(partToken, "form", err)
	if err != nil {
		const noParts = "the token has no such part"
		x.skip(noParts, partHeader, "form", "alg", "crit", "typ")
		x.skip(noParts, partKey, "key", "signature")
		v.skipClaims(x, noParts)
		return nil
	}
	err = s.readHeader(parts)
	x.look(partHeader, "form", err)
	if err == nil {
		x.Header = slices.Clone(s.header)
		for _, step := range headerSteps {
			x.look(partHeader, step.name, step.check(v, &s.head))
		}
	} else {
		s.head.Type = ""
		x.skip("the header cannot be read", partHeader, "alg", "crit", "typ")
	}
	key := v.examineKey(x, s, parts)
	p, err := v.readClaims(s, parts)
	x.look(partClaims, "form", err)
	if err != nil {
		v.skipClaims(x, "the claims cannot be read")
		return nil
	}
	x.Claims = []byte(p.doc)
	if key != nil {
		p.key, p.verifiedBy = key, v
	}
	x.scope = v.plan.names[v.plan.scope]
	for _, step := range v.claimSteps {
		switch {
		case x.failed(partClaims, step.name): // by an earlier look at the same claim
		case step.ready != nil && !step.ready(p):
			x.skip("it needs exp and iat", partClaims, step.name)
		case step.own && x.refusal != nil:
			x.skip("the API's own checks are asked of tokens without a fault", partClaims, step.name)
		default:
			x.look(partClaims, step.name, step.check(v, s, p, x.now))
		}
	}
	return p
}

func (v *Verifier) skipClaims(x *examination, why string) {
	x.skip(why, partClaims, "form")
	for _, step := range v.claimSteps {
		x.skip(why, partClaims, step.name)
	}
}
