package doctor

import (
	"context"
	"crypto/rsa"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/fetch"
	"github.com/bearward/bearward/internal/jose"
	"github.com/bearward/bearward/jwks"
)

const (
	maxKeys    = 1000 // of a set: the default of jwks.Options.MaxKeys
	slowFetch  = 2 * time.Second
	refresh    = 10 * time.Minute // the default of jwks.Options.RefreshEvery
	shortest   = time.Minute      // between two refreshes, whatever Cache-Control says
	longMaxAge = 24 * time.Hour
	largeSet   = 32 << 10 // bytes of a key set that is not worth reading again every ten minutes
)

// keySet looks at the key set. Which keys are used is what the cache says.
func (v *visit) keySet(ctx context.Context) {
	at := v.at
	a := v.ask(ctx, at)
	v.transport(&a)
	if u, err := url.Parse(at); err == nil && u.Hostname() != v.url.Hostname() {
		v.find("KEY_SET_ELSEWHERE", at, "The key set is on %s, not on %s.", u.Hostname(), v.url.Hostname())
	}
	switch {
	case a.err != nil:
		v.unanswered(&a, "ISSUER_UNREACHABLE")
		return
	case isRedirect(&a):
		v.moves[at] = v.follow(ctx, &a)
		v.moved(at, v.moves[at], true)
		if v.cache.err != nil {
			v.find("KEY_SET_NOT_SERVED", at, "It answers %s.", a.outcome())
		}
		v.keys(at)
		return
	case (&fetch.StatusError{Code: a.Status}).Outage():
		v.find("ISSUER_FAILING", origin(at), "The key set's URL answers %s.", a.outcome())
		return
	case !a.ok():
		v.find("KEY_SET_NOT_SERVED", at, "It answers %s.", a.outcome())
		return
	}
	v.report.fact("key set", "%s: %d bytes", fetch.RedactURL(at), len(a.Body))
	v.contentType(&a)
	v.freshness(&a)
	v.unreadable(&a)
	v.keys(at)
}

// unreadable tells why a document is no key set, or that no key of it is used.
func (v *visit) unreadable(a *answer) {
	if v.cache.err == nil {
		return
	}
	if skips, err := jwks.Skipped(a.Body); err == nil {
		if keys, _ := jwks.Parse(a.Body); len(keys) == 0 {
			v.find("NO_USABLE_KEY", a.url, "It has %d keys, and none that verifies signatures.", len(skips))
		}
		return
	} else if n := countKeys(a.Body); n > maxKeys {
		v.find("TOO_MANY_KEYS", a.url, "It has %d keys.", n)
	} else {
		v.find("KEY_SET_UNREADABLE", a.url, "%v%s.", err, looksLike(a))
	}
}

// countKeys returns how many elements the "keys" of a document have.
func countKeys(body []byte) (n int) {
	_ = jose.Published(body).Members(nil, func(name string, value jose.Published) error {
		if name == "keys" {
			return value.Elements(func(jose.Published) error { n++; return nil })
		}
		return nil
	})
	return n
}

// skipped says which kind of finding a key is that the cache leaves out.
var skipped = map[jwks.SkipReason]string{
	jwks.SkipMalformed: "KEY_MALFORMED", jwks.SkipKeyID: "KEY_MALFORMED", jwks.SkipPoint: "KEY_MALFORMED",
	jwks.SkipKeyType: "KEY_TYPE", jwks.SkipCurve: "KEY_TYPE",
	jwks.SkipSymmetric: "SYMMETRIC_KEY_PUBLISHED",
	jwks.SkipUse:       "KEY_NOT_FOR_SIGNATURES", jwks.SkipKeyOps: "KEY_NOT_FOR_SIGNATURES",
	jwks.SkipAlgorithm: "KEY_ALGORITHM",
	jwks.SkipRSASize:   "KEY_SIZE", jwks.SkipRSAExponent: "KEY_SIZE", jwks.SkipEdKeySize: "KEY_SIZE",
	jwks.SkipRSAWeak:   "KEY_WEAK",
	jwks.SkipDuplicate: "KEY_REPEATED",
}

// keys tells what the cache makes of the keys. It never tells what they are made of.
func (v *visit) keys(at string) {
	if len(v.cache.Keys) > 0 {
		v.known = v.cache.Keys[0]
		v.report.fact("keys", "%d used, %d left out: %s", len(v.cache.Keys), len(v.cache.Skipped), names(v.cache.Keys))
	}
	groups := groups{}
	secrets := map[string]bool{} // "k" is a private part, too
	for _, s := range v.cache.Skipped {
		secrets[s.KeyID] = secrets[s.KeyID] || s.Reason == jwks.SkipSymmetric
		groups.add(skipped[s.Reason], "left out ("+string(s.Reason)+")", ordinal(s.Index, s.KeyID))
	}
	for _, id := range v.cache.Exposed {
		if !secrets[id] {
			groups.add("PRIVATE_KEY_PUBLISHED", "published with the private part", quote(id))
		}
	}
	ids := map[string]int{}
	for _, k := range v.cache.Keys {
		if k.ID == "" {
			groups.add("KEY_WITHOUT_ID", "without a \"kid\"", algorithm(k))
		} else if ids[k.ID+" "+algorithm(k)]++; ids[k.ID+" "+algorithm(k)] > 1 {
			groups.add("KEY_ID_SHARED", "under the ID of another", quote(k.ID))
		}
		if _, ok := k.Public.(*rsa.PublicKey); ok && k.Algorithm == "" {
			groups.add("KEY_WITHOUT_ALGORITHM", "without an \"alg\"", quote(k.ID))
		}
	}
	for _, g := range slices.SortedFunc(maps.Keys(groups), func(a, b group) int { return strings.Compare(a.id+a.what, b.id+b.what) }) {
		v.find(g.id, at, "%s %s: %s.", plural(len(groups[g]), "key"), g.what, list(groups[g]))
	}
}

// groups are keys of which the same is to be told: an issuer that has a fault in one key often has
// it in all.
type groups map[group][]string

type group struct{ id, what string }

func (g groups) add(id, what, key string) { g[group{id, what}] = append(g[group{id, what}], key) }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// list names the first few of all.
func list(all []string) string {
	const most = 5
	if len(all) > most {
		return strings.Join(all[:most], ", ") + fmt.Sprintf(" and %d more", len(all)-most)
	}
	return strings.Join(all, ", ")
}

// ordinal names a key by its place in the set, and its ID.
func ordinal(index int, id string) string {
	if id == "" {
		return fmt.Sprintf("number %d", index+1)
	}
	return fmt.Sprintf("number %d (%s)", index+1, quote(id))
}

func algorithm(k *jwks.Key) string {
	if k.Algorithm == "" {
		return "RSA"
	}
	return k.Algorithm
}

// names lists keys by ID and algorithm.
func names(keys []*jwks.Key) string {
	var all []string
	for _, k := range keys {
		all = append(all, quote(k.ID)+" "+algorithm(k))
	}
	return list(all)
}

// freshness looks at what the key set's answer says about its life, and how long the cache took.
func (v *visit) freshness(a *answer) {
	life := fetch.MaxAge(a.Header)
	switch {
	case life >= 0 && life < shortest:
		v.find("NOT_CACHEABLE", a.url, "Cache-Control is %s.", quote(strings.Join(a.Header.Values("Cache-Control"), ", ")))
	case life > longMaxAge:
		v.find("CACHED_LONG", a.url, "Cache-Control lets it be kept for %s.", days(life))
	}
	switch old := age(a.Header); {
	case life >= 0 && old > life+refresh:
		v.find("SERVED_STALE", a.url, "The answer is %v old (Age), and says that it may be kept for %v.", old, life)
	case old > refresh:
		v.find("SERVED_OLD", a.url, "The answer is %v old (Age).", old)
	}
	tag := "no ETag"
	if a.Header.Get("ETag") != "" {
		tag = "ETag"
	} else if len(a.Body) > largeSet {
		v.find("NO_ETAG", a.url, "The answer has %d bytes, and no ETag.", len(a.Body))
	}
	said := "no Cache-Control"
	if lines := a.Header.Values("Cache-Control"); len(lines) > 0 {
		said = "Cache-Control " + quote(strings.Join(lines, ", "))
	}
	v.report.fact("caching", "%s, %s", said, tag)
	if v.cache.err == nil && v.cache.took > slowFetch {
		v.find("SLOW", v.name, "Metadata and key set together took %v.", v.cache.took.Round(100*time.Millisecond))
	}
}
