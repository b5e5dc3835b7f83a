package jwks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
)

var b64 = base64.RawURLEncoding.EncodeToString

// rsaJWK returns a public RSA key whose modulus has so many bits. It verifies nothing: its modulus
// is no product of two primes.
func rsaJWK(kid string, bits uint) map[string]any {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	n.Add(n, big.NewInt(int64(len(kid))*2+1))
	return map[string]any{"kty": "RSA", "kid": kid, "n": b64(n.Bytes()), "e": "AQAB"}
}

func ecJWK(t testing.TB, kid string, curve elliptic.Curve) map[string]any {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	half := len(point) / 2
	return map[string]any{
		"kty": "EC", "kid": kid, "crv": curve.Params().Name, "x": b64(point[1 : 1+half]), "y": b64(point[1+half:]),
	}
}

// with returns a copy of jwk with members changed; nil removes one.
func with(jwk map[string]any, changes map[string]any) map[string]any {
	c := maps.Clone(jwk)
	for name, value := range changes {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

// A policy is what becomes of one published key next to a good one: the algorithm that it is bound
// to, or why it is not used.
type policy struct {
	key  any
	want string
}

func checkPolicy(t *testing.T, cases map[string]policy) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			doc := []byte(set(c.key, edJWK("good", 0)))
			keys, err := jwks.Parse(doc)
			if err != nil {
				t.Fatal(err)
			}
			skips, err := jwks.Skipped(doc)
			if err != nil {
				t.Fatal(err)
			}
			if last := keys[len(keys)-1]; last.ID != "good" {
				t.Error("the good key next to it is lost")
			}
			got := ""
			switch {
			case len(keys) == 2 && len(skips) == 0:
				got = "used as " + keys[0].Algorithm
			case len(keys) == 1 && len(skips) == 1 && skips[0].Index == 0:
				got = "skipped for " + string(skips[0].Reason)
			default:
				got = fmt.Sprintf("%d keys and skips %v", len(keys), skips)
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestJ05_J10_KeysAreBoundToOneAlgorithm(t *testing.T) {
	p256, p384, p521 := ecJWK(t, "k", elliptic.P256()), ecJWK(t, "k", elliptic.P384()), ecJWK(t, "k", elliptic.P521())
	rsa2048, ed := rsaJWK("k", 2048), edJWK("k", 0)
	cases := map[string]policy{
		"P-256 without alg":         {p256, "used as ES256"},
		"P-384 without alg":         {p384, "used as ES384"},
		"P-521 without alg":         {p521, "used as ES512"},
		"P-256 for ES256":           {with(p256, map[string]any{"alg": "ES256"}), "used as ES256"},
		"P-256 for ES384":           {with(p256, map[string]any{"alg": "ES384"}), "skipped for alg"},
		"P-384 for ES256":           {with(p384, map[string]any{"alg": "ES256"}), "skipped for alg"},
		"P-256 for ES256K":          {with(p256, map[string]any{"alg": "ES256K"}), "skipped for alg"},
		"P-256 for key agreement":   {with(p256, map[string]any{"alg": "ECDH-ES"}), "skipped for alg"},
		"P-256 for RS256":           {with(p256, map[string]any{"alg": "RS256"}), "skipped for alg"},
		"secp256k1":                 {with(p256, map[string]any{"crv": "secp256k1"}), "skipped for crv"},
		"P-256 without a curve":     {with(p256, map[string]any{"crv": nil}), "skipped for crv"},
		"Ed25519 without alg":       {with(ed, map[string]any{"alg": nil}), "used as EdDSA"},
		"Ed25519 for EdDSA":         {ed, "used as EdDSA"},
		"Ed25519 for Ed25519":       {with(ed, map[string]any{"alg": "Ed25519"}), "used as EdDSA"},
		"Ed25519 for Ed448":         {with(ed, map[string]any{"alg": "Ed448"}), "skipped for alg"},
		"Ed25519 for ES256":         {with(ed, map[string]any{"alg": "ES256"}), "skipped for alg"},
		"Ed448":                     {with(ed, map[string]any{"crv": "Ed448", "x": b64(make([]byte, 57))}), "skipped for crv"},
		"X25519":                    {with(ed, map[string]any{"crv": "X25519", "alg": nil}), "skipped for crv"},
		"RSA without alg":           {rsa2048, "used as "},
		"RSA for encryption":        {with(rsa2048, map[string]any{"alg": "RSA-OAEP"}), "skipped for alg"},
		"RSA for HS256":             {with(rsa2048, map[string]any{"alg": "HS256"}), "skipped for alg"},
		"RSA for none":              {with(rsa2048, map[string]any{"alg": "none"}), "skipped for alg"},
		"RSA for rs256, lower case": {with(rsa2048, map[string]any{"alg": "rs256"}), "skipped for alg"},
		"RSA for ES256":             {with(rsa2048, map[string]any{"alg": "ES256"}), "skipped for alg"},
		"alg is no string":          {with(rsa2048, map[string]any{"alg": 256}), "skipped for malformed"},
	}
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		cases["RSA for "+alg] = policy{with(rsa2048, map[string]any{"alg": alg}), "used as " + alg}
	}
	checkPolicy(t, cases)
}

func TestJ07_RSAKeyWithoutAlgIsLeftToTheVerifier(t *testing.T) {
	keys, err := jwks.Parse([]byte(set(rsaJWK("k", 2048))))
	if err != nil || keys[0].Algorithm != "" {
		t.Errorf("got %v, %v; want an empty algorithm", keys, err)
	}
}

func TestJ08_KeyForAnotherUseIsSkipped(t *testing.T) {
	ed := edJWK("k", 0)
	checkPolicy(t, map[string]policy{
		"sig":       {ed, "used as EdDSA"},
		"none":      {with(ed, map[string]any{"use": nil}), "used as EdDSA"},
		"enc":       {with(ed, map[string]any{"use": "enc"}), "skipped for use"},
		"empty":     {with(ed, map[string]any{"use": ""}), "used as EdDSA"},
		"a space":   {with(ed, map[string]any{"use": " "}), "skipped for use"},
		"SIG":       {with(ed, map[string]any{"use": "SIG"}), "skipped for use"},
		"no string": {with(ed, map[string]any{"use": true}), "skipped for malformed"},
	})
}

func TestJ09_KeyWithoutTheVerifyOperationIsSkipped(t *testing.T) {
	ed := edJWK("k", 0)
	checkPolicy(t, map[string]policy{
		"verify":          {with(ed, map[string]any{"key_ops": []string{"verify"}}), "used as EdDSA"},
		"sign and verify": {with(ed, map[string]any{"key_ops": []string{"sign", "verify"}}), "used as EdDSA"},
		"encrypt":         {with(ed, map[string]any{"key_ops": []string{"encrypt"}}), "skipped for key_ops"},
		"none":            {with(ed, map[string]any{"key_ops": []string{}}), "used as EdDSA"},
		"an empty one":    {with(ed, map[string]any{"key_ops": []string{""}}), "skipped for key_ops"},
		"no array":        {with(ed, map[string]any{"key_ops": "verify"}), "skipped for malformed"},
		"no strings":      {with(ed, map[string]any{"key_ops": []any{"verify", 1}}), "skipped for malformed"},
	})
}

func TestJ11_KeyThatIsNoPointIsSkipped(t *testing.T) {
	p256, ed := ecJWK(t, "k", elliptic.P256()), edJWK("k", 0)
	other := ecJWK(t, "k", elliptic.P256())
	checkPolicy(t, map[string]policy{
		"off the curve":       {with(p256, map[string]any{"y": other["y"]}), "skipped for point"},
		"origin":              {with(p256, map[string]any{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}), "skipped for point"},
		"beyond the field":    {with(p256, map[string]any{"x": b64([]byte(strings.Repeat("\xff", 32)))}), "skipped for point"},
		"short coordinate":    {with(p256, map[string]any{"x": b64(make([]byte, 31))}), "skipped for point"},
		"a byte before x":     {with(p256, map[string]any{"x": b64(append([]byte{1}, decode(t, p256["x"])...))}), "skipped for point"},
		"a byte behind x":     {with(p256, map[string]any{"x": b64(append(decode(t, p256["x"]), 0))}), "skipped for point"},
		"without y":           {with(p256, map[string]any{"y": nil}), "skipped for malformed"},
		"Ed25519 of 31 bytes": {with(ed, map[string]any{"x": b64(make([]byte, 31))}), "skipped for ed25519_len"},
		"Ed25519 of 33 bytes": {with(ed, map[string]any{"x": b64(make([]byte, 33))}), "skipped for ed25519_len"},
		"Ed25519 of 64 bytes": {with(ed, map[string]any{"x": b64(make([]byte, 64))}), "skipped for ed25519_len"},
		"Ed25519 without x":   {with(ed, map[string]any{"x": nil}), "skipped for malformed"},
	})
}

func decode(t *testing.T, s any) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s.(string))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestJ14_RSASizeIsBounded(t *testing.T) {
	even := new(big.Int).Lsh(big.NewInt(1), 2047)
	checkPolicy(t, map[string]policy{
		"1024 bits":         {rsaJWK("k", 1024), "skipped for rsa_size"},
		"2047 bits":         {rsaJWK("k", 2047), "skipped for rsa_size"},
		"2048 bits":         {rsaJWK("k", 2048), "used as "},
		"8192 bits":         {rsaJWK("k", 8192), "used as "},
		"8193 bits":         {rsaJWK("k", 8193), "skipped for rsa_size"},
		"zeros before 1024": {with(rsaJWK("k", 1024), map[string]any{"n": b64(append(make([]byte, 128), decode(t, rsaJWK("k", 1024)["n"])...))}), "skipped for rsa_size"},
		"even":              {with(rsaJWK("k", 2048), map[string]any{"n": b64(even.Bytes())}), "skipped for malformed"},
		"without n":         {with(rsaJWK("k", 2048), map[string]any{"n": nil}), "skipped for malformed"},
	})
}

// A modulus that is a power of 65537 modulo many small primes is one of the Infineon library's
// (CVE-2017-15361).
func TestJ40_KeysThatCanBeFactored(t *testing.T) {
	mark := new(big.Int).Exp(big.NewInt(65537), big.NewInt(129), nil)
	near := new(big.Int).Add(mark, big.NewInt(2*167)) // the same modulo 167 alone
	checkPolicy(t, map[string]policy{
		"marked":      {with(rsaJWK("k", 2048), map[string]any{"n": b64(mark.Bytes())}), "skipped for rsa_weak"},
		"near a mark": {with(rsaJWK("k", 2048), map[string]any{"n": b64(near.Bytes())}), "used as "},
	})
}

func TestJ15_RSAExponentIsSane(t *testing.T) {
	exponent := func(e int64) any { return with(rsaJWK("k", 2048), map[string]any{"e": b64(big.NewInt(e).Bytes())}) }
	checkPolicy(t, map[string]policy{
		"1":                {exponent(1), "skipped for rsa_exp"},
		"2":                {exponent(2), "skipped for rsa_exp"},
		"3":                {exponent(3), "used as "},
		"65536":            {exponent(65536), "skipped for rsa_exp"},
		"65537":            {exponent(65537), "used as "},
		"2^31-1":           {exponent(1<<31 - 1), "used as "},
		"2^31+1":           {exponent(1<<31 + 1), "skipped for rsa_exp"},
		"2^32+1":           {exponent(1<<32 + 1), "skipped for rsa_exp"},
		"2^64+65537":       {with(rsaJWK("k", 2048), map[string]any{"e": "AQAAAAAAAQAB"}), "skipped for rsa_exp"},
		"0":                {with(rsaJWK("k", 2048), map[string]any{"e": "AA"}), "skipped for rsa_exp"},
		"without e":        {with(rsaJWK("k", 2048), map[string]any{"e": nil}), "skipped for malformed"},
		"zeros before e":   {with(rsaJWK("k", 2048), map[string]any{"e": "AAEAAQ"}), "used as "},
		"e is no string":   {with(rsaJWK("k", 2048), map[string]any{"e": 65537}), "skipped for malformed"},
		"padded base64":    {with(rsaJWK("k", 2048), map[string]any{"e": "AQAB===="}), "skipped for malformed"},
		"two alphabets":    {with(rsaJWK("k", 2048), map[string]any{"e": "-///"}), "skipped for malformed"},
		"newline inside e": {with(rsaJWK("k", 2048), map[string]any{"e": "AQ\nAB"}), "skipped for malformed"},
	})
}

func TestJ16_SecretsAreNeverTaken(t *testing.T) {
	checkPolicy(t, map[string]policy{
		"oct":             {map[string]any{"kty": "oct", "kid": "k", "k": b64(make([]byte, 32))}, "skipped for symmetric"},
		"oct for HS256":   {map[string]any{"kty": "oct", "kid": "k", "k": b64(make([]byte, 32)), "alg": "HS256"}, "skipped for symmetric"},
		"oct, upper case": {map[string]any{"kty": "OCT", "kid": "k", "k": b64(make([]byte, 32))}, "skipped for kty"},
	})
}

func TestJ20_J21_KeyIDIsABoundedString(t *testing.T) {
	ed := edJWK("k", 0)
	checkPolicy(t, map[string]policy{
		"256 bytes":    {with(ed, map[string]any{"kid": strings.Repeat("k", 256)}), "used as EdDSA"},
		"257 bytes":    {with(ed, map[string]any{"kid": strings.Repeat("k", 257)}), "skipped for kid"},
		"a number":     {with(ed, map[string]any{"kid": 1}), "skipped for kid"},
		"null":         {map[string]any{"kty": "OKP", "crv": "Ed25519", "x": ed["x"], "kid": nil}, "used as EdDSA"},
		"empty":        {with(ed, map[string]any{"kid": ""}), "used as EdDSA"},
		"without":      {with(ed, map[string]any{"kid": nil}), "used as EdDSA"},
		"path-like":    {with(ed, map[string]any{"kid": "../../etc/passwd"}), "used as EdDSA"},
		"control byte": {with(ed, map[string]any{"kid": "a\r\nb"}), "used as EdDSA"},
	})
}

func TestJ23_AtMostThreeKeysShareAnID(t *testing.T) {
	var all []any
	for v := range byte(5) {
		all = append(all, edJWK("k", v))
	}
	all = append(all, edJWK("k", 0), edJWK("other", 0)) // the first again
	doc := []byte(set(all...))
	keys, err := jwks.Parse(doc)
	if err != nil || ids(keys) != "k k k other" {
		t.Errorf("got %q, %v; want three candidates and the other", ids(keys), err)
	}
	skips, _ := jwks.Skipped(doc)
	if len(skips) != 3 || skips[0] != (jwks.Skip{Index: 3, KeyID: "k", Reason: jwks.SkipDuplicate}) {
		t.Errorf("skipped %v, want three as duplicate", skips)
	}
	found, err := keys.Keys(t.Context(), "k")
	if err != nil || len(found) != 3 {
		t.Errorf("%d candidates, %v; want 3", len(found), err)
	}
}

func TestJ37_PrivatePartsAreDroppedAndReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		leaked := map[string]any{
			"kty": "RSA", "kid": "leaked", "alg": "RS256", "n": b64(private.N.Bytes()), "e": "AQAB",
			"d": b64(private.D.Bytes()), "p": b64(private.Primes[0].Bytes()), "q": b64(private.Primes[1].Bytes()),
		}
		i := newIssuer()
		i.answer(body(set(leaked, edJWK("good", 0), map[string]any{"kty": "oct", "kid": "secret", "k": "AAAA"})))
		events := make(chan jwks.RefreshEvent, 1)
		c := warm(t, i, func(o *jwks.Options) { o.OnRefresh = func(e jwks.RefreshEvent) { events <- e } })
		e := <-events
		if got := fmt.Sprint(e.Exposed); got != "[leaked secret]" || fmt.Sprint(c.Status().Exposed) != got {
			t.Errorf("exposed: event %v, status %v; want leaked and secret", e.Exposed, c.Status().Exposed)
		}
		if !strings.Contains(e.LogValue().String(), "exposed=[leaked secret]") {
			t.Errorf("logged as %s", e.LogValue())
		}
		keys, err := c.Keys(t.Context(), "leaked")
		if err != nil {
			t.Fatal(err)
		}
		if public, ok := keys[0].Public.(*rsa.PublicKey); !ok || !public.Equal(&private.PublicKey) {
			t.Errorf("got a %T, want the public part", keys[0].Public)
		}
	})
}

func TestK19_OneBadKeyDoesNotCostTheOthers(t *testing.T) {
	ed := edJWK("k", 0)
	checkPolicy(t, map[string]policy{
		"post-quantum":              {map[string]any{"kty": "AKP", "alg": "ML-DSA-44", "kid": "k", "pub": "AAAA"}, "skipped for kty"},
		"no kty":                    {map[string]any{"kid": "k"}, "skipped for malformed"},
		"kty is no string":          {map[string]any{"kty": 1, "kid": "k"}, "skipped for malformed"},
		"string":                    {"key", "skipped for malformed"},
		"null":                      {nil, "skipped for malformed"},
		"array":                     {[]any{ed}, "skipped for malformed"},
		"empty object":              {map[string]any{}, "skipped for malformed"},
		"a member twice":            {raw(`{"kty":"OKP","crv":"Ed25519","x":"` + ed["x"].(string) + `","kid":"a","kid":"b"}`), "skipped for malformed"},
		"use twice":                 {raw(`{"kty":"OKP","crv":"Ed25519","x":"` + ed["x"].(string) + `","use":"sig","use":"enc"}`), "skipped for malformed"},
		"names without case":        {raw(`{"KTY":"OKP","crv":"Ed25519","x":"` + ed["x"].(string) + `"}`), "skipped for malformed"},
		"x5c that is none":          {with(ed, map[string]any{"x5c": []int{1}, "x5u": 5, "x5t": "!"}), "used as EdDSA"},
		"members of tomorrow":       {with(ed, map[string]any{"exp": 1, "iat": "x", "ext": map[string]any{"a": []int{1}}}), "used as EdDSA"},
		"Auth0, with certificate":   {with(rsaJWK("k", 2048), map[string]any{"use": "sig", "alg": "RS256", "x5t": "k", "x5c": []string{"MIIC"}}), "used as RS256"},
		"Entra, without alg":        {with(rsaJWK("k", 2048), map[string]any{"use": "sig", "x5t": "k", "x5c": []string{"MIIC"}, "issuer": "https://login.example/{tenantid}/v2.0"}), "used as "},
		"Keycloak's encryption key": {with(rsaJWK("k", 2048), map[string]any{"use": "enc", "alg": "RSA-OAEP"}), "skipped for use"},
	})
}

func TestParseRefusesWhatIsNoKeySet(t *testing.T) {
	for name, doc := range map[string]string{
		"nothing":       "",
		"a single key":  `{"kty":"OKP"}`,
		"no usable key": `{"keys":[{"kty":"AKP"}]}`,
		"over-long":     keySet("a") + strings.Repeat(" ", 512<<10),
	} {
		if keys, err := jwks.Parse([]byte(doc)); err == nil || !strings.HasPrefix(err.Error(), "jwks: parse: ") {
			t.Errorf("%s: got %v, %v", name, keys, err)
		}
	}
}

// keySetCost bounds what reading a set may cost (row J-42): 64 times its size and what each of at
// most 1,000 keys costs however small it is; and 10 ms for one of 4 KiB. The best of a few attempts
// counts, since the machine does other things too.
func keySetCost(t *testing.T, doc []byte) {
	t.Helper()
	var before, after runtime.MemStats
	var bytes uint64
	var took time.Duration
	for range 5 {
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, _ = jwks.Parse(doc)
		took = time.Since(start)
		runtime.ReadMemStats(&after)
		bytes = after.TotalAlloc - before.TotalAlloc
		if bytes <= uint64(64*len(doc)+1000<<10) && (took <= 10*time.Millisecond || len(doc) > 4<<10) {
			return
		}
	}
	t.Errorf("%d bytes of key set took %v and %d bytes", len(doc), took, bytes)
}

func TestJ42_AKeySetCostsInProportion(t *testing.T) {
	many := func(n int, key func(i int) any) string {
		var all []any
		for i := range n {
			all = append(all, key(i))
		}
		return set(all...)
	}
	for name, doc := range map[string]string{
		"100 keys of Ed25519": many(100, func(i int) any { return edJWK(fmt.Sprint(i), byte(i)) }),
		"RSA of 8192 bits":    many(50, func(i int) any { return rsaJWK(strings.Repeat("k", i+1), 8192) }),
		"100 empty objects":   `{"keys":[` + strings.Repeat(`{},`, 99) + `{}]}`,
		"100 numbers":         `{"keys":[` + strings.Repeat(`1,`, 99) + `1]}`,
		"100,000 numbers":     `{"keys":[` + strings.Repeat(`1,`, 100_000) + `1]}`,
		"deep":                `{"keys":[` + strings.Repeat(`[`, 200_000),
		"a member again":      `{"keys":[{` + strings.Repeat(`"a":1,`, 50_000) + `"b":1}]}`,
		"many operations":     `{"keys":[{"kty":"RSA","key_ops":[` + strings.Repeat(`"a",`, 50_000) + `"b"]}]}`,
		"a huge modulus":      `{"keys":[{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("_", 400_000) + `"}]}`,
		"a huge coordinate":   `{"keys":[{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("_", 400_000) + `","y":"AA"}]}`,
	} {
		t.Run(name, func(t *testing.T) { keySetCost(t, []byte(doc)) })
	}
}

func FuzzParse(f *testing.F) {
	for _, doc := range []string{
		keySet("a", "b"), `{"keys":[]}`, `{}`, `[]`, "", `{"keys":[null,1,"x",[],{}]}`,
		set(rsaJWK("r", 2048)), set(ecJWK(f, "e", elliptic.P256())), set(ecJWK(f, "e", elliptic.P521())),
		set(map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "AA"}), set(map[string]any{"kty": "oct", "k": "AA"}),
		set(map[string]any{"kty": "RSA", "n": "AA", "e": "AA", "d": "AA"}), set(map[string]any{"kty": "AKP", "pub": "AA"}),
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","key_ops":["verify"]}],"keys":[]}`,
	} {
		f.Add([]byte(doc))
	}
	good, err := jwks.Parse([]byte(keySet("good")))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		keySetCost(t, doc)
		keys, err := jwks.Parse(doc)
		if err == nil && (len(keys) == 0 || len(keys) > 1000) {
			t.Errorf("%d keys and no error", len(keys))
		}
		for _, k := range keys {
			if k.Public == nil || len(k.ID) > 256 {
				t.Errorf("a key that is none: %+v", k)
			}
		}
		// A good key next to it survives, whatever it is, as long as it is JSON at all.
		if !validJSON(doc) {
			return
		}
		keys, err = jwks.Parse([]byte(`{"keys":[` + string(doc) + `,` + strings.TrimSuffix(strings.TrimPrefix(keySet("good"), `{"keys":[`), `]}`) + `]}`))
		if err != nil {
			if len(doc) < 500<<10 {
				t.Fatalf("the good key next to it is lost: %v", err)
			}
			return
		}
		if last := keys[len(keys)-1]; material(last) != material(good[0]) {
			t.Error("the good key next to it is not the last")
		}
	})
}

// T11, T12: what serializers write for a member that a key does not have is as if it were not
// there.
func TestEmptyMembersAreAbsent(t *testing.T) {
	rsaKey, ed := rsaJWK("k", 2048), edJWK("k", 0)
	cases := map[string]policy{
		"Microsoft's":          {with(rsaKey, map[string]any{"key_ops": raw("[]"), "oth": raw("[ ]"), "use": "sig", "x5c": raw("[]")}), "used as "},
		"kty null":             {with(ed, map[string]any{"kty": raw("null")}), "skipped for malformed"},
		"kty empty":            {with(ed, map[string]any{"kty": ""}), "skipped for malformed"},
		"n null":               {with(rsaKey, map[string]any{"n": raw("null")}), "skipped for malformed"},
		"crv null on an EC":    {with(ecJWK(t, "k", elliptic.P256()), map[string]any{"crv": raw("null")}), "skipped for crv"},
		"use of another type":  {with(ed, map[string]any{"use": raw("{}")}), "skipped for malformed"},
		"key_ops of null":      {with(ed, map[string]any{"key_ops": raw("[null]")}), "skipped for malformed"},
		"alg null on Ed25519":  {with(ed, map[string]any{"alg": raw("null")}), "used as EdDSA"},
		"private parts, null":  {with(rsaKey, map[string]any{"d": raw("null"), "p": raw("null"), "q": raw("null"), "dp": raw("null"), "dq": raw("null"), "qi": raw("null")}), "used as "},
		"private parts, empty": {with(rsaKey, map[string]any{"d": "", "k": "", "oth": raw("[]")}), "used as "},
	}
	for _, name := range []string{"kid", "use", "alg", "key_ops", "x5c", "x5t", "crv"} {
		for _, empty := range []string{"null", `""`} {
			cases[name+" is "+empty] = policy{with(rsaKey, map[string]any{name: raw(empty)}), "used as "}
		}
	}
	checkPolicy(t, cases)
	for name, value := range cases {
		if keys, err := jwks.Parse([]byte(set(value.key))); (err == nil) != strings.HasPrefix(value.want, "used") {
			t.Errorf("%s, alone: %v, %v", name, keys, err)
		}
	}
}

// T12: an alarm that anybody can sign tokens is given for a private part alone.
func TestOnlyPrivatePartsRaiseTheAlarm(t *testing.T) {
	for members, want := range map[string]bool{
		`"d":null`: false, `"d":""`: false, `"oth":[]`: false, `"k":null`: false, `"priv":""`: false, `"p":null,"q":null`: false,
		`"d":"AA"`: true, `"oth":[{"r":"AA"}]`: true, `"k":"AA"`: true, `"priv":"AA"`: true, `"d":1`: true, `"d":{}`: true, `"d":"","d":"AA"`: true,
	} {
		bubble(t, func(t *testing.T) {
			errors := 0
			i := newIssuer()
			key, _ := json.Marshal(edJWK("a", 0))
			i.answer(body(`{"keys":[` + string(key[:len(key)-1]) + "," + members + `}]}`))
			c := warm(t, i, func(o *jwks.Options) { o.Logger = countErrors(&errors) })
			synctest.Wait()
			if got := len(c.Status().Exposed) > 0; got != want || (errors > 0) != want {
				t.Errorf("%s: exposed %v, %d lines at level Error, want %v", members, c.Status().Exposed, errors, want)
			}
		})
	}
}

// T19: what has one meaning is taken from an issuer, whatever the spelling.
func TestPublishedKeysAreReadLiberally(t *testing.T) {
	r, ed := rsaJWK("k", 2048), edJWK("k", 0)
	std := func(s any) string { return base64.RawStdEncoding.EncodeToString(decode(t, s)) }
	padded := func(s any) string { return base64.URLEncoding.EncodeToString(decode(t, s)) }
	both := func(s any) string { return base64.StdEncoding.EncodeToString(decode(t, s)) }
	spelled := string([]byte{0xfb, 0xff, 0xbf}) // "-_-_" in base64url, "+/+/" in base64
	n := b64([]byte("\xff" + strings.Repeat(spelled, 85)))
	short := ecWithLeadingZero(t)
	cases := map[string]policy{
		"n in the standard alphabet":       {with(r, map[string]any{"n": std(n)}), "used as "},
		"n in the standard one, padded":    {with(r, map[string]any{"n": both(n)}), "used as "},
		"n padded":                         {with(r, map[string]any{"n": padded(r["n"])}), "used as "},
		"x of Ed25519 padded":              {with(ed, map[string]any{"x": padded(ed["x"])}), "used as EdDSA"},
		"x of Ed25519, standard":           {with(ed, map[string]any{"x": both(ed["x"])}), "used as EdDSA"},
		"e padded":                         {with(r, map[string]any{"e": "AAEAAQ=="}), "used as "},
		"x without leading zeros":          {with(short, map[string]any{"x": b64(decode(t, short["x"])[1:])}), "used as ES256"},
		"x with a sign byte":               {with(short, map[string]any{"x": b64(append([]byte{0}, decode(t, short["x"])...))}), "used as ES256"},
		"x and y padded":                   {with(short, map[string]any{"x": padded(short["x"]), "y": padded(short["y"])}), "used as ES256"},
		"an unrelated member twice":        {raw(`{"x5t":"a","x5t":"b","kty":"OKP","crv":"Ed25519","x":"` + ed["x"].(string) + `"}`), "used as EdDSA"},
		"two alphabets in one":             {with(r, map[string]any{"n": "-/" + std(n)[2:]}), "skipped for malformed"},
		"padding that is too long":         {with(r, map[string]any{"e": "AQAB===="}), "skipped for malformed"},
		"padding that is too short":        {with(r, map[string]any{"e": "AAEAAQ="}), "skipped for malformed"},
		"padding inside":                   {with(r, map[string]any{"e": "AA==AQ=="}), "skipped for malformed"},
		"bits beyond the last byte":        {with(r, map[string]any{"e": "AAEAAR"}), "skipped for malformed"},
		"a line break":                     {with(r, map[string]any{"n": n[:64] + "\n" + n[64:]}), "skipped for malformed"},
		"a space":                          {with(r, map[string]any{"n": n[:64] + " " + n[64:]}), "skipped for malformed"},
		"Ed25519 with a leading zero more": {with(ed, map[string]any{"x": b64(append([]byte{0}, decode(t, ed["x"])...))}), "skipped for ed25519_len"},
	}
	for _, name := range []string{"kid", "kty", "use", "alg", "crv", "key_ops", "x"} {
		twice := with(ed, map[string]any{"key_ops": []string{"verify"}})
		text, err := json.Marshal(twice)
		if err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(map[string]any{name: twice[name]})
		if err != nil {
			t.Fatal(err)
		}
		cases[name+" twice"] = policy{raw(string(text[:len(text)-1]) + "," + string(again[1:])), "skipped for malformed"}
	}
	checkPolicy(t, cases)

	bom := "\xef\xbb\xbf"
	for name, doc := range map[string]string{
		"a byte-order mark":     bom + keySet("a"),
		"a name of ours, twice": `{"issuer":1,"issuer":2,` + keySet("a")[1:],
	} {
		if keys, err := jwks.Parse([]byte(doc)); err != nil || ids(keys) != "a" {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
	for name, doc := range map[string]string{
		"the mark twice":    bom + bom + keySet("a"),
		"the mark inside":   `{"keys":` + bom + `[]}`,
		"keys twice":        `{"keys":[],` + keySet("a")[1:],
		"keys, and by \\u":  `{"\u006beys":[],` + keySet("a")[1:],
		"two documents":     keySet("a") + keySet("a"),
		"trailing brackets": keySet("a") + "}",
	} {
		if keys, err := jwks.Parse([]byte(doc)); err == nil {
			t.Errorf("%s: taken as %v", name, keys)
		}
	}
	bubble(t, func(t *testing.T) { // metadata, too
		doc := bom + `{"claims_supported":[],"claims_supported":["a"],"issuer":"` + pathIssuer + `","scopes_supported":1,"scopes_supported":2,"jwks_uri":"` + keySetURL + `"}`
		c, _ := discover(t, site{appendForm: body(doc), keySetURL: body(bom + keySet("a"))})
		check(t, c, "a", "served")
	})
}

// ecWithLeadingZero makes a P-256 key whose x begins with a zero byte: one in 256 does.
func ecWithLeadingZero(t *testing.T) map[string]any {
	for range 100_000 {
		if k := ecJWK(t, "k", elliptic.P256()); decode(t, k["x"])[0] == 0 {
			return k
		}
	}
	t.Fatal("no such key")
	return nil
}

// T10: one key under one ID, once for each algorithm, as OpenAM publishes it.
func TestJ23_OneKeyForManyAlgorithms(t *testing.T) {
	var all []any
	algorithms := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	for _, alg := range algorithms {
		all = append(all, with(rsaJWK("k", 2048), map[string]any{"alg": alg}))
	}
	for _, alg := range []string{"RSA-OAEP", "RSA-OAEP-256"} { // and for encryption, which is filtered first
		all = append([]any{with(rsaJWK("k", 2048), map[string]any{"alg": alg, "use": "enc"})}, all...)
	}
	keys, err := jwks.Parse([]byte(set(all...)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range keys {
		got = append(got, k.Algorithm)
	}
	if !slices.Equal(got, algorithms) {
		t.Errorf("got keys for %v, want %v", got, algorithms)
	}
}
