package main_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// rowsOfDefects says which rows a defect of a proof tests, beside D-02, which takes them all.
var rowsOfDefects = map[string][]authtest.ProofDefect{
	"D-05": {authtest.ProofRandomText, authtest.ProofList, authtest.ProofEmpty, authtest.ProofTwoParts, authtest.ProofPadded, authtest.ProofDuplicateHeader,
		authtest.ProofDuplicateClaim, authtest.ProofClaimsArray},
	"D-06": {authtest.ProofNoID, authtest.ProofEmptyID, authtest.ProofNumericID, authtest.ProofNoMethod, authtest.ProofNoURI, authtest.ProofNoIssuedAt,
		authtest.ProofIssuedAtText, authtest.ProofNoTokenHash},
	"D-07": {authtest.ProofNoType, authtest.ProofWrongType},
	"D-08": {authtest.ProofAlgNone, authtest.ProofSymmetric, authtest.ProofOtherAlgorithm},
	"D-09": {authtest.ProofBadSignature, authtest.ProofUnsignedKey, authtest.ProofSignatureOfToken},
	"D-10": {authtest.ProofNoKey, authtest.ProofPrivateKey, authtest.ProofSymmetricKey, authtest.ProofPaddedKey},
	"D-11": {authtest.ProofWrongMethod, authtest.ProofMethodLowerCase},
	"D-12": {authtest.ProofWrongHost, authtest.ProofWrongScheme, authtest.ProofWrongPath, authtest.ProofPathUpperCase, authtest.ProofRelativeURI},
	"D-16": {authtest.ProofOld},
	"D-17": {authtest.ProofAhead},
	"D-18": {authtest.ProofWrongTokenHash},
	"D-19": {authtest.ProofAnotherKey},
	"D-24": {authtest.ProofNoType, authtest.ProofBadSignature},
	"D-35": {authtest.ProofLongID},
	"D-39": {authtest.ProofTooLong},
}

// TestMatrixProofDefects puts every defect of a proof to every transport.
func TestMatrixProofDefects(t *testing.T) {
	d := newDPoP(t, nil)
	refuse := func(defect authtest.ProofDefect) func(caller) {
		return func(c caller) {
			want := badProof
			if defect.Reason() == auth.ReasonBindingNotProved {
				want = badBinding
			}
			c.refused(c.prove(defect), want)
			if c.last == nil || c.last.Reason != defect.Reason() {
				c.t.Errorf("refused for %v, want %v", c.last, defect.Reason())
			}
		}
	}
	for _, defect := range authtest.ProofDefects() {
		d.row(t, "D-02", string(defect), refuse(defect))
	}
	for row, defects := range rowsOfDefects {
		for _, defect := range defects {
			d.row(t, row, string(defect), refuse(defect))
		}
	}
	d.row(t, "D-01 D-12", "a good proof", func(c caller) { c.accepted(c.prove()) }) // each request has a query
	d.row(t, "D-16", "its text", func(c caller) {
		c.prove(authtest.ProofOld)
		if !strings.Contains(c.last.Description(), "check the clock") {
			c.t.Errorf("%q", c.last.Description())
		}
	})
	d.row(t, "D-16 D-17", "clocks that are a little wrong", func(c caller) {
		for _, by := range []time.Duration{-time.Minute, 20 * time.Second} {
			c.accepted(c.prove(authtest.Claims{"iat": time.Now().Add(by).Unix()}))
		}
	})
}

// TestMatrixProofFields sends fields that are not the one.
func TestMatrixProofFields(t *testing.T) {
	d := newDPoP(t, nil)
	d.row(t, "D-03", "no field", func(c caller) { c.refused(c.send("DPoP "+c.token(), nil), badProof) })
	d.row(t, "D-04", "two fields", func(c caller) {
		token := c.token()
		c.refused(c.send("DPoP "+token, []string{c.proof(token), c.proof(token)}), badProof)
	})
	d.row(t, "D-39", "9 KB of text", func(c caller) {
		c.refused(c.send("DPoP "+c.token(), []string{strings.Repeat("x", 9<<10)}), badProof)
	})
	d.row(t, "D-38", "the credentials of a proxy", func(c caller) {
		token := c.token()
		c.refused(c.send("", []string{c.proof(token)}, [2]string{"Proxy-Authorization", "DPoP " + token}), nothing)
	})
}

// TestMatrixURIs compares "htu" with what is configured, whatever a request says of itself.
func TestMatrixURIs(t *testing.T) {
	d := newDPoP(t, nil)
	ask := func(c caller, uri string, more ...[2]string) answer {
		token := c.token()
		return c.send("DPoP "+token, []string{c.client.Proof(c.method(), uri, token)}, more...)
	}
	for name, spell := range map[string]func(path string) string{
		"scheme and host in capitals": func(path string) string { return "HTTPS://API.Example" + path },
		"the default port":            func(path string) string { return dpopOrigin + ":443" + path },
		"dot segments":                func(path string) string { return dpopOrigin + "/x/.." + path },
		"an encoded letter":           func(path string) string { return dpopOrigin + path[:1] + "%" + hexOf(path[1]) + path[2:] },
		"a query and a fragment":      func(path string) string { return dpopOrigin + path + "?a=b#c" },
	} {
		d.row(t, "D-13", name, func(c caller) { c.accepted(ask(c, spell(c.path()))) })
	}
	for name, spell := range map[string]func(path string) string{
		"an encoded slash":   func(path string) string { return dpopOrigin + "/%2F" + path[1:] },
		"a path in capitals": func(path string) string { return dpopOrigin + strings.ToUpper(path) },
		"a slash more":       func(path string) string { return dpopOrigin + path + "/" },
		"another port":       func(path string) string { return dpopOrigin + ":8443" + path },
		"a user":             func(path string) string { return "https://user@api.example" + path },
	} {
		d.row(t, "D-12 D-13", name, func(c caller) { c.refused(ask(c, spell(c.path())), badProof) })
	}
	said := [][2]string{{"Forwarded", "host=evil.example;proto=https"}, {"X-Forwarded-Host", "evil.example"}, {"X-Forwarded-Proto", "https"}, {"Origin", "https://evil.example"}}
	d.row(t, "D-14", "the origin that a request claims", func(c caller) {
		c.refused(ask(c, "https://evil.example"+c.path(), said...), badProof)
		c.accepted(ask(c, dpopOrigin+c.path(), said...))
	})
}

func hexOf(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// TestMatrixSchemes presents tokens under the wrong scheme, and none.
func TestMatrixSchemes(t *testing.T) {
	d := newDPoP(t, nil)
	only := newDPoP(t, nil, func(o *auth.GuardOptions) { o.RequireBound = true })
	alone := func(r refused) refused {
		r.schemes, _, _ = strings.Cut(r.schemes, " ")
		r.errors, _, _ = strings.Cut(r.errors, " ")
		return r
	}
	plain := func(c caller) string { return token(c.issuer, "read:orders") }
	d.row(t, "D-20", "an unbound token under DPoP", func(c caller) {
		token := plain(c)
		c.refused(c.send("DPoP "+token, []string{c.proof(token)}), badBinding)
	})
	d.row(t, "D-21 S-06", "a bound token under Bearer", func(c caller) {
		token := c.token()
		c.refused(c.send("Bearer "+token, nil), badBearer)
		c.refused(c.send("Bearer "+token, []string{c.proof(token)}), badBearer)
	})
	only.row(t, "D-22 D-23", "no credentials", func(c caller) { c.refused(c.send("", nil), alone(nothing)) })
	only.row(t, "D-23 D-43 S-03", "a plain token", func(c caller) { c.refused(c.send("Bearer "+plain(c), nil), alone(badBinding)) })
	d.row(t, "D-25", "no credentials", func(c caller) { c.refused(c.send("", nil), nothing) })
	d.row(t, "D-26", "a bad token under Bearer", func(c caller) {
		c.refused(c.send("Bearer "+token(c.issuer, "read:orders", authtest.Expired), nil), badBearer)
	})
	d.row(t, "D-27", "two Authorization values", func(c caller) {
		token := c.token()
		values := []string{"DPoP " + token, "Bearer " + plain(c)}
		c.secret.add(values)
		a := c.ask(c.t, request{need: c.need, authorization: values, field: [2]string{"DPoP", c.proof(token)}})
		c.refused(a, refused{400, "INVALID_REQUEST", "DPoP Bearer", "invalid_request invalid_request"})
	})
	d.row(t, "D-43 S-03", "a plain token where the route needs a bound one", func(c caller) {
		c = c.at("bound")
		c.refused(c.send("Bearer "+plain(c), nil), alone(badBinding))
		c.refused(c.send("", nil), alone(nothing))
		c.accepted(c.prove())
	})
	d.row(t, "D-43", "a plain token elsewhere", func(c caller) { c.accepted(c.send("Bearer "+plain(c), nil)) })
	for _, alg := range []auth.Algorithm{auth.ES256, auth.EdDSA, auth.PS256, auth.RS256} {
		d.row(t, "D-40", alg.String(), func(c caller) {
			client := authtest.NewProver(c.t, alg)
			token := token(c.issuer, "read:orders", client.Confirmation())
			c.accepted(c.send("DPoP "+token, []string{client.Proof(c.method(), dpopOrigin+c.path(), token)}))
		})
	}
}

// TestMatrixNonces has a client whose clock is wrong, and one that makes proofs in advance.
func TestMatrixNonces(t *testing.T) {
	old, current := []byte("an older secret of at least 32 bytes"), []byte("the current secret, at least 32 bytes")
	nonces := must(dpop.NewNonces(0, current, old))
	d := newDPoP(t, &dpop.Options{Nonces: nonces})
	replica, before := must(dpop.NewNonces(0, current)), must(dpop.NewNonces(0, old))
	with := func(nonce string) authtest.Change { return authtest.Claims{"nonce": nonce} }
	refuse := func(c caller, a answer) {
		c.t.Helper()
		c.refused(a, needsNonce)
		if len(a.nonces) != 1 || a.nonces[0] != nonces.Current() {
			c.t.Errorf("told the nonces %q", a.nonces)
		}
		if a.metadata != nil && a.metadata["dpop-nonce"] != nonces.Current() {
			c.t.Errorf("the ErrorInfo says %v", a.metadata)
		}
		if !c.overRPC() && a.stored != "no-store" {
			c.t.Errorf("Cache-Control %q beside a nonce", a.stored)
		}
	}
	d.row(t, "D-15 D-28 D-32 D-33", "no nonce", func(c caller) { refuse(c, c.prove()) })
	d.row(t, "D-15 D-28", "an empty nonce", func(c caller) { refuse(c, c.prove(with(""))) })
	for name, nonce := range map[string]string{
		"of another key": must(dpop.NewNonces(0)).Current(), "tampered": flip(nonces.Current()), "made up": strings.Repeat("A", 22),
		"cut": nonces.Current()[1:], "doubled": nonces.Current() + nonces.Current(),
	} {
		d.row(t, "D-15 D-28 D-30", name, func(c caller) { refuse(c, c.prove(with(nonce))) })
	}
	d.row(t, "D-15 D-16", "a good nonce, and a clock that is wrong", func(c caller) {
		for _, iat := range []int64{1, time.Now().Add(time.Hour).Unix()} {
			c.accepted(c.prove(with(nonces.Current()), authtest.Claims{"iat": iat}))
		}
	})
	d.row(t, "D-31", "of a replica with the same secret", func(c caller) { c.accepted(c.prove(with(replica.Current()))) })
	d.row(t, "D-31 D-29 D-32", "of the secret before this one", func(c caller) {
		a := c.prove(with(before.Current()))
		c.accepted(a)
		if len(a.nonces) != 1 || a.nonces[0] != nonces.Current() {
			c.t.Errorf("told the nonces %q with an accepted answer", a.nonces)
		}
		if !c.overRPC() && a.stored != "no-store" {
			c.t.Errorf("Cache-Control %q beside a nonce", a.stored)
		}
	})
	d.row(t, "D-34 S-08", "the same proof again", func(c caller) {
		token := c.token()
		proof := c.proof(token, with(nonces.Current()), authtest.Claims{"iat": 1})
		c.accepted(c.send("DPoP "+token, []string{proof}))
		c.refused(c.send("DPoP "+token, []string{proof}), badProof)
	})
	for _, defect := range authtest.ProofDefects() {
		if r := defect.Reason(); r == auth.ReasonProofExpired || defect == authtest.ProofEnded || defect == authtest.ProofNotYet {
			continue // times are not asked where nonces are
		}
		d.row(t, "D-02", string(defect)+" with a nonce", func(c caller) {
			want := badProof
			if defect.Reason() == auth.ReasonBindingNotProved {
				want = badBinding
			}
			c.refused(c.prove(with(nonces.Current()), defect), want)
		})
	}
}

// flip changes the last bit but one that counts.
func flip(nonce string) string {
	b := []byte(nonce)
	if b[0] == 'A' {
		b[0] = 'B'
	} else {
		b[0] = 'A'
	}
	return string(b)
}

// TestMatrixReplay uses proofs twice.
func TestMatrixReplay(t *testing.T) {
	d := newDPoP(t, nil)
	d.row(t, "D-34 S-08", "the same proof again", func(c caller) {
		token := c.token()
		proof := c.proof(token)
		c.accepted(c.send("DPoP "+token, []string{proof}))
		for range 2 {
			c.refused(c.send("DPoP "+token, []string{proof}), badProof)
		}
		if c.last.Reason != auth.ReasonProofReplayed {
			c.t.Errorf("refused for %v", c.last)
		}
	})
	d.row(t, "D-35", "a jti that another key used", func(c caller) {
		id := authtest.Claims{"jti": "same for " + c.name}
		c.accepted(c.prove(id))
		other := authtest.NewProver(c.t, auth.EdDSA)
		token := token(c.issuer, "read:orders", other.Confirmation())
		c.accepted(c.send("DPoP "+token, []string{other.Proof(c.method(), dpopOrigin+c.path(), token, id)}))
		c.accepted(c.at("any").prove(authtest.Claims{"jti": "another for " + c.name}))
		c.refused(c.prove(id), badProof)
	})
	d.row(t, "D-35", "an owner that fills its quarter", func(c caller) {
		d.store.ReplayStore = dpop.NewMemory(32)
		defer func() { d.store.ReplayStore = dpop.NewMemory(0) }()
		for range 8 {
			c.accepted(c.prove())
		}
		c.refused(c.prove(), unavailable)
		bob := token(c.issuer, "read:orders", c.client.Confirmation(), authtest.Claims{"sub": "bob"})
		if a := c.send("DPoP "+bob, []string{c.proof(bob)}); a.status != 200 {
			c.t.Errorf("%d for another owner", a.status)
		}
	})
	for name, store := range map[string]dpop.ReplayStore{
		"down":  storeFunc(func(context.Context, time.Duration) (bool, error) { return false, errors.New("connection refused") }),
		"full":  storeFunc(func(context.Context, time.Duration) (bool, error) { return false, dpop.ErrFull }),
		"hangs": storeFunc(func(ctx context.Context, _ time.Duration) (bool, error) { <-ctx.Done(); return true, ctx.Err() }),
	} {
		d.row(t, noRow, "a store that is "+name, func(c caller) {
			d.store.ReplayStore = store
			defer func() { d.store.ReplayStore = dpop.NewMemory(0) }()
			c.refused(c.prove(), unavailable)
			c.accepted(c.send("Bearer "+token(c.issuer, "read:orders"), nil))
		})
	}
}

// TestMatrixMemory looks at how long a store is told to remember.
func TestMatrixMemory(t *testing.T) {
	nonces := must(dpop.NewNonces(time.Hour))
	byTime, byNonce := newDPoP(t, nil), newDPoP(t, &dpop.Options{Nonces: nonces})
	told := func(c caller, changes ...authtest.Change) (ttl time.Duration) {
		c.store.ReplayStore = storeFunc(func(_ context.Context, d time.Duration) (bool, error) { ttl = d; return true, nil })
		c.accepted(c.prove(changes...))
		return ttl
	}
	byTime.row(t, noRow, "without nonces", func(c caller) {
		for _, ago := range []time.Duration{0, 80 * time.Second, -25 * time.Second} { // MaxAge and Leeway are 90 s
			left := 90*time.Second - ago
			if ttl := told(c, authtest.Claims{"iat": time.Now().Add(-ago).Unix()}); ttl < left || ttl > left+10*time.Second {
				c.t.Errorf("made %v ago: remembered for %v, want at least %v", ago, ttl, left)
			}
		}
	})
	byNonce.row(t, noRow, "with nonces, whatever iat says", func(c caller) {
		for _, iat := range []int64{1, time.Now().Unix()} {
			if ttl := told(c, authtest.Claims{"iat": iat, "nonce": nonces.Current()}); ttl < time.Hour || ttl > 100*time.Minute {
				c.t.Errorf("iat %d: remembered for %v", iat, ttl)
			}
		}
	})
}

// TestMatrixProofsOfCalls counts how often the proof of a gRPC call is spent.
func TestMatrixProofsOfCalls(t *testing.T) {
	d := newDPoP(t, nil)
	d.row(t, "D-41", "one proof for each call", func(c caller) {
		if !c.overRPC() {
			c.t.Skip("HTTP has D-11 and D-12")
		}
		asked := 0
		c.store.ReplayStore = countedStore{dpop.NewMemory(0), &asked}
		c.accepted(c.prove())
		if asked != 1 {
			c.t.Errorf("the store was asked %d times", asked)
		}
		token := c.token()
		for name, proof := range map[string]string{
			"GET":                c.client.Proof("GET", dpopOrigin+c.path(), token),
			"another method":     c.client.Proof("POST", dpopOrigin+"/bearward.test.Talk/Other", token),
			"no method":          c.client.Proof("POST", dpopOrigin, token),
			"the service's name": c.client.Proof("POST", dpopOrigin+c.path()[:strings.LastIndexByte(c.path(), '/')], token),
		} {
			if a := c.send("DPoP "+token, []string{proof}); a.code != badProof.code {
				c.t.Errorf("a proof for %s: %d %s", name, a.status, a.code)
			}
		}
	})
}
