package auth_test

import (
	"context"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// A token that names no key is tried with the keys that it may mean, up to three of them, whatever
// others there are (row J-22). What was good is not remembered: nothing ties it to one key.
func TestATokenWithoutKeyIDIsTriedWithThreeKeys(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			key := newSigningKey(t, alg, "k0")
			src := &source{}
			v, err := auth.NewVerifier(src, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}})
			if err != nil {
				t.Fatal(err)
			}
			token := key.sign(t, `{"alg":"`+alg+`","typ":"at+jwt"}`, claims())
			others := jwks.Static{newSigningKey(t, alg, "k1").public(), newSigningKey(t, alg, "k2").public(), newSigningKey(t, alg, "k3").public()}
			otherType := "ES256" // a key that the token cannot mean
			if alg == otherType {
				otherType = "EdDSA"
			}
			ask := func(name string, want auth.Reason, keys ...*jwks.Key) {
				t.Helper()
				src.Static = append(jwks.Static{newSigningKey(t, otherType, "x").public()}, keys...)
				if got := reasonOf(verify(t, v, token)); got != want {
					t.Errorf("%s: reason %v, want %v", name, got, want)
				}
			}
			ask("alone", "", key.public())
			ask("the last of two", "", others[0], key.public())
			ask("the last of three", "", others[0], others[1], key.public())
			ask("one of four", auth.ReasonKeyUnknown, key.public(), others[0], others[1], others[2])
			ask("of three, but none of them", auth.ReasonSignatureInvalid, others...)
			ask("withdrawn", auth.ReasonSignatureInvalid, others[0])
			ask("no key of its algorithm", auth.ReasonKeyUnknown)
		})
	}
}

// A key that was published without "kid" has no name, and "" is none (row J-20): to a Source it
// would mean every key.
func TestAnEmptyKeyIDNamesNoKey(t *testing.T) {
	nameless := newSigningKey(t, "EdDSA", "")
	for name, keys := range map[string]jwks.Source{"a static set": jwks.Static{nameless.public()}, "another source": &source{Static: jwks.Static{nameless.public()}}} {
		v, err := auth.NewVerifier(keys, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}})
		if err != nil {
			t.Fatal(err)
		}
		for header, want := range map[string]auth.Reason{`{"alg":"EdDSA","typ":"at+jwt"}`: "", nameless.header(): auth.ReasonKeyUnknown} {
			if got := reasonOf(verify(t, v, nameless.sign(t, header, claims()))); got != want {
				t.Errorf("%s, %s: reason %v, want %v", name, header, got, want)
			}
		}
	}
}

// careless is a Source that hands out what it has, whatever it is asked for.
type careless struct{ keys []*jwks.Key }

func (c careless) Keys(context.Context, string) ([]*jwks.Key, error) { return c.keys, nil }

func TestAKeyOfAnotherIDThatASourceHandsOut(t *testing.T) {
	key := newSigningKey(t, "EdDSA", "k1")
	v, err := auth.NewVerifier(careless{[]*jwks.Key{nil, key.public()}}, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}})
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]auth.Reason{key.header(): "", `{"alg":"EdDSA","typ":"at+jwt","kid":"k2"}`: auth.ReasonKeyUnknown} {
		if got := reasonOf(verify(t, v, key.sign(t, header, claims()))); got != want {
			t.Errorf("%s: reason %v, want %v", header, got, want)
		}
	}
}

// What is remembered of a token is its own issuer's. Another issuer, asked first and with the same
// key under the same ID, does not keep it alive.
func TestATokenIsRememberedByItsIssuerAlone(t *testing.T) {
	const otherIssuer = "https://other.example"
	key, othersKey := newSigningKey(t, "EdDSA", "k"), newSigningKey(t, "EdDSA", "k")
	src, others := &source{Static: jwks.Static{key.public()}}, &source{Static: jwks.Static{othersKey.public()}}
	verifier := func(keys jwks.Source, issuer string) *auth.Verifier {
		v, err := auth.NewVerifier(keys, auth.Config{Issuer: issuer, Audiences: []string{testAudience}})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	issuers, err := auth.NewIssuers(verifier(others, otherIssuer), verifier(src, testIssuer))
	if err != nil {
		t.Fatal(err)
	}
	token, othersToken := key.sign(t, key.header(), claims()), othersKey.sign(t, othersKey.header(), claims(testIssuer, otherIssuer))
	stolen := othersKey.sign(t, othersKey.header(), claims())
	ask := func(when string, raw string, want auth.Reason) {
		t.Helper()
		for range 2 { // verified, and then recalled
			if _, err := issuers.VerifyToken(t.Context(), raw); reasonOf(err) != want {
				t.Errorf("%s: %v, want %v", when, err, want)
			}
		}
	}
	ask("the other issuer's", othersToken, "")
	ask("ours", token, "")
	ask("ours by the other's key", stolen, auth.ReasonSignatureInvalid)
	src.Static, others.Static = nil, jwks.Static{key.public()}
	ask("withdrawn by its issuer, and published by the other", token, auth.ReasonKeyUnknown)
	ask("the other's, whose key is another now", othersToken, auth.ReasonSignatureInvalid)
	src.err = jwks.ErrUnavailable
	ask("not to be told", token, auth.ReasonUnavailable)
}
