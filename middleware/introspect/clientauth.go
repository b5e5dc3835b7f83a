package introspect

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/jose"
	auth "github.com/bearward/bearward/middleware"
)

// A Secret returns the client's secret as it is now. It is asked before each request to the
// endpoint, so that a rotated secret is used at once. When it returns an error, that request is not
// made: its [Outcome] is Misconfigured (500). It must be quick and safe for concurrent use.
type Secret func() (string, error)

// FixedSecret is a Secret that never changes.
func FixedSecret(secret string) Secret {
	return func() (string, error) { return secret, nil }
}

// SecretFile is a Secret that is the text of a file, without line breaks at its end.
func SecretFile(path string) Secret {
	return func() (string, error) {
		text, err := os.ReadFile(path)
		return strings.TrimRight(string(text), "\r\n"), err
	}
}

// ask returns the secret, which is never empty.
func (s Secret) ask() (string, error) {
	secret, err := s()
	if err == nil && secret == "" { // check: secret-empty
		err = errors.New("is empty")
	}
	if err != nil {
		return "", fmt.Errorf("the client's secret: %w", err)
	}
	return secret, nil
}

// A ClientAuth is how this API says to the issuer's endpoint who it is (RFC 7662 §2.1, RFC 6749
// §2.3.1). [Basic], [Post], [PrivateKeyJWT] and [NoClientAuth] make one, for [New]. It is immutable
// and safe for concurrent use. The zero value is an error of New.
type ClientAuth struct {
	clientID  string
	algorithm auth.Algorithm // of assertions, otherwise 0
	add       func(form url.Values, h http.Header, issuer string) error
	err       error
}

// Basic authenticates by HTTP Basic (client_secret_basic): the ID and the secret, form-encoded
// first, as RFC 6749 §2.3.1 has it.
func Basic(clientID string, secret Secret) ClientAuth {
	return withSecret("Basic", clientID, secret, func(_ url.Values, h http.Header, secret string) {
		pair := url.QueryEscape(clientID) + ":" + url.QueryEscape(secret)
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	})
}

// Post authenticates by the form's client_id and client_secret (client_secret_post), for servers
// that take nothing else.
func Post(clientID string, secret Secret) ClientAuth {
	return withSecret("Post", clientID, secret, func(form url.Values, _ http.Header, secret string) {
		form.Set("client_id", clientID)
		form.Set("client_secret", secret)
	})
}

func withSecret(name, clientID string, secret Secret, add func(form url.Values, h http.Header, secret string)) ClientAuth {
	if clientID == "" || secret == nil { // check: client-secret
		return ClientAuth{err: fmt.Errorf("introspect: %s needs a client ID and a Secret", name)}
	}
	return ClientAuth{clientID: clientID, add: func(form url.Values, h http.Header, _ string) error {
		text, err := secret.ask()
		if err == nil {
			add(form, h, text)
		}
		return err
	}}
}

// NoClientAuth asks without saying who asks, for an endpoint that only trusted clients can reach,
// such as Ory Hydra's admin port. Signed answers are then for one of Config.Claims.Audiences.
func NoClientAuth() ClientAuth {
	return ClientAuth{add: func(url.Values, http.Header, string) error { return nil }}
}

// assertionLifetime is how long a client assertion is good: it is used at once.
const assertionLifetime = time.Minute

// PrivateKeyJWT authenticates by an assertion that key signs (private_key_jwt, RFC 7523 §2.2). Each
// request has one of its own, for the issuer as its audience and good for a minute. KeyID is the
// "kid" that the issuer knows the key by, or "".
func PrivateKeyJWT(clientID string, alg auth.Algorithm, key crypto.Signer, keyID string) ClientAuth {
	if clientID == "" || key == nil || !jose.Algorithm(alg).Fits(key.Public()) { // check: client-key
		return ClientAuth{err: errors.New("introspect: PrivateKeyJWT needs a client ID, and a key of its algorithm")}
	}
	return ClientAuth{clientID: clientID, algorithm: alg, add: func(form url.Values, _ http.Header, issuer string) error {
		assertion, err := assertion(clientID, issuer, alg, key, keyID)
		form.Set("client_id", clientID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		return err
	}}
}

func assertion(clientID, issuer string, alg auth.Algorithm, key crypto.Signer, keyID string) (string, error) {
	header := map[string]any{"alg": alg.String(), "typ": "JWT"}
	if keyID != "" {
		header["kid"] = keyID
	}
	now := time.Now()
	claims := map[string]any{
		"iss": clientID, "sub": clientID, "aud": issuer, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	}
	var parts [2]string
	for i, part := range []map[string]any{header, claims} {
		doc, err := json.Marshal(part)
		if err != nil {
			return "", err
		}
		parts[i] = base64.RawURLEncoding.EncodeToString(doc)
	}
	input := parts[0] + "." + parts[1]
	signature, err := jose.Sign(alg.String(), key, []byte(input))
	if err != nil {
		return "", fmt.Errorf("the client's assertion: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
