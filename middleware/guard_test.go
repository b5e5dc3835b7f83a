package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// noPanic turns a panic into a failure of the test: a guard must not fall over, whatever it is
// asked.
func noPanic(t *testing.T) {
	t.Helper()
	if p := recover(); p != nil {
		t.Errorf("panic: %v", p)
	}
}

// fakeVerifier accepts the tokens it knows and counts what it is asked. It stands in for a Verifier
// where the test is about the Guard alone.
type fakeVerifier struct {
	known map[string]*auth.Principal
	errs  map[string]error
	asked []string
}

func (f *fakeVerifier) VerifyToken(_ context.Context, raw string) (*auth.Principal, error) {
	f.asked = append(f.asked, raw)
	if err, ok := f.errs[raw]; ok {
		return nil, err
	}
	if p, ok := f.known[raw]; ok {
		return p, nil
	}
	return nil, &auth.Error{Reason: auth.ReasonSignatureInvalid}
}

func principal(t testing.TB, scope, more string) *auth.Principal {
	t.Helper()
	p, err := auth.NewPrincipal(fmt.Appendf(nil, `{"iss":"https://issuer.example","sub":"alice","exp":%d,"scope":%q%s}`, time.Now().Add(time.Hour).Unix(), scope, more))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newFake(t testing.TB) *fakeVerifier {
	return &fakeVerifier{
		known: map[string]*auth.Principal{
			"reader": principal(t, "read:orders", ""),
			"writer": principal(t, "read:orders write:orders", ""),
			"bound":  principal(t, "read:orders", `,"cnf":{"jkt":"x"}`),
			"two":    principal(t, "read:orders", `,"cnf":{"jkt":"x","x5t#S256":"y"}`),
			"hollow": principal(t, "read:orders", `,"cnf":{}`),
			"odd":    principal(t, "read:orders", `,"cnf":"x"`),
		},
		errs: map[string]error{
			"outage": &auth.Error{Reason: auth.ReasonUnavailable},
			"broken": errors.New("some other error"),
		},
	}
}

func reasonOf(err error) auth.Reason {
	if err == nil {
		return ""
	}
	return auth.AsError(err).Reason
}

func TestCredentials(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		want   auth.Reason
		asked  bool
	}{
		{"no Authorization value", nil, auth.ReasonCredentialsMissing, false},
		{"an empty value", []string{""}, auth.ReasonCredentialsMissing, false},
		{"the Bearer scheme", []string{"Bearer reader"}, "", true},
		{"the scheme in lower case", []string{"bearer reader"}, "", true},
		{"the scheme in upper case", []string{"BEARER reader"}, "", true},
		{"several spaces after the scheme", []string{"Bearer   reader"}, "", true},
		{"a tab after the scheme", []string{"Bearer\treader"}, auth.ReasonInvalidRequest, false},
		{"a tab after a space", []string{"Bearer \treader"}, auth.ReasonInvalidRequest, false},
		{"a comma after the scheme", []string{"Bearer,reader"}, auth.ReasonInvalidRequest, false},
		{"the scheme alone", []string{"Bearer"}, auth.ReasonInvalidRequest, false},
		{"the scheme and spaces", []string{"Bearer  "}, auth.ReasonInvalidRequest, false},
		{"two tokens", []string{"Bearer reader writer"}, auth.ReasonInvalidRequest, false},
		{"a list", []string{"Bearer reader,writer"}, auth.ReasonInvalidRequest, false},
		{"a space before the scheme", []string{" Bearer reader"}, auth.ReasonInvalidRequest, false},
		{"two equal values", []string{"Bearer reader", "Bearer reader"}, auth.ReasonInvalidRequest, false},
		{"a second value of another scheme", []string{"Bearer reader", "Basic eA=="}, auth.ReasonInvalidRequest, false},
		{"two values of another scheme", []string{"Basic eA==", "Basic eQ=="}, auth.ReasonInvalidRequest, false},
		{"another scheme", []string{"Basic cmVhZGVy"}, auth.ReasonCredentialsMissing, false},
		{"a scheme without parameters", []string{"Negotiate"}, auth.ReasonCredentialsMissing, false},
		{"a scheme that begins like Bearer", []string{"Bearers reader"}, auth.ReasonCredentialsMissing, false},
		{"a quote in the token", []string{`Bearer rea"der`}, auth.ReasonTokenMalformed, false},
		{"a line break in the token", []string{"Bearer rea\nder"}, auth.ReasonTokenMalformed, false},
		{"a byte above ASCII in the token", []string{"Bearer réader"}, auth.ReasonTokenMalformed, false},
		{"padding inside the token", []string{"Bearer rea=der"}, auth.ReasonTokenMalformed, false},
		{"nothing but padding", []string{"Bearer ==="}, auth.ReasonTokenMalformed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newFake(t)
			g := must(auth.NewGuard(v, nil))
			ctx, err := g.Authorize(t.Context(), auth.Credentials{Authorization: tt.values}, auth.AnyToken())
			if got := reasonOf(err); got != tt.want {
				t.Errorf("reason %v, want %v", got, tt.want)
			}
			if asked := len(v.asked) > 0; asked != tt.asked {
				t.Errorf("verifier asked: %v, want %v", asked, tt.asked)
			}
			if _, ok := auth.PrincipalFrom(ctx); ok != (tt.want == "") {
				t.Errorf("a principal in the context: %v", ok)
			}
		})
	}
}

func bearer(token string) auth.Credentials {
	return auth.Credentials{Authorization: []string{"Bearer " + token}}
}

func TestAuthorizeByRequirement(t *testing.T) {
	own := errors.New("not the owner's")
	tests := []struct {
		name      string
		token     string // "" for none
		req       auth.Requirement
		want      auth.Reason
		anonymous bool
	}{
		{"a scope that the token has", "reader", auth.Scopes("read:orders"), "", false},
		{"a scope that the token lacks", "reader", auth.Scopes("write:orders"), auth.ReasonInsufficientScope, false},
		{"any token", "reader", auth.AnyToken(), "", false},
		{"the zero requirement", "reader", auth.Requirement{}, auth.ReasonNoRule, false},
		{"public with a bad token", "forged", auth.Public(), "", true},
		{"public without token", "", auth.Public(), "", true},
		{"optional without token", "", auth.Optional(), "", true},
		{"optional with a token", "reader", auth.Optional(), "", false},
		{"optional with a bad token", "forged", auth.Optional(), auth.ReasonSignatureInvalid, false},
		{"optional while nothing can be judged", "outage", auth.Optional(), auth.ReasonUnavailable, false},
		{"a token that was not judged", "outage", auth.AnyToken(), auth.ReasonUnavailable, false},
		{"a verifier's error that is no Error", "broken", auth.AnyToken(), auth.ReasonUnavailable, false},
		{"a check that agrees", "reader", auth.AnyToken().With(func(context.Context, *auth.Principal) error { return nil }), "", false},
		{"a check that says no", "reader", auth.AnyToken().With(func(context.Context, *auth.Principal) error { return own }), auth.ReasonForbidden, false},
		{"a check that says no, where scopes are missing too", "reader", auth.AllOf(auth.AnyToken().With(func(context.Context, *auth.Principal) error { return own }), auth.Scopes("admin")), auth.ReasonInsufficientScope, false},
		{"a check that cannot tell", "reader", auth.AnyToken().With(func(context.Context, *auth.Principal) error {
			return &auth.Error{Reason: auth.ReasonUnavailable}
		}), auth.ReasonUnavailable, false},
		{"a sender-constrained token", "bound", auth.AnyToken(), auth.ReasonBindingNotProved, false},
		{"a sender-constrained token where none is needed", "bound", auth.Optional(), auth.ReasonBindingNotProved, false},
		{"a token bound twice", "two", auth.AnyToken(), auth.ReasonBindingNotProved, false},
		{"an empty cnf", "hollow", auth.AnyToken(), auth.ReasonBindingNotProved, false},
		{"a cnf that is no object", "odd", auth.AnyToken(), auth.ReasonBindingNotProved, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer noPanic(t)
			g := must(auth.NewGuard(newFake(t), nil))
			c := bearer(tt.token)
			if tt.token == "" {
				c = auth.Credentials{}
			}
			planted := auth.WithPrincipal(t.Context(), principal(t, "admin", ""))
			if tt.req.IsPublic() {
				planted = t.Context()
			}
			ctx, err := g.Authorize(planted, c, tt.req)
			if got := reasonOf(err); got != tt.want {
				t.Fatalf("reason %v, want %v", got, tt.want)
			}
			if err != nil {
				return
			}
			p, ok := auth.PrincipalFrom(ctx)
			if ok == tt.anonymous {
				t.Errorf("a principal in the context: %v", ok)
			}
			if ok && p.HasScope("admin") {
				t.Error("the planted principal was trusted")
			}
		})
	}
}

// fakeBinding stands in for a Binding where the test is about the Guard alone.
type fakeBinding struct {
	member string
	err    error
	asked  int
}

func (f *fakeBinding) Member() string   { return f.member }
func (f *fakeBinding) Fields() []string { return []string{"Proof"} }

func (f *fakeBinding) Check(context.Context, string, *auth.Credentials, *auth.Principal, []byte) error {
	f.asked++
	return f.err
}

func TestBindings(t *testing.T) {
	tests := []struct {
		name, token string
		bindings    []auth.Binding
		want        auth.Reason
	}{
		{"proved", "bound", []auth.Binding{&fakeBinding{member: "jkt"}}, ""},
		{"not proved", "bound", []auth.Binding{&fakeBinding{member: "jkt", err: errors.New("no")}}, auth.ReasonBindingNotProved},
		{"not judged", "bound", []auth.Binding{&fakeBinding{member: "jkt", err: &auth.Error{Reason: auth.ReasonUnavailable}}}, auth.ReasonUnavailable},
		{"wired wrongly", "bound", []auth.Binding{&fakeBinding{member: "jkt", err: &auth.Error{Reason: auth.ReasonInternal}}}, auth.ReasonInternal},
		{"a proof that is none", "bound", []auth.Binding{&fakeBinding{member: "jkt", err: fmt.Errorf("x: %w", &auth.Error{Reason: auth.ReasonProofInvalid})}}, auth.ReasonProofInvalid},
		{"a reason that is not a Binding's", "bound", []auth.Binding{&fakeBinding{member: "jkt", err: &auth.Error{Reason: auth.ReasonForbidden}}}, auth.ReasonBindingNotProved},
		{"one of two members proved", "two", []auth.Binding{&fakeBinding{member: "jkt"}}, auth.ReasonBindingNotProved},
		{"both members proved", "two", []auth.Binding{&fakeBinding{member: "jkt"}, &fakeBinding{member: "x5t#S256"}}, ""},
		{"a member of another name", "bound", []auth.Binding{&fakeBinding{member: "x5t#S256"}}, auth.ReasonBindingNotProved},
		{"an empty cnf", "hollow", []auth.Binding{&fakeBinding{member: "jkt"}}, auth.ReasonBindingNotProved},
		{"a cnf that is no object", "odd", []auth.Binding{&fakeBinding{member: "jkt"}}, auth.ReasonBindingNotProved},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer noPanic(t)
			g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{Bindings: tt.bindings}))
			_, err := g.Authorize(t.Context(), bearer(tt.token), auth.AnyToken())
			if got := reasonOf(err); got != tt.want {
				t.Errorf("reason %v, want %v", got, tt.want)
			}
		})
	}
}

func TestVerifyOnce(t *testing.T) {
	v := newFake(t)
	proof := &fakeBinding{member: "jkt"}
	g := must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{proof}}))
	other := must(auth.NewGuard(v, nil))

	ctx, err := g.Authorize(t.Context(), bearer("bound"), auth.AnyToken())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if ctx, err = g.Authorize(ctx, bearer("bound"), auth.Scopes("read:orders")); err != nil {
			t.Fatal(err)
		}
	}
	if len(v.asked) != 1 || proof.asked != 1 {
		t.Errorf("verified %d times and proved %d times, want once", len(v.asked), proof.asked)
	}
	if _, err := g.Authorize(ctx, bearer("bound"), auth.Scopes("write:orders")); reasonOf(err) != auth.ReasonInsufficientScope {
		t.Errorf("another requirement: %v, want it authorized again", err)
	}
	if _, err := g.Authorize(ctx, bearer("forged"), auth.AnyToken()); reasonOf(err) != auth.ReasonSignatureInvalid {
		t.Errorf("other credentials: %v, want them authorized again", err)
	}
	c := bearer("bound")
	c.Method = "DELETE"
	before := proof.asked
	if _, err := g.Authorize(ctx, c, auth.AnyToken()); err != nil || proof.asked != before+1 {
		t.Errorf("another method: %v after %d proofs, want a new proof", err, proof.asked-before)
	}
	if _, err := g.Authorize(ctx, auth.Credentials{}, auth.AnyToken()); reasonOf(err) != auth.ReasonCredentialsMissing {
		t.Errorf("no credentials: %v, want them missed", err)
	}
	if _, err := other.Authorize(ctx, bearer("bound"), auth.AnyToken()); reasonOf(err) != auth.ReasonBindingNotProved {
		t.Errorf("another guard: %v, want its own decision", err)
	}
	header := []string{"Bearer reader"}
	ctx, err = g.Authorize(t.Context(), auth.Credentials{Authorization: header}, auth.AnyToken())
	if err != nil {
		t.Fatal(err)
	}
	header[0] = "Bearer forged"
	if _, err := g.Authorize(ctx, auth.Credentials{Authorization: header}, auth.AnyToken()); reasonOf(err) != auth.ReasonSignatureInvalid {
		t.Errorf("a header changed in place: %v, want it authorized again", err)
	}
}

func TestOnDecision(t *testing.T) {
	var got []string
	g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) {
		reason := auth.Reason("none")
		if d.Err != nil {
			reason = d.Err.Reason
		}
		got = append(got, fmt.Sprintf("%s %s %v %v", d.Operation, reason, d.Principal != nil, d.Repeated))
		panic("a hook that panics decides nothing")
	}}))
	c := bearer("reader")
	c.Operation = "GET /orders"
	ctx, err := g.Authorize(t.Context(), c, auth.AnyToken())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = g.Authorize(ctx, c, auth.Scopes("admin"))
	_, _ = g.Authorize(t.Context(), auth.Credentials{}, auth.AnyToken())
	_, _ = g.Authorize(t.Context(), auth.Credentials{}, auth.Public())
	want := []string{
		"GET /orders none true false",
		fmt.Sprintf("GET /orders %s true true", auth.ReasonInsufficientScope),
		fmt.Sprintf(" %s false false", auth.ReasonCredentialsMissing),
	}
	if !slices.Equal(got, want) {
		t.Errorf("decisions\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEnforce(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := auth.PrincipalFrom(r.Context())
		if !ok {
			fmt.Fprint(w, "anonymous")
			return
		}
		fmt.Fprint(w, p.Subject())
	})
	g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{ResourceMetadata: "https://api.example/.well-known/oauth-protected-resource"}))
	const head = `Bearer realm="api", resource_metadata="https://api.example/.well-known/oauth-protected-resource"`
	tests := []struct {
		name, authorization string
		wrap                func(http.Handler) http.Handler
		status              int
		challenge, body     string
	}{
		{"no token", "", g.Require("read:orders"), 401, head,
			`{"type":"about:blank","title":"Unauthorized","status":401,"detail":"An access token is required","code":"CREDENTIALS_MISSING"}` + "\n"},
		{"a good token", "Bearer reader", g.Require("read:orders"), 200, "", "alice"},
		{"a forged token", "Bearer forged", g.Require("read:orders"), 401, head + `, error="invalid_token", error_description="The access token is not valid"`,
			`{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The access token is not valid","code":"INVALID_TOKEN"}` + "\n"},
		{"short of scopes", "Bearer reader", g.Require("write:orders", "admin:all"), 403,
			head + `, error="insufficient_scope", error_description="The access token lacks a scope that this operation needs", scope="admin:all write:orders"`,
			`{"type":"about:blank","title":"Forbidden","status":403,"detail":"The access token lacks a scope that this operation needs","code":"INSUFFICIENT_SCOPE","scope":"admin:all write:orders"}` + "\n"},
		{"a broken header", "Bearer", g.Require("read:orders"), 400,
			head + `, error="invalid_request", error_description="The request needs exactly one well-formed Authorization header"`,
			`{"type":"about:blank","title":"Bad Request","status":400,"detail":"The request needs exactly one well-formed Authorization header","code":"INVALID_REQUEST"}` + "\n"},
		{"not judged", "Bearer outage", g.Require("read:orders"), 503, "",
			`{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The request could not be judged now; try again later","code":"UNAVAILABLE"}` + "\n"},
		{"optional without token", "", g.Enforce(auth.Optional()), 200, "", "anonymous"},
		{"public with a forged token", "Bearer forged", g.Enforce(auth.Public()), 200, "", "anonymous"},
		{"nested three times", "Bearer writer", func(h http.Handler) http.Handler {
			return g.Require("read:orders")(g.Enforce(auth.AnyToken())(g.Require("write:orders")(h)))
		}, 200, "", "alice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/orders", nil)
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			w := httptest.NewRecorder()
			tt.wrap(handler).ServeHTTP(w, r)
			if w.Code != tt.status || w.Header().Get("WWW-Authenticate") != tt.challenge || w.Body.String() != tt.body {
				t.Errorf("got %d\n%q\n%s\nwant %d\n%q\n%s", w.Code, w.Header().Get("WWW-Authenticate"), w.Body, tt.status, tt.challenge, tt.body)
			}
			if tt.status == 200 {
				return
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
			if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type %q", got)
			}
			if got := w.Header().Get("Retry-After"); (got == "5") != (tt.status == 503) {
				t.Errorf("Retry-After %q", got)
			}
		})
	}
}

func TestRefuseOverride(t *testing.T) {
	g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{
		Realm: `the "orders" API`,
		WriteRefusal: func(w http.ResponseWriter, _ *http.Request, err *auth.Error) {
			w.WriteHeader(err.Status())
			fmt.Fprint(w, err.Reason.Code())
		},
	}))
	w := httptest.NewRecorder()
	g.Refuse(w, httptest.NewRequest("GET", "/", nil), &auth.Error{Reason: auth.ReasonTokenExpired})
	const challenge = `Bearer realm="the \"orders\" API", error="invalid_token", error_description="The access token expired"`
	if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || got != challenge || w.Body.String() != "INVALID_TOKEN" {
		t.Errorf("got %d %s %s", w.Code, got, w.Body)
	}
}

func TestARefusalIsNeverAnsweredWith200(t *testing.T) {
	for name, refuse := range map[string]func(http.ResponseWriter, *http.Request, *auth.Error){
		"a body alone":   func(w http.ResponseWriter, _ *http.Request, _ *auth.Error) { fmt.Fprint(w, "no") },
		"nothing at all": func(http.ResponseWriter, *http.Request, *auth.Error) {},
	} {
		g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{WriteRefusal: refuse}))
		w := httptest.NewRecorder()
		g.Require("read:orders")(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 401 {
			t.Errorf("%s: %d, want 401", name, w.Code)
		}
	}
}

// holder is a context that cannot be compared.
type holder struct {
	context.Context
	_ []string
}

func TestNestedUnderAnyContext(t *testing.T) {
	defer noPanic(t)
	g := must(auth.NewGuard(newFake(t), nil))
	inner := g.Require("read:orders")(http.NotFoundHandler())
	h := g.Require("read:orders")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r.WithContext(holder{Context: r.Context()}))
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer reader")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 404 {
		t.Errorf("%d, want the handler's 404", w.Code)
	}
}

func TestAnUnknownReasonIsNotJudged(t *testing.T) {
	defer noPanic(t)
	v := newFake(t)
	v.errs["odd"] = &auth.Error{Reason: "MADE_UP"}
	g := must(auth.NewGuard(v, nil))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer odd")
	w := httptest.NewRecorder()
	if g.Require("a")(http.NotFoundHandler()).ServeHTTP(w, r); w.Code != 503 {
		t.Errorf("%d, want 503", w.Code)
	}
	if roles := new(auth.Principal).Roles(); roles != nil {
		t.Errorf("the zero Principal has the roles %q", roles)
	}
}

func TestOptionalVaries(t *testing.T) {
	g := must(auth.NewGuard(newFake(t), nil))
	w := httptest.NewRecorder()
	g.Enforce(auth.Optional())(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := w.Header().Get("Vary"); got != "Authorization" {
		t.Errorf("Vary %q, want Authorization", got)
	}
}

func TestGuardMisconfigured(t *testing.T) {
	v := newFake(t)
	tests := []struct {
		name  string
		build func()
		want  string
	}{
		{"no verifier", func() { must(auth.NewGuard(nil, nil)) }, "TokenVerifier"},
		{"a nil verifier of a type", func() { must(auth.NewGuard((*auth.Verifier)(nil), nil)) }, "TokenVerifier"},
		{"a nil guard", func() { (*auth.Guard)(nil).Require("a") }, "nil"},
		{"the zero guard", func() { new(auth.Guard).Require("a") }, "constructor"},
		{"a realm with a line break", func() { must(auth.NewGuard(v, &auth.GuardOptions{Realm: "a\r\nb"})) }, "GuardOptions.Realm"},
		{"a realm beyond ASCII", func() { must(auth.NewGuard(v, &auth.GuardOptions{Realm: "é"})) }, "GuardOptions.Realm"},
		{"a relative metadata URL", func() { must(auth.NewGuard(v, &auth.GuardOptions{ResourceMetadata: "/x"})) }, "GuardOptions.ResourceMetadata"},
		{"a metadata URL with a fragment", func() { must(auth.NewGuard(v, &auth.GuardOptions{ResourceMetadata: "https://x/#y"})) }, "GuardOptions.ResourceMetadata"},
		{"a metadata URL with a quote", func() { must(auth.NewGuard(v, &auth.GuardOptions{ResourceMetadata: `https://x/"`})) }, "GuardOptions.ResourceMetadata"},
		{"a nil binding", func() { must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{nil}})) }, "GuardOptions.Bindings[0]"},
		{"a binding that is no pointer", func() {
			must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{valueBinding{&fakeBinding{member: "jkt"}}}}))
		}, "GuardOptions.Bindings[0]"},
		{"a binding of no member", func() { must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{&fakeBinding{}}})) }, "GuardOptions.Bindings"},
		{"two bindings of one member", func() {
			must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{&fakeBinding{member: "jkt"}, &fakeBinding{member: "jkt"}}}))
		}, "GuardOptions.Bindings"},
		{"a scheme that is taken", func() {
			must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{&schemeBinding{scheme: "bearer"}}}))
		}, "bearer"},
		{"a scheme with a space", func() {
			must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{&schemeBinding{scheme: "D P"}}}))
		}, "D P"},
		{"a challenge with a line break", func() {
			must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{&schemeBinding{scheme: "DPoP", algorithms: []string{"a\r\nb"}}}}))
		}, "DPoP"},
		{"a field that is none", func() {
			must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{&schemeBinding{scheme: "DPoP", field: "a b"}}}))
		}, "a b"},
		{"a header that is none", func() { must(auth.NewGuard(v, &auth.GuardOptions{Header: "a b"})) }, "a b"},
		{"the header Authorization", func() { must(auth.NewGuard(v, &auth.GuardOptions{Header: "authorization"})) }, "GuardOptions.Header cannot be Authorization"},
		{"the header Cookie", func() { must(auth.NewGuard(v, &auth.GuardOptions{Header: "cookie"})) }, "GuardOptions.Header cannot be Cookie"},
		{"the header Proxy-Authorization", func() { must(auth.NewGuard(v, &auth.GuardOptions{Header: "PROXY-AUTHORIZATION"})) }, "GuardOptions.Header cannot be Proxy-Authorization"},
		{"the header DPoP", func() { must(auth.NewGuard(v, &auth.GuardOptions{Header: "DPoP"})) }, "GuardOptions.Header cannot be Dpop"},
		{"the header Host", func() { must(auth.NewGuard(v, &auth.GuardOptions{Header: "host"})) }, "GuardOptions.Header cannot be Host"},
		{"a header, and tokens of a scheme", func() {
			must(auth.NewGuard(v, &auth.GuardOptions{Header: "X-Token", Bindings: []auth.Binding{&schemeBinding{scheme: "DPoP"}}}))
		}, "GuardOptions.Header does not go with Bindings of scheme DPoP"},
		{"a header that a binding reads", func() {
			must(auth.NewGuard(v, &auth.GuardOptions{Header: "proof", Bindings: []auth.Binding{&fakeBinding{member: "jkt"}}}))
		}, "one of the Bindings reads"},
		{"bound tokens without bindings", func() { must(auth.NewGuard(v, &auth.GuardOptions{RequireBound: true})) }, "GuardOptions.RequireBound"},
		{"a scope with a space", func() { auth.Scopes("read write") }, "read write"},
		{"a scope with a quote", func() { auth.AnyScope("read", `a"b`) }, "is not a scope"},
		{"an empty scope", func() { must(auth.NewGuard(v, nil)).Require("") }, "is not a scope"},
		{"the zero requirement enforced", func() { must(auth.NewGuard(v, nil)).Enforce(auth.Requirement{}) }, "zero Requirement"},
		{"the zero requirement combined", func() { auth.AllOf(auth.Requirement{}) }, "zero Requirement"},
		{"public inside AllOf", func() { auth.AllOf(auth.AnyToken(), auth.Public()) }, "public stands alone"},
		{"optional inside AnyOf", func() { auth.AnyOf(auth.Optional()) }, "optional stands alone"},
		{"public with a check", func() { auth.Public().With(func(context.Context, *auth.Principal) error { return nil }) }, "public stands alone"},
		{"a nil check", func() { auth.AnyToken().With(nil) }, "With needs a check"},
		{"a nil handler", func() { must(auth.NewGuard(v, nil)).Require("a")(nil) }, "nil handler"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want one that names %q", got, tt.want)
				}
			}()
			tt.build()
		})
	}
}
