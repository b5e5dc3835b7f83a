package main_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// handVerifier trusts a key set that the tests made themselves.
func handVerifier(t *testing.T, config auth.Config, keys jwks.Source) *auth.Verifier {
	t.Helper()
	config.Issuer, config.Audiences = handMade, []string{"https://api.example"}
	v, err := auth.NewVerifier(keys, config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestMatrixJOSE holds the rows of RFC 7515, 7517, 7518 and RFC 8725: keys and tokens made by the
// standard library alone.
func TestMatrixJOSE(t *testing.T) {
	var (
		rs, bare, enc, ops, small = rsaKey(t, 2048), rsaKey(t, 2048), rsaKey(t, 2048), rsaKey(t, 2048), rsaKey(t, 1024)
		p256, p384, twin          = ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), ecKey(t, elliptic.P256())
		ed                        = edKey(t)
		secret                    = []byte("a secret that somebody published")
	)
	off := jwk(t, p256, object{"kid": "off"})
	off["y"] = off["x"]
	exponent := func(kid string, e *big.Int) object {
		return jwk(t, rs, object{"kid": kid, "alg": "RS256", "e": base64.RawURLEncoding.EncodeToString(e.Bytes())})
	}
	private := jwk(t, bare, object{"kid": "private", "d": base64.RawURLEncoding.EncodeToString(bare.D.Bytes())})
	set := keySet(t,
		jwk(t, rs, object{"kid": "rs", "alg": "RS256", "use": "sig"}),
		jwk(t, bare, object{"kid": "bare"}),
		private,
		jwk(t, enc, object{"kid": "enc", "use": "enc"}),
		jwk(t, ops, object{"kid": "ops", "key_ops": []string{"encrypt", "wrapKey"}}),
		jwk(t, small, object{"kid": "small", "alg": "RS256"}),
		jwk(t, p256, object{"kid": "p256", "alg": "ES256"}),
		jwk(t, p384, object{"kid": "p384"}),
		jwk(t, ed, object{"kid": "ed"}),
		jwk(t, ed, object{"kid": "short", "x": "AAAA"}),
		off,
		exponent("e1", big.NewInt(1)), exponent("even", big.NewInt(65536)), exponent("huge", new(big.Int).Lsh(big.NewInt(1), 33)),
		jwk(t, secret, object{"kid": "oct", "alg": "HS256"}),
		jwk(t, rs, object{"kid": "twins", "alg": "RS256"}), jwk(t, twin, object{"kid": "twins"}),
	)
	verifier := handVerifier(t, auth.Config{}, set)
	g := newGroup(t, "jose", verifier)
	head := func(alg, kid string) object { return object{"typ": "at+jwt", "alg": alg, "kid": kid, "note": canary} }
	ask := func(rows, name string, w want, raw string) {
		t.Helper()
		g.ask(question{rows, name, "orders", bearer(raw), nil, w})
	}
	unknown, signedWrong := invalid(auth.ReasonKeyUnknown), invalid(auth.ReasonSignatureInvalid)
	broken := invalid(auth.ReasonTokenMalformed)
	good := claims(nil)

	// Keys, and what each is for.
	ask("J-05 AT-08", "the key's own algorithm", accepted, signed(t, "RS256", rs, head("RS256", "rs"), good))
	ask("J-05", "another algorithm of its family", unknown, signed(t, "RS384", rs, head("RS384", "rs"), good))
	ask("J-05 J-07", "PSS with a PKCS1 key", unknown, signed(t, "PS256", rs, head("PS256", "rs"), good))
	ask("J-07", "a key without alg is bound to the first", accepted, signed(t, "RS256", bare, head("RS256", "bare"), good))
	ask("J-07", "and to no other", unknown, signed(t, "PS256", bare, head("PS256", "bare"), good))
	ask("J-08", "a key for encryption", unknown, signed(t, "RS256", enc, head("RS256", "enc"), good))
	ask("J-09", "a key whose operations leave out verify", unknown, signed(t, "RS256", ops, head("RS256", "ops"), good))
	ask("J-10", "P-256 by its curve", accepted, signed(t, "ES256", p256, head("ES256", "p256"), good))
	ask("J-10", "ES256 with a P-384 key", unknown, signed(t, "ES256", p384, head("ES256", "p384"), good))
	ask("J-10", "ES384 with a P-256 key", unknown, signed(t, "ES384", p256, head("ES384", "p256"), good))
	ask("J-10", "RS256 with a P-256 key", unknown, signed(t, "RS256", rs, head("RS256", "p256"), good))
	ask("J-11 K-19", "a point that is not on the curve", unknown, signed(t, "ES256", p256, head("ES256", "off"), good))
	ask("J-11 K-19", "an Ed25519 key of three bytes", unknown, signed(t, "Ed", ed, head("EdDSA", "short"), good))
	ask("J-11 K-19", "the keys beside them", accepted, signed(t, "Ed", ed, head("EdDSA", "ed"), good))
	ask("J-14", "RSA of 1024 bits", unknown, signed(t, "RS256", small, head("RS256", "small"), good))
	for _, kid := range []string{"e1", "even", "huge"} {
		ask("J-15", "exponent "+kid, unknown, signed(t, "RS256", rs, head("RS256", kid), good))
	}
	ask("J-16 J-03", "a published secret", invalid(auth.ReasonAlgorithmNotAllowed), signed(t, "HS256", secret, head("HS256", "oct"), good))
	ask("J-37", "a key that was published with its private part", accepted, signed(t, "RS256", bare, head("RS256", "private"), good))
	ask("J-23", "two keys of one ID: the first", accepted, signed(t, "RS256", rs, head("RS256", "twins"), good))
	ask("J-23", "two keys of one ID: the second", accepted, signed(t, "ES256", twin, head("ES256", "twins"), good))
	ask("J-38 J-39", "EdDSA", accepted, signed(t, "Ed", ed, head("EdDSA", "ed"), good))
	ask("J-38 J-39", "Ed25519", accepted, signed(t, "Ed", ed, head("Ed25519", "ed"), good))
	ask("J-38", "Ed448", invalid(auth.ReasonAlgorithmNotAllowed), signed(t, "Ed", ed, head("Ed448", "ed"), good))

	// HMAC keyed with what everybody knows of an RSA key.
	der, err := x509.MarshalPKIXPublicKey(rs.Public())
	if err != nil {
		t.Fatal(err)
	}
	asJWK, _ := json.Marshal(jwk(t, rs, nil))
	for form, key := range map[string][]byte{"DER": der, "PKCS1": x509.MarshalPKCS1PublicKey(&rs.PublicKey), "JWK": asJWK,
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "modulus": rs.N.Bytes()} {
		ask("J-04", form, invalid(auth.ReasonAlgorithmNotAllowed), signed(t, "HS256", key, head("HS256", "rs"), good))
	}
	for _, alg := range []any{"none", "None", "NONE", "nOnE", " none", "none ", "", "rs256", "RS256 ", "RS257", "ES256K", "HS512", "dir", "RSA-OAEP"} {
		h := head("RS256", "rs")
		h["alg"] = alg
		ask("J-03 J-02", fmt.Sprintf("alg %q", alg), invalid(auth.ReasonAlgorithmNotAllowed), signed(t, "RS256", rs, h, good))
	}

	// kid
	without := head("RS256", "rs")
	delete(without, "kid")
	ask("J-22", "no kid, and several keys that fit", unknown, signed(t, "RS256", rs, without, good))
	for _, kid := range []any{1, true, []string{"rs"}, object{}, strings.Repeat("k", 257)} {
		h := head("RS256", "rs")
		h["kid"] = kid
		ask("J-20 J-21", fmt.Sprintf("kid %.20v", kid), broken, signed(t, "RS256", rs, h, good))
	}
	for _, kid := range []string{"../../rs", "rs?x=1", "rs' OR '1'='1", "RS", "rs ", "r\x00s", "/etc/passwd", "http://127.0.0.1/"} {
		ask("J-20", "kid "+kid, unknown, signed(t, "RS256", rs, head("RS256", kid), good))
	}

	// Header members that would bring a key or an extension along.
	attacker := rsaKey(t, 2048)
	for name, value := range map[string]any{"jku": "https://attacker.example/jwks", "x5u": "https://attacker.example/x5u", "jwk": jwk(t, attacker, nil),
		"x5c": []string{"MIIB"}, "x5t": "x"} {
		h := head("RS256", "rs")
		h[name] = value
		ask("J-19", name+" beside a good signature", accepted, signed(t, "RS256", rs, h, good))
		ask("J-19", name+" and the attacker's signature", signedWrong, signed(t, "RS256", attacker, h, good))
		h["kid"] = "attacker"
		ask("J-19", name+" and the attacker's kid", unknown, signed(t, "RS256", attacker, h, good))
	}
	for _, crit := range []any{[]string{"exp"}, []string{}, []string{"alg"}, []string{"x"}, "x", nil, 1, []int{1}} {
		h := head("RS256", "rs")
		h["crit"], h["x"] = crit, 1
		ask("J-17", fmt.Sprintf("crit %v", crit), invalid(auth.ReasonExtensionNotSupported), signed(t, "RS256", rs, h, good))
	}
	for _, b64 := range []any{false, true, "false", nil} {
		h := head("RS256", "rs")
		h["b64"] = b64
		ask("J-18", fmt.Sprintf("b64 %v", b64), invalid(auth.ReasonExtensionNotSupported), signed(t, "RS256", rs, h, good))
		h["crit"] = []string{"b64"}
		ask("J-18", fmt.Sprintf("b64 %v, critical", b64), invalid(auth.ReasonExtensionNotSupported), signed(t, "RS256", rs, h, good))
	}
	for _, zip := range []string{"DEF", "none"} {
		h := head("RS256", "rs")
		h["zip"] = zip
		ask("J-33", "zip "+zip, invalid(auth.ReasonExtensionNotSupported), signed(t, "RS256", rs, h, good))
	}

	// The form of an ECDSA signature.
	input := encoded(head("ES256", "p256")) + "." + encoded(good)
	sig := signature(t, "ES256", p256, input)
	n := elliptic.P256().Params().N.FillBytes(make([]byte, 32))
	zero := make([]byte, 32)
	join := func(r, s []byte) string {
		return input + "." + base64.RawURLEncoding.EncodeToString(append(append([]byte{}, r...), s...))
	}
	plus := func(half []byte) []byte { // half + n when that fits 33 bytes; here only r or s >= n matters
		return new(big.Int).Add(new(big.Int).SetBytes(half), elliptic.P256().Params().N).FillBytes(make([]byte, 33))
	}
	ask("J-12 J-13", "as it is", accepted, join(sig[:32], sig[32:]))
	ask("J-12", "63 bytes", signedWrong, join(sig[:32], sig[32:63]))
	ask("J-12", "65 bytes", signedWrong, join(sig[:32], append([]byte{0}, sig[32:]...)))
	ask("J-12", "66 bytes, halves of 33", signedWrong, join(append([]byte{0}, sig[:32]...), append([]byte{0}, sig[32:]...)))
	ask("J-12", "one half", signedWrong, join(sig[:32], nil))
	ask("J-12", "DER", signedWrong, input+"."+base64.RawURLEncoding.EncodeToString(derOf(sig)))
	ask("J-13", "r = 0", signedWrong, join(zero, sig[32:]))
	ask("J-13", "s = 0", signedWrong, join(sig[:32], zero))
	ask("J-13", "r = s = 0", signedWrong, join(zero, zero))
	ask("J-13", "r = n", signedWrong, join(n, sig[32:]))
	ask("J-13", "s = n", signedWrong, join(sig[:32], n))
	ask("J-13", "r + n", signedWrong, join(plus(sig[:32]), sig[32:]))

	// The salt of PSS (RFC 7518 §3.5).
	pssKey := rsaKey(t, 2048)
	salted := newGroup(t, "salt", handVerifier(t, auth.Config{}, keySet(t, jwk(t, pssKey, object{"kid": "pss", "alg": "PS256"}))))
	input = encoded(head("PS256", "pss")) + "." + encoded(good)
	for salt, w := range map[int]want{32: accepted, 20: signedWrong, rsa.PSSSaltLengthAuto: signedWrong} {
		sig, err := rsa.SignPSS(rand.Reader, pssKey, crypto.SHA256, digest(crypto.SHA256, input), &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		salted.ask(question{"AT-09 J-40", fmt.Sprintf("a salt of %d", salt), "orders", bearer(input + "." + base64.RawURLEncoding.EncodeToString(sig)), nil, w})
	}

	// The compact form and its base64url.
	raw := signed(t, "RS256", rs, head("RS256", "rs"), good)
	parts := strings.Split(raw, ".")
	for name, bent := range map[string]string{
		"padding": parts[0] + "=." + parts[1] + "." + parts[2], "plus and slash": parts[0] + ".+/" + parts[1] + "." + parts[2],
		"padding at the end": raw + "==", "a dot more": raw + ".", "a dot before": "." + raw, "a part more": raw + "." + parts[0], "two parts": parts[0] + "." + parts[1],
		"a tilde": raw + "~",
	} {
		ask("J-25 J-24", name, broken, bent)
	}
	for _, c := range []string{"\n", " ", "{", "}"} {
		w := broken
		if c == " " {
			w = malformed
		}
		if c == "\n" {
			continue // neither net/http's client nor gRPC's sends it; middleware's FuzzVerifyToken and TestSplitCompact do
		}
		ask("J-25", "byte "+c, w, parts[0]+"."+parts[1]+c+"."+parts[2])
	}
	flattened, _ := json.Marshal(object{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
	ask("J-24", "flattened JSON", malformed, string(flattened)) // its commas make the header's syntax wrong
	ask("J-24", "general JSON without a comma", broken, `{"payload":"x"}`)
	ask("J-26", "bits beyond the last byte", broken, parts[0]+"."+parts[1]+"."+nonCanonical(parts[2]))
	h := encoded(head("RS256", "rs-padded"))
	for len(h)%4 == 0 {
		h = encoded(head("RS256", "rs-padded"+strings.Repeat("x", len(h)%4+1)))
	}
	ask("J-26", "in the header", broken, nonCanonical(h)+"."+parts[1]+"."+parts[2])

	// JSON.
	manyMembers := ""
	for i := range 600 {
		manyMembers += fmt.Sprintf(`,"m%d":0`, i)
	}
	for name, header := range map[string]string{
		"a BOM":         "\ufeff" + `{"typ":"at+jwt","alg":"RS256","kid":"rs"}`,
		"not UTF-8":     `{"typ":"at+jwt","alg":"RS256","kid":"rs","x":"` + "\xff" + `"}`,
		"a surrogate":   `{"typ":"at+jwt","alg":"RS256","kid":"rs","x":"\ud800"}`,
		"UTF-16":        "\x00{\x00}",
		"an array":      `[{"typ":"at+jwt","alg":"RS256","kid":"rs"}]`,
		"text":          `"x"`,
		"null":          `null`,
		"nothing":       ` `,
		"more after it": `{"typ":"at+jwt","alg":"RS256","kid":"rs"} {}`,
		"no end":        `{"typ":"at+jwt","alg":"RS256","kid":"rs"`,
		"a comment":     `{"typ":"at+jwt","alg":"RS256",/**/"kid":"rs"}`,
		"a comma":       `{"typ":"at+jwt","alg":"RS256","kid":"rs",}`,
		"alg twice":     `{"typ":"at+jwt","alg":"none","alg":"RS256","kid":"rs"}`,
		"ALG":           `{"typ":"at+jwt","ALG":"none","alg":"RS256","kid":"rs"}`,
		"alg escaped":   `{"typ":"at+jwt","\u0061lg":"none","alg":"RS256","kid":"rs"}`,
		"nested":        `{"typ":"at+jwt","alg":"RS256","kid":"rs","x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
		"many members":  `{"typ":"at+jwt","alg":"RS256","kid":"rs"` + manyMembers + `}`,
		"many elements": `{"typ":"at+jwt","alg":"RS256","kid":"rs","x":[0` + strings.Repeat(",0", 600) + `]}`,
	} {
		ask(jsonRow(name), "header: "+name, broken, signed(t, "RS256", rs, header, good))
	}
	text := func(more string) string {
		b, _ := json.Marshal(good)
		return strings.TrimSuffix(string(b), "}") + "," + more + "}"
	}
	plain, _ := json.Marshal(good)
	for name, body := range map[string]string{
		"a BOM":           "\ufeff" + string(plain),
		"not UTF-8":       text(`"x":"` + "\xff" + `"`),
		"a surrogate":     text(`"x":"\udc00"`),
		"an array":        "[" + string(plain) + "]",
		"null":            "null",
		"more after it":   string(plain) + "{}",
		"no end":          strings.TrimSuffix(string(plain), "}"),
		"exp twice":       text(`"exp":9999999999`),
		"scope twice":     text(`"scope":"admin:all"`),
		"EXP":             text(`"EXP":1`),
		"nested":          text(`"x":` + strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)),
		"a number of 1kB": text(`"exp2":` + strings.Repeat("9", 1<<10) + `e999999`),
		"many members":    text(manyMembers[1:]),
		"many elements":   text(`"x":[0` + strings.Repeat(",0", 600) + `]`),
	} {
		w := broken
		switch name {
		case "EXP", // another claim than exp, and an unknown one (RFC 7519 §10.1.1: names are case-sensitive)
			"many members", "many elements": // the token's size bounds them
			w = accepted
		}
		ask(jsonRow(name), "claims: "+name, w, signed(t, "RS256", rs, head("RS256", "rs"), body))
	}

	// The one key that fits needs no name.
	single := newGroup(t, "single", handVerifier(t, auth.Config{}, keySet(t, jwk(t, rs, object{"kid": "rs"}), jwk(t, ed, object{"kid": "ed"}))))
	single.ask(
		question{"J-22", "no kid, and one key that fits", "orders", bearer(signed(t, "RS256", rs, without, good)), nil, accepted},
		question{"J-22", "no kid, and none that fits", "orders", bearer(signed(t, "ES256", p256, object{"typ": "at+jwt", "alg": "ES256"}, good)), nil, unknown},
	)
	nameless := newGroup(t, "nameless", handVerifier(t, auth.Config{}, keySet(t, jwk(t, ed, nil))))
	nameless.ask(
		question{"J-22", "no kid, and one key without", "orders", bearer(signed(t, "Ed", ed, object{"typ": "at+jwt", "alg": "EdDSA"}, good)), nil, accepted},
		question{"J-20", "an empty kid is none", "orders", bearer(signed(t, "Ed", ed, head("EdDSA", ""), good)), nil, unknown},
	)
	pss := newGroup(t, "pss", handVerifier(t, auth.Config{Algorithms: []auth.Algorithm{auth.PS256, auth.RS256}}, set))
	pss.ask(
		question{"J-07 J-43", "the first allowed is PS256", "orders", bearer(signed(t, "PS256", bare, head("PS256", "bare"), good)), nil, accepted},
		question{"J-07 J-43", "then RS256 is not the key's", "orders", bearer(signed(t, "RS256", bare, head("RS256", "bare"), good)), nil, unknown},
	)
}

// jsonRow is the row of a fault of JSON.
func jsonRow(name string) string {
	switch name {
	case "a BOM", "not UTF-8", "a surrogate", "UTF-16":
		return "J-27"
	case "nested", "a number of 1kB", "many members", "many elements":
		return "J-29"
	case "alg twice", "ALG", "alg escaped", "exp twice", "scope twice":
		return "AT-40"
	case "EXP":
		return "AT-41"
	}
	return "J-28"
}

// nonCanonical sets the bits of the last character that no byte is made of (RFC 4648 §3.5).
func nonCanonical(part string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, part[len(part)-1])
	return part[:len(part)-1] + string(alphabet[last|1])
}

// derOf is the ASN.1 form of an ECDSA signature of two halves.
func derOf(sig []byte) []byte {
	integer := func(b []byte) []byte {
		b = new(big.Int).SetBytes(b).Bytes()
		if b[0] >= 0x80 {
			b = append([]byte{0}, b...)
		}
		return append([]byte{2, byte(len(b))}, b...)
	}
	body := append(integer(sig[:32]), integer(sig[32:])...)
	return append([]byte{0x30, byte(len(body))}, body...)
}
