package main_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

// The kit of the rows about DPoP: an API of every kind with a real dpop.Binding, and a client that
// proves what it holds.

// dpopOrigin is what clients call the API, whatever address it listens on.
const dpopOrigin = "https://api.example"

// acceptedProofs is the parameter of every challenge of the scheme.
const acceptedProofs = "ES256 EdDSA Ed25519 PS256 RS256"

// A replayStore is one that a test can replace between its requests.
type replayStore struct{ dpop.ReplayStore }

func newReplayStore() *replayStore { return &replayStore{dpop.NewMemory(0)} }

// noRow stands for a row where a test's own store answers: what it shows counts for none. The rows
// are asked with a redis-server that fails, in adapters/redisauth.
const noRow = "no_row"

// storeFunc is a ReplayStore that answers as a test says.
type storeFunc func(ctx context.Context, ttl time.Duration) (bool, error)

func (f storeFunc) First(ctx context.Context, _, _ string, ttl time.Duration) (bool, error) {
	return f(ctx, ttl)
}

// countedStore counts how often a store is asked.
type countedStore struct {
	dpop.ReplayStore
	asked *int
}

func (s countedStore) First(ctx context.Context, owner, id string, ttl time.Duration) (bool, error) {
	*s.asked++
	return s.ReplayStore.First(ctx, owner, id, ttl)
}

// A dpopAPI is an API behind a Guard with a dpop.Binding, over every transport.
type dpopAPI struct {
	issuer     *authtest.Issuer
	client     *authtest.Prover
	store      *replayStore
	transports map[string]transport
	secret     *secrets
	last       *auth.Error // why the last request was refused
}

// newDPoP opens one. Its log must not hold what callers sent.
func newDPoP(t *testing.T, opts *dpop.Options, changes ...func(*auth.GuardOptions)) *dpopAPI {
	return newDPoPOver(t, nil, opts, changes...)
}

// newDPoPOver is newDPoP over a verifier; nil is that of the issuer's JWTs.
func newDPoPOver(t *testing.T, v auth.TokenVerifier, opts *dpop.Options, changes ...func(*auth.GuardOptions)) *dpopAPI {
	d := &dpopAPI{issuer: authtest.NewIssuer(t, nil), client: authtest.NewProver(t, auth.ES256), store: newReplayStore(), secret: new(secrets)}
	log := auth.LogRefusals(slog.New(slog.NewJSONHandler(d.secret, nil)))
	o := &auth.GuardOptions{
		Bindings: []auth.Binding{must(dpop.New([]string{dpopOrigin}, d.store, opts))},
		OnDecision: func(ctx context.Context, decision auth.Decision) {
			log(ctx, decision)
			if d.last = decision.Err; d.last != nil {
				fmt.Fprintln(d.secret, d.last, d.last.Claim(), d.last.Expected(), d.last.Err)
			}
		},
	}
	for _, change := range changes {
		change(o)
	}
	all := maps.Clone(needs)
	all["bound"] = auth.AllOf(auth.Scopes("read:orders"), auth.Bound())
	if v == nil {
		v = d.issuer.Verifier(auth.Config{})
	}
	d.transports = setup{guard: must(auth.NewGuard(v, o)), needs: all}.transports(t)
	t.Cleanup(func() {
		d.secret.mu.Lock()
		defer d.secret.mu.Unlock()
		for _, sent := range d.secret.sent {
			if strings.Contains(d.secret.log.String(), sent) {
				t.Errorf("the log holds %q, which a caller sent", sent)
			}
		}
	})
	return d
}

// A caller calls one operation over one transport.
type caller struct {
	*dpopAPI
	t    *testing.T
	name string // of the transport
	ask  transport
	need string
}

// row puts a test of each of rows, which are ids by spaces, to every transport.
func (d *dpopAPI) row(t *testing.T, rows, name string, test func(c caller)) {
	for _, row := range strings.Fields(rows) {
		eachTransport(t, row, d.transports, func(t *testing.T, transport string, ask transport) {
			t.Run(name, func(t *testing.T) { test(caller{d, t, transport, ask, "orders"}) })
		})
	}
}

func (c caller) overRPC() bool { return isRPC(c.name) }

// at is the caller of another operation.
func (c caller) at(need string) caller {
	c.need = need
	return c
}

// method and uri are what a proof for the operation says.
func (c caller) method() string {
	if c.overRPC() {
		return http.MethodPost
	}
	return http.MethodGet
}

func (c caller) path() string {
	if !c.overRPC() {
		return "/" + c.need
	}
	return methodOf(c.name)
}

// token returns a token that is bound to the client's key.
func (c caller) token(changes ...authtest.Change) string {
	return token(c.issuer, "read:orders", append([]authtest.Change{c.client.Confirmation()}, changes...)...)
}

// proof returns a proof of the client for the operation.
func (c caller) proof(token string, changes ...authtest.Change) string {
	return c.client.Proof(c.method(), dpopOrigin+c.path(), token, changes...)
}

// send calls with an Authorization value, the proofs and more fields.
func (c caller) send(authorization string, proofs []string, more ...[2]string) answer {
	c.t.Helper()
	r := request{need: c.need, more: more}
	if authorization != "" {
		r.authorization = []string{authorization}
	}
	for _, p := range proofs {
		r.more = append(r.more, [2]string{"DPoP", p})
	}
	sent := append(proofs, authorization)
	c.secret.add(sent)
	c.last = nil
	a := c.ask(c.t, r)
	checkSecrecy(c.t, a, sent)
	return a
}

// prove calls with a new proof, changed as changes say.
func (c caller) prove(changes ...authtest.Change) answer {
	c.t.Helper()
	token := c.token()
	return c.send("DPoP "+token, []string{c.proof(token, changes...)})
}

// A refused is what a refusal says: its status, the error of each challenge in their order ("" for
// a challenge without), and which schemes there are.
type refused struct {
	status  int
	code    string
	schemes string // by spaces
	errors  string // by spaces, "-" for none
}

var (
	badProof    = refused{401, "INVALID_DPOP_PROOF", "DPoP Bearer", "invalid_dpop_proof -"}
	needsNonce  = refused{401, "USE_DPOP_NONCE", "DPoP Bearer", "use_dpop_nonce -"}
	badBinding  = refused{401, "INVALID_TOKEN", "DPoP Bearer", "invalid_token -"}
	badBearer   = refused{401, "INVALID_TOKEN", "Bearer DPoP", "invalid_token -"}
	nothing     = refused{401, "CREDENTIALS_MISSING", "DPoP Bearer", "- -"}
	unavailable = refused{503, "UNAVAILABLE", "", ""}
)

// accepted wants the answer of the handler.
func (c caller) accepted(a answer) {
	c.t.Helper()
	if a.status != 200 || a.body != "alice may read:orders" {
		c.t.Errorf("%d %s %q, refused for %v", a.status, a.code, a.body, c.last)
	}
}

// refused wants a refusal, with all its challenges as they should be.
func (c caller) refused(a answer, want refused) {
	c.t.Helper()
	if a.status != want.status || a.code != want.code {
		c.t.Errorf("%d %s, refused for %v; want %d %s", a.status, a.code, c.last, want.status, want.code)
		return
	}
	if (a.retryAfter != "") != (want.status == 503) {
		c.t.Errorf("Retry-After %q under %d", a.retryAfter, a.status)
	}
	var schemes, errs []string
	for _, line := range a.challenges {
		read, err := parseChallenges(line)
		if err != nil || len(read) != 1 {
			c.t.Errorf("%q is read as %v, %v", line, read, err)
			return
		}
		code := read[0].params["error"]
		errs = append(errs, orDash(code))
		schemes = append(schemes, read[0].scheme)
		params := map[string]string{"realm": realm}
		if read[0].scheme == "DPoP" {
			params["algs"] = acceptedProofs
		}
		if code != "" {
			params["error"], params["error_description"] = code, c.last.Description()
		}
		if !maps.Equal(read[0].params, params) {
			c.t.Errorf("challenge\n got %v\nwant %v", read[0].params, params)
		}
	}
	if got := strings.Join(schemes, " "); got != want.schemes {
		c.t.Errorf("challenges of %q, want %q", got, want.schemes)
	}
	if got := strings.Join(errs, " "); got != want.errors {
		c.t.Errorf("errors %q, want %q", got, want.errors)
	}
	if a.metadata != nil && orDash(a.metadata["error"]) != orDash(strings.Split(want.errors, " ")[0]) {
		c.t.Errorf("the ErrorInfo says %v", a.metadata)
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
