package main_test

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/internal/rpctest"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/mtls"
	"github.com/bearward/bearward/middleware/revocation"
)

// A fapiAPI is an API of the FAPI 2.0 profile: tokens and proofs are made by the standard library.
type fapiAPI struct {
	keys    map[string]any // by kid
	cert    *authtest.Certificate
	revoked *revocation.Memory
	store   *replayStore
	down    atomic.Bool // the revocation store fails
	secret  *secrets
	all     map[string]transport
}

func fapiOptions(f *fapiAPI) *auth.GuardOptions {
	strong := &dpop.Options{Algorithms: []auth.Algorithm{auth.PS256, auth.ES256, auth.EdDSA}}
	return &auth.GuardOptions{
		Profile: auth.FAPI2, RequireBound: true,
		Bindings: []auth.Binding{must(dpop.New([]string{dpopOrigin}, f.store, strong)), must(mtls.New(nil))},
		Revoked: func(ctx context.Context, p *auth.Principal) (bool, error) {
			if f.down.Load() {
				return false, errors.New("the store is down")
			}
			return f.revoked.Revoked(ctx, p)
		},
		OnDecision: auth.LogRefusals(slog.New(slog.NewJSONHandler(f.secret, nil))),
	}
}

func fapiConfig() auth.Config {
	return auth.Config{Algorithms: []auth.Algorithm{auth.PS256, auth.ES256, auth.EdDSA}}
}

func newFAPI(t *testing.T) *fapiAPI {
	over := newSecured(t)
	f := &fapiAPI{
		keys: map[string]any{
			"ps": rsaKey(t, 2048), "small": rsaKey(t, 1024), "rs": rsaKey(t, 2048), "p256": ecKey(t, elliptic.P256()), "p384": ecKey(t, elliptic.P384()),
			"p224": ecKey(t, elliptic.P224()), "ed": edKey(t),
		},
		cert: authtest.NewCertificate(t), revoked: revocation.NewMemory(0), store: newReplayStore(), secret: new(secrets),
	}
	var set []object
	for kid, key := range f.keys {
		set = append(set, jwk(t, key, object{"kid": kid}))
	}
	p192 := base64.RawURLEncoding.EncodeToString(make([]byte, 24))
	set = append(set, object{"kty": "EC", "crv": "P-192", "kid": "p192", "x": p192, "y": p192})
	guard := must(auth.NewGuard(handVerifier(t, fapiConfig(), keySet(t, set...)), fapiOptions(f)))
	f.all = securedTransports(t, guard, *over)
	t.Cleanup(func() { f.secret.check(t) })
	return f
}

// thumbprint is that of RFC 7638 §3: its members sorted, without spaces.
func thumbprint(t *testing.T, key any) string {
	sum := sha256.Sum256(must(json.Marshal(jwk(t, key, nil))))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// token returns one that is signed by alg and the key of kid.
func (f *fapiAPI) token(t *testing.T, alg, kid string, changes object) string {
	key, ok := f.keys[kid]
	if !ok {
		key = f.keys["p256"]
	}
	return signed(t, alg, key, object{"typ": "at+jwt", "alg": alg, "kid": kid}, claims(changes))
}

func jkt(thumbprint string) object { return object{"jkt": thumbprint} }

// proof returns a proof of key for an operation.
func (f *fapiAPI) proof(t *testing.T, alg string, key any, transport, need, token string) [2]string {
	method, path := requestOf(strings.TrimSuffix(transport, "-h2"), need)
	ath := sha256.Sum256([]byte(token))
	head := object{"typ": "dpop+jwt", "alg": alg, "jwk": jwk(t, key, nil)}
	return [2]string{"DPoP", signed(t, alg, key, head, object{
		"jti": rand.Text(), "htm": method, "htu": dpopOrigin + path, "iat": time.Now().Unix(), "ath": base64.RawURLEncoding.EncodeToString(ath[:]),
	})}
}

// A fapiCaller asks one transport.
type fapiCaller struct {
	*fapiAPI
	t    *testing.T
	name string
	ask  transport
}

func (c fapiCaller) send(r request) answer {
	c.t.Helper()
	c.secret.add(r.authorization)
	if c.secret.add([]string{r.field[1]}); r.need == "" {
		r.need = "orders"
	}
	a := c.ask(c.t, r)
	checkSecrecy(c.t, a, r.authorization)
	return a
}

// byKey asks with a token that is bound to the P-256 key, and its proof.
func (c fapiCaller) byKey(need, alg, kid string, changes object) answer {
	c.t.Helper()
	bound := object{"cnf": jkt(thumbprint(c.t, c.keys["p256"]))}
	for name, v := range changes {
		bound[name] = v
	}
	token := c.token(c.t, alg, kid, bound)
	return c.send(request{need: need, authorization: []string{"DPoP " + token}, field: c.proof(c.t, "ES256", c.keys["p256"], c.name, need, token)})
}

// byCertificate asks with a token that is bound to the certificate, and with the certificate.
func (c fapiCaller) byCertificate(need string, changes object) answer {
	c.t.Helper()
	bound := object{"cnf": object{"x5t#S256": c.cert.Thumbprint()}}
	for name, v := range changes {
		bound[name] = v
	}
	return c.send(request{need: need, authorization: bearer(c.token(c.t, "PS256", "ps", bound)), client: c.cert})
}

// want looks at status and code, and that there is a challenge, with the error for it, when there
// must be one.
func (c fapiCaller) want(what string, a answer, status int, code, oauthError string) {
	c.t.Helper()
	if a.status != status || a.code != code {
		c.t.Errorf("%s: %d %s, want %d %s", what, a.status, a.code, status, code)
		return
	}
	if challenged := status == 401 || status == 403; challenged != (len(a.challenges) > 0) {
		c.t.Errorf("%s: challenges %q", what, a.challenges)
		return
	}
	if len(a.challenges) == 0 {
		return
	}
	if first := a.challenges[0]; oauthError == "" && strings.Contains(first, "error=") || !strings.Contains(first, `error="`+oauthError) && oauthError != "" {
		c.t.Errorf("%s: %q, want error %q", what, first, oauthError)
	}
}

func (f *fapiAPI) row(t *testing.T, row string, test func(c fapiCaller)) {
	eachTransport(t, row, f.all, func(t *testing.T, name string, ask transport) { test(fapiCaller{f, t, name, ask}) })
}

// TestMatrixFAPI2 asks an API of the profile over every transport.
func TestMatrixFAPI2(t *testing.T) {
	f := newFAPI(t)
	f.row(t, "F-01", func(c fapiCaller) {
		c.want("in the header, bound to a key", c.byKey("orders", "ES256", "p256", nil), 200, "", "")
		c.want("in the header, bound to a certificate", c.byCertificate("orders", nil), 200, "", "")
		token := c.token(c.t, "ES256", "p256", object{"cnf": object{"x5t#S256": c.cert.Thumbprint()}})
		for what, r := range map[string]request{
			"in another field": {client: c.cert, field: [2]string{"access_token", token}},
			"in the query":     {client: c.cert, shape: func(r *http.Request) { r.URL.RawQuery = "access_token=" + token }},
		} {
			if r.shape == nil || !isRPC(c.name) {
				c.want(what, c.send(r), 401, "CREDENTIALS_MISSING", "")
			}
		}
	})
	f.row(t, "F-02", func(c fapiCaller) {
		past := time.Now().Add(-time.Hour).Unix()
		forged := ecKey(c.t, elliptic.P256())
		for what, ask := range map[string]func(changes object) answer{
			"by key":         func(changes object) answer { return c.byKey("orders", "ES256", "p256", changes) },
			"by certificate": func(changes object) answer { return c.byCertificate("orders", changes) },
		} {
			c.want(what+", good", ask(object{"jti": "good"}), 200, "", "")
			c.want(what+", another audience", ask(object{"aud": "https://other.example"}), 401, "INVALID_TOKEN", "invalid_token")
			c.want(what+", expired", ask(object{"exp": past}), 401, "INVALID_TOKEN", "invalid_token")
			id := rand.Text()
			if err := c.revoked.Revoke(c.t.Context(), revocation.Entry{Issuer: handMade, TokenID: id, Until: time.Now().Add(time.Hour)}); err != nil {
				c.t.Fatal(err)
			}
			c.want(what+", revoked", ask(object{"jti": id}), 401, "INVALID_TOKEN", "invalid_token")
			c.down.Store(true)
			c.want(what+", while the store is down", ask(object{"jti": "good"}), 503, "UNAVAILABLE", "")
			c.down.Store(false)
		}
		token := signed(c.t, "ES256", forged, object{"typ": "at+jwt", "alg": "ES256", "kid": "p256"}, claims(object{"cnf": jkt(thumbprint(c.t, forged))}))
		a := c.send(request{authorization: []string{"DPoP " + token}, field: c.proof(c.t, "ES256", forged, c.name, "orders", token)})
		c.want("forged", a, 401, "INVALID_TOKEN", "invalid_token")
	})
	f.row(t, "F-03", func(c fapiCaller) {
		for what, a := range map[string]answer{"by key": c.byKey("admin", "ES256", "p256", nil), "by certificate": c.byCertificate("admin", nil)} {
			c.want(what, a, 403, "INSUFFICIENT_SCOPE", "insufficient_scope")
			if a.scope != "admin:all write:orders" {
				c.t.Errorf("%s: scope %q", what, a.scope)
			}
		}
	})
	f.row(t, "F-04", func(c fapiCaller) {
		for _, need := range []string{"orders", "any", "optional"} {
			plain := c.token(c.t, "ES256", "p256", nil)
			c.want(need+", a plain token", c.send(request{need: need, authorization: bearer(plain)}), 401, "INVALID_TOKEN", "invalid_token")
			c.want(need+", a plain token and a certificate", c.send(request{need: need, authorization: bearer(plain), client: c.cert}), 401, "INVALID_TOKEN", "invalid_token")
			proof := c.proof(c.t, "ES256", c.keys["p256"], c.name, need, plain)
			c.want(need+", a plain token and a proof", c.send(request{need: need, authorization: []string{"DPoP " + plain}, field: proof}), 401, "INVALID_TOKEN", "invalid_token")
			other := c.token(c.t, "ES256", "p256", object{"cnf": object{"kid": "x"}})
			c.want(need+", bound in another way", c.send(request{need: need, authorization: bearer(other)}), 401, "INVALID_TOKEN", "invalid_token")
			stolen := c.token(c.t, "ES256", "p256", object{"cnf": object{"x5t#S256": c.cert.Thumbprint()}})
			c.want(need+", stolen", c.send(request{need: need, authorization: bearer(stolen)}), 401, "INVALID_TOKEN", "invalid_token")
			if need != "optional" {
				c.want(need+", no token", c.send(request{need: need}), 401, "CREDENTIALS_MISSING", "")
			}
		}
	})
}

// TestMatrixFAPI2Algorithms signs tokens and proofs by every algorithm, and with weak keys.
func TestMatrixFAPI2Algorithms(t *testing.T) {
	f := newFAPI(t)
	f.row(t, "F-05", func(c fapiCaller) {
		for alg, kid := range map[string]string{"PS256": "ps", "ES256": "p256", "EdDSA": "ed"} {
			c.want("tokens by "+alg, c.byKey("orders", alg, kid, nil), 200, "", "")
		}
		for _, tt := range [][2]string{{"RS256", "rs"}, {"RS512", "ps"}, {"PS384", "ps"}, {"PS512", "ps"}, {"ES384", "p384"}} {
			c.want("tokens by "+tt[0], c.byKey("orders", tt[0], tt[1], nil), 401, "INVALID_TOKEN", "invalid_token")
		}
		for alg, kid := range map[string]string{"PS256": "ps", "ES256": "p256", "EdDSA": "ed", "RS256": "rs", "PS384": "ps", "ES384": "p384"} {
			a := f.provedBy(c, alg, kid)
			if strong := strings.Contains("PS256 ES256 EdDSA", alg); strong {
				c.want("proofs by "+alg, a, 200, "", "")
			} else {
				c.want("proofs by "+alg, a, 401, "INVALID_DPOP_PROOF", "invalid_dpop_proof")
			}
		}
	})
	f.row(t, "F-06", func(c fapiCaller) {
		c.want("RSA of 2048 bits", c.byKey("orders", "PS256", "ps", nil), 200, "", "")
		c.want("RSA of 1024 bits", c.byKey("orders", "PS256", "small", nil), 401, "INVALID_TOKEN", "invalid_token")
		c.want("a curve of 192 bits", c.byKey("orders", "ES256", "p192", nil), 401, "INVALID_TOKEN", "invalid_token")
		c.want("a proof by RSA of 2048 bits", f.provedBy(c, "PS256", "ps"), 200, "", "")
		c.want("a proof by RSA of 1024 bits", f.provedBy(c, "PS256", "small"), 401, "INVALID_DPOP_PROOF", "invalid_dpop_proof")
		c.want("a proof by a curve of 224 bits, which no algorithm has", f.provedBy(c, "ES256", "p224"), 401, "INVALID_DPOP_PROOF", "invalid_dpop_proof")
	})
}

// provedBy asks with a token that is bound to the key of kid, and a proof of it by alg.
func (f *fapiAPI) provedBy(c fapiCaller, alg, kid string) answer {
	key := f.keys[kid]
	token := f.token(c.t, "ES256", "p256", object{"cnf": jkt(thumbprint(c.t, key))})
	return c.send(request{authorization: []string{"DPoP " + token}, field: f.proof(c.t, alg, key, c.name, "orders", token)})
}

// TestMatrixFAPI2Configuration gives each adapter a rule that only reports, and each weaker option
// to NewGuard.
func TestMatrixFAPI2Configuration(t *testing.T) {
	f := &fapiAPI{store: newReplayStore(), revoked: revocation.NewMemory(0), secret: new(secrets)}
	verifier := handVerifier(t, fapiConfig(), keySet(t, jwk(t, ecKey(t, elliptic.P256()), object{"kid": "p256"})))
	guard := must(auth.NewGuard(verifier, fapiOptions(f)))
	reports := map[string]auth.Requirement{"orders": auth.Scopes("read:orders").ReportOnly()}
	starts := map[string]func(needs map[string]auth.Requirement){}
	for name, router := range httpRouters {
		starts[name] = func(needs map[string]auth.Requirement) { router(guard, needs) }
	}
	for _, method := range rpctest.Methods {
		name := "grpc-" + strings.ToLower(method[strings.LastIndexByte(method, '/')+1:])
		starts[name] = func(needs map[string]auth.Requirement) {
			grpc.NewServer(grpcauth.ServerOptions(guard, auth.Rules{method: needs["orders"]})...)
		}
	}
	for name, start := range starts {
		t.Run("F-07/"+name, func(t *testing.T) {
			start(map[string]auth.Requirement{"orders": auth.Scopes("read:orders")})
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, "GuardOptions.Profile") {
					t.Errorf("a rule that only reports: %s", said)
				}
			}()
			start(reports)
		})
		t.Run("F-02/"+name+"/nothing checks revocation", func(t *testing.T) { refuses(t, verifier, f, "Revoked", func(o *auth.GuardOptions) { o.Revoked = nil }) })
	}
	for what, change := range map[string]func(*auth.GuardOptions){
		"RequireBound":               func(o *auth.GuardOptions) { o.RequireBound = false },
		"Bindings is empty":          func(o *auth.GuardOptions) { o.Bindings, o.RequireBound = nil, false },
		"accepts proofs of RS256":    func(o *auth.GuardOptions) { o.Bindings[0] = must(dpop.New([]string{dpopOrigin}, f.store, nil)) },
		"neither DPoP's jkt nor mTL": func(o *auth.GuardOptions) { o.Bindings = append(o.Bindings, new(kidBinding)) },
	} {
		refuses(t, verifier, f, what, change)
	}
	refuses(t, handVerifier(t, auth.Config{}, jwks.Static{}), f, "may sign by RS256", func(*auth.GuardOptions) {})
}

type kidBinding struct{ onceBinding }

func (*kidBinding) Member() string { return "kid" }
func (*kidBinding) Scheme() string { return "Kid" }

func refuses(t *testing.T, v auth.TokenVerifier, f *fapiAPI, what string, change func(*auth.GuardOptions)) {
	t.Helper()
	opts := fapiOptions(f)
	change(opts)
	if _, err := auth.NewGuard(v, opts); err == nil || !strings.Contains(err.Error(), what) {
		t.Errorf("%q: %v", what, err)
	}
}

// The kit asks an API of the profile as it asks every other, by key and by certificate.
func TestTheKitAsksAnAPIOfFAPI2(t *testing.T) {
	rules := auth.Rules{"GET /orders": auth.Scopes("read:orders"), "GET /optional": auth.Optional(), "GET /public": auth.Public()}
	asked := map[string]auth.Requirement{"orders": rules["GET /orders"], "optional": rules["GET /optional"], "public": rules["GET /public"]}
	for name, router := range map[string]func(*auth.Guard, map[string]auth.Requirement) http.Handler{"nethttp": netHTTP, "chi": chiRouter, "echo": echoTable} {
		t.Run(name, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
			f := &fapiAPI{store: newReplayStore(), revoked: revocation.NewMemory(0), secret: new(secrets)}
			h := router(issuer.Guard(fapiOptions(f)), asked)
			authtest.AssertGuarded(t, issuer, h, rules, &authtest.GuardedOptions{Prover: authtest.NewProver(t, auth.EdDSA), Origin: dpopOrigin})
			authtest.AssertGuarded(t, issuer, h, rules, &authtest.GuardedOptions{Certificate: authtest.NewCertificate(t)})
		})
	}
}
