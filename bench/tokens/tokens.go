// Package tokens makes the keys and tokens that every contestant of a benchmark is given. It signs
// with nothing but the standard library, so it shares no code with any of them.
package tokens

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/bearward/bearward/jwks"
)

// What every token says, and every contestant is configured for.
const (
	Issuer   = "https://issuer.example"
	Audience = "https://api.example"
	KeyID    = "key-2026-11"
)

// A Key signs tokens.
type Key struct {
	Name    string // of the algorithm, with the size where it is not the usual one
	Alg     string
	ID      string
	Private crypto.Signer
}

// NewKey makes a key by name: RS256, PS256, ES256, EdDSA, or RS256-4096.
func NewKey(name, id string) (*Key, error) {
	alg, _, _ := strings.Cut(name, "-")
	k := &Key{Name: name, Alg: alg, ID: id}
	var err error
	switch name {
	case "RS256", "PS256":
		k.Private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "RS256-4096":
		k.Private, err = rsa.GenerateKey(rand.Reader, 4096)
	case "ES256":
		k.Private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, k.Private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("tokens: no algorithm %q", name)
	}
	return k, err
}

// Public is the key as Bearward's source holds it.
func (k *Key) Public() *jwks.Key {
	return &jwks.Key{ID: k.ID, Algorithm: k.Alg, Public: k.Private.Public()}
}

// JWK is the public key as an issuer publishes it.
func (k *Key) JWK() map[string]string {
	m := map[string]string{"kid": k.ID, "alg": k.Alg, "use": "sig"}
	switch pub := k.Private.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", encode(pub.N.Bytes()), encode(big.NewInt(int64(pub.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := pub.Bytes() // 4 || X || Y
		if err != nil {
			panic(err) // a P-256 key that this package made
		}
		m["kty"], m["crv"], m["x"], m["y"] = "EC", "P-256", encode(point[1:33]), encode(point[33:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", encode(pub)
	}
	return m
}

// Set is the key set document of keys.
func Set(keys ...*Key) []byte {
	doc := struct {
		Keys []map[string]string `json:"keys"`
	}{}
	for _, k := range keys {
		doc.Keys = append(doc.Keys, k.JWK())
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err) // maps of strings
	}
	return b
}

// Serve publishes keys on a loopback socket, until the server is closed.
func Serve(keys ...*Key) *httptest.Server {
	set := Set(keys...)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set)
	}))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Sign returns the compact form of any payload.
func (k *Key) Sign(payload string) (string, error) {
	return k.sign(fmt.Sprintf(`{"alg":%q,"typ":"at+jwt","kid":%q}`, k.Alg, k.ID), payload)
}

func (k *Key) sign(header, payload string) (string, error) {
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	digest := sha256.Sum256([]byte(input))
	var sig []byte
	var err error
	switch key := k.Private.(type) {
	case *rsa.PrivateKey:
		if k.Alg == "PS256" {
			sig, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		}
	case *ecdsa.PrivateKey:
		r, s, e := ecdsa.Sign(rand.Reader, key, digest[:])
		if err = e; err == nil {
			sig = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	case ed25519.PrivateKey:
		sig = ed25519.Sign(key, []byte(input))
	}
	return input + "." + encode(sig), err
}

// Claims is the payload of 22 claims, as a real issuer would send; each pair of edits is a text to
// replace and its replacement. It is good for a day, so that it outlasts any run.
func Claims(edits ...string) string {
	now := time.Now().Unix()
	s := fmt.Sprintf(`{"iss":%q,"sub":"6f9619ff-8b86-d011-b42d-00c04fc964ff","aud":%q,"exp":%d,"iat":%d,"jti":"id-1",`,
		Issuer, Audience, now+86400, now) +
		`"client_id":"0oa2hl2inow5Uqc6c357","scope":"openid profile email read:orders write:orders","auth_time":1700000000,` +
		`"acr":"urn:example:loa:2","amr":["pwd","otp"],"roles":["reader","writer","auditor"],` +
		`"groups":["02bd9fd6-8f93-4758-87c3-1fb73740a315","06737511-98c7-4b8b-9e4e-5a4f8b1d2c3e","17d3ff84-4329-4732-a5a6-9f2b7c8d1e0f"],` +
		`"tenant":"72f988bf-86f1-41af-91ab-2d7cd011db47","sid":"f3a1c2d4-e5b6-47a8-99c0-d1e2f3a4b5c6",` +
		`"email":"alice@department.example.com","email_verified":true,"name":"Alice Example","preferred_username":"alice","locale":"en-GB",` +
		`"org":{"id":"org_9f8e7d6c5b4a39281706","name":"Example Organization"},"entitlements":["orders:of:a:department","reports:of:a:department"]}`
	return strings.NewReplacer(edits...).Replace(s)
}

// Padded is Claims, made longer by one claim to about size bytes.
func Padded(size int) string {
	s := Claims()
	if size <= len(s) {
		return fmt.Sprintf(`{"iss":%q,"sub":"alice","aud":%q,"exp":%d,"iat":%d,"jti":"id-1","client_id":"app","scope":"read:orders"}`,
			Issuer, Audience, time.Now().Unix()+86400, time.Now().Unix())
	}
	pad := strings.Repeat(`"orders:of:a:department",`, (size-len(s))/25+1)
	return s[:len(s)-1] + `,"more":[` + pad + `"last"]}`
}

// Raw returns a function that checks the token's signature and nothing else: the floor under every
// verification. The signature is decoded and the input copied beforehand.
func (k *Key) Raw(token string) (func() error, error) {
	dot := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		return nil, err
	}
	input := []byte(token[:dot])
	errBad := errors.New("tokens: the signature is not good")
	switch pub := k.Private.Public().(type) {
	case *rsa.PublicKey:
		if k.Alg == "PS256" {
			return func() error {
				digest := sha256.Sum256(input)
				return rsa.VerifyPSS(pub, crypto.SHA256, digest[:], sig, nil)
			}, nil
		}
		return func() error {
			digest := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig)
		}, nil
	case *ecdsa.PublicKey:
		return func() error {
			digest := sha256.Sum256(input)
			if !ecdsa.Verify(pub, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
				return errBad
			}
			return nil
		}, nil
	case ed25519.PublicKey:
		return func() error {
			if !ed25519.Verify(pub, input, sig) {
				return errBad
			}
			return nil
		}, nil
	}
	return nil, fmt.Errorf("tokens: no raw check for %s", k.Name)
}

// Spoil returns token with its signature over something else.
func (k *Key) Spoil(token string) (string, error) {
	other, err := k.Sign(Claims(`"alice"`, `"mallory"`))
	if err != nil {
		return "", err
	}
	input, sig := token[:strings.LastIndexByte(token, '.')], other[strings.LastIndexByte(other, '.'):]
	if bytes.HasSuffix([]byte(token), []byte(sig)) {
		return "", errors.New("tokens: two tokens with one signature")
	}
	return input + sig, nil
}
