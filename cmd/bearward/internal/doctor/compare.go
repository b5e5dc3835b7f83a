package doctor

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/bearward/bearward/jwks"
)

// fingerprint tells public keys apart.
func fingerprint(k *jwks.Key) string {
	der, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:8])
}

// readAny reads a JSON object whose order does not matter.
func readAny(body []byte) (members map[string]any, err error) {
	err = json.Unmarshal(body, &members)
	return members, err
}

// differs returns the first member, by name, that is not the same in both, or "".
func differs(a, b map[string]any) string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !reflect.DeepEqual(a[name], b[name]) {
			return name
		}
	}
	return ""
}
