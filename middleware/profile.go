package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bearward/bearward/internal/jose"
)

// A Profile is a published set of rules for an API's tokens, which [NewGuard] holds a Guard's
// configuration to; see GuardOptions.Profile. The zero value asks for nothing.
type Profile uint8

// FAPI2 is the FAPI 2.0 Security Profile, as far as it is about resource servers (§5.3.4, §5.4.1).
// It asks for Bindings of DPoP or mTLS and for RequireBound, so that every token is bound to its
// sender. Revocation must be checked: by Revoked, or by the verifier (introspect.Introspector and
// introspect.Revocable). Of algorithms it allows PS256, ES256 and EdDSA, for tokens and proofs.
// Rules that only report are errors ([Guard.CanEnforce]).
//
// A [TokenVerifier] that is written elsewhere must tell: by a method Algorithms() []Algorithm, and
// without Revoked by ChecksRevocation() bool. One that asks others has a method Verifiers()
// []TokenVerifier in place of Algorithms.
const FAPI2 Profile = 1

// narrow returns config with the algorithms of opts.Profile where it names none of its own.
func (o *GuardOptions) narrow(config Config) Config {
	if o != nil && o.Profile == FAPI2 && len(config.Algorithms) == 0 {
		for _, a := range jose.FAPI2() {
			config.Algorithms = append(config.Algorithms, Algorithm(a))
		}
	}
	return config
}

// keepProfile names, all in one error, what of the Guard's configuration its Profile does not
// allow. With a nil error, what is added to an Issuers in v later must keep to the Profile too.
func (g *Guard) keepProfile(v TokenVerifier, opts *GuardOptions) error {
	if opts.Profile == 0 {
		return nil
	}
	if opts.Profile != FAPI2 { // check: profile-unknown
		return fmt.Errorf("auth: GuardOptions.Profile is %d, which is none", opts.Profile)
	}
	faults := optionFaults(opts)
	if opts.Revoked == nil && !checksRevocation(v) { // check: profile-revocation
		faults = append(faults, "Revoked is nil, and the verifier does not say that it checks revocation")
	}
	faults = append(faults, verifierFaults(v, false)...)
	if len(faults) == 0 {
		faults = verifierFaults(v, true)
	}
	if len(faults) > 0 {
		return errors.New("auth: GuardOptions.Profile is FAPI2, which does not allow this (FAPI 2.0 Security Profile §5.3.4, §5.4.1): " + strings.Join(faults, "; "))
	}
	g.profile = opts.Profile
	return nil
}

func optionFaults(opts *GuardOptions) (faults []string) {
	if len(opts.Bindings) == 0 { // check: profile-bindings
		faults = append(faults, "Bindings is empty")
	}
	if !opts.RequireBound { // check: profile-require-bound
		faults = append(faults, "RequireBound is false")
	}
	if opts.Header != "" { // check: profile-header
		faults = append(faults, "Header is set, and tokens come in Authorization")
	}
	for i, b := range opts.Bindings {
		s, scheme := b.(SchemeBinding)
		switch member := b.Member(); {
		case member != "jkt" && member != "x5t#S256": // check: profile-member
			faults = append(faults, fmt.Sprintf("Bindings[%d] checks %q, which is neither DPoP's jkt nor mTLS's x5t#S256", i, member))
		case scheme:
			faults = append(faults, algorithmFaults(fmt.Sprintf("Bindings[%d] accepts proofs of", i), s.Algorithms())...)
			if len(s.Algorithms()) == 0 { // check: profile-proofs-untold
				faults = append(faults, fmt.Sprintf("Bindings[%d] does not tell the algorithms of its proofs", i))
			}
		case member == "jkt": // check: profile-proofs-unknown
			faults = append(faults, fmt.Sprintf("Bindings[%d] is no SchemeBinding, so the algorithms of its proofs are unknown", i))
		}
	}
	return faults
}

// verifierFaults are those of v and of the verifiers that it asks. With keep, an Issuers among them
// without a fault accepts no Verifier later that has one.
func verifierFaults(v TokenVerifier, keep bool) (faults []string) {
	switch v := v.(type) {
	case *Verifier:
		faults = algorithmFaults("issuer "+v.Issuer()+" may sign by", names(v.config.Algorithms))
		if v.config.InsecureAllowIDTokens { // check: profile-id-tokens
			faults = append(faults, "InsecureAllowIDTokens of issuer "+v.Issuer())
		}
		return faults
	case *Issuers:
		return v.profileFaults(keep)
	case interface{ Verifiers() []TokenVerifier }:
		for _, part := range v.Verifiers() {
			faults = append(faults, verifierFaults(part, keep)...)
		}
		return faults
	case interface{ Algorithms() []Algorithm }:
		return algorithmFaults(fmt.Sprintf("the %T accepts", v), names(v.Algorithms()))
	}
	// check: profile-algorithms-unknown
	return []string{fmt.Sprintf("the %T does not tell its algorithms", v)}
}

// profileFaults are those of its Verifiers, in the order of their issuers' names.
func (is *Issuers) profileFaults(keep bool) (faults []string) {
	is.change.Lock()
	defer is.change.Unlock()
	for _, v := range is.trusted.Load().byIssuer {
		faults = append(faults, verifierFaults(v, keep)...)
	}
	slices.Sort(faults)
	is.fapi2 = is.fapi2 || keep && len(faults) == 0
	return faults
}

func checksRevocation(v TokenVerifier) bool {
	c, ok := v.(interface{ ChecksRevocation() bool })
	return ok && c.ChecksRevocation()
}

func names(as []Algorithm) []string {
	all := make([]string, len(as))
	for i, a := range as {
		all[i] = a.String()
	}
	return all
}

// algorithmFaults tells those of accepted that FAPI 2.0 does not allow (§5.4.1).
func algorithmFaults(who string, accepted []string) []string {
	var wrong []string
	for _, name := range accepted {
		if !slices.Contains(jose.FAPI2(), jose.AlgorithmNamed(name)) { // check: profile-algorithms
			wrong = append(wrong, name)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return []string{who + " " + strings.Join(wrong, ", ")}
}
