package jwks

import (
	"fmt"
	"slices"
	"testing"
)

func TestKeysAreFoundAlikeInSmallAndLargeSets(t *testing.T) {
	for n := range 3 * fewKeys {
		for name, twice := range map[string]string{"all different": "", "one ID twice": "k0", "one without ID": "-"} {
			var keys []*Key
			for i := range n {
				keys = append(keys, &Key{ID: fmt.Sprintf("k%d", i)})
			}
			switch twice {
			case "":
			case "-":
				keys = append(keys, &Key{})
			default:
				keys = append(keys, &Key{ID: twice})
			}
			s := newKeySet(slices.Clone(keys))
			for _, kid := range []string{"", "k0", "k1", fmt.Sprintf("k%d", n-1), "k", "none"} {
				want := slices.DeleteFunc(slices.Clone(keys), func(k *Key) bool { return kid != "" && k.ID != kid })
				if got := s.find(kid); !slices.Equal(got, want) {
					t.Errorf("%d keys, %s: %q finds %v, want %v", n, name, kid, got, want)
				}
			}
		}
	}
}
