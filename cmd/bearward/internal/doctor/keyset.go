package doctor

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
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
	a := v.ask(ctx, at, nil)
	v.transport(&a)
	if u, err := url.Parse(at); err == nil && u.Hostname() != v.url.Hostname() {
		v.find("KEY_SET_ELSEWHERE", at, "The key set is on %s, not on %s.", u.Hostname(), v.url.Hostname())
	}
	switch {
	case a.err != nil:
		v.unanswered(&a, "ISSUER_UNREACHABLE")
		return
	case isRedirect(&a):
		v.moved = append(v.moved, at)
		v.redirects(ctx, &a)
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
	secrets := map[string]bool{} // "k" is a private part, too
	for _, s := range v.cache.Skipped {
		secrets[s.KeyID] = secrets[s.KeyID] || s.Reason == jwks.SkipSymmetric
		v.find(skipped[s.Reason], at, "%s is left out (%s).", ordinal(s.Index, s.KeyID), s.Reason)
	}
	for _, id := range v.cache.Exposed {
		if !secrets[id] {
			v.find("PRIVATE_KEY_PUBLISHED", at, "The key with the ID %s is published with its private part.", quote(id))
		}
	}
	ids := map[string]int{}
	for _, k := range v.cache.Keys {
		if k.ID == "" {
			v.find("KEY_WITHOUT_ID", at, "A key (%s) has no \"kid\".", algorithm(k))
		} else if ids[k.ID+" "+algorithm(k)]++; ids[k.ID+" "+algorithm(k)] == 2 {
			v.find("KEY_ID_SHARED", at, "Two keys or more have the ID %s.", quote(k.ID))
		}
		if _, ok := k.Public.(*rsa.PublicKey); ok && k.Algorithm == "" {
			v.find("KEY_WITHOUT_ALGORITHM", at, "The RSA key with the ID %s has no \"alg\".", quote(k.ID))
		}
	}
}

// ordinal names a key by its place in the set, and its ID.
func ordinal(index int, id string) string {
	if id == "" {
		return fmt.Sprintf("Key %d of the set, without an ID,", index+1)
	}
	return fmt.Sprintf("Key %d of the set, with the ID %s,", index+1, quote(id))
}

func algorithm(k *jwks.Key) string {
	if k.Algorithm == "" {
		return "RSA"
	}
	return k.Algorithm
}

// names lists keys by ID and algorithm, a few of them.
func names(keys []*jwks.Key) string {
	const most = 5
	var all []string
	for _, k := range keys[:min(len(keys), most)] {
		all = append(all, quote(k.ID)+" "+algorithm(k))
	}
	if len(keys) > most {
		all = append(all, fmt.Sprintf("and %d more", len(keys)-most))
	}
	return strings.Join(all, ", ")
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
	if old := age(a.Header); old > refresh {
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

// replicas reads metadata and key set several times, each time over a new connection.
func (v *visit) replicas(ctx context.Context) {
	documents := []string{v.at}
	if v.used != nil {
		documents = append(documents, v.used.url)
	}
	for _, at := range documents {
		if slices.Contains(v.moved, at) {
			continue
		}
		var tries []answer
		for range v.Tries {
			tries = append(tries, v.ask(ctx, at, nil))
		}
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
		v.find("REPLICAS_DIFFER", at, "%d answers have different keys: %s.", len(tries), strings.Join(some[:min(len(some), 6)], ", "))
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
