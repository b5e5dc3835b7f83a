package authtest

import (
	"errors"
	"fmt"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// A bend says how a defect is made, and what comes of it.
type bend struct {
	defect Defect
	reason auth.Reason
	at     stage
	make   func(*draft) error
	config func(*auth.Config)        // what it needs besides the defaults
	only   func(auth.Algorithm) bool // the algorithms that it is for; nil for all
}

func (d Defect) stage() stage {
	if b := d.bend(); b != nil {
		return b.at
	}
	return onMembers
}

func (d Defect) apply(t *draft) error {
	b := d.bend()
	switch {
	case b == nil:
		return fmt.Errorf("%q is not a Defect; Defects lists them", string(d))
	case b.only != nil && !b.only(t.issuer.keys.alg):
		return fmt.Errorf("%s is not for tokens of algorithm %v; Issuer.Defects lists those that are", d, t.issuer.keys.alg)
	}
	if err := b.make(t); err != nil {
		return fmt.Errorf("%s: %w", d, err)
	}
	return nil
}

// claim bends one claim.
func claim(d Defect, reason auth.Reason, name string, value any) bend {
	return bend{defect: d, reason: reason, make: func(t *draft) error { return Claims{name: value}.apply(t) }}
}

// header bends one header member.
func header(d Defect, reason auth.Reason, name string, value any) bend {
	return bend{defect: d, reason: reason, make: func(t *draft) error { return Header{name: value}.apply(t) }}
}

// date bends one claim to a time from now.
func date(d Defect, reason auth.Reason, name string, from time.Duration) bend {
	return bend{defect: d, reason: reason, make: func(t *draft) error {
		return Claims{name: time.Now().Add(from).Unix()}.apply(t)
	}}
}

// with returns b with what it needs of a Config.
func (b bend) with(config func(*auth.Config)) bend { b.config = config; return b }

// bends are the defects, in the order of their constants.
var bends = [...]bend{
	claim(TooLarge, auth.ReasonTokenTooLarge, "padding", text(auth.DefaultMaxTokenBytes)),
	token(RandomText, func(*draft) string { return "this-is-no-token" }),
	token(Dots, func(*draft) string { return ".." }),
	token(TwoParts, func(t *draft) string { return t.input() }),
	token(EmptySignature, func(t *draft) string { return t.input() + "." }),
	{defect: AlgNone, reason: auth.ReasonMalformedToken, at: onToken, make: unsecured},
	token(EncryptedForm, func(t *draft) string {
		return t.encodedHeader + ".a2V5.aXY." + t.encodedClaims + "." + encode(t.signature)
	}),
	jsonSerialization,
	token(PaddedBase64, func(t *draft) string { return t.token + "=" }),
	{defect: StandardBase64, reason: auth.ReasonMalformedToken, at: onEncoded, make: standardBase64},
	{defect: NonCanonicalBase64, reason: auth.ReasonMalformedToken, at: onEncoded, make: nonCanonicalBase64},

	headerText(HeaderNotJSON, func(string) string { return "at+jwt" }),
	headerText(HeaderArray, func(h string) string { return "[" + h + "]" }),
	headerText(HeaderNotUTF8, func(h string) string { return member(h, "\"x\":\"\xff\"") }),
	headerText(DuplicateHeader, func(h string) string { return member(h, `"typ":"at+jwt"`) }),
	header(CaseVariantHeader, auth.ReasonMalformedToken, "ALG", "none"),
	header(NumericKid, auth.ReasonMalformedToken, "kid", 1),
	header(LongKid, auth.ReasonMalformedToken, "kid", text(257)),
	header(NoAlgorithm, auth.ReasonMalformedToken, "alg", Absent),
	header(AlgNoneSigned, auth.ReasonAlgorithm, "alg", "none"),
	header(AlgNoneVariant, auth.ReasonAlgorithm, "alg", "nOnE"),
	{defect: HMACWithPublicKey, reason: auth.ReasonAlgorithm, make: hmacWithPublicKey, at: onEncoded},
	{defect: AlgorithmLowerCase, reason: auth.ReasonAlgorithm, make: lowerCaseAlgorithm},
	header(UnknownAlgorithm, auth.ReasonAlgorithm, "alg", "ES256K"),
	{defect: CritHeader, reason: auth.ReasonExtension, make: func(t *draft) error {
		return Header{"crit": []string{"exp"}, "exp": t.claims["exp"]}.apply(t)
	}},
	{defect: B64False, reason: auth.ReasonExtension, make: func(t *draft) error {
		return Header{"crit": []string{"b64"}, "b64": false}.apply(t)
	}},
	header(Compressed, auth.ReasonExtension, "zip", "DEF"),
	header(WrongType, auth.ReasonType, "typ", "JWT"),
	header(NoType, auth.ReasonType, "typ", Absent),
	header(EmptyType, auth.ReasonType, "typ", ""),
	header(DPoPProof, auth.ReasonType, "typ", "dpop+jwt"),
	header(LogoutToken, auth.ReasonType, "typ", "logout+jwt"),

	claimsText(ClaimsArray, func(c string) string { return "[" + c + "]" }),
	claimsText(DuplicateClaim, func(c string) string { return member(c, `"sub":"alice"`) }),
	claimsText(NestedDuplicate, func(c string) string { return member(c, `"act":{"sub":"bob","sub":"bob"}`) }),
	claimsText(NotUTF8, func(c string) string { return member(c, "\"name\":\"\xff\"") }),
	claimsText(TrailingData, func(c string) string { return c + "{}" }),
	claimsText(DeeplyNested, func(c string) string { return member(c, `"x":`+nested(100)) }),

	claim(NoIssuer, auth.ReasonIssuer, "iss", Absent),
	{defect: IssuerNotString, reason: auth.ReasonIssuer, make: func(t *draft) error {
		return Claims{"iss": []string{t.issuer.URL}}.apply(t)
	}},
	claim(WrongIssuer, auth.ReasonIssuer, "iss", "https://other-issuer.example"),
	{defect: IssuerTrailingSlash, reason: auth.ReasonIssuer, make: func(t *draft) error {
		return Claims{"iss": t.issuer.URL + "/"}.apply(t)
	}},
	claim(NoAudience, auth.ReasonAudience, "aud", Absent),
	claim(EmptyAudience, auth.ReasonAudience, "aud", []string{}),
	{defect: AudienceNotString, reason: auth.ReasonAudience, make: func(t *draft) error {
		return Claims{"aud": []any{t.issuer.Audience, 1}}.apply(t)
	}},
	claim(WrongAudience, auth.ReasonAudience, "aud", "https://other-api.example"),
	{defect: AudiencePrefix, reason: auth.ReasonAudience, make: func(t *draft) error {
		return Claims{"aud": t.issuer.Audience + ".other.example"}.apply(t)
	}},
	claim(SubjectNotString, auth.ReasonClaim, "sub", 1),
	claim(NoExpiry, auth.ReasonClaim, "exp", Absent),
	claim(ZeroExpiry, auth.ReasonClaim, "exp", 0),
	{defect: ExpiryNotNumber, reason: auth.ReasonClaim, make: func(t *draft) error {
		return Claims{"exp": fmt.Sprint(t.claims["exp"])}.apply(t)
	}},
	claim(ExpiryTooLarge, auth.ReasonClaim, "exp", 1e300),
	{defect: Expired, reason: auth.ReasonExpired, make: expire},
	{defect: CaseVariantExpiry, reason: auth.ReasonExpired, make: func(t *draft) error {
		return errors.Join(Claims{"EXP": t.claims["exp"]}.apply(t), expire(t))
	}},

	{defect: NoKid, reason: auth.ReasonUnknownKey, make: noKid},
	header(EmptyKid, auth.ReasonUnknownKey, "kid", ""),
	{defect: UnknownKid, reason: auth.ReasonUnknownKey, make: func(t *draft) error {
		t.key = t.issuer.keys.unpublished()
		return Header{"kid": t.key.id}.apply(t)
	}},
	{defect: WrongAlgorithm, reason: auth.ReasonUnknownKey, make: wrongAlgorithm},
	{defect: WrongKey, reason: auth.ReasonSignature, make: func(t *draft) error {
		t.key = t.issuer.keys.unpublished()
		return nil
	}},
	{defect: BadSignature, reason: auth.ReasonSignature, at: onSigned, make: func(t *draft) error {
		t.signature[len(t.signature)/2] ^= 1
		return nil
	}},
	{defect: Truncated, reason: auth.ReasonSignature, at: onSigned, make: func(t *draft) error {
		t.signature = t.signature[:len(t.signature)-3]
		return nil
	}},
	{defect: TamperedClaims, reason: auth.ReasonSignature, at: onSigned, make: tamper},
	{defect: DERSignature, reason: auth.ReasonSignature, at: onSigned, make: derSignature, only: isECDSA},

	date(NotYetValid, auth.ReasonNotYetValid, "nbf", time.Hour),
	claim(NotBeforeNotNumber, auth.ReasonClaim, "nbf", "0"),
	date(IssuedInFuture, auth.ReasonIssuedInFuture, "iat", time.Hour/2),
	date(TooOld, auth.ReasonTooOld, "iat", -24*time.Hour).with(func(c *auth.Config) { c.MaxAge = time.Hour }),
	date(LongLived, auth.ReasonTooOld, "exp", 365*24*time.Hour).with(func(c *auth.Config) { c.MaxLifetime = 24 * time.Hour }),
	claim(NoSubject, auth.ReasonClaim, "sub", Absent),
	claim(EmptySubject, auth.ReasonClaim, "sub", ""),
	claim(NoClientID, auth.ReasonClaim, "client_id", Absent),
	claim(NoTokenID, auth.ReasonClaim, "jti", Absent),
	claim(NoIssuedAt, auth.ReasonClaim, "iat", Absent),
	claim(WrongFixedClaim, auth.ReasonClaim, "client_id", "another-client").with(func(c *auth.Config) {
		c.FixedClaims = map[string]string{"client_id": "client"}
	}),
	claim(ScopeArray, auth.ReasonClaim, "scope", []string{"read:orders"}),
	claim(ScopeNotScope, auth.ReasonClaim, "scope", `read:"orders"`),
	{defect: IDToken, reason: auth.ReasonIDToken, make: idToken, config: func(c *auth.Config) { c.Types = []string{"at+jwt", "JWT"} }},
	claim(ClaimsRefused, auth.ReasonCheck, "suspended", true).with(func(c *auth.Config) {
		c.Checks = append(c.Checks[:len(c.Checks):len(c.Checks)], auth.CheckClaims(notSuspended))
	}),
	claim(SenderConstrained, auth.ReasonBinding, "cnf", map[string]string{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
	claim(UnknownBinding, auth.ReasonBinding, "cnf", map[string]string{"binding": "x"}),
	claim(EmptyBinding, auth.ReasonBinding, "cnf", struct{}{}),
	claim(NullBinding, auth.ReasonBinding, "cnf", nil),
}
