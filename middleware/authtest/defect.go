package authtest

import (
	"slices"

	auth "github.com/bearward/bearward/middleware"
)

// A Defect is one thing wrong with a token that is good otherwise: a [Change] for [Issuer.Token].
// Its text is its name, for subtests. The constants stand in the order in which a Verifier looks.
type Defect string

// Of the size and the compact form (RFC 7515 §7.1).
const (
	TooLarge           Defect = "TooLarge"           // over 16 KiB, the default Config.MaxTokenBytes
	RandomText         Defect = "RandomText"         // no token at all
	Dots               Defect = "Dots"               // two dots and nothing between
	TwoParts           Defect = "TwoParts"           // the signature and its dot are gone
	EmptySignature     Defect = "EmptySignature"     // the signature is gone, its dot is there
	AlgNone            Defect = "AlgNone"            // an unsecured JWS (RFC 7515 §A.5), whose signature is empty
	EncryptedForm      Defect = "EncryptedForm"      // five parts, as a JWE has
	JSONSerialization  Defect = "JSONSerialization"  // RFC 7515 §7.2.2; its commas make the header a malformed one
	PaddedBase64       Defect = "PaddedBase64"       // base64 with "=" (RFC 7515 §2)
	StandardBase64     Defect = "StandardBase64"     // base64 of the alphabet with "+" and "/"
	NonCanonicalBase64 Defect = "NonCanonicalBase64" // bits set beyond the last byte (RFC 4648 §3.5)
)

// Of the header.
const (
	HeaderNotJSON      Defect = "HeaderNotJSON"      // the header is text
	HeaderArray        Defect = "HeaderArray"        // the header is in an array
	HeaderNotUTF8      Defect = "HeaderNotUTF8"      // a header member that is not UTF-8
	DuplicateHeader    Defect = "DuplicateHeader"    // a header member twice (RFC 7515 §4)
	CaseVariantHeader  Defect = "CaseVariantHeader"  // "ALG" beside "alg"
	NumericKid         Defect = "NumericKid"         // a number for "kid"
	LongKid            Defect = "LongKid"            // a "kid" of 257 bytes
	NoAlgorithm        Defect = "NoAlgorithm"        // no "alg"
	AlgNoneSigned      Defect = "AlgNoneSigned"      // "none" over a good signature
	AlgNoneVariant     Defect = "AlgNoneVariant"     // "nOnE"
	HMACWithPublicKey  Defect = "HMACWithPublicKey"  // HS256 with the issuer's public key as the secret (RFC 8725 §2.1)
	AlgorithmLowerCase Defect = "AlgorithmLowerCase" // the algorithm's name in lower case (RFC 7515 §4.1.1)
	UnknownAlgorithm   Defect = "UnknownAlgorithm"   // ES256K
	CritHeader         Defect = "CritHeader"         // a critical extension (RFC 7515 §4.1.11)
	B64False           Defect = "B64False"           // an unencoded payload (RFC 7797)
	Compressed         Defect = "Compressed"         // "zip"
	WrongType          Defect = "WrongType"          // "typ" JWT, as an ID token has
	NoType             Defect = "NoType"             // no "typ"
	EmptyType          Defect = "EmptyType"          // an empty "typ"
	DPoPProof          Defect = "DPoPProof"          // the "typ" of a DPoP proof
	LogoutToken        Defect = "LogoutToken"        // the "typ" of a logout token
)

// Of the form of the claims.
const (
	ClaimsArray     Defect = "ClaimsArray"     // the claims are in an array
	DuplicateClaim  Defect = "DuplicateClaim"  // a claim twice (RFC 7519 §4)
	NestedDuplicate Defect = "NestedDuplicate" // a member twice inside a claim
	NotUTF8         Defect = "NotUTF8"         // a claim that is not UTF-8
	TrailingData    Defect = "TrailingData"    // more JSON after the claims
	DeeplyNested    Defect = "DeeplyNested"    // a claim of a hundred nested arrays
)

// Of the claims that condemn a token before a key is looked for.
const (
	NoIssuer            Defect = "NoIssuer"            // no "iss"
	IssuerNotString     Defect = "IssuerNotString"     // "iss" in an array
	WrongIssuer         Defect = "WrongIssuer"         // another issuer's "iss"
	IssuerTrailingSlash Defect = "IssuerTrailingSlash" // "iss" with a slash more
	NoAudience          Defect = "NoAudience"          // no "aud"
	EmptyAudience       Defect = "EmptyAudience"       // an empty array for "aud"
	AudienceNotString   Defect = "AudienceNotString"   // a number among the strings of "aud"
	WrongAudience       Defect = "WrongAudience"       // another API's "aud"
	AudiencePrefix      Defect = "AudiencePrefix"      // an "aud" that begins like ours
	SubjectNotString    Defect = "SubjectNotString"    // a number for "sub"
	NoExpiry            Defect = "NoExpiry"            // no "exp"
	ZeroExpiry          Defect = "ZeroExpiry"          // an "exp" of 0
	ExpiryNotNumber     Defect = "ExpiryNotNumber"     // an "exp" in quotes
	ExpiryTooLarge      Defect = "ExpiryTooLarge"      // an "exp" above 2^53 (RFC 7493 §2.2)
	Expired             Defect = "Expired"             // ended an hour ago
	CaseVariantExpiry   Defect = "CaseVariantExpiry"   // ended an hour ago, with an "EXP" to come
)

// Of the key and the signature.
const (
	NoKid          Defect = "NoKid"          // no "kid", and an algorithm that no published key is for
	EmptyKid       Defect = "EmptyKid"       // an empty "kid"
	UnknownKid     Defect = "UnknownKid"     // a "kid" that is not published, in a token of a quarter of an hour ago
	WrongAlgorithm Defect = "WrongAlgorithm" // another allowed algorithm than its key is for
	WrongKey       Defect = "WrongKey"       // signed with an unpublished key, under the "kid" of a published one
	BadSignature   Defect = "BadSignature"   // one bit of the signature is flipped
	Truncated      Defect = "Truncated"      // the last three bytes of the signature are gone
	TamperedClaims Defect = "TamperedClaims" // a scope added after signing
	DERSignature   Defect = "DERSignature"   // an ECDSA signature in ASN.1 (RFC 7518 §3.4); ES256, ES384 and ES512 alone
)

// Of the other claims.
const (
	NotYetValid        Defect = "NotYetValid"        // an "nbf" in an hour
	NotBeforeNotNumber Defect = "NotBeforeNotNumber" // an "nbf" in quotes
	IssuedInFuture     Defect = "IssuedInFuture"     // an "iat" in half an hour
	TooOld             Defect = "TooOld"             // issued a day ago; needs Config.MaxAge
	LongLived          Defect = "LongLived"          // good for a year; needs Config.MaxLifetime
	NoSubject          Defect = "NoSubject"          // no "sub"
	EmptySubject       Defect = "EmptySubject"       // an empty "sub"
	NoClientID         Defect = "NoClientID"         // no "client_id"
	NoTokenID          Defect = "NoTokenID"          // no "jti"
	NoIssuedAt         Defect = "NoIssuedAt"         // no "iat"
	WrongFixedClaim    Defect = "WrongFixedClaim"    // "client_id" is another than the one fixed; needs Config.FixedClaims
	ScopeArray         Defect = "ScopeArray"         // "scope" is an array
	ScopeNotScope      Defect = "ScopeNotScope"      // "scope" with a quote in it (RFC 6749 §3.3)
	IDToken            Defect = "IDToken"            // an ID token for our audience; needs Config.Types with "JWT"
	ClaimsRefused      Defect = "ClaimsRefused"      // a claim that one of Config.Checks refuses; needs that
	SenderConstrained  Defect = "SenderConstrained"  // "cnf" binds it to a DPoP key (RFC 9449 §6)
	UnknownBinding     Defect = "UnknownBinding"     // "cnf" with a member of no known method
	EmptyBinding       Defect = "EmptyBinding"       // "cnf" without members
	NullBinding        Defect = "NullBinding"        // null for "cnf"
)

// Defects returns every defect, for tables of tests. Some ask for an algorithm or a Config: see
// [Issuer.Defects] and [Defect.Config].
func Defects() []Defect {
	all := make([]Defect, len(defectSpecs))
	for i := range defectSpecs {
		all[i] = defectSpecs[i].defect
	}
	return all
}

// Reason returns why a Guard refuses a token with the defect, given a Config of the defaults or
// that of [Defect.Config]. It is 0 for a text that is no Defect.
func (d Defect) Reason() auth.Reason {
	if r := d.spec(); r != nil {
		return r.reason
	}
	return ""
}

// Config returns c with the settings under which the defect is one, such as MaxAge for TooOld; c
// itself for most.
func (d Defect) Config(c auth.Config) auth.Config {
	if r := d.spec(); r != nil && r.config != nil {
		r.config(&c)
	}
	return c
}

// spec returns how the defect is made, or nil.
func (d Defect) spec() *defectSpec {
	i := slices.IndexFunc(defectSpecs[:], func(r defectSpec) bool { return r.defect == d })
	if i < 0 {
		return nil
	}
	return &defectSpecs[i]
}

// isDefect reports whether the issuer's Config refuses a token with d for its Reason: in another
// form than RFC 9068's, some are no defects.
func (is *Issuer) isDefect(v *auth.Verifier, d Defect) bool {
	token, err := is.make("read", []Change{d})
	if err != nil {
		return false
	}
	_, err = v.VerifyToken(is.tb.Context(), token)
	return err != nil && auth.AsError(err).Reason == d.Reason()
}

// Defects returns the defects that tokens of this issuer can have and that its [Issuer.Guard]
// refuses, each for its Reason.
func (is *Issuer) Defects() []Defect {
	is.tb.Helper()
	all := slices.DeleteFunc(Defects(), func(d Defect) bool {
		r := d.spec()
		return r.config != nil || r.only != nil && !r.only(is.core.Algorithm())
	})
	if !is.formed {
		return all
	}
	v, err := auth.NewVerifier(is.Keys(), is.Config())
	if err != nil {
		is.tb.Fatalf("authtest: Defects: %v", err)
	}
	// Binding is the Guard's to check, not the Verifier's.
	return slices.DeleteFunc(all, func(d Defect) bool { return d.Reason() != auth.ReasonBindingNotProved && !is.isDefect(v, d) })
}
