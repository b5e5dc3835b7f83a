package tokens

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

// Where every request of a DPoP proof goes.
const (
	Origin = "https://api.example"
	Path   = "/orders"
)

// publicMembers are those of the JWK that its thumbprint is over (RFC 7638 §3.2).
func (k *Key) publicMembers() map[string]string {
	m := maps.Clone(k.JWK())
	for _, name := range []string{"kid", "alg", "use"} {
		delete(m, name)
	}
	return m
}

// Thumbprint is the key's, as "cnf.jkt" has it (RFC 7638, RFC 9449 §6.1).
func (k *Key) Thumbprint() string {
	text, err := json.Marshal(k.publicMembers()) // sorted, and without spaces
	if err != nil {
		panic(err) // a map of strings
	}
	sum := sha256.Sum256(text)
	return encode(sum[:])
}

// Proofs returns n DPoP proofs (RFC 9449 §4.2) for GET requests with token, each with a jti of its
// own. nonce is "" for none.
func (k *Key) Proofs(n int, token, nonce string) ([]string, error) {
	jwk, err := json.Marshal(k.publicMembers())
	if err != nil {
		return nil, err
	}
	header := fmt.Sprintf(`{"typ":"dpop+jwt","alg":%q,"jwk":%s}`, k.Alg, jwk)
	ath := sha256.Sum256([]byte(token))
	if nonce != "" {
		nonce = fmt.Sprintf(`,"nonce":%q`, nonce)
	}
	proofs := make([]string, n)
	for i := range proofs {
		proofs[i], err = k.sign(header, fmt.Sprintf(`{"jti":"e1j3V_bKic8-LAEB%08d","htm":"GET","htu":%q,"iat":%d,"ath":%q%s}`,
			i, Origin+Path, time.Now().Unix(), encode(ath[:]), nonce))
		if err != nil {
			return nil, err
		}
	}
	return proofs, nil
}

// Bound is Claims of a token that the confirmation binds to a key, such as `{"jkt":"…"}`. Plain is
// of one that is as long and not bound.
func Bound(confirmation string) string {
	return strings.Replace(Claims(), `{`, `{"cnf":`+confirmation+`,`, 1)
}

// Plain returns what Bound does, under another name than cnf.
func Plain(confirmation string) string {
	return strings.Replace(Bound(confirmation), `"cnf"`, `"xyz"`, 1)
}
