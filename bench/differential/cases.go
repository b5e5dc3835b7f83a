// Package differential puts the same tokens to Bearward and to other libraries, and says who is
// right where they differ.
package differential

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bearward/bearward/middleware/authtest"
)

// A tokenCase is one token, good or bent in one way.
type tokenCase struct {
	name    string
	changes []authtest.Change
	good    bool   // by the specifications, and by us
	why     string // the rule that refuses it; for a good one, the rule that accepts it
	// decision is true where no specification demands the refusal: we are stricter by a decision,
	// which why gives the reason of.
	decision bool
}

func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

// defects are authtest's, with the rule that each breaks. Those that need a setting to be a defect
// are left out.
var defects = map[authtest.Defect]string{
	authtest.TooLarge: "!16 KiB bounds the work that a caller can ask for (AT-42)", authtest.RandomText: "RFC 7515 §7.1", authtest.Dots: "RFC 7515 §7.1", authtest.TwoParts: "RFC 7515 §7.1",
	authtest.EmptySignature: "RFC 7515 §5.2", authtest.AlgNone: "RFC 9068 §4", authtest.EncryptedForm: "RFC 7515 §7.1", authtest.JSONSerialization: "RFC 7519 §1: a JWT is compact",
	authtest.PaddedBase64: "RFC 7515 §2: no padding", authtest.StandardBase64: "RFC 7515 §2: base64url", authtest.NonCanonicalBase64: "!RFC 4648 §3.5 lets a decoder refuse it; one token, one spelling (J-26)",
	authtest.HeaderNotJSON: "RFC 7515 §4", authtest.HeaderArray: "RFC 7515 §4", authtest.HeaderNotUTF8: "RFC 7515 §4, RFC 8725 §3.7", authtest.DuplicateHeader: "RFC 7515 §4: must be unique; a parser may take the last, we do not (AT-40)",
	authtest.CaseVariantHeader: "!the header is unambiguous for readers that ignore case, as encoding/json does", authtest.NumericKid: "RFC 7515 §4.1.4", authtest.LongKid: "!256 bytes bound what is compared and logged (J-20)",
	authtest.NoAlgorithm: "RFC 7515 §4.1.1", authtest.AlgNoneSigned: "RFC 9068 §4", authtest.AlgNoneVariant: "RFC 8725 §3.1", authtest.HMACWithPublicKey: "RFC 8725 §2.1", authtest.AlgorithmLowerCase: "RFC 7515 §4.1.1: case-sensitive",
	authtest.UnknownAlgorithm: "RFC 8725 §3.1", authtest.CritHeader: "RFC 7515 §4.1.11", authtest.B64False: "RFC 7797 §7: a JWT must not", authtest.Compressed: "!an extension that is not implemented is not passed over, whether critical or not (J-33)",
	authtest.WrongType: "RFC 9068 §4", authtest.NoType: "RFC 9068 §4", authtest.EmptyType: "RFC 9068 §4", authtest.DPoPProof: "RFC 9068 §4", authtest.LogoutToken: "RFC 9068 §4",
	authtest.ClaimsArray: "RFC 7519 §7.2", authtest.DuplicateClaim: "RFC 7519 §4: must be unique; a parser may take the last, we do not (AT-40)", authtest.NestedDuplicate: "!RFC 8259 §4 says should: every reader of the claim reads one value (AT-40)",
	authtest.NotUTF8: "RFC 7519 §7.2, RFC 8725 §3.7", authtest.TrailingData: "RFC 7519 §7.2", authtest.DeeplyNested: "!depth bounds the work that a caller can ask for (J-29)",
	authtest.NoIssuer: "RFC 9068 §4", authtest.IssuerNotString: "RFC 7519 §4.1.1", authtest.WrongIssuer: "RFC 9068 §4", authtest.IssuerTrailingSlash: "RFC 9068 §4: exactly", authtest.NoAudience: "RFC 9068 §4",
	authtest.EmptyAudience: "RFC 9068 §4", authtest.AudienceNotString: "RFC 7519 §4.1.3", authtest.WrongAudience: "RFC 9068 §4", authtest.AudiencePrefix: "RFC 9068 §4", authtest.SubjectNotString: "RFC 7519 §4.1.2",
	authtest.NoExpiry: "RFC 9068 §2.2", authtest.ZeroExpiry: "RFC 9068 §4: it has passed", authtest.ExpiryNotNumber: "RFC 7519 §2: a number", authtest.ExpiryTooLarge: "!RFC 7493 §2.2: beyond 2^53 readers differ on the number (AT-20)",
	authtest.Expired: "RFC 9068 §4", authtest.CaseVariantExpiry: "RFC 9068 §4: the exp has passed, EXP is another claim", authtest.EmptyKid: "!no published key has an empty ID (J-20)", authtest.UnknownKid: "RFC 9068 §4",
	authtest.WrongAlgorithm: "RFC 8725 §3.1", authtest.WrongKey: "RFC 9068 §4", authtest.BadSignature: "RFC 7515 §5.2", authtest.Truncated: "RFC 7515 §5.2", authtest.TamperedClaims: "RFC 7515 §5.2",
	authtest.NotYetValid: "RFC 7519 §4.1.5", authtest.NotBeforeNotNumber: "RFC 7519 §4.1.5", authtest.IssuedInFuture: "!a token from the future is from a wrong clock or forged (AT-24)", authtest.NoSubject: "RFC 9068 §2.2",
	authtest.EmptySubject: "!an empty name names nobody (AT-26)", authtest.NoClientID: "RFC 9068 §2.2", authtest.NoTokenID: "RFC 9068 §2.2", authtest.NoIssuedAt: "RFC 9068 §2.2", authtest.ScopeArray: "RFC 9068 §2.2.3: a string",
	authtest.ScopeNotScope: "RFC 6749 §3.3", authtest.SenderConstrained: "RFC 9449 §7.2, RFC 9700 §4.10.1", authtest.UnknownBinding: "!a binding that nobody here can check is not passed over (S-07)",
	authtest.EmptyBinding: "!as above (S-07)", authtest.NullBinding: "!as above (S-07)",
}

// needSettings are the defects that only a setting makes one, and the two that the test makes in a
// form of its own.
var needSettings = []authtest.Defect{authtest.TooOld, authtest.LongLived, authtest.WrongFixedClaim, authtest.IDToken, authtest.ClaimsRefused, authtest.NoKid, authtest.DERSignature}

// cases are the tokens, in a fixed order.
func cases() []tokenCase {
	claim := func(name string, v any) []authtest.Change { return []authtest.Change{authtest.Claims{name: v}} }
	header := func(name string, v any) []authtest.Change { return []authtest.Change{authtest.Header{name: v}} }
	far := in(time.Hour)
	all := []tokenCase{
		{name: "good", good: true, why: "RFC 9068 §4"},
		{name: "typ application/at+jwt", changes: header("typ", "application/at+jwt"), good: true, why: "RFC 9068 §4"},
		{name: "typ AT+JWT", changes: header("typ", "AT+JWT"), good: true, why: "RFC 7515 §4.1.9, RFC 2045 §5.1: media types ignore case"},
		{name: "aud in an array of one", changes: claim("aud", []string{authtest.DefaultAudience}), good: true, why: "RFC 7519 §4.1.3"},
		{name: "aud among others", changes: claim("aud", []string{"https://other.example", authtest.DefaultAudience}), good: true, why: "RFC 7519 §4.1.3"},
		{name: "exp with a fraction", changes: claim("exp", float64(far)+0.5), good: true, why: "RFC 7519 §2"},
		{name: "exp 10 s ago", changes: claim("exp", in(-10*time.Second)), good: true, why: "RFC 7519 §4.1.4: small leeway"},
		{name: "nbf in 10 s", changes: claim("nbf", in(10*time.Second)), good: true, why: "RFC 7519 §4.1.5: small leeway"},
		{name: "nbf now", changes: claim("nbf", in(0)), good: true, why: "RFC 7519 §4.1.5"},
		{name: "no kid, and one key", changes: header("kid", authtest.Absent), good: true, why: "RFC 7515 §4.1.4: kid is optional (J-22)"},
		{name: "an unknown header member", changes: header("x", "y"), good: true, why: "RFC 7515 §4: ignored unless critical"},
		{name: "jku", changes: header("jku", "https://attacker.example/jwks"), good: true, why: "RFC 8725 §3.10: it is never used"},
		{name: "x5u", changes: header("x5u", "https://attacker.example/x5u"), good: true, why: "RFC 8725 §3.10: it is never used"},
		{name: "unknown claims", changes: claim("https://example.org/x", map[string]any{"y": []int{1}}), good: true, why: "RFC 7519 §4: ignored"},
		{name: "EXP beside exp", changes: claim("EXP", 1), good: true, why: "RFC 7519 §10.1.1: another claim"},
		{name: "no scope", changes: claim("scope", authtest.Absent), good: true, why: "RFC 9068 §2.2.3: it may be left out"},
		{name: "roles of any type", changes: claim("roles", 7), good: true, why: "RFC 9068 §2.2.3.1: nobody asked for them"},
		{name: "auth_time, acr and amr", changes: []authtest.Change{authtest.Claims{"auth_time": in(-time.Minute), "acr": "1", "amr": []string{"pwd"}}}, good: true, why: "RFC 9068 §2.2.1"},
		{name: "escaped characters", changes: claim("note", "<&>\u2028"), good: true, why: "RFC 8259 §7"},

		{name: "typ with a parameter", changes: header("typ", "at+jwt; charset=utf-8"), why: "RFC 9068 §4"},
		{name: "typ text/at+jwt", changes: header("typ", "text/at+jwt"), why: "RFC 9068 §4"},
		{name: "typ a number", changes: header("typ", 1), why: "RFC 7515 §4.1.9"},
		{name: "typ null", changes: header("typ", nil), why: "RFC 7515 §4.1.9"},
		{name: "alg null", changes: header("alg", nil), why: "RFC 7515 §4.1.1"},
		{name: "alg with a space", changes: header("alg", " none"), why: "RFC 8725 §3.1"},
		{name: "crit empty", changes: header("crit", []string{}), why: "RFC 7515 §4.1.11"},
		{name: "crit names exp", changes: header("crit", []string{"exp"}), why: "RFC 7515 §4.1.11"},
		{name: "crit no array", changes: header("crit", "exp"), why: "RFC 7515 §4.1.11"},
		{name: "b64 true", changes: header("b64", true), why: "an extension that is not implemented is not passed over (J-18)", decision: true},
		{name: "kid null", changes: header("kid", nil), why: "RFC 7515 §4.1.4"},
		{name: "kid an array", changes: header("kid", []string{"a"}), why: "RFC 7515 §4.1.4"},
		{name: "iss empty", changes: claim("iss", ""), why: "RFC 9068 §4"},
		{name: "iss null", changes: claim("iss", nil), why: "RFC 9068 §4"},
		{name: "iss a number", changes: claim("iss", 1), why: "RFC 7519 §4.1.1"},
		{name: "iss in other case", changes: claim("iss", "HTTPS://ISSUER.EXAMPLE"), why: "RFC 9068 §4: exactly"},
		{name: "iss with a port", changes: claim("iss", authtest.DefaultURL+":443"), why: "RFC 9068 §4: exactly"},
		{name: "iss with a space", changes: claim("iss", authtest.DefaultURL+" "), why: "RFC 9068 §4: exactly"},
		{name: "aud null", changes: claim("aud", nil), why: "RFC 9068 §4"},
		{name: "aud empty", changes: claim("aud", ""), why: "RFC 9068 §4"},
		{name: "aud an object", changes: claim("aud", map[string]any{"a": authtest.DefaultAudience}), why: "RFC 7519 §4.1.3"},
		{name: "aud ours beside null", changes: claim("aud", []any{nil, authtest.DefaultAudience}), why: "RFC 7519 §4.1.3: strings"},
		{name: "aud ours in a nested array", changes: claim("aud", []any{[]string{authtest.DefaultAudience}}), why: "RFC 7519 §4.1.3: strings"},
		{name: "aud in other case", changes: claim("aud", strings.ToUpper(authtest.DefaultAudience)), why: "RFC 7519 §4.1.3: case-sensitive"},
		{name: "exp null", changes: claim("exp", nil), why: "RFC 7519 §2"},
		{name: "exp true", changes: claim("exp", true), why: "RFC 7519 §2"},
		{name: "exp an object", changes: claim("exp", map[string]any{}), why: "RFC 7519 §2"},
		{name: "exp negative", changes: claim("exp", -1), why: "RFC 9068 §4: it has passed"},
		{name: "nbf null", changes: claim("nbf", nil), good: true, why: "serializers write null for what is not there, and it has one meaning (T17)"},
		{name: "nbf an array", changes: claim("nbf", []int{1}), why: "RFC 7519 §2"},
		{name: "iat null", changes: claim("iat", nil), why: "RFC 7519 §2"},
		{name: "iat text", changes: claim("iat", "now"), why: "RFC 7519 §2"},
		{name: "sub null", changes: claim("sub", nil), why: "RFC 9068 §2.2"},
		{name: "client_id empty", changes: claim("client_id", ""), why: "an empty name names nobody (AT-27)", decision: true},
		{name: "client_id a number", changes: claim("client_id", 1), why: "RFC 8693 §4.3: a string"},
		{name: "jti empty", changes: claim("jti", ""), why: "an empty name names nothing (AT-28)", decision: true},
		{name: "jti a number", changes: claim("jti", 1), why: "RFC 7519 §4.1.7: a string"},
		{name: "scope null", changes: claim("scope", nil), good: true, why: "serializers write null for what is not there; it grants nothing (T17)"},
		{name: "scope an object", changes: claim("scope", map[string]any{}), why: "RFC 9068 §2.2.3: a string"},
		{name: "auth_time text", changes: claim("auth_time", "0"), why: "RFC 9068 §2.2.1"},
		{name: "acr a number", changes: claim("acr", 1), why: "RFC 9068 §2.2.1"},
		{name: "amr text", changes: claim("amr", "pwd"), why: "RFC 9068 §2.2.1"},
		{name: "cnf with a certificate", changes: claim("cnf", map[string]any{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}), why: "RFC 8705 §3, RFC 9700 §4.10.1"},
		{name: "cnf text", changes: claim("cnf", "x"), why: "RFC 7800 §3.1: an object"},
	}
	for _, d := range authtest.Defects() {
		if slices.Contains(needSettings, d) {
			continue
		}
		why, ok := defects[d]
		if !ok {
			panic(fmt.Sprintf("differential: no rule for the defect %s", d))
		}
		c := tokenCase{name: string(d), changes: []authtest.Change{d}}
		c.why, c.decision = strings.CutPrefix(why, "!")
		all = append(all, c)
	}
	return all
}
