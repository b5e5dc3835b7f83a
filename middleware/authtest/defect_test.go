package authtest_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// Every defect of every algorithm's tokens is refused for its own Reason by the Guard that accepts
// a good token.
func TestDefectsHaveTheirReason(t *testing.T) {
	for alg := auth.RS256; alg <= auth.EdDSA; alg++ {
		t.Run(alg.String(), func(t *testing.T) {
			issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: alg})
			guard := issuer.Guard(nil)
			if got := reasonFor(t, guard, issuer.Token("read:orders")); got != "" {
				t.Fatalf("a good token: %v", got)
			}
			for _, d := range issuer.Defects() {
				if got := reasonFor(t, guard, issuer.Token("read:orders", d)); got != d.Reason() {
					t.Errorf("%s: %v, want %v", d, got, d.Reason())
				}
			}
		})
	}
}

// The defects that an issuer's own Guard does not show: those of another algorithm, and those that
// need a Config.
func TestDefectsThatNeedMore(t *testing.T) {
	missing := func(alg auth.Algorithm) string {
		issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: alg})
		own := issuer.Defects()
		return fmt.Sprint(slices.DeleteFunc(authtest.Defects(), func(d authtest.Defect) bool { return slices.Contains(own, d) }))
	}
	if got, want := missing(auth.ES256), "[TooOld LongLived WrongFixedClaim IDToken ClaimsRefused]"; got != want {
		t.Errorf("ES256: %s, want %s", got, want)
	}
	if got, want := missing(auth.RS256), "[DERSignature TooOld LongLived WrongFixedClaim IDToken ClaimsRefused]"; got != want {
		t.Errorf("RS256: %s, want %s", got, want)
	}
	if got := authtest.Defect("Stale").Reason(); got != "" {
		t.Errorf("a text that is no defect has Reason %v", got)
	}
}

// Every constant is in the list, in the order of the file, and its text is its name.
func TestDefectsListsEveryConstant(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "defect.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []authtest.Defect
	for _, decl := range f.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			v := spec.(*ast.ValueSpec)
			declared = append(declared, authtest.Defect(v.Names[0].Name))
			if text := v.Values[0].(*ast.BasicLit).Value; text != fmt.Sprintf("%q", v.Names[0].Name) {
				t.Errorf("%s is %s", v.Names[0].Name, text)
			}
		}
	}
	if got := authtest.Defects(); !slices.Equal(got, declared) {
		t.Errorf("listed   %v\ndeclared %v", got, declared)
	}
}

// whatDiffers says, for each defect of an RS256 token, all that is not as in the good one.
// "signature" means that it is not the signing key's RS256 signature over the token's own text.
var whatDiffers = map[authtest.Defect]string{
	authtest.TooLarge:            "claim padding",
	authtest.RandomText:          "form",
	authtest.Dots:                "form",
	authtest.TwoParts:            "form",
	authtest.EmptySignature:      "signature",
	authtest.AlgNone:             "header alg, header kid, signature",
	authtest.EncryptedForm:       "form",
	authtest.JSONSerialization:   "form",
	authtest.PaddedBase64:        "encoding of signature",
	authtest.StandardBase64:      "encoding of claims",
	authtest.NonCanonicalBase64:  "encoding of claims",
	authtest.HeaderNotJSON:       "header",
	authtest.HeaderArray:         "header",
	authtest.HeaderNotUTF8:       "header x",
	authtest.DuplicateHeader:     "header has 4 members for 3 names",
	authtest.CaseVariantHeader:   "header ALG",
	authtest.NumericKid:          "header kid",
	authtest.LongKid:             "header kid",
	authtest.NoAlgorithm:         "header alg",
	authtest.AlgNoneSigned:       "header alg",
	authtest.AlgNoneVariant:      "header alg",
	authtest.HMACWithPublicKey:   "header alg, signature",
	authtest.AlgorithmLowerCase:  "header alg",
	authtest.UnknownAlgorithm:    "header alg",
	authtest.CritHeader:          "header crit, header exp",
	authtest.B64False:            "header b64, header crit",
	authtest.Compressed:          "header zip",
	authtest.WrongType:           "header typ",
	authtest.NoType:              "header typ",
	authtest.EmptyType:           "header typ",
	authtest.DPoPProof:           "header typ",
	authtest.LogoutToken:         "header typ",
	authtest.ClaimsArray:         "claims",
	authtest.DuplicateClaim:      "claims have 9 members for 8 names",
	authtest.NestedDuplicate:     "claim act",
	authtest.NotUTF8:             "claim name",
	authtest.TrailingData:        "claims",
	authtest.DeeplyNested:        "claim x",
	authtest.NoIssuer:            "claim iss",
	authtest.IssuerNotString:     "claim iss",
	authtest.WrongIssuer:         "claim iss",
	authtest.IssuerTrailingSlash: "claim iss",
	authtest.NoAudience:          "claim aud",
	authtest.EmptyAudience:       "claim aud",
	authtest.AudienceNotString:   "claim aud",
	authtest.WrongAudience:       "claim aud",
	authtest.AudiencePrefix:      "claim aud",
	authtest.SubjectNotString:    "claim sub",
	authtest.NoExpiry:            "claim exp",
	authtest.ZeroExpiry:          "claim exp",
	authtest.ExpiryNotNumber:     "claim exp",
	authtest.ExpiryTooLarge:      "claim exp",
	authtest.Expired:             "claim exp, claim iat",
	authtest.CaseVariantExpiry:   "claim EXP, claim exp, claim iat",
	authtest.NoKid:               "header alg, header kid, signature",
	authtest.EmptyKid:            "header kid",
	authtest.UnknownKid:          "claim iat, header kid, signature",
	authtest.WrongAlgorithm:      "header alg, signature",
	authtest.WrongKey:            "signature",
	authtest.BadSignature:        "signature",
	authtest.Truncated:           "signature",
	authtest.TamperedClaims:      "claim scope, signature",
	authtest.NotYetValid:         "claim nbf",
	authtest.NotBeforeNotNumber:  "claim nbf",
	authtest.IssuedInFuture:      "claim iat",
	authtest.TooOld:              "claim iat",
	authtest.LongLived:           "claim exp",
	authtest.NoSubject:           "claim sub",
	authtest.EmptySubject:        "claim sub",
	authtest.NoClientID:          "claim client_id",
	authtest.NoTokenID:           "claim jti",
	authtest.NoIssuedAt:          "claim iat",
	authtest.WrongFixedClaim:     "claim client_id",
	authtest.ScopeArray:          "claim scope",
	authtest.ScopeNotScope:       "claim scope",
	authtest.IDToken:             "claim auth_time, claim nonce, header typ",
	authtest.ClaimsRefused:       "claim suspended",
	authtest.SenderConstrained:   "claim cnf",
	authtest.UnknownBinding:      "claim cnf",
	authtest.EmptyBinding:        "claim cnf",
	authtest.NullBinding:         "claim cnf",
}

func TestADefectIsTheOnlyThingWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		keys, err := issuer.Keys().Keys(t.Context(), issuer.KeyID())
		if err != nil {
			t.Fatal(err)
		}
		same := authtest.Claims{"jti": "the same"} // changes are made in turn, so a defect of jti wins
		good := take(issuer.Token("read:orders", same))
		if got := good.differences(good, keys[0].Public); got != "" {
			t.Fatalf("a good token: %s", got)
		}
		for _, d := range authtest.Defects() {
			if d == authtest.DERSignature {
				continue // of ECDSA, whose signatures differ each time
			}
			bad := take(issuer.Token("read:orders", same, d))
			if got := bad.differences(good, keys[0].Public); got != whatDiffers[d] {
				t.Errorf("%s: %s, want %s", d, got, whatDiffers[d])
			}
		}
	})
}

// taken is a token taken apart, by the standard library and without any of a Verifier's strictness.
type taken struct {
	text  string
	parts []string
}

func take(text string) taken { return taken{text, strings.Split(text, ".")} }

// differences lists what t has that good has not, and the other way round.
func (t taken) differences(good taken, key crypto.PublicKey) string {
	if len(t.parts) != 3 || t.text == ".." {
		return "form"
	}
	var out []string
	for i, name := range []string{"header", "claims", "signature"} {
		decoded, err := base64.RawURLEncoding.Strict().DecodeString(t.parts[i])
		if err != nil {
			return "encoding of " + name
		}
		if name == "signature" {
			break
		}
		goodJSON, _ := base64.RawURLEncoding.DecodeString(good.parts[i])
		out = append(out, memberDifferences(name, decoded, goodJSON)...)
	}
	signature, _ := base64.RawURLEncoding.DecodeString(t.parts[2])
	sum := sha256.Sum256([]byte(t.parts[0] + "." + t.parts[1]))
	if rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), crypto.SHA256, sum[:], signature) != nil {
		out = append(out, "signature")
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func memberDifferences(name string, doc, good []byte) []string {
	var members, goodMembers map[string]any
	if json.Unmarshal(doc, &members) != nil {
		return []string{name}
	}
	if err := json.Unmarshal(good, &goodMembers); err != nil {
		return []string{err.Error()}
	}
	have, one := "has", name
	if name == "claims" {
		have, one = "have", "claim"
	}
	var out []string
	if n := countMembers(doc); n != len(members) {
		out = append(out, fmt.Sprintf("%s %s %d members for %d names", name, have, n, len(members)))
	}
	for _, m := range slices.Sorted(maps.Keys(union(members, goodMembers))) {
		a, inA := members[m]
		b, inB := goodMembers[m]
		if inA != inB || !reflect.DeepEqual(a, b) {
			out = append(out, one+" "+m)
		}
	}
	return out
}

func union(a, b map[string]any) map[string]any {
	u := maps.Clone(a)
	maps.Copy(u, b)
	return u
}

// countMembers counts the members of an object, the same name twice included.
func countMembers(doc []byte) int {
	dec := json.NewDecoder(strings.NewReader(string(doc)))
	n := 0
	for _, _ = dec.Token(); dec.More(); n++ {
		var value any
		_, _ = dec.Token()
		_ = dec.Decode(&value)
	}
	return n
}
