package jwks

import (
	"errors"

	"github.com/bearward/bearward/internal/jose"
)

var (
	errNoKeys     = errors.New(`no "keys" array`)
	errManyKeys   = errors.New("more keys than allowed")
	errNoneUsable = errors.New("no usable key in the set")
)

// elements returns the elements of the "keys" array of a set document (RFC 7517 §5), at most limit.
func elements(doc []byte, limit int) ([]jose.Published, error) {
	var keys []jose.Published
	found := false
	err := jose.Published(doc).Members([]string{"keys"}, func(name string, value jose.Published) error {
		if name != "keys" {
			return nil
		}
		if !value.IsArray() {
			return errNoKeys
		}
		found = true
		return value.Elements(func(key jose.Published) error {
			if len(keys) == limit { // check: max-keys
				return errManyKeys
			}
			keys = append(keys, key)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errNoKeys
	}
	return keys, nil
}
