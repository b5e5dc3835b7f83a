package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/jwks"
)

// This file has what operators are told of a refusal, beyond its Reason and what was expected: how
// the token differs from the configuration, and what setting is about it. All of it is constant, or
// made of the configuration: nothing that a token says is in it. It is made of refused tokens
// alone.

// typeNote tells of a type that is not accepted, by its well-known name.
func typeNote(typ string) string {
	switch typ {
	case "absent":
		return "there is none: a preset of package provider accepts that, or an empty name in Config.Types"
	case "jwt":
		return "it is JWT, as that of ID tokens: a preset of package provider accepts it, or Config.Types with FixedClaims that tell the two apart"
	case accessTokenType:
		return "it is at+jwt, which Config.Types lacks"
	}
	if what, ok := otherTokenTypes[typ]; ok {
		return "it is that of " + what
	}
	return "it is none of an access token that is well known"
}

// algorithmNote tells of an algorithm that is not accepted, by its well-known name.
func algorithmNote(name string) string {
	switch {
	case name == "none":
		return "the token is not signed"
	case strings.HasPrefix(name, "HS"):
		return "the token says " + name + ", whose key is a secret that issuer and API share: no API here has one"
	case jose.AlgorithmNamed(name) != 0:
		return "the token says " + name + ", which Config.Algorithms lacks"
	case name == "another":
		return "the token says another, which is not well known"
	}
	return "the token says " + name + ", which no API here can verify"
}

// nearNote tells how a name that is not the wanted one differs from it, where that is a common
// mistake; "" for all else.
func nearNote(got, want, setting string) string {
	switch {
	case got+"/" == want:
		return "it lacks the slash at the end of " + setting
	case got == want+"/":
		return "it ends in a slash, and " + setting + " does not"
	case strings.EqualFold(got, want):
		return "it differs from " + setting + " in case alone"
	}
	gotScheme, gotRest, _ := strings.Cut(got, "://")
	wantScheme, wantRest, found := strings.Cut(want, "://")
	switch {
	case !found && gotRest == want || gotRest == "" && got == wantRest:
		return "it differs from " + setting + " in what stands before :// alone"
	case !found || gotRest == "":
		return ""
	case gotRest == wantRest && gotScheme+wantScheme != "httphttps" && gotScheme+wantScheme != "httpshttp":
		return "it differs from " + setting + " in what stands before :// alone"
	case gotRest == wantRest:
		return "it differs from " + setting + " in http and https alone"
	}
	gotHost, _, _ := strings.Cut(gotRest, "/")
	wantHost, _, _ := strings.Cut(wantRest, "/")
	if gotScheme == wantScheme && gotHost == wantHost {
		return "it has the host of " + setting + ", and another path"
	}
	return ""
}

// issuerNote tells of an issuer that is not the one of Config.Issuer.
func issuerNote(iss, want string) string {
	const microsoft, v1 = "https://login.microsoftonline.com/", "https://sts.windows.net/"
	switch {
	case iss == "":
		return "there is none"
	case strings.HasPrefix(iss, v1) && strings.HasPrefix(want, microsoft):
		return "it is Entra ID's of tokens of version 1: provider.EntraV1, or version 2 in the API's manifest"
	case strings.HasPrefix(iss, microsoft) && strings.HasPrefix(want, v1):
		return "it is Entra ID's of tokens of version 2: provider.Entra"
	}
	if note := nearNote(iss, want, "Config.Issuer"); note != "" {
		return note
	}
	return "it is of another host than Config.Issuer"
}

// maxNoted is how many audiences of a token are compared for a note.
const maxNoted = 8

// audienceNote tells of an audience that does not name this API.
func audienceNote(aud []string, clientID string, want []string) string {
	if len(aud) == 0 {
		return "there is none: the client asked for no API (resource or audience), or its issuer writes none"
	}
	for _, got := range aud[:min(len(aud), maxNoted)] {
		for _, ours := range want[:min(len(want), maxNoted)] {
			if note := nearNote(got, ours, "Config.Audiences"); note != "" {
				return note
			}
		}
	}
	if clientID != "" && slices.Equal(aud, []string{clientID}) {
		return "it is the client itself, as in ID tokens, and in tokens that were asked for without an API"
	}
	return ""
}

// clockNote tells of a time to come.
func (v *Verifier) clockNote() string {
	return "by the clock of this machine and Config.Leeway, " + v.config.Leeway.String()
}

// fixedNote tells of a claim that Config.FixedClaims has.
func fixedNote(has bool) string {
	if has {
		return "it is another than that of Config.FixedClaims"
	}
	return "there is none, and Config.FixedClaims asks for it"
}

// What operators are told of a signature. Forged tokens are many, so it is made once.
var (
	derSignature     = &detail{note: "the signature is in ASN.1 (DER): a JWS has its two numbers side by side (RFC 7518 §3.4)"}
	cutSignature     = &detail{note: "the signature has not the length of one by its key: was the token cut off?"}
	otherSignature   = &detail{note: "the key that is published under its kid did not sign it: it was changed on its way, or another issuer has the same kid"}
	nobodysSignature = &detail{note: "no kid, and no published key for its alg signed it: it was changed on its way, or is another issuer's"}
)

// aboutSignature tells of a signature that is of none of the candidates, of which there is one at
// least.
func aboutSignature(h jose.Header, candidates []*jwks.Key, signature []byte) *detail {
	isSize := func(k *jwks.Key) bool { return len(signature) == signatureSize(k.Public) }
	switch {
	case h.Algorithm.Curve() != nil && len(signature) > 8 && signature[0] == 0x30 && len(signature) >= int(signature[1])+2:
		return derSignature
	case !slices.ContainsFunc(candidates, isSize):
		return cutSignature
	case h.HasKeyID:
		return otherSignature
	}
	return nobodysSignature
}

// signatureSize is how long the signatures of a key are, in bytes.
func signatureSize(public crypto.PublicKey) int {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return k.Size()
	case *ecdsa.PublicKey:
		return 2 * ((k.Params().BitSize + 7) / 8)
	}
	return ed25519.SignatureSize
}

// refusedByCheck is the refusal of one of Config.Checks. What its error says is told only where it
// has a text for operators.
func refusedByCheck(i int, err error) *Error {
	note := fmt.Sprintf("Config.Checks[%d]", i)
	if d, ok := errors.AsType[detailed](err); ok && d.Detail() != "" {
		note += ": " + d.Detail()
	}
	return &Error{Reason: ReasonClaimsRefused, Err: err, about: &detail{note: note}}
}

// memberNote tells of a member of cnf that no Binding checks, "" for cnf without one.
func memberNote(member string) string {
	switch member {
	case "":
		return "cnf names no key"
	case "jkt":
		return "bound to a DPoP key (jkt), and GuardOptions.Bindings has no dpop.New"
	case "x5t#S256":
		return "bound to a client's certificate (x5t#S256), and GuardOptions.Bindings has no mtls.New"
	}
	return "bound in a way that none of GuardOptions.Bindings checks"
}
