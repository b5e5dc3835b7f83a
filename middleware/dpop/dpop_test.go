package dpop_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

const api = "https://api.example"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A guarded is an API behind a Guard with a Binding.
type guarded struct {
	issuer *authtest.Issuer
	guard  *auth.Guard
	h      http.Handler
	last   *auth.Error // why the last request was refused
}

func guard(t *testing.T, store dpop.ReplayStore, opts *dpop.Options, more ...func(*auth.GuardOptions)) *guarded {
	t.Helper()
	if store == nil {
		store = dpop.NewMemory(0)
	}
	g := &guarded{issuer: authtest.NewIssuer(t, nil)}
	o := &auth.GuardOptions{
		Bindings:   []auth.Binding{must(dpop.New([]string{api, "https://example.com/v1"}, store, opts))},
		OnDecision: func(_ context.Context, d auth.Decision) { g.last = d.Err },
	}
	for _, change := range more {
		change(o)
	}
	g.guard = g.issuer.Guard(o)
	g.h = g.guard.Require("read:orders")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "orders") }))
	return g
}

func (g *guarded) ask(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.last = nil
	g.h.ServeHTTP(w, r)
	return w
}

func (g *guarded) reason() auth.Reason {
	if g.last == nil {
		return ""
	}
	return g.last.Reason
}

func request(method, target string) *http.Request { return httptest.NewRequest(method, target, nil) }

func proved(p *authtest.Prover, token string, changes ...authtest.Change) *http.Request {
	r := request("GET", "/orders?page=2")
	p.Prove(r, api, token, changes...)
	return r
}

var algorithms = []auth.Algorithm{auth.ES256, auth.EdDSA, auth.PS256, auth.RS256}

func TestABoundTokenWithItsProof(t *testing.T) {
	for _, alg := range algorithms {
		g, p := guard(t, nil, nil), authtest.NewProver(t, alg)
		token := g.issuer.Token("read:orders", p.Confirmation())
		for range 2 { // the second time the token is remembered
			if w := g.ask(proved(p, token)); w.Code != 200 {
				t.Errorf("%v: %d %v", alg, w.Code, g.last)
			}
		}
		if w := g.ask(proved(p, g.issuer.Token("read:orders"))); w.Code != 401 || g.reason() != auth.ReasonSchemeMismatch {
			t.Errorf("%v: an unbound token under DPoP: %d %v", alg, w.Code, g.last)
		}
		r := proved(p, token)
		r.Header.Set("Authorization", "Bearer "+token)
		if w := g.ask(r); w.Code != 401 || g.reason() != auth.ReasonSchemeMismatch {
			t.Errorf("%v: a bound token under Bearer: %d %v", alg, w.Code, g.last)
		}
		if w := g.ask(proved(p, g.issuer.Token("write:orders", p.Confirmation()))); w.Code != 403 {
			t.Errorf("%v: a scope is missing: %d %v", alg, w.Code, g.last)
		}
	}
}

// A known key's header is not read again: all else of its proofs is, and nobody else's header is
// taken for it.
func TestAKnownKeyIsNobodyElses(t *testing.T) {
	g, p, thief := guard(t, nil, nil), authtest.NewProver(t, auth.ES256), authtest.NewProver(t, auth.ES256)
	token, other := g.issuer.Token("read:orders", p.Confirmation()), g.issuer.Token("read:orders", thief.Confirmation())
	for range 2 {
		for p, token := range map[*authtest.Prover]string{p: token, thief: other} {
			if w := g.ask(proved(p, token)); w.Code != 200 {
				t.Errorf("one's own token: %d %v", w.Code, g.last)
			}
		}
		for p, token := range map[*authtest.Prover]string{p: other, thief: token} {
			if w := g.ask(proved(p, token)); w.Code != 401 || g.reason() != auth.ReasonBindingNotProved {
				t.Errorf("another's token: %d %v", w.Code, g.last)
			}
		}
	}
}

func TestEveryProofDefectIsRefusedForItsReason(t *testing.T) {
	for n := range 2 * len(algorithms) {
		alg := algorithms[n%len(algorithms)]
		g, p := guard(t, nil, nil), authtest.NewProver(t, alg)
		token := g.issuer.Token("read:orders", p.Confirmation())
		about := ""
		if n >= len(algorithms) { // the header of the key's proofs is remembered
			about = ", a known key"
			if w := g.ask(proved(p, token)); w.Code != 200 {
				t.Fatalf("%v: a good proof: %d", alg, w.Code)
			}
		}
		for _, d := range authtest.ProofDefects() {
			t.Run(fmt.Sprint(alg, " ", d, about), func(t *testing.T) {
				w := g.ask(proved(p, token, d))
				if w.Code != 401 || g.reason() != d.Reason() {
					t.Fatalf("%d %v, want %v", w.Code, g.last, d.Reason())
				}
				want := `error="invalid_dpop_proof"`
				if d.Reason() == auth.ReasonBindingNotProved {
					want = `error="invalid_token"`
				}
				challenge := w.Header()["Www-Authenticate"]
				if len(challenge) == 0 || !strings.HasPrefix(challenge[0], "DPoP ") || !strings.Contains(challenge[0], want) ||
					!strings.Contains(challenge[0], `algs="ES256 EdDSA Ed25519 PS256 RS256"`) {
					t.Errorf("challenge %q", challenge)
				}
			})
		}
		if w := g.ask(proved(p, token)); w.Code != 200 {
			t.Fatalf("%v: a good proof: %d", alg, w.Code)
		}
	}
}

// EdDSA has a second name, for clients that choose of fully specified ones (RFC 9864 §2.2). The
// challenge names what is accepted.
func TestTheSecondNameOfEdDSA(t *testing.T) {
	for _, alg := range []auth.Algorithm{auth.EdDSA, auth.ES256} {
		g, p := guard(t, nil, &dpop.Options{Algorithms: []auth.Algorithm{alg}}), authtest.NewProver(t, auth.EdDSA)
		w := g.ask(proved(p, g.issuer.Token("read:orders", p.Confirmation()), authtest.Header{"alg": "Ed25519"}))
		challenge := g.ask(request("GET", "/orders")).Header().Get("WWW-Authenticate")
		if accepted := alg == auth.EdDSA; (w.Code == 200) != accepted || strings.Contains(challenge, `algs="EdDSA Ed25519"`) != accepted {
			t.Errorf("%v: %d %v, challenge %s", alg, w.Code, g.last, challenge)
		}
	}
}

// An algorithm that the API does not accept is refused, though the signature is good.
func TestAlgorithmsOfProofs(t *testing.T) {
	g, p := guard(t, nil, &dpop.Options{Algorithms: []auth.Algorithm{auth.PS256}}), authtest.NewProver(t, auth.RS256)
	if w := g.ask(proved(p, g.issuer.Token("read:orders", p.Confirmation()))); w.Code != 401 || g.reason() != auth.ReasonProofInvalid || !strings.Contains(g.last.Err.Error(), `"alg"`) {
		t.Errorf("%d %v", w.Code, g.last)
	}
}

func TestFieldsOfTheProof(t *testing.T) {
	g, p := guard(t, nil, nil), authtest.NewProver(t, auth.ES256)
	token := g.issuer.Token("read:orders", p.Confirmation())
	none, two := proved(p, token), proved(p, token)
	none.Header.Del("DPoP")
	two.Header.Add("DPoP", p.Proof("GET", api+"/orders", token))
	for name, r := range map[string]*http.Request{"none": none, "two": two} {
		if w := g.ask(r); w.Code != 401 || g.reason() != auth.ReasonProofInvalid {
			t.Errorf("%s: %d %v", name, w.Code, g.last)
		}
	}
}

func TestAnotherClientsProofForAStolenToken(t *testing.T) {
	g, owner, thief := guard(t, nil, nil), authtest.NewProver(t, auth.ES256), authtest.NewProver(t, auth.ES256)
	token := g.issuer.Token("read:orders", owner.Confirmation())
	if w := g.ask(proved(thief, token)); w.Code != 401 || g.reason() != auth.ReasonBindingNotProved {
		t.Errorf("%d %v", w.Code, g.last)
	}
	for name, jkt := range map[string]any{"a number": 1, "empty": "", "short": owner.Thumbprint()[1:], "padded": owner.Thumbprint() + "=", "null": nil} {
		token := g.issuer.Token("read:orders", authtest.Claims{"cnf": map[string]any{"jkt": jkt}})
		if w := g.ask(proved(owner, token)); w.Code != 401 || g.reason() != auth.ReasonBindingNotProved {
			t.Errorf("a jkt that is %s: %d %v", name, w.Code, g.last)
		}
	}
}

func TestAProofIsGoodOnce(t *testing.T) {
	g, p := guard(t, nil, nil), authtest.NewProver(t, auth.ES256)
	token := g.issuer.Token("read:orders", p.Confirmation())
	r := proved(p, token)
	if w := g.ask(r); w.Code != 200 {
		t.Fatalf("%d %v", w.Code, g.last)
	}
	again := request("GET", "/orders?page=3")
	again.Header = r.Header
	if w := g.ask(again); w.Code != 401 || g.reason() != auth.ReasonProofReplayed {
		t.Errorf("a replay with another query: %d %v", w.Code, g.last)
	}
	// Another client's proof with the same jti is not a replay.
	other := authtest.NewProver(t, auth.ES256)
	id := authtest.Claims{"jti": "same"}
	for _, p := range []*authtest.Prover{p, other} {
		if w := g.ask(proved(p, g.issuer.Token("read:orders", p.Confirmation()), id)); w.Code != 200 {
			t.Errorf("the same jti of another key: %d %v", w.Code, g.last)
		}
	}
}

func TestURIsOfAProof(t *testing.T) {
	g, p := guard(t, nil, nil), authtest.NewProver(t, auth.ES256)
	token := g.issuer.Token("read:orders", p.Confirmation())
	for _, tt := range []struct {
		target, htu string
		good        bool
	}{
		{"/orders", "HTTPS://API.example:443/orders", true},
		{"/orders?x=1", "https://api.example/orders?y=2#z", true},
		{"/orders/~a", "https://api.example/orders/%7ea", true},
		{"/a/../orders", "https://api.example/orders", true},
		{"/orders", "https://example.com/v1/orders", true},
		{"/", "https://api.example", true},
		{"/a%2fb", "https://api.example/a%2Fb", true},
		{"/a%2fb", "https://api.example/a/b", false},
		{"/orders", "https://example.com/orders", false},
		{"/orders", "http://api.example/orders", false},
		{"/orders", "https://api.example:8443/orders", false},
		{"/orders", "https://api.example/Orders", false},
		{"/orders", "https://api.example/orders/", false},
		{"/orders", "https://user@api.example/orders", false},
		{"/orders", "https://evil.example/orders", false},
	} {
		r := request("GET", tt.target)
		r.Host = "evil.example" // an attacker who replays a proof chooses these too
		r.Header.Set("Forwarded", "host=evil.example;proto=https")
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", p.Proof("GET", tt.htu, token))
		w := g.ask(r)
		if (w.Code == 200) != tt.good {
			t.Errorf("%s by a proof for %s: %d %v", tt.target, tt.htu, w.Code, g.last)
		}
	}
}

func TestClocks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		claims authtest.Claims // seconds from now
		want   auth.Reason
	}{
		{"just young enough", authtest.Claims{"iat": -89}, ""},
		{"a second too old", authtest.Claims{"iat": -90}, auth.ReasonProofExpired},
		{"ahead within the leeway", authtest.Claims{"iat": 30}, ""},
		{"ahead beyond the leeway", authtest.Claims{"iat": 31}, auth.ReasonProofExpired},
		{"long ago", authtest.Claims{"iat": -1e9}, auth.ReasonProofExpired},
		{"an end within the leeway", authtest.Claims{"iat": 0, "exp": -29}, ""},
		{"an end beyond the leeway", authtest.Claims{"iat": 0, "exp": -30}, auth.ReasonProofInvalid},
		{"a beginning within the leeway", authtest.Claims{"iat": 0, "nbf": 30}, ""},
		{"a beginning beyond the leeway", authtest.Claims{"iat": 0, "nbf": 31}, auth.ReasonProofInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, p := guard(t, nil, nil), authtest.NewProver(t, auth.EdDSA)
				claims := authtest.Claims{}
				for name, seconds := range tt.claims {
					switch s := seconds.(type) {
					case int:
						claims[name] = time.Now().Unix() + int64(s)
					case float64:
						claims[name] = time.Now().Unix() + int64(s)
					}
				}
				g.ask(proved(p, g.issuer.Token("read:orders", p.Confirmation()), claims))
				if g.reason() != tt.want {
					t.Errorf("%v, want %q", g.last, tt.want)
				}
			})
		})
	}
}

// A proof must be remembered for as long as its time would let it pass, and a little longer.
func TestAProofIsRememberedAsLongAsItIsGood(t *testing.T) {
	for name, opts := range map[string]*dpop.Options{
		"by its time":                       nil,
		"by its time, with the widest":      {MaxAge: 5 * time.Minute, Leeway: 5 * time.Minute},
		"by its nonce":                      {Nonces: must(dpop.NewNonces(0))},
		"by its nonce, with a long life":    {Nonces: must(dpop.NewNonces(time.Hour))},
		"by its nonce, with a short life":   {Nonces: must(dpop.NewNonces(time.Second))},
		"by its time, without leeway":       {Leeway: -1},
		"by its time, which is nearly none": {MaxAge: time.Second, Leeway: -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, p := guard(t, nil, opts), authtest.NewProver(t, auth.EdDSA)
				token := g.issuer.Token("read:orders", p.Confirmation(), authtest.Claims{"exp": time.Now().Add(24 * time.Hour).Unix()})
				if opts != nil && opts.Nonces != nil {
					p.SetNonce(opts.Nonces.Current())
				}
				changes := []authtest.Change{authtest.Claims{"iat": time.Now().Unix()}}
				if opts != nil && opts.Nonces != nil {
					changes = []authtest.Change{authtest.Claims{"iat": 1}} // is not judged, and must not shorten the memory
				}
				r := proved(p, token, changes...)
				if w := g.ask(r); w.Code != 200 {
					t.Fatalf("%d %v", w.Code, g.last)
				}
				for range 3 * 3600 / 7 {
					if w := g.ask(r); w.Code == 200 {
						t.Fatal("passed again")
					}
					time.Sleep(7 * time.Second / 3)
				}
			})
		})
	}
}

func TestNonces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nonces := must(dpop.NewNonces(0))
		g, p := guard(t, nil, &dpop.Options{Nonces: nonces}), authtest.NewProver(t, auth.EdDSA)
		token := g.issuer.Token("read:orders", p.Confirmation(), authtest.Claims{"exp": time.Now().Add(time.Hour).Unix()})
		for _, nonce := range []string{"", "foreign", strings.Repeat("A", 22), must(dpop.NewNonces(0)).Current()} {
			p.SetNonce(nonce)
			w := g.ask(proved(p, token))
			if w.Code != 401 || g.reason() != auth.ReasonProofNonceRequired {
				t.Errorf("nonce %q: %d %v", nonce, w.Code, g.last)
			}
			challenge := strings.Join(w.Header()["Www-Authenticate"], "\n")
			if !strings.Contains(challenge, `error="use_dpop_nonce"`) || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("nonce %q: %v", nonce, w.Header())
			}
			if told := w.Header()["Dpop-Nonce"]; len(told) != 1 || told[0] != nonces.Current() {
				t.Errorf("nonce %q: told %q", nonce, told)
			}
		}
		p.SetNonce(nonces.Current())
		if w := g.ask(proved(p, token, authtest.ProofOld)); w.Code != 200 || w.Header().Get("DPoP-Nonce") != "" {
			t.Errorf("a clock that is wrong: %d %v %v", w.Code, g.last, w.Header())
		}
		time.Sleep(time.Minute)
		w := g.ask(proved(p, token))
		if w.Code != 200 || w.Header().Get("DPoP-Nonce") != nonces.Current() || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("a nonce that is not the newest: %d %v %v", w.Code, g.last, w.Header())
		}
		short := g.issuer.Token("write:orders", p.Confirmation())
		if w := g.ask(proved(p, short)); w.Code != 403 || w.Header().Get("DPoP-Nonce") != nonces.Current() {
			t.Errorf("a 403 carries the new nonce too: %d %v", w.Code, w.Header())
		}
		time.Sleep(4 * time.Minute)
		if w := g.ask(proved(p, token)); w.Code != 401 || g.reason() != auth.ReasonProofNonceRequired {
			t.Errorf("an old nonce: %d %v", w.Code, g.last)
		}
	})
}

// A store is a ReplayStore that answers as it is told.
type store func(ctx context.Context) (bool, error)

func (s store) First(ctx context.Context, _, _ string, _ time.Duration) (bool, error) { return s(ctx) }

func TestAStoreThatCannotTell(t *testing.T) {
	for name, s := range map[string]store{
		"down":  func(context.Context) (bool, error) { return false, errors.New("connection refused") },
		"full":  func(context.Context) (bool, error) { return false, dpop.ErrFull },
		"hangs": func(ctx context.Context) (bool, error) { <-ctx.Done(); return false, ctx.Err() },
	} {
		synctest.Test(t, func(t *testing.T) {
			g, p := guard(t, s, nil), authtest.NewProver(t, auth.EdDSA)
			start := time.Now()
			w := g.ask(proved(p, g.issuer.Token("read:orders", p.Confirmation())))
			if w.Code != 503 || g.reason() != auth.ReasonUnavailable || w.Header().Get("Www-Authenticate") != "" || w.Header().Get("Retry-After") == "" {
				t.Errorf("%s: %d %v %v", name, w.Code, g.last, w.Header())
			}
			if took := time.Since(start); took > 250*time.Millisecond {
				t.Errorf("%s: took %v", name, took)
			}
			if w := g.ask(func() *http.Request {
				r := request("GET", "/orders")
				r.Header.Set("Authorization", "Bearer "+g.issuer.Token("read:orders"))
				return r
			}()); w.Code != 200 {
				t.Errorf("%s: a plain token: %d", name, w.Code)
			}
		})
	}
}

func TestNestedGuardsSpendAProofOnce(t *testing.T) {
	g, p := guard(t, nil, nil), authtest.NewProver(t, auth.ES256)
	g.h = g.guard.Require("read:orders")(g.guard.Enforce(auth.AnyToken())(g.h))
	if w := g.ask(proved(p, g.issuer.Token("read:orders", p.Confirmation()))); w.Code != 200 {
		t.Errorf("%d %v", w.Code, g.last)
	}
}

func TestNothingOfAProofIsTold(t *testing.T) {
	g, p := guard(t, nil, nil), authtest.NewProver(t, auth.ES256)
	token := g.issuer.Token("read:orders", p.Confirmation())
	for _, d := range authtest.ProofDefects() {
		r := proved(p, token, d)
		w := g.ask(r)
		told := fmt.Sprintf("%v %+v %v %v", g.last, g.last, errors.Unwrap(g.last), w.Header()) + w.Body.String()
		for _, part := range strings.Split(r.Header.Get("DPoP"), ".") {
			if len(part) > 8 && strings.Contains(told, part) {
				t.Errorf("%s: %s", d, told)
			}
		}
	}
}

func TestNewRefusesWhatCannotBe(t *testing.T) {
	good, memory := []string{api}, dpop.NewMemory(0)
	for name, tt := range map[string]struct {
		origins []string
		store   dpop.ReplayStore
		opts    *dpop.Options
		names   string
	}{
		"no origin":            {nil, memory, nil, "origin"},
		"an origin of nothing": {[]string{""}, memory, nil, "origin"},
		"a host":               {[]string{"api.example"}, memory, nil, `origin "api.example"`},
		"no store":             {good, nil, nil, "ReplayStore"},
		"a nil store":          {good, (*dpop.Memory)(nil), nil, "ReplayStore"},
		"too long an age":      {good, memory, &dpop.Options{MaxAge: 5*time.Minute + 1}, "Options.MaxAge"},
		"a negative age":       {good, memory, &dpop.Options{MaxAge: -1}, "Options.MaxAge"},
		"too much leeway":      {good, memory, &dpop.Options{Leeway: 6 * time.Minute}, "Options.Leeway"},
		"a negative time-out":  {good, memory, &dpop.Options{ReplayTimeout: -1}, "Options.ReplayTimeout"},
		"no such algorithm":    {good, memory, &dpop.Options{Algorithms: []auth.Algorithm{0}}, "Options.Algorithms"},
	} {
		_, err := dpop.New(tt.origins, tt.store, tt.opts)
		if err == nil || !strings.HasPrefix(err.Error(), "dpop: ") || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A caller who cannot be told a nonce could never bring one: that is the program's fault.
func TestNoncesNeedAnAnswer(t *testing.T) {
	b := must(dpop.New([]string{api}, dpop.NewMemory(0), &dpop.Options{Nonces: must(dpop.NewNonces(0))}))
	err := b.Check(t.Context(), "token", &auth.Credentials{}, nil, nil)
	if e, ok := errors.AsType[*auth.Error](err); !ok || e.Reason != auth.ReasonInternal {
		t.Errorf("%v, want %v", err, auth.ReasonInternal)
	}
}
