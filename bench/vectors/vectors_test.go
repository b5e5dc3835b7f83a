// Package vectors runs test vectors that nobody here wrote through the code that verifies access
// tokens: Wycheproof's, those of RFC 7515, RFC 7520 and RFC 8037. Where our result is another than
// the vector's, the README of this folder says why; the test compares.
package vectors

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/jwks"
)

// A vector is one case of any source.
type vector struct {
	source, group string
	id            int
	comment       string
	flags         []string
	result        string // valid, invalid or acceptable
	refusal       error  // ours; nil is valid
}

func (v vector) agrees() bool { return (v.refusal == nil) == (v.result == "valid") }

// wycheproofGroup is what this package reads of a group of any of the files.
type wycheproofGroup struct {
	Comment         string
	Public, Private json.RawMessage
	PublicKeyJwk    json.RawMessage
	KeyJwk          json.RawMessage
	PublicKey       struct{ Curve, Wx, Wy, Pk, Modulus, PublicExponent string }
	Tests           []struct {
		TcID    int
		Comment string
		Flags   []string
		Result  string
		Jws     json.RawMessage
		Jwe     json.RawMessage
		Msg     string
		Sig     string
	}
}

func readGroups(t *testing.T, file string) []wycheproofGroup {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		NumberOfTests int
		TestGroups    []wycheproofGroup
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	n := 0
	for _, g := range doc.TestGroups {
		n += len(g.Tests)
	}
	if n != doc.NumberOfTests || n == 0 {
		t.Fatalf("%s: %d tests, and it says %d", file, n, doc.NumberOfTests)
	}
	return doc.TestGroups
}

// keySet is the document that an issuer would publish of a key or a set: the public members, or
// what there is when the key is a secret.
func keySet(t *testing.T, keys ...json.RawMessage) []byte {
	t.Helper()
	for _, k := range keys {
		if len(k) == 0 {
			continue
		}
		var set struct{ Keys []json.RawMessage }
		if err := json.Unmarshal(k, &set); err == nil && set.Keys != nil {
			return k
		}
		doc, err := json.Marshal(map[string]any{"keys": []json.RawMessage{k}})
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	t.Fatal("a group without a key")
	return nil
}

// The files of whole JWSs, and how many cases each must have: rows J-40 and J-42.
var jwsFiles = map[string]int{"json_web_signature_test.json": 401, "json_web_key_test.json": 26, "json_web_crypto_test.json": 83}

func jwsVectors(t *testing.T, file string) (all []vector) {
	for _, g := range readGroups(t, file) {
		keys, keyErr := jwks.Parse(keySet(t, g.Public, g.Private))
		for _, c := range g.Tests {
			v := vector{source: file, group: g.Comment, id: c.TcID, comment: c.Comment, flags: c.Flags, result: c.Result, refusal: keyErr}
			var raw string
			if err := json.Unmarshal(c.Jws, &raw); err != nil {
				raw = string(c.Jws) // a JSON serialization, or a JWE
				if len(c.Jws) == 0 {
					_ = json.Unmarshal(c.Jwe, &raw)
				}
			}
			if keyErr == nil {
				v.refusal = verifyJWS(t, keys, raw)
			}
			all = append(all, v)
		}
	}
	return all
}

// The files of bare signatures, by algorithm.
var signatureFiles = map[string][]string{
	"ES256": {"ecdsa_secp256r1_sha256_p1363_test.json"}, "ES384": {"ecdsa_secp384r1_sha384_p1363_test.json"}, "ES512": {"ecdsa_secp521r1_sha512_p1363_test.json"},
	"EdDSA": {"ed25519_test.json"},
	"RS256": {"rsa_signature_2048_sha256_test.json", "rsa_signature_3072_sha256_test.json", "rsa_signature_4096_sha256_test.json", "rsa_signature_8192_sha256_test.json"},
	"RS384": {"rsa_signature_2048_sha384_test.json", "rsa_signature_3072_sha384_test.json", "rsa_signature_4096_sha384_test.json", "rsa_signature_8192_sha384_test.json"},
	"RS512": {"rsa_signature_2048_sha512_test.json", "rsa_signature_3072_sha512_test.json", "rsa_signature_4096_sha512_test.json", "rsa_signature_8192_sha512_test.json"},
	"PS256": {"rsa_pss_2048_sha256_mgf1_32_test.json", "rsa_pss_3072_sha256_mgf1_32_test.json", "rsa_pss_4096_sha256_mgf1_32_test.json"},
	"PS384": {"rsa_pss_2048_sha384_mgf1_48_test.json", "rsa_pss_4096_sha384_mgf1_48_test.json"},
	"PS512": {"rsa_pss_4096_sha512_mgf1_64_test.json"},
}

// publicJWK is the group's public key as an issuer publishes it, bound to alg.
func publicJWK(t *testing.T, alg string, g wycheproofGroup) []byte {
	t.Helper()
	b64 := func(s string, n int) string {
		if len(s)%2 == 1 {
			s = "0" + s
		}
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		for len(b) > n && b[0] == 0 {
			b = b[1:]
		}
		for len(b) < n {
			b = append([]byte{0}, b...)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	k := map[string]string{"kid": "k", "alg": alg}
	switch alg[:2] {
	case "ES":
		size := map[string]int{"ES256": 32, "ES384": 48, "ES512": 66}[alg]
		k["kty"], k["crv"] = "EC", map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[alg]
		k["x"], k["y"] = b64(g.PublicKey.Wx, size), b64(g.PublicKey.Wy, size)
	case "Ed":
		k["kty"], k["crv"], k["x"] = "OKP", "Ed25519", b64(g.PublicKey.Pk, 32)
	default:
		k["kty"], k["n"], k["e"] = "RSA", b64(g.PublicKey.Modulus, 1), b64(g.PublicKey.PublicExponent, 1)
	}
	doc, err := json.Marshal(map[string]any{"keys": []any{k}})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// The refusals of a verifier, by their names.
var (
	errMalformed = errors.New("TOKEN_MALFORMED")
	errAlgorithm = errors.New("ALGORITHM_NOT_ALLOWED")
	errExtension = errors.New("EXTENSION_NOT_SUPPORTED")
	errKey       = errors.New("KEY_UNKNOWN")
	errSignature = errors.New("SIGNATURE_INVALID")
)

// verifyJWS does what a verifier does up to the signature, whatever the type: the vectors are JWSs,
// and no access tokens.
func verifyJWS(t *testing.T, keys jwks.Static, raw string) error {
	parts, err := jose.Split(raw)
	if err != nil {
		return errMalformed
	}
	var decoded [3][]byte
	for i, part := range []string{parts.Header, parts.Payload, parts.Signature} {
		if decoded[i], err = jose.DecodeBase64(nil, part); err != nil {
			return errMalformed
		}
	}
	h, err := new(jose.Reader).Header(decoded[0])
	switch {
	case err != nil:
		return errMalformed
	case h.Algorithm == 0:
		return errAlgorithm
	case h.Extension != "":
		return errExtension
	}
	named, err := keys.Keys(t.Context(), h.KeyID)
	if err != nil || h.HasKeyID && h.KeyID == "" {
		return errKey
	}
	verified := errKey
	for _, k := range named {
		if boundTo(k) == h.Algorithm {
			if verifySignature(t, h.Algorithm, k, []byte(parts.Input), decoded[2]) {
				return nil
			}
			verified = errSignature
		}
	}
	return verified
}

// boundTo returns the one algorithm of k: RS256, when an RSA key names none.
func boundTo(k *jwks.Key) jose.Algorithm {
	if k.Algorithm == "" {
		return jose.RS256
	}
	return jose.AlgorithmNamed(k.Algorithm)
}

func verifySignature(t *testing.T, a jose.Algorithm, k *jwks.Key, input, signature []byte) bool {
	signatures, err := jose.NewSignatures(a)
	if err != nil {
		t.Fatal(err)
	}
	return signatures.Verify(a, k.Public, input, signature)
}

func signatureVectors(t *testing.T, alg, file string) (all []vector) {
	for _, g := range readGroups(t, file) {
		keys, keyErr := jwks.Parse(publicJWK(t, alg, g))
		for _, c := range g.Tests {
			v := vector{source: file, group: alg, id: c.TcID, comment: c.Comment, flags: c.Flags, result: c.Result, refusal: keyErr}
			msg, err := hex.DecodeString(c.Msg)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := hex.DecodeString(c.Sig)
			if err != nil {
				t.Fatal(err)
			}
			if keyErr == nil && !verifySignature(t, jose.AlgorithmNamed(alg), keys[0], msg, sig) {
				v.refusal = errSignature
			}
			all = append(all, v)
		}
	}
	return all
}

// reasons say, for disagreements, which rule makes our result: the first whose patterns match.
var reasons = []struct {
	source, about *regexp.Regexp // of the file, and of "group: comment [flags]"
	why           string
}{
	{regexp.MustCompile(`json_web`), regexp.MustCompile(`^(hs256|jws_aes|jwe_aes|HS\d+|base64|jws_keyset): |Figure35`), "the key is a secret, which a published key set never yields (J-16)"},
	{regexp.MustCompile(`json_web_crypto`), regexp.MustCompile(`^jwe_`), "encrypted tokens are not offered (AT-30, J-31)"},
	{regexp.MustCompile(`json_web_signature`), regexp.MustCompile(`emptyPayload`), "an empty payload holds no claims (J-28)"},
	{regexp.MustCompile(`json_web_signature`), regexp.MustCompile(`Figure20`), "the vector's key says PS256, its token PS384: a key has one algorithm (J-05)"},
	{regexp.MustCompile(`json_web_signature`), regexp.MustCompile(`Figure27`), "the vector's key says ES521, which is no algorithm (J-05); TestJ41 runs the figure with the RFC's own key"},
	{regexp.MustCompile(`rsa_signature`), regexp.MustCompile(`MissingNull`), "the DigestInfo lacks its NULL: one encoding is accepted (RFC 8017 §9.2)"},
}

func (v vector) describe() string {
	return fmt.Sprintf("%s: %s %v", v.group, v.comment, v.flags)
}

func (v vector) ours() string {
	if v.refusal == nil {
		return "accepted"
	}
	return "refused: " + strings.TrimPrefix(v.refusal.Error(), "jwks: ")
}

// check compares the vectors with what they should be, and returns the lines of the table for those
// that disagree.
func check(t *testing.T, all []vector) (table []string) {
	for _, v := range all {
		if v.result == "invalid" && v.refusal == nil {
			t.Errorf("%s %d (%s): an invalid vector is accepted", v.source, v.id, v.describe())
		}
		if v.agrees() {
			continue
		}
		why := ""
		for _, r := range reasons {
			if r.source.MatchString(v.source) && r.about.MatchString(v.describe()) {
				why = r.why
				break
			}
		}
		if why == "" {
			t.Errorf("%s %d (%s): the vector is %s, ours is %s, and nothing says why", v.source, v.id, v.describe(), v.result, v.ours())
		}
		table = append(table, fmt.Sprintf("| %s | %d | %s: %s | %s | %s | %s |\n", strings.TrimSuffix(v.source, "_test.json"), v.id, v.group, v.comment, v.result, v.ours(), why))
	}
	return table
}

// TestJ40_Wycheproof runs them all, and compares the README's tables with what came out. UPDATE=1
// writes them.
func TestJ40_Wycheproof(t *testing.T) {
	var table []string
	var counts strings.Builder
	add := func(name string, all []vector) {
		lines := check(t, all)
		table = append(table, lines...)
		n := map[string]int{}
		for _, v := range all {
			n[v.result]++
		}
		fmt.Fprintf(&counts, "| %s | %d | %d | %d | %d |\n", name, n["valid"], n["invalid"], n["acceptable"], len(lines))
	}
	for _, file := range slices.Sorted(maps.Keys(jwsFiles)) {
		all := jwsVectors(t, file)
		if len(all) != jwsFiles[file] {
			t.Errorf("%s has %d vectors, and row J-40 says %d", file, len(all), jwsFiles[file])
		}
		add(file, all)
	}
	for _, alg := range slices.Sorted(maps.Keys(signatureFiles)) {
		for _, file := range signatureFiles[alg] {
			add(file, signatureVectors(t, alg, file))
		}
	}
	text := "\n| file | valid | invalid | acceptable | disagreements |\n|---|---|---|---|---|\n" + counts.String() +
		"\n| file | vector | what it is | the vector says | ours | why |\n|---|---|---|---|---|---|\n" + strings.Join(table, "")
	compare(t, "wycheproof", text)
}

// TestJ41_RFC runs the examples of RFC 7515 appendix A, RFC 7520 section 4 and RFC 8037 appendix
// A.4.
func TestJ41_RFC(t *testing.T) {
	text, err := os.ReadFile("testdata/rfc.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples []struct {
		Name, Alg, Jws, Why string
		Key                 map[string]string
		Valid               bool
	}
	if err := json.Unmarshal(text, &examples); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("\n| example | algorithm | ours | why |\n|---|---|---|---|\n")
	for _, e := range examples {
		if e.Key["kty"] != "oct" {
			e.Key["alg"] = e.Alg
			if e.Alg == "none" {
				e.Key["alg"] = "RS256"
			}
		}
		doc, err := json.Marshal(map[string]any{"keys": []any{e.Key}})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := jwks.Parse(doc)
		if err == nil {
			err = verifyJWS(t, keys, e.Jws)
		}
		if (err == nil) != e.Valid {
			t.Errorf("%s: %v", e.Name, err)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", e.Name, e.Alg, vector{refusal: err}.ours(), e.Why)
	}
	compare(t, "rfc", table.String())
}

// compare compares the part of the README between two marks with text.
func compare(t *testing.T, mark, text string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+mark+" -->\n", "<!-- end of "+mark+" -->\n"
	before, rest, ok1 := strings.Cut(string(readme), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("README.md has no part between %q and %q", begin, end)
	}
	if old == text {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Errorf("README.md is not what the vectors say; UPDATE=1 go test ./vectors")
		return
	}
	if err := os.WriteFile("README.md", []byte(before+begin+text+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
