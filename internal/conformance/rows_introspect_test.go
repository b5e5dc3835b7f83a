package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/introspect"
)

const (
	opaqueIssuer = "https://opaque.example"
	opaqueAPI    = "https://api.example"
)

// An introspection is a real endpoint, whose answers are chosen by token: what is not in answers is
// inactive.
type introspection struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]func(w http.ResponseWriter, r *http.Request)
	asked   []*http.Request // with their forms read
}

func newIntrospection(t *testing.T) *introspection {
	e := &introspection{answers: map[string]func(http.ResponseWriter, *http.Request){}}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := r.ParseForm()
		if err != nil {
			t.Error(err)
		}
		e.mu.Lock()
		e.asked = append(e.asked, r)
		answer, ok := e.answers[r.PostForm.Get("token")]
		e.mu.Unlock()
		if !ok {
			answer = tells(object{"active": false})
		}
		answer(w, r)
	}))
	t.Cleanup(func() { e.CloseClientConnections(); e.Close() })
	return e
}

func (e *introspection) answer(token string, with func(http.ResponseWriter, *http.Request)) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answers[token] = with
	return token
}

func (e *introspection) requests() []*http.Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*http.Request(nil), e.asked...)
}

// introspector is one over the endpoint, that is closed at the test's end.
func (e *introspection) introspector(t *testing.T, change func(*introspect.Config)) *introspect.Introspector {
	c := introspect.Config{
		Claims:  auth.Config{Issuer: opaqueIssuer, Audiences: []string{opaqueAPI}},
		Timeout: 20 * time.Second, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	i := must(introspect.New(e.URL, introspect.Basic("orders-api", introspect.FixedSecret("s")), c))
	t.Cleanup(func() { i.Close() })
	return i
}

// tells answers with a JSON document.
func tells(doc any) func(http.ResponseWriter, *http.Request) {
	body := string(must(json.Marshal(doc)))
	return replies(200, "application/json", body)
}

func replies(status int, mediaType, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// activeToken is a good answer, with changes; nil takes a member away.
func activeToken(changes object) object {
	doc := object{"active": true, "iss": opaqueIssuer, "aud": opaqueAPI, "sub": "user", "client_id": "app", "scope": "read:orders",
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "email": canary + "@example.org"}
	maps.Copy(doc, changes)
	maps.DeleteFunc(doc, func(_ string, v any) bool { return v == nil })
	return doc
}

func TestMatrixIntrospection(t *testing.T) {
	e := newIntrospection(t)
	g := newGroup(t, "introspection", e.introspector(t, nil))
	n := 0
	ask := func(rows, name string, w want, answer func(http.ResponseWriter, *http.Request)) {
		n++
		g.ask(question{rows, name, "orders", bearer(e.answer(fmt.Sprintf("opaque-%d-%s", n, canary), answer)), nil, w})
	}
	told := func(rows, name string, w want, changes object) { ask(rows, name, w, tells(activeToken(changes))) }
	inactive := invalid(auth.ReasonTokenInactive)

	told("I-04", "a good token", accepted, nil)
	g.ask(question{"I-02 I-07", "an unknown token", "orders", bearer("unknown-" + canary), nil, inactive})
	ask("I-02", "inactive, with more", inactive, tells(object{"active": false, "sub": "user", "error_description": canary}))
	for name, doc := range map[string]any{"absent": object{}, "a text": object{"active": "true"}, "a number": object{"active": 1}, "null": object{"active": nil}, "of an array": []any{true}} {
		ask("I-03", "active "+name, notJudged, tells(doc))
		told("I-04", "then a good token, so that none of it is the endpoint's fault", accepted, object{"jti": name})
	}
	told("I-04", "another issuer", invalid(auth.ReasonIssuerNotTrusted), object{"iss": "https://other.example"})
	told("I-04", "another audience", invalid(auth.ReasonAudienceMismatch), object{"aud": "https://other.example"})
	told("I-04", "no audience", invalid(auth.ReasonAudienceMismatch), object{"aud": nil})
	told("I-04 I-05", "expired", invalid(auth.ReasonTokenExpired), object{"exp": time.Now().Add(-time.Hour).Unix()})
	told("I-04", "not yet valid", invalid(auth.ReasonTokenNotYetValid), object{"nbf": time.Now().Add(time.Hour).Unix()})
	told("I-04", "another scope", short("read:orders"), object{"scope": "other"})
	told("I-04", "no scope", short("read:orders"), object{"scope": nil})
	told("I-04", "a bound token, whose proof nothing checks", invalid(auth.ReasonBindingNotProved), object{"cnf": object{"jkt": "x"}})
	ask("I-12", "HTML", notJudged, replies(200, "text/html", "<html>"+canary))
	told("I-12", "good again", accepted, nil)
	ask("I-12", "JSON that is called a text", notJudged, replies(200, "text/plain", string(must(json.Marshal(activeToken(nil))))))
	told("I-12", "good again", accepted, nil)
	ask("I-12", "too long", notJudged, tells(activeToken(object{"x": strings.Repeat("x", 300<<10)})))
}

func TestMatrixIntrospectionRequest(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for name, client := range map[string]introspect.ClientAuth{
		"basic":           introspect.Basic("orders-api", introspect.FixedSecret("s")),
		"post":            introspect.Post("orders-api", introspect.FixedSecret("s")),
		"private_key_jwt": introspect.PrivateKeyJWT("orders-api", auth.ES256, key, ""),
	} {
		t.Run("I-01/"+name, func(t *testing.T) {
			e := newIntrospection(t)
			i := must(introspect.New(e.URL, client, introspect.Config{Claims: auth.Config{Issuer: opaqueIssuer, Audiences: []string{opaqueAPI}}}))
			defer i.Close()
			if _, err := i.VerifyToken(t.Context(), "a-token"); auth.AsError(err).Reason != auth.ReasonTokenInactive {
				t.Fatal(err)
			}
			r := e.requests()[0]
			if r.Method != "POST" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.PostForm.Get("token") != "a-token" || r.URL.RawQuery != "" {
				t.Errorf("%s %s %v", r.Method, r.URL, r.PostForm)
			}
			_, password, isBasic := r.BasicAuth()
			given := map[string]bool{"basic": isBasic && password == "s", "post": r.PostForm.Get("client_secret") == "s", "private_key_jwt": r.PostForm.Get("client_assertion") != ""}
			for method, is := range given {
				if is != (method == name) {
					t.Errorf("authenticates by %s: %t", method, is)
				}
			}
		})
	}
}

// TestMatrixIntrospectionOutages has an endpoint of its own for each, since these are its fault.
func TestMatrixIntrospectionOutages(t *testing.T) {
	wrongly := want{status: 500, reason: auth.ReasonInternal}
	for name, tt := range map[string]struct {
		row    string
		answer func(http.ResponseWriter, *http.Request)
		want   want
	}{
		"401":           {"I-08", replies(401, "application/json", `{"error":"invalid_client"}`), wrongly},
		"403":           {"I-08", replies(403, "text/plain", canary), wrongly},
		"500":           {"I-09", replies(500, "text/plain", canary), notJudged},
		"502":           {"I-09", replies(502, "text/plain", ""), notJudged},
		"503":           {"I-09", replies(503, "text/plain", ""), notJudged},
		"429":           {"I-09", replies(429, "text/plain", ""), notJudged},
		"no answer":     {"I-09", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, notJudged},
		"a broken line": {"I-09", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, notJudged},
	} {
		e := newIntrospection(t)
		g := newGroup(t, "introspection-outage", e.introspector(t, func(c *introspect.Config) { c.Timeout = 100 * time.Millisecond }))
		g.ask(question{tt.row, name, "orders", bearer(e.answer("opaque-"+canary, tt.answer)), nil, tt.want})
	}
	e := newIntrospection(t)
	g := newGroup(t, "introspection-outage", e.introspector(t, nil))
	e.Close()
	g.ask(question{"I-09", "connection refused", "orders", bearer("opaque-" + canary), nil, notJudged})
}

func TestMatrixIntrospectionCallers(t *testing.T) {
	t.Run("I-10", func(t *testing.T) {
		e := newIntrospection(t)
		i := e.introspector(t, nil)
		for name, ask := range transports(t, must(auth.NewGuard(i, nil))) {
			t.Run(name, func(t *testing.T) {
				token, before := e.answer("of-many-"+name, tells(activeToken(nil))), len(e.requests())
				var wait sync.WaitGroup
				for range 20 {
					wait.Go(func() {
						if a := ask(t, request{need: "orders", authorization: bearer(token)}); a.status != 200 {
							t.Errorf("%d %s", a.status, a.code)
						}
					})
				}
				wait.Wait()
				if asked := len(e.requests()) - before; asked != 1 {
					t.Errorf("the endpoint was asked %d times about one token", asked)
				}
			})
		}
	})
	t.Run("I-11", func(t *testing.T) {
		e := newIntrospection(t)
		i := e.introspector(t, func(c *introspect.Config) { c.MaxFlights, c.Timeout = 2, 10*time.Second })
		arrived, release := make(chan bool), make(chan bool)
		hanging := e.answer("hangs", func(w http.ResponseWriter, r *http.Request) {
			arrived <- true
			<-release
			tells(activeToken(nil))(w, r)
		})
		all := transports(t, must(auth.NewGuard(i, nil)))
		var wait sync.WaitGroup
		wait.Go(func() { _, _ = i.VerifyToken(t.Context(), hanging) })
		<-arrived
		for name, ask := range all {
			t.Run(name, func(t *testing.T) {
				if a := ask(t, request{need: "orders", authorization: bearer("guess-" + name)}); a.status != 503 || a.retryAfter == "" {
					t.Errorf("%d %s, Retry-After %q", a.status, a.code, a.retryAfter)
				}
			})
		}
		close(release)
		wait.Wait()
		if asked := len(e.requests()); asked != 1 {
			t.Errorf("the endpoint was asked %d times", asked)
		}
	})
}

func TestMatrixSignedIntrospection(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	e := newIntrospection(t)
	v := e.introspector(t, func(c *introspect.Config) {
		c.Claims.Issuer, c.Signed = issuer.URL, issuer.Keys()
	})
	g := newGroup(t, "introspection-signed", v)
	n := 0
	ask := func(rows, name string, w want, changes ...authtest.Change) {
		n++
		told := activeToken(object{"iss": issuer.URL})
		signed := issuer.Token("", append([]authtest.Change{
			authtest.Header{"typ": "token-introspection+jwt"}, authtest.Claims{"aud": "orders-api", "token_introspection": told},
		}, changes...)...)
		token := e.answer(fmt.Sprintf("opaque-%d-%s", n, canary), replies(200, "application/token-introspection+jwt", signed))
		g.ask(question{rows, name, "orders", bearer(token), nil, w})
	}
	good := func() { ask("IJ-03", "good again", accepted) } // none of the faults is the endpoint's
	ask("IJ-02 IJ-03", "good", accepted)
	ask("IJ-02", "typ at+jwt", notJudged, authtest.Header{"typ": "at+jwt"})
	good()
	ask("IJ-02", "no typ", notJudged, authtest.Header{"typ": authtest.Absent})
	good()
	ask("IJ-03", "another iss", notJudged, authtest.Claims{"iss": "https://other.example"})
	good()
	ask("IJ-03", "another aud", notJudged, authtest.Claims{"aud": "other"})
	good()
	ask("IJ-03", "aud is an audience of ours", accepted, authtest.Claims{"aud": []string{opaqueAPI}})
	ask("IJ-03", "no iat", notJudged, authtest.Claims{"iat": authtest.Absent})
	good()
	ask("IJ-03", "no token_introspection", notJudged, authtest.Claims{"token_introspection": authtest.Absent})
	good()
	ask("IJ-03", "another's signature", notJudged, authtest.WrongKey)
	good()
	ask("IJ-05", "exp in the past and another sub, of the answer itself", accepted, authtest.Claims{"exp": 1, "sub": "other"})
	t.Run("IJ-01", func(t *testing.T) {
		for _, r := range e.requests() {
			if got := r.Header.Values("Accept"); len(got) != 1 || got[0] != "application/token-introspection+jwt" {
				t.Errorf("Accept %q", got)
			}
		}
	})
}

// TestMatrixForms stands a verifier of JWTs beside an introspector.
func TestMatrixForms(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	e := newIntrospection(t)
	forms := must(auth.NewForms(issuer.Verifier(auth.Config{}), e.introspector(t, nil)))
	g := newGroup(t, "forms", forms)
	jwt, expired := token(issuer, "read:orders"), token(issuer, "read:orders", authtest.Expired)
	for _, t := range []string{jwt, expired} {
		e.answer(t, tells(activeToken(nil))) // it would be accepted if it were asked about
	}
	g.ask(question{"W-13", "a JWT", "orders", bearer(jwt), nil, accepted})
	g.ask(question{"W-13", "an expired JWT", "orders", bearer(expired), nil, invalid(auth.ReasonTokenExpired)})
	g.ask(question{"W-13", "a JWT with a broken signature", "orders", bearer(token(issuer, "read:orders", authtest.WrongKey)), nil, invalid(auth.ReasonSignatureInvalid)})
	t.Run("W-13", func(t *testing.T) {
		if asked := e.requests(); len(asked) != 0 {
			t.Errorf("%d of them were asked about", len(asked))
		}
	})
	for name, opaque := range map[string]string{
		"opaque": "2YotnFZFEjr1zCsicMWpAA", "five parts": "eyJhbGciOiJkaXIifQ.a.b.c.d", "a header that is no JSON": "abcd.efgh.ijkl",
		"a header without alg": "e30.e30.abcd", "an empty part": "eyJhbGciOiJFUzI1NiJ9..abcd", "dots": "a.b",
	} {
		g.ask(question{"W-13", name, "orders", bearer(e.answer(opaque, tells(activeToken(nil)))), nil, accepted})
	}
}
