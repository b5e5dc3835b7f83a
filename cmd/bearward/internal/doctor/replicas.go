package doctor

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/bearward/bearward/jwks"
)

// replicas reads metadata and key set several times, each time over a new connection.
func (v *visit) replicas(ctx context.Context) {
	documents := []string{v.at}
	if v.used != nil {
		documents = append(documents, v.used.url)
	}
	var all []answer
	for _, at := range documents {
		if _, redirects := v.moves[at]; redirects {
			continue
		}
		var tries []answer
		for range v.Tries {
			tries = append(tries, v.ask(ctx, at))
		}
		all = append(all, tries...)
		failed := slices.DeleteFunc(slices.Clone(tries), func(a answer) bool { return a.ok() })
		if len(failed) > 0 {
			v.find("REPLICA_FAILS", at, "%d of %d new connections got no document: %s.", len(failed), len(tries), failed[0].outcome())
		}
		tries = slices.DeleteFunc(tries, func(a answer) bool { return !a.ok() })
		if at == documents[0] {
			v.compareKeys(at, tries)
		} else {
			v.compareMetadata(at, tries)
		}
	}
	if len(all) == 0 {
		return
	}
	v.report.fact("replicas", "%s, to %s", plural(len(all), "new connection"), remotes(all))
}

// remotes tells how many addresses answered.
func remotes(tries []answer) string {
	seen := map[string]bool{}
	for _, a := range tries {
		if a.remote != "" {
			seen[a.remote] = true
		}
	}
	if len(seen) == 1 {
		return "1 address"
	}
	return fmt.Sprintf("%d addresses", len(seen))
}

// compareKeys tells which keys some answers have and others lack.
func (v *visit) compareKeys(at string, tries []answer) {
	have := map[string]int{}
	for i := range tries {
		keys, err := jwks.Parse(tries[i].Body)
		if err != nil {
			v.find("REPLICAS_DIFFER", at, "Some answers are a key set, and others are not: %v.", err)
			return
		}
		for _, k := range keys {
			have[quote(k.ID)+" "+algorithm(k)+" "+fingerprint(k)]++
		}
	}
	var some []string
	for key, n := range have {
		if n < len(tries) {
			name := key[:strings.LastIndex(key, " ")]
			some = append(some, fmt.Sprintf("%s in %d", name, n))
		}
	}
	if len(some) > 0 {
		slices.Sort(some)
		v.find("REPLICAS_DIFFER", at, "%d answers have different keys: %s.", len(tries), list(some))
	}
}

// compareMetadata tells which members differ between answers.
func (v *visit) compareMetadata(at string, tries []answer) {
	for i := 1; i < len(tries); i++ {
		a, errA := readAny(tries[0].Body)
		b, errB := readAny(tries[i].Body)
		if err := errors.Join(errA, errB); err != nil {
			v.find("METADATA_DIFFERS", at, "Some answers are a JSON object, and others are not.")
			return
		}
		if name := differs(a, b); name != "" {
			v.find("METADATA_DIFFERS", at, "Answers differ in %s.", quote(name))
			return
		}
	}
}

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
