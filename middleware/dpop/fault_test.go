package dpop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// detailsOfDefects is what an operator reads of each defect.
var detailsOfDefects = map[authtest.ProofDefect]string{
	authtest.ProofTooLong:         "the proof is longer than 8 KiB",
	authtest.ProofRandomText:      "the proof is not a compact JWS, which has three parts",
	authtest.ProofList:            "the proof is not a compact JWS, which has three parts",
	authtest.ProofEmpty:           "the proof is not a compact JWS, which has three parts",
	authtest.ProofTwoParts:        "the proof is not a compact JWS, which has three parts",
	authtest.ProofPadded:          "the proof's signature is not base64url",
	authtest.ProofNoType:          `"typ" is missing or not dpop+jwt`,
	authtest.ProofWrongType:       `"typ" is missing or not dpop+jwt`,
	authtest.ProofAlgNone:         `"alg" is missing or none of the accepted algorithms: ES256, EdDSA, Ed25519, PS256, RS256`,
	authtest.ProofSymmetric:       `"alg" is missing or none of the accepted algorithms: ES256, EdDSA, Ed25519, PS256, RS256`,
	authtest.ProofOtherAlgorithm:  `"jwk" is a key for another algorithm than "alg"`,
	authtest.ProofCritical:        `the proof's header has "crit", and no extension is implemented`,
	authtest.ProofDuplicateHeader: "the proof's header is not a JSON object in base64url whose members are of their types and stand there once",
	authtest.ProofNoKey:           `"jwk" is missing, or not an object`,
	authtest.ProofPrivateKey:      `"jwk" has a private part: the client gives its key away`,
	authtest.ProofSymmetricKey:    `"jwk" has a private part: the client gives its key away`,
	authtest.ProofPaddedKey:       `"jwk" is not a public key in its one spelling, or a weak one`,
	authtest.ProofAnotherKey:      "the proof's key is not the one that the token is bound to",
	authtest.ProofNoID:            `"jti" is missing, empty, no text, or longer than 256 bytes`,
	authtest.ProofEmptyID:         `"jti" is missing, empty, no text, or longer than 256 bytes`,
	authtest.ProofLongID:          `"jti" is missing, empty, no text, or longer than 256 bytes`,
	authtest.ProofNumericID:       `"jti" is missing, empty, no text, or longer than 256 bytes`,
	authtest.ProofNoMethod:        `"htm" is missing or empty`,
	authtest.ProofWrongMethod:     `"htm" is not the request's method`,
	authtest.ProofMethodLowerCase: `"htm" is not the request's method`,
	authtest.ProofNoURI:           `"htu" is missing or empty`,
	authtest.ProofWrongHost:       `"htu" has none of the configured origins: https://api.example, https://example.com/v1`,
	authtest.ProofWrongScheme:     `"htu" has none of the configured origins: https://api.example, https://example.com/v1`,
	authtest.ProofWrongPath:       `"htu" has a configured origin, and another path than the request`,
	authtest.ProofPathUpperCase:   `"htu" has a configured origin, and another path than the request`,
	authtest.ProofRelativeURI:     `"htu" is not an absolute http or https URI`,
	authtest.ProofNoTokenHash:     `"ath" is missing or empty`,
	authtest.ProofWrongTokenHash:  `"ath" is not the hash of the access token`,
	authtest.ProofNoIssuedAt:      `"iat" is missing`,
	authtest.ProofIssuedAtText:    `"iat" is not a number`,
	authtest.ProofOld:             `"iat" is too long ago, or one of the clocks is wrong`,
	authtest.ProofAhead:           `"iat" has not come, or one of the clocks is wrong`,
	authtest.ProofEnded:           `"exp" has passed, or is not a number`,
	authtest.ProofNotYet:          `"nbf" has not come, or is not a number`,
	authtest.ProofDuplicateClaim:  "the proof's claims are not a JSON object in base64url, each member once",
	authtest.ProofClaimsArray:     "the proof's claims are not a JSON object in base64url, each member once",

	authtest.ProofBadSignature:     "the signature is not that of the key in the proof",
	authtest.ProofUnsignedKey:      "the signature is not that of the key in the proof",
	authtest.ProofSignatureOfToken: "the signature is not that of the key in the proof",
}

// A logged is an API whose refusals are logged, and what the last of them said.
type logged struct {
	*guarded
	log bytes.Buffer
}

func logging(t *testing.T, store dpop.ReplayStore, opts *dpop.Options) *logged {
	l := new(logged)
	refusals := auth.LogRefusals(slog.New(slog.NewJSONHandler(&l.log, nil)))
	l.guarded = guard(t, store, opts, func(o *auth.GuardOptions) { o.OnDecision = auth.Hooks(o.OnDecision, refusals) })
	return l
}

// detail asks, and returns what the log says. Nothing that r has in a header field may be in it.
func (l *logged) detail(t *testing.T, r *http.Request) string {
	t.Helper()
	l.log.Reset()
	if w := l.ask(r); w.Code == 200 || strings.Contains(w.Header().Get("Www-Authenticate"), "detail") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for _, values := range r.Header {
		for _, part := range strings.FieldsFunc(strings.Join(values, "."), func(r rune) bool { return r == '.' || r == ' ' || r == ',' }) {
			if len(part) > 8 && strings.Contains(l.log.String(), part) {
				t.Errorf("the log has %q:\n%s", part, &l.log)
			}
		}
	}
	for _, secret := range []string{canary, "proof-"} { // of claims, and each jti
		if strings.Contains(l.log.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, &l.log)
		}
	}
	var line struct{ Detail, Reason string }
	if err := json.Unmarshal(l.log.Bytes(), &line); err != nil {
		t.Fatalf("%v: %q", err, &l.log)
	}
	if line.Reason != string(l.reason()) {
		t.Errorf("the log says %s, and the reason is %s", line.Reason, l.reason())
	}
	return line.Detail
}

const canary = "c4n4ry"

// An operator reads in the log what is wrong with a proof, and nothing that the proof says.
func TestTheLogTellsWhatIsWrongWithAProof(t *testing.T) {
	l, p := logging(t, nil, nil), authtest.NewProver(t, auth.ES256)
	token := l.issuer.Token("read:orders", p.Confirmation())
	for _, d := range authtest.ProofDefects() {
		if got, want := l.detail(t, proved(p, token, d)), detailsOfDefects[d]; got != want {
			t.Errorf("%s:\n got %s\nwant %s", d, got, want)
		}
	}
	for want, changes := range map[string][]authtest.Change{
		`the proof's header has "b64", which is not implemented`:                                                     {authtest.Header{"b64": true}},
		`the proof's header has "zip", which is not implemented`:                                                     {authtest.Header{"zip": canary}},
		`"htm" is not the request's method`:                                                                          {authtest.Claims{"htm": canary}},
		`"htu" is not an absolute http or https URI`:                                                                 {authtest.Claims{"htu": canary}},
		`"htu" has none of the configured origins: https://api.example, https://example.com/v1`:                      {authtest.Claims{"htu": "https://" + canary}},
		`"htu" has a configured origin, and another path than the request`:                                           {authtest.Claims{"htu": "https://example.com/v1/" + canary}},
		`"nbf" has not come, or is not a number`:                                                                     {authtest.Claims{"nbf": time.Now().Add(time.Hour).Unix()}},
		`"exp" has passed, or is not a number`:                                                                       {authtest.Claims{"exp": canary}},
		`"nonce" is not a text`:                                                                                      {authtest.Claims{"nonce": 7}},
		`"typ" is missing or not dpop+jwt`:                                                                           {authtest.Header{"typ": canary}},
		`"alg" is missing or none of the accepted algorithms: ES256, EdDSA, Ed25519, PS256, RS256`:                   {authtest.Header{"alg": canary}},
		`"jwk" is not a public key in its one spelling, or a weak one`:                                               {authtest.Header{"jwk": map[string]string{"kty": canary}}},
		"the proof's header is not a JSON object in base64url whose members are of their types and stand there once": {authtest.Header{"kid": 7}},
	} {
		if got := l.detail(t, proved(p, token, changes...)); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	none, two := proved(p, token), proved(p, token)
	none.Header.Del("DPoP")
	two.Header.Add("DPoP", two.Header.Get("DPoP"))
	used, odd := proved(p, token), proved(p, token)
	odd.RequestURI = "/a b"
	l.ask(used)
	unbound := proved(p, l.issuer.Token("read:orders", authtest.Claims{"cnf": map[string]any{"jkt": canary}}))
	for want, r := range map[string]*http.Request{
		"no DPoP field": none, "more than one DPoP field": two, "the proof was used before": used,
		`the token's "cnf.jkt" is not a thumbprint`:                             unbound,
		"the request's own target has a character that must be percent-encoded": odd,
	} {
		if got := l.detail(t, r); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

func TestTheLogTellsOfNonces(t *testing.T) {
	l, p := logging(t, nil, &dpop.Options{Nonces: must(dpop.NewNonces(0))}), authtest.NewProver(t, auth.ES256)
	token := l.issuer.Token("read:orders", p.Confirmation())
	for want, changes := range map[string][]authtest.Change{
		"the proof has no nonce": nil,
		"the nonce is too old, or of a secret that this replica does not have": {authtest.Claims{"nonce": canary}},
	} {
		if got := l.detail(t, proved(p, token, changes...)); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

// A toldFault has a text for operators.
type toldFault struct{}

func (toldFault) Error() string  { return canary }
func (toldFault) Detail() string { return "it is a replica" }

// A failingStore fails as a test says.
type failingStore func(context.Context) error

func (f failingStore) First(ctx context.Context, _, _ string, _ time.Duration) (bool, error) {
	return false, f(ctx)
}

// What a store says of itself may hold anything, and is not logged.
func TestTheLogTellsOfTheReplayStore(t *testing.T) {
	var fails func(context.Context) error
	store := failingStore(func(ctx context.Context) error { return fails(ctx) })
	l := logging(t, store, &dpop.Options{ReplayTimeout: time.Millisecond})
	p := authtest.NewProver(t, auth.ES256)
	token := l.issuer.Token("read:orders", p.Confirmation())
	for want, f := range map[string]func(context.Context) error{
		"the replay store is full":                       func(context.Context) error { return dpop.ErrFull },
		"the caller's share of the replay store is full": func(context.Context) error { return dpop.ErrOwnerFull },
		"the replay store: it is a replica":              func(context.Context) error { return fmt.Errorf("%s: %w", canary, toldFault{}) },
		"the replay store failed":                        func(context.Context) error { return errors.New(canary) },
		"the replay store did not answer within 1ms":     func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		fails = f
		if got := l.detail(t, proved(p, token)); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
		if cause := l.last.Unwrap(); !strings.HasPrefix(cause.Error(), "dpop: the replay store: ") {
			t.Errorf("%v", cause)
		}
	}
}
