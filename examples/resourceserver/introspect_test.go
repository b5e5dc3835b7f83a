package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// An opaqueIssuer has metadata, and an endpoint that answers about the tokens that it knows to one
// client. Its keys, and its JWTs, are those of an authtest.Issuer. It is safe for concurrent use.
type opaqueIssuer struct {
	*httptest.Server
	keys *authtest.Issuer

	mu     sync.Mutex
	secret string // "": nobody has to say who asks
	signed bool
	tokens map[string]map[string]any
	asked  map[string]int // by token
	status int            // of every answer, when it is not 0
}

func newOpaqueIssuer(t *testing.T) *opaqueIssuer {
	o := &opaqueIssuer{keys: authtest.NewIssuer(t, &authtest.Options{Socket: true}), tokens: map[string]map[string]any{}, asked: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": o.URL, "jwks_uri": o.keys.URL + "/jwks.json", "introspection_endpoint": o.URL + "/introspect"})
	})
	mux.HandleFunc("POST /introspect", o.introspect)
	o.Server = httptest.NewUnstartedServer(mux) // which may be asked as soon as it starts
	o.Start()
	t.Cleanup(o.Close)
	return o
}

func (o *opaqueIssuer) introspect(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	token := r.PostFormValue("token")
	o.asked[token]++
	client, secret, _ := r.BasicAuth()
	secret, _ = url.QueryUnescape(secret) // RFC 6749 §2.3.1
	switch {
	case o.secret != "" && (client != "orders-api" || secret != o.secret):
		w.WriteHeader(http.StatusUnauthorized)
		return
	case o.status != 0:
		w.WriteHeader(o.status)
		return
	}
	answer := map[string]any{"active": false}
	if claims, ok := o.tokens[token]; ok {
		answer = map[string]any{"active": true, "iss": o.URL, "aud": o.keys.Audience, "sub": "user", "client_id": "app", "scope": "read:orders", "exp": time.Now().Add(time.Hour).Unix()}
		maps.Copy(answer, claims)
	}
	if !o.signed {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
		return
	}
	w.Header().Set("Content-Type", "application/token-introspection+jwt")
	_, _ = w.Write([]byte(o.keys.Token("", authtest.Header{"typ": "token-introspection+jwt"}, authtest.Claims{"iss": o.URL, "aud": "orders-api", "token_introspection": answer})))
}

// set changes o under its lock.
func (o *opaqueIssuer) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

// give makes token an active one.
func (o *opaqueIssuer) give(token string, claims map[string]any) string {
	o.set(func() { o.tokens[token] = claims })
	return token
}

func (o *opaqueIssuer) revoke(token string) { o.set(func() { delete(o.tokens, token) }) }

func (o *opaqueIssuer) questions(token string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked[token]
}

// jwt is a JWT of the issuer.
func (o *opaqueIssuer) jwt() string {
	return o.keys.Token("read:orders", authtest.Claims{"iss": o.URL})
}

// start starts the program for o.
func (o *opaqueIssuer) start(t *testing.T, args ...string) *running {
	t.Helper()
	return start(t, o.keys, append([]string{"-issuer", o.URL}, args...)...)
}

const refusedInvalid, refusedUnjudged = `Bearer realm="api", error="invalid_token"`, ""

func TestOpaqueTokensOverTheWire(t *testing.T) {
	for _, adapter := range []string{"nethttp", "chi", "echo"} {
		t.Run(adapter, func(t *testing.T) {
			t.Parallel()
			o := newOpaqueIssuer(t)
			o.secret = "old secret: 100%"
			file := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(file, []byte(o.secret+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			r := o.start(t, "-adapter", adapter, "-introspect", "auto", "-introspect-client-id", "orders-api", "-introspect-client-secret-file", file)
			good, bound := o.give("opaque-good-token", nil), o.give("opaque-bound-token", map[string]any{"cnf": map[string]any{"jkt": "x"}})
			for range 3 {
				r.want("a good token", r.send("Bearer "+good), 200, "")
			}
			r.want("an unknown token", r.send("Bearer opaque-unknown"), 401, refusedInvalid)
			r.want("another scope", r.send("Bearer "+o.give("opaque-other-scope", map[string]any{"scope": "write:orders"})), 403, `Bearer realm="api", error="insufficient_scope"`)
			r.want("another audience", r.send("Bearer "+o.give("opaque-other-aud", map[string]any{"aud": "https://other.example"})), 401, refusedInvalid)
			r.want("a bound token", r.send("Bearer "+bound), 401, refusedInvalid)
			jwt := o.jwt()
			r.want("a JWT", r.send("Bearer "+jwt), 200, "")
			if n := o.questions(good); n != 1 {
				t.Errorf("asked %d times about a token that is remembered", n)
			}
			if n := o.questions(jwt); n != 0 {
				t.Errorf("asked %d times about a JWT", n)
			}
			o.set(func() { o.secret = "new secret" })
			wrong := r.send("Bearer " + o.give("opaque-rotated", nil))
			r.want("our own credentials are wrong", wrong, 500, refusedUnjudged)
			if err := os.WriteFile(file, []byte("new secret"), 0o600); err != nil {
				t.Fatal(err)
			}
			r.until("the rotated secret", good+"-later", o, 200)
			for _, secret := range []string{good, bound, jwt, "opaque-unknown", "old secret", "new secret"} {
				if strings.Contains(r.log(), secret) {
					t.Errorf("the log holds %q", secret)
				}
			}
			if !strings.Contains(r.log(), "introspection is refused to this API") {
				t.Errorf("the log does not say that the secret is wrong:\n%s", r.log())
			}
		})
	}
}

// readyIs fails the test unless /readyz has the status.
func (r *running) readyIs(want int) {
	r.t.Helper()
	resp, err := http.Get("http://" + r.addr + "/readyz")
	if err != nil {
		r.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != want {
		r.t.Errorf("/readyz: %d, want %d", resp.StatusCode, want)
	}
}

// until sends a new token until the answer has the status.
func (r *running) until(what, token string, o *opaqueIssuer, status int) {
	r.t.Helper()
	o.give(token, nil)
	var last *http.Response
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if last = r.send("Bearer " + token); last.StatusCode == status {
			return
		}
	}
	r.t.Errorf("%s: %d at last, want %d\n%s", what, last.StatusCode, status, r.log())
}

// With a TTL of 0 neither answers nor refusals are remembered: what the issuer says counts at once.
func TestNothingIsRememberedOfOpaqueTokens(t *testing.T) {
	o := newOpaqueIssuer(t)
	r := o.start(t, "-introspect", o.URL+"/introspect", "-introspect-ttl", "0")
	token := o.give("opaque-token", nil)
	for range 2 {
		r.want("a good token", r.send("Bearer "+token), 200, "")
		o.revoke(token)
		r.want("revoked", r.send("Bearer "+token), 401, refusedInvalid)
		o.give(token, nil)
	}
	if n := o.questions(token); n != 4 {
		t.Errorf("asked %d times, want 4", n)
	}
	o.set(func() { o.status = 503 })
	down := r.send("Bearer " + token)
	r.want("the issuer is down", down, 503, refusedUnjudged)
	if down.Header.Get("Retry-After") == "" || down.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("the issuer is down: %v", down.Header)
	}
	r.want("a JWT meanwhile", r.send("Bearer "+o.jwt()), 200, "")
	r.readyIs(503)
	o.set(func() { o.status = 0 })
	r.until("the issuer is back", "opaque-later", o, 200)
	r.readyIs(200)
}

// While the issuer is down, answers that are young enough go on, and nothing else does.
func TestRememberedAnswersGoOnWhileTheIssuerIsDown(t *testing.T) {
	o := newOpaqueIssuer(t)
	r := o.start(t, "-introspect", "auto", "-introspect-ttl", "10m")
	token := o.give("opaque-token", nil)
	r.want("a good token", r.send("Bearer "+token), 200, "")
	o.set(func() { o.status = 500 })
	r.want("another", r.send("Bearer "+o.give("opaque-other", nil)), 503, refusedUnjudged)
	r.want("the remembered one", r.send("Bearer "+token), 200, "")
}

func TestJWTsAreAskedAbout(t *testing.T) {
	o := newOpaqueIssuer(t)
	r := o.start(t, "-introspect", "auto", "-introspect-jwts", "-introspect-ttl", "0")
	jwt := o.jwt()
	r.want("a JWT that the issuer does not call active", r.send("Bearer "+jwt), 401, refusedInvalid)
	o.give(jwt, nil)
	r.want("active", r.send("Bearer "+jwt), 200, "")
	o.revoke(jwt)
	r.want("taken back", r.send("Bearer "+jwt), 401, refusedInvalid)
	broken := jwt[:len(jwt)-8] + "AAAAAAAA"
	o.give(broken, nil)
	r.want("a broken signature", r.send("Bearer "+broken), 401, refusedInvalid)
	if n := o.questions(broken); n != 0 {
		t.Errorf("asked %d times about a JWT that does not verify", n)
	}
}

func TestOnlySignedAnswersCount(t *testing.T) {
	o := newOpaqueIssuer(t)
	o.secret = "secret"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(o.secret), 0o600); err != nil {
		t.Fatal(err)
	}
	r := o.start(t, "-introspect", "auto", "-introspect-signed", "-introspect-ttl", "0", "-introspect-client-id", "orders-api", "-introspect-client-secret-file", file)
	token := o.give("opaque-token", nil)
	r.want("a plain answer", r.send("Bearer "+token), 503, refusedUnjudged)
	o.set(func() { o.signed = true })
	r.want("a signed one", r.send("Bearer "+token), 200, "")
	r.want("a signed refusal", r.send("Bearer opaque-unknown"), 401, refusedInvalid)
}

// Bound opaque tokens go through DPoP.
func TestBoundOpaqueTokens(t *testing.T) {
	o, client := newOpaqueIssuer(t), authtest.NewProver(t, auth.ES256)
	r := o.start(t, "-introspect", "auto", "-dpop", "allow")
	token := o.give("opaque-bound", client.Confirmation())
	proof := func() string { return client.Proof("GET", "http://"+r.addr+"/orders", token) }
	used := proof()
	r.want("a proof", r.send("DPoP "+token, used), 200, "")
	r.want("the proof again", r.send("DPoP "+token, used), 401, `DPoP realm="api", error="invalid_dpop_proof"`)
	r.want("under Bearer", r.send("Bearer "+token), 401, `Bearer realm="api", error="invalid_token"`)
	r.want("another's key", r.send("DPoP "+token, authtest.NewProver(t, auth.ES256).Proof("GET", "http://"+r.addr+"/orders", token)), 401, `DPoP realm="api", error="invalid_token"`)
}

func TestOpaqueTokensOverGRPC(t *testing.T) {
	o := newOpaqueIssuer(t)
	r := o.start(t, "-adapter", "grpc", "-introspect", "auto", "-introspect-ttl", "0")
	conn, err := grpc.NewClient(r.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	api := orderspb.NewOrdersClient(conn)
	call := func(token string) *status.Status {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
		_, unary := api.ListOrders(ctx, &orderspb.ListOrdersRequest{})
		return status.Convert(unary)
	}
	token := o.give("opaque-token", nil)
	if s := call(token); s.Code() != codes.OK {
		t.Errorf("a good token: %v", s)
	}
	o.revoke(token)
	if s := call(token); s.Code() != codes.Unauthenticated {
		t.Errorf("revoked: %v", s)
	}
	if s := call(o.jwt()); s.Code() != codes.OK {
		t.Errorf("a JWT: %v", s)
	}
	o.set(func() { o.status = 503 })
	s := call(token)
	retry := false
	for _, detail := range s.Details() {
		_, is := detail.(*errdetails.RetryInfo)
		retry = retry || is
	}
	if s.Code() != codes.Unavailable || !retry {
		t.Errorf("the issuer is down: %v %v", s, s.Details())
	}
}
