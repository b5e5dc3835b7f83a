package auth_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
)

// A refusal has its own status whatever its writer does first. A real server is asked: a recorder
// knows no 1xx.
func TestARefusalBeginsWithItsStatus(t *testing.T) {
	for name, write := range map[string]func(http.ResponseWriter){
		"103 first": func(w http.ResponseWriter) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
		},
		"103, and then a body": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusEarlyHints)
			fmt.Fprint(w, "no")
		},
		"a flush first":        func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"a controller's flush": func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"a copied body":        func(w http.ResponseWriter) { _, _ = io.Copy(w, strings.NewReader("no")) },
		"a copied body, through a buffer": func(w http.ResponseWriter) {
			b := bufio.NewWriter(w)
			fmt.Fprint(b, "no")
			_ = b.Flush()
		},
		"nothing": func(http.ResponseWriter) {},
	} {
		t.Run(name, func(t *testing.T) {
			g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{WriteRefusal: func(w http.ResponseWriter, _ *http.Request, _ *auth.Error) { write(w) }}))
			server := httptest.NewServer(g.Require("read:orders")(http.NotFoundHandler()))
			defer server.Close()
			resp, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%d %v", resp.StatusCode, resp.Header)
			}
		})
	}
}

func TestARefusalsContentTypeIsItsWriters(t *testing.T) {
	for name, tt := range map[string]struct {
		write func(http.ResponseWriter, *http.Request)
		want  string
	}{
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(401)
			fmt.Fprint(w, "<p>no")
		}, "text/html; charset=utf-8"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, "text/html; charset=utf-8"},
		"JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(401)
		}, "application/json"},
		"nothing": {func(http.ResponseWriter, *http.Request) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{WriteRefusal: func(w http.ResponseWriter, r *http.Request, _ *auth.Error) { tt.write(w, r) }}))
			w := httptest.NewRecorder()
			g.Require("read:orders")(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if got := w.Result().Header.Get("Content-Type"); got != tt.want {
				t.Errorf("Content-Type %q, want %q", got, tt.want)
			}
		})
	}
	w := httptest.NewRecorder()
	must(auth.NewGuard(newFake(t), nil)).Refuse(w, httptest.NewRequest("GET", "/", nil), nil)
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("the Guard's own: %q", got)
	}
}

func TestChallengesOfOthersStay(t *testing.T) {
	g := must(auth.NewGuard(newFake(t), nil))
	for name, tt := range map[string]struct{ before, want []string }{
		"none":                         {nil, []string{plainBearer}},
		"another scheme":               {[]string{`Basic realm="x"`}, []string{plainBearer, `Basic realm="x"`}},
		"two more":                     {[]string{"Negotiate", `Basic realm="x"`}, []string{plainBearer, "Negotiate", `Basic realm="x"`}},
		"the Guard's own, as it was":   {[]string{`Bearer realm="old"`, "Negotiate"}, []string{plainBearer, "Negotiate"}},
		"the Guard's, in another case": {[]string{`bearer`}, []string{plainBearer}},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			w.Header()["Www-Authenticate"] = slices.Clone(tt.before)
			g.Require("read:orders")(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if got := w.Header()["Www-Authenticate"]; !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// challengesOf returns the challenges of a refusal.
func challengesOf(g *auth.Guard, err *auth.Error) []string {
	h := http.Header{}
	g.SetRefusalHeader(h, err)
	return h["Www-Authenticate"]
}

func TestAChallengeIsTheCallers(t *testing.T) {
	g := dpopLike(t, nil)
	for _, reason := range []auth.Reason{auth.ReasonCredentialsMissing, auth.ReasonTokenExpired, auth.ReasonProofInvalid} {
		e := &auth.Error{Reason: reason}
		first := challengesOf(g, e)
		want := slices.Clone(first)
		for i := range first {
			first[i] = "changed"
		}
		_ = append(first[:1], "and grown")
		if got := challengesOf(g, e); !slices.Equal(got, want) {
			t.Errorf("%v: %q, want %q", reason, got, want)
		}
	}
	h := g.Require("read:orders")(http.NotFoundHandler())
	answered(h, nil).Header["Www-Authenticate"][0] = "changed"
	if got := answered(h, nil).Header["Www-Authenticate"]; got[0] != plainDPoP {
		t.Errorf("%q", got)
	}
}

// An *Error of a check or a handler may hold any text for scopes.
func TestScopesOfAnErrorAreScopes(t *testing.T) {
	for name, tt := range map[string]struct {
		scopes []string
		want   string
	}{
		"a quote, and more params": {[]string{`x", error="y`}, ""},
		"a line break":             {[]string{"x\r\nSet-Cookie: a=b"}, ""},
		"a space":                  {[]string{"a b"}, ""},
		"a good one beside a bad":  {[]string{"read:orders", `ba"d`, "é", ""}, "read:orders"},
		"good ones":                {[]string{"b", "a"}, "b a"},
		"a backslash":              {[]string{`a\`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := must(auth.NewGuard(newFake(t), nil))
			made := &auth.Error{Reason: auth.ReasonInsufficientScope, Scopes: tt.scopes}
			need := auth.AnyToken().With(func(context.Context, *auth.Principal) error { return fmt.Errorf("wrapped: %w", made) })
			byHandler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.Refuse(w, r, made) })
			for who, h := range map[string]http.Handler{"a check": g.Enforce(need)(http.HandlerFunc(ok)), "a handler": byHandler} {
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set("Authorization", "Bearer reader")
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				challenge := plainBearer + `, error="insufficient_scope", error_description="The access token lacks a scope that this operation needs"`
				if tt.want != "" {
					challenge += `, scope="` + tt.want + `"`
				}
				var body struct{ Scope string }
				if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
					t.Error(err)
				}
				if got := w.Header().Get("WWW-Authenticate"); got != challenge || body.Scope != tt.want {
					t.Errorf("%s: %s and %q, want %s", who, got, body.Scope, challenge)
				}
			}
			if got := auth.AsError(made).Scopes; strings.Join(got, " ") != tt.want {
				t.Errorf("AsError tells adapters %q", got)
			}
			if got := challengesOf(g, made)[0]; strings.ContainsAny(got, "\r\n") {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestANilErrorIsSafe(t *testing.T) {
	defer noPanic(t)
	var none *auth.Error
	for name, err := range map[string]*auth.Error{
		"nil":           none,
		"a nil cause":   {Reason: auth.ReasonForbidden, Err: none},
		"a nil Revoked": {Reason: auth.ReasonUnavailable, Err: fmt.Errorf("x: %w", none)},
	} {
		if errors.Is(err, io.EOF) {
			t.Errorf("%s: is EOF", name)
		}
		_ = fmt.Sprint(err.Error(), err.Status(), err.Description(), err.Params(), err.RetryAfter(), err.Claim(), err.Expected(), err.Seen(), err.Unwrap())
		g := must(auth.NewGuard(newFake(t), nil))
		w := httptest.NewRecorder()
		g.SetRefusalHeader(w.Header(), err)
		g.Refuse(w, httptest.NewRequest("GET", "/", nil), err)
		if w.Code < 400 {
			t.Errorf("%s: %d", name, w.Code)
		}
		if _, e := json.Marshal(err); e != nil {
			t.Errorf("%s: %v", name, e)
		}
	}
	// From a check, a verifier and a Binding.
	v := newFake(t)
	v.errs["typednil"] = none
	g := must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{&fakeBinding{member: "jkt", err: none}}}))
	check := auth.AnyToken().With(func(context.Context, *auth.Principal) error { return none })
	for token, want := range map[string]auth.Reason{"reader": auth.ReasonForbidden, "typednil": auth.ReasonUnavailable, "bound": auth.ReasonBindingNotProved} {
		if _, err := g.Authorize(t.Context(), bearer(token), check); reasonOf(err) != want {
			t.Errorf("%s: %v, want %s", token, err, want)
		}
	}
}

// A verifier that calls a refused token none does not make its request anonymous.
func TestOptionalGoesByTheHeader(t *testing.T) {
	v := newFake(t)
	v.errs["refused"] = &auth.Error{Reason: auth.ReasonCredentialsMissing}
	for name, opts := range map[string]*auth.GuardOptions{
		"without Bindings": nil,
		"with Bindings":    {Bindings: []auth.Binding{&schemeBinding{scheme: "DPoP"}}},
	} {
		g := must(auth.NewGuard(v, opts))
		for authorization, accepted := range map[string]bool{"Bearer refused": false, "bearer  refused": false, "": true, "Basic refused": true} {
			c := auth.Credentials{}
			if authorization != "" {
				c.Authorization = []string{authorization}
			}
			for _, need := range []auth.Requirement{auth.Optional()} {
				if _, err := g.Authorize(t.Context(), c, need); (err == nil) != accepted {
					t.Errorf("%s, %q: %v", name, authorization, err)
				}
			}
		}
	}
}
