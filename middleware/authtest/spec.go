package authtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/bearward/bearward/internal/issuer"
	auth "github.com/bearward/bearward/middleware"
)

// A defectSpec says how a defect is made, and what comes of it.
type defectSpec struct {
	defect Defect
	reason auth.Reason
	at     issuer.Stage
	make   func(*issuer.Draft) error
	config func(*auth.Config)        // what it needs besides the defaults
	only   func(auth.Algorithm) bool // the algorithms that it is for; nil for all
}

func (d Defect) change() issuer.Change {
	at := issuer.OnMembers
	if r := d.spec(); r != nil {
		at = r.at
	}
	return issuer.Change{At: at, Apply: d.apply}
}

func (d Defect) apply(t *issuer.Draft) error {
	r := d.spec()
	switch {
	case r == nil:
		return fmt.Errorf("%q is not a Defect; Defects lists them", string(d))
	case r.only != nil && !r.only(t.Issuer.Algorithm()):
		return fmt.Errorf("%s is not for tokens of algorithm %v; Issuer.Defects lists those that are", d, t.Issuer.Algorithm())
	}
	if err := r.make(t); err != nil {
		return fmt.Errorf("%s: %w", d, err)
	}
	return nil
}

// claim is the spec of a defect that changes one claim.
func claim(d Defect, reason auth.Reason, name string, value any) defectSpec {
	return defectSpec{defect: d, reason: reason, make: func(t *issuer.Draft) error { return Claims{name: value}.apply(t) }}
}

// header is the spec of a defect that changes one header member.
func header(d Defect, reason auth.Reason, name string, value any) defectSpec {
	return defectSpec{defect: d, reason: reason, make: func(t *issuer.Draft) error { return Header{name: value}.apply(t) }}
}

// date is the spec of a defect that changes one claim to a time from now.
func date(d Defect, reason auth.Reason, name string, from time.Duration) defectSpec {
	return defectSpec{defect: d, reason: reason, make: func(t *issuer.Draft) error {
		return Claims{name: time.Now().Add(from).Unix()}.apply(t)
	}}
}

// with returns r with what it needs of a Config.
func (r defectSpec) with(config func(*auth.Config)) defectSpec { r.config = config; return r }

// defectSpecs are the defects, in the order of their constants.
var defectSpecs = [...]defectSpec{
	claim(TooLarge, auth.ReasonTokenTooLarge, "padding", text(16<<10)),
	token(RandomText, func(*issuer.Draft) string { return "this-is-no-token" }),
	token(Dots, func(*issuer.Draft) string { return ".." }),
	token(TwoParts, func(t *issuer.Draft) string { return t.Input() }),
	token(EmptySignature, func(t *issuer.Draft) string { return t.Input() + "." }),
	{defect: AlgNone, reason: auth.ReasonTokenMalformed, at: issuer.OnToken, make: unsecured},
	token(EncryptedForm, func(t *issuer.Draft) string {
		return t.EncodedHeader + ".a2V5.aXY." + t.EncodedClaims + "." + issuer.Encode(t.Signature)
	}),
	jsonSerialization,
	token(PaddedBase64, func(t *issuer.Draft) string { return t.Token + "=" }),
	{defect: StandardBase64, reason: auth.ReasonTokenMalformed, at: issuer.OnEncoded, make: standardBase64},
	{defect: NonCanonicalBase64, reason: auth.ReasonTokenMalformed, at: issuer.OnEncoded, make: nonCanonicalBase64},

	headerText(HeaderNotJSON, func(string) string { return "at+jwt" }),
	headerText(HeaderArray, func(h string) string { return "[" + h + "]" }),
	headerText(HeaderNotUTF8, func(h string) string { return member(h, "\"x\":\"\xff\"") }),
	headerText(DuplicateHeader, func(h string) string { return member(h, `"typ":"at+jwt"`) }),
	header(CaseVariantHeader, auth.ReasonTokenMalformed, "ALG", "none"),
	header(NumericKid, auth.ReasonTokenMalformed, "kid", 1),
	header(LongKid, auth.ReasonTokenMalformed, "kid", text(257)),
	header(NoAlgorithm, auth.ReasonTokenMalformed, "alg", Absent),
	header(AlgNoneSigned, auth.ReasonAlgorithmNotAllowed, "alg", "none"),
	header(AlgNoneVariant, auth.ReasonAlgorithmNotAllowed, "alg", "nOnE"),
	{defect: HMACWithPublicKey, reason: auth.ReasonAlgorithmNotAllowed, make: hmacWithPublicKey, at: issuer.OnEncoded},
	{defect: AlgorithmLowerCase, reason: auth.ReasonAlgorithmNotAllowed, make: lowerCaseAlgorithm},
	header(UnknownAlgorithm, auth.ReasonAlgorithmNotAllowed, "alg", "ES256K"),
	{defect: CritHeader, reason: auth.ReasonExtensionNotSupported, make: func(t *issuer.Draft) error {
		return Header{"crit": []string{"exp"}, "exp": t.Claims["exp"]}.apply(t)
	}},
	{defect: B64False, reason: auth.ReasonExtensionNotSupported, make: func(t *issuer.Draft) error {
		return Header{"crit": []string{"b64"}, "b64": false}.apply(t)
	}},
	header(Compressed, auth.ReasonExtensionNotSupported, "zip", "DEF"),
	header(WrongType, auth.ReasonTokenTypeNotAccepted, "typ", "JWT"),
	header(NoType, auth.ReasonTokenTypeNotAccepted, "typ", Absent),
	header(EmptyType, auth.ReasonTokenTypeNotAccepted, "typ", ""),
	header(DPoPProof, auth.ReasonTokenTypeNotAccepted, "typ", "dpop+jwt"),
	header(LogoutToken, auth.ReasonTokenTypeNotAccepted, "typ", "logout+jwt"),

	claimsText(ClaimsArray, func(c string) string { return "[" + c + "]" }),
	claimsText(DuplicateClaim, func(c string) string { return member(c, `"sub":"alice"`) }),
	claimsText(NestedDuplicate, func(c string) string { return member(c, `"act":{"sub":"bob","sub":"bob"}`) }),
	claimsText(NotUTF8, func(c string) string { return member(c, "\"name\":\"\xff\"") }),
	claimsText(TrailingData, func(c string) string { return c + "{}" }),
	claimsText(DeeplyNested, func(c string) string { return member(c, `"x":`+nested(100)) }),

	claim(NoIssuer, auth.ReasonIssuerNotTrusted, "iss", Absent),
	{defect: IssuerNotString, reason: auth.ReasonIssuerNotTrusted, make: func(t *issuer.Draft) error {
		return Claims{"iss": []string{t.Issuer.URL()}}.apply(t)
	}},
	claim(WrongIssuer, auth.ReasonIssuerNotTrusted, "iss", "https://other-issuer.example"),
	{defect: IssuerTrailingSlash, reason: auth.ReasonIssuerNotTrusted, make: func(t *issuer.Draft) error {
		return Claims{"iss": t.Issuer.URL() + "/"}.apply(t)
	}},
	claim(NoAudience, auth.ReasonAudienceMismatch, "aud", Absent),
	claim(EmptyAudience, auth.ReasonAudienceMismatch, "aud", []string{}),
	{defect: AudienceNotString, reason: auth.ReasonAudienceMismatch, make: func(t *issuer.Draft) error {
		return Claims{"aud": []any{t.Issuer.Audience(), 1}}.apply(t)
	}},
	claim(WrongAudience, auth.ReasonAudienceMismatch, "aud", "https://other-api.example"),
	{defect: AudiencePrefix, reason: auth.ReasonAudienceMismatch, make: func(t *issuer.Draft) error {
		return Claims{"aud": t.Issuer.Audience() + ".other.example"}.apply(t)
	}},
	claim(SubjectNotString, auth.ReasonClaimInvalid, "sub", 1),
	claim(NoExpiry, auth.ReasonClaimInvalid, "exp", Absent),
	claim(ZeroExpiry, auth.ReasonClaimInvalid, "exp", 0),
	{defect: ExpiryNotNumber, reason: auth.ReasonClaimInvalid, make: func(t *issuer.Draft) error {
		return Claims{"exp": fmt.Sprint(t.Claims["exp"])}.apply(t)
	}},
	claim(ExpiryTooLarge, auth.ReasonClaimInvalid, "exp", 1e300),
	{defect: Expired, reason: auth.ReasonTokenExpired, make: expire},
	{defect: CaseVariantExpiry, reason: auth.ReasonTokenExpired, make: func(t *issuer.Draft) error {
		return errors.Join(Claims{"EXP": t.Claims["exp"]}.apply(t), expire(t))
	}},

	{defect: NoKid, reason: auth.ReasonKeyUnknown, make: noKid},
	header(EmptyKid, auth.ReasonKeyUnknown, "kid", ""),
	{defect: UnknownKid, reason: auth.ReasonKeyUnknown, make: func(t *issuer.Draft) error {
		if err := signUnpublished(t); err != nil {
			return err
		}
		// Were it issued after the keys that a Guard holds were asked for, its key might be newer
		// than these: it would not be judged.
		if err := (Claims{"iat": time.Now().Add(-15 * time.Minute).Unix()}).apply(t); err != nil {
			return err
		}
		return Header{"kid": t.Key.ID}.apply(t)
	}},
	{defect: WrongAlgorithm, reason: auth.ReasonKeyUnknown, make: wrongAlgorithm},
	{defect: WrongKey, reason: auth.ReasonSignatureInvalid, make: signUnpublished},
	{defect: BadSignature, reason: auth.ReasonSignatureInvalid, at: issuer.OnSigned, make: func(t *issuer.Draft) error {
		t.Signature[len(t.Signature)/2] ^= 1
		return nil
	}},
	{defect: Truncated, reason: auth.ReasonSignatureInvalid, at: issuer.OnSigned, make: func(t *issuer.Draft) error {
		t.Signature = t.Signature[:len(t.Signature)-3]
		return nil
	}},
	{defect: TamperedClaims, reason: auth.ReasonSignatureInvalid, at: issuer.OnSigned, make: tamper},
	{defect: DERSignature, reason: auth.ReasonSignatureInvalid, at: issuer.OnSigned, make: derSignature, only: isECDSA},

	date(NotYetValid, auth.ReasonTokenNotYetValid, "nbf", time.Hour),
	claim(NotBeforeNotNumber, auth.ReasonClaimInvalid, "nbf", "0"),
	date(IssuedInFuture, auth.ReasonTokenIssuedInFuture, "iat", time.Hour/2),
	date(TooOld, auth.ReasonTokenTooOld, "iat", -24*time.Hour).with(func(c *auth.Config) { c.MaxAge = time.Hour }),
	date(LongLived, auth.ReasonTokenTooOld, "exp", 365*24*time.Hour).with(func(c *auth.Config) { c.MaxLifetime = 24 * time.Hour }),
	claim(NoSubject, auth.ReasonClaimInvalid, "sub", Absent),
	claim(EmptySubject, auth.ReasonClaimInvalid, "sub", ""),
	claim(NoClientID, auth.ReasonClaimInvalid, "client_id", Absent),
	claim(NoTokenID, auth.ReasonClaimInvalid, "jti", Absent),
	claim(NoIssuedAt, auth.ReasonClaimInvalid, "iat", Absent),
	claim(WrongFixedClaim, auth.ReasonClaimInvalid, "client_id", "another-client").with(func(c *auth.Config) {
		c.FixedClaims = map[string]string{"client_id": "client"}
	}),
	claim(ScopeArray, auth.ReasonClaimInvalid, "scope", []string{"read:orders"}),
	claim(ScopeNotScope, auth.ReasonClaimInvalid, "scope", `read:"orders"`),
	{defect: IDToken, reason: auth.ReasonIDToken, make: idToken, config: func(c *auth.Config) { c.Types = []string{"at+jwt", "JWT"} }},
	claim(ClaimsRefused, auth.ReasonClaimsRefused, "suspended", true).with(func(c *auth.Config) {
		c.Checks = append(c.Checks[:len(c.Checks):len(c.Checks)], auth.CheckClaims(notSuspended))
	}),
	claim(SenderConstrained, auth.ReasonBindingNotProved, "cnf", map[string]string{"jkt": unknownThumbprint}),
	claim(UnknownBinding, auth.ReasonBindingNotProved, "cnf", map[string]string{"binding": "x"}),
	claim(EmptyBinding, auth.ReasonBindingNotProved, "cnf", struct{}{}),
	claim(NullBinding, auth.ReasonBindingNotProved, "cnf", nil),
}
