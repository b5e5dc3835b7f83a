package main_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"math/big"
	"testing"
	"time"
)

// hashes are the hash functions of the algorithms (RFC 7518 §3.1).
var hashes = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

func digest(h crypto.Hash, input string) []byte {
	d := h.New()
	d.Write([]byte(input))
	return d.Sum(nil)
}

// signed returns a compact JWS by the standard library alone. The header is signed as it is,
// whatever alg makes the signature.
func signed(t *testing.T, alg string, key any, header, claims any) string {
	t.Helper()
	input := encoded(header) + "." + encoded(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature(t, alg, key, input))
}

func signature(t *testing.T, alg string, key any, input string) (sig []byte) {
	t.Helper()
	var err error
	switch alg[:2] {
	case "RS":
		h := hashes[alg[2:]]
		sig, err = rsa.SignPKCS1v15(nil, key.(*rsa.PrivateKey), h, digest(h, input))
	case "PS":
		h := hashes[alg[2:]]
		sig, err = rsa.SignPSS(rand.Reader, key.(*rsa.PrivateKey), h, digest(h, input), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "ES":
		k := key.(*ecdsa.PrivateKey)
		var r, s *big.Int
		r, s, err = ecdsa.Sign(rand.Reader, k, digest(hashes[alg[2:]], input))
		if err == nil {
			n := (k.Curve.Params().BitSize + 7) / 8
			sig = append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
		}
	case "Ed":
		sig = ed25519.Sign(key.(ed25519.PrivateKey), []byte(input))
	case "HS":
		mac := hmac.New(hashes[alg[2:]].New, key.([]byte))
		mac.Write([]byte(input))
		sig = mac.Sum(nil)
	default:
		t.Fatalf("no signature by %s", alg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ecKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// jwk is the public half of key with these members more; a nil member is taken away.
func jwk(t *testing.T, key any, more object) object {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	var o object
	switch k := key.(type) {
	case *rsa.PrivateKey:
		o = object{"kty": "RSA", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
	case *ecdsa.PrivateKey:
		point, err := k.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := (len(point) - 1) / 2
		o = object{"kty": "EC", "crv": k.Curve.Params().Name, "x": b64(point[1 : 1+half]), "y": b64(point[1+half:])}
	case ed25519.PrivateKey:
		o = object{"kty": "OKP", "crv": "Ed25519", "x": b64(k.Public().(ed25519.PublicKey))}
	case []byte:
		o = object{"kty": "oct", "k": b64(k)}
	default:
		t.Fatalf("no JWK of a %T", key)
	}
	for name, v := range more {
		if v == nil {
			delete(o, name)
		} else {
			o[name] = v
		}
	}
	return o
}

// claims are those of a good token of the hand-made issuers, with changes; a nil one is taken away.
func claims(changes object) object {
	now := time.Now().Unix()
	c := object{"iss": handMade, "aud": "https://api.example", "sub": "alice", "client_id": "client", "jti": "1", "iat": now, "exp": now + 600,
		"scope": "read:orders", "note": canary}
	for name, v := range changes {
		if v == nil {
			delete(c, name)
		} else {
			c[name] = v
		}
	}
	return c
}

// handMade is the issuer of tokens that the tests sign themselves.
const handMade = "https://hand.example"
