package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
)

const cloudflare = "Cf-Access-Jwt-Assertion"

// inField is a request with values of a field, and perhaps of Authorization.
func inField(authorization string, values ...string) *http.Request {
	r := httptest.NewRequest("GET", "/orders", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for _, v := range values {
		r.Header.Add(cloudflare, v)
	}
	return r
}

func TestATokenInAFieldOfItsOwn(t *testing.T) {
	var log bytes.Buffer
	v := newFake(t)
	g := must(auth.NewGuard(v, &auth.GuardOptions{
		Header: "cf-access-jwt-assertion", OnDecision: auth.LogRefusals(slog.New(slog.NewTextHandler(&log, nil))),
	}))
	malformed := plainBearer + `, error="invalid_request", error_description="The request needs exactly one well-formed Cf-Access-Jwt-Assertion header"`
	for name, tt := range map[string]struct {
		r         *http.Request
		optional  int
		required  int
		challenge string
		told      string
	}{
		"one value":                        {r: inField("", "reader"), optional: 200, required: 200},
		"beside an Authorization value":    {r: inField("Bearer bound", "reader"), optional: 200, required: 200},
		"beside a malformed Authorization": {r: inField(",", "reader"), optional: 200, required: 200},
		"no value":                         {r: inField(""), optional: 200, required: 401, challenge: plainBearer, told: "no Cf-Access-Jwt-Assertion header"},
		"Authorization alone":              {r: inField("Bearer reader"), optional: 200, required: 401, challenge: plainBearer, told: "no Cf-Access-Jwt-Assertion header"},
		"two values":                       {r: inField("", "reader", "reader"), optional: 400, required: 400, challenge: malformed, told: "several values of Cf-Access-Jwt-Assertion"},
		"two values in one":                {r: inField("", "reader, reader"), optional: 400, required: 400, challenge: malformed, told: "several values of Cf-Access-Jwt-Assertion"},
		"an empty value":                   {r: inField("", ""), optional: 400, required: 400, challenge: malformed, told: "an empty Cf-Access-Jwt-Assertion"},
		"an empty value beside a good one": {r: inField("", "", "reader"), optional: 400, required: 400, challenge: malformed, told: "several values of Cf-Access-Jwt-Assertion"},
		"a scheme in front":                {r: inField("", "Bearer reader"), optional: 400, required: 400, challenge: malformed, told: "a scheme in front of the token in Cf-Access-Jwt-Assertion"},
		"a scheme in another case":         {r: inField("", "bEARER reader"), optional: 400, required: 400, challenge: malformed, told: "a scheme in front of the token in Cf-Access-Jwt-Assertion"},
		"two words":                        {r: inField("", "reader reader"), optional: 400, required: 400, challenge: malformed},
		"a bad token":                      {r: inField("Bearer reader", "nobody"), optional: 401, required: 401, challenge: plainBearer + `, error="invalid_token", error_description="The access token is not valid"`},
		"a bound token":                    {r: inField("", "bound"), optional: 401, required: 401, challenge: plainBearer + `, error="invalid_token", error_description="The access token is bound to a key whose possession was not proved"`},
	} {
		t.Run(name, func(t *testing.T) {
			for need, status := range map[auth.Requirement]int{auth.Optional(): tt.optional, auth.Scopes("read:orders"): tt.required} {
				log.Reset()
				w := httptest.NewRecorder()
				g.Enforce(need)(http.HandlerFunc(ok)).ServeHTTP(w, tt.r)
				challenge := ""
				if status != 200 {
					challenge = tt.challenge
				}
				if got := w.Header().Get("WWW-Authenticate"); w.Code != status || got != challenge {
					t.Errorf("%v: %d %s, want %d %s", need, w.Code, got, status, challenge)
				}
				if status != 200 && !strings.Contains(log.String(), tt.told) {
					t.Errorf("%v: the log lacks %q: %s", need, tt.told, &log)
				}
				if status == 400 && (!strings.Contains(w.Body.String(), `exactly one well-formed Cf-Access-Jwt-Assertion header"`) || strings.Contains(w.Body.String(), "Authorization")) {
					t.Errorf("%v: %s", need, w.Body)
				}
			}
		})
	}
	w := httptest.NewRecorder()
	g.Refuse(w, inField(""), &auth.Error{Reason: auth.ReasonInvalidRequest})
	if got := w.Header().Get("WWW-Authenticate"); got != malformed || !strings.Contains(w.Body.String(), cloudflare) {
		t.Errorf("a handler's own refusal: %s %s", got, w.Body)
	}
}

// Caches know that answers depend on Authorization, and not on another field (RFC 9111 §3.5).
func TestCachesAreToldOfTheField(t *testing.T) {
	g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{Header: cloudflare}))
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("public") {
			w.Header().Set("Cache-Control", "public")
		}
	}
	for name, tt := range map[string]struct {
		need   auth.Requirement
		target string
		values []string
		before string
		want   string
	}{
		"a token":                                  {need: auth.AnyToken(), values: []string{"reader"}, want: "private"},
		"a token, and its operation needs none":    {need: auth.Optional(), values: []string{"reader"}, want: "private"},
		"no token":                                 {need: auth.Optional(), want: ""},
		"something in front says public":           {need: auth.AnyToken(), values: []string{"reader"}, before: "public, max-age=60", want: "private"},
		"something in front says that it is":       {need: auth.AnyToken(), values: []string{"reader"}, before: "max-age=60, Private", want: "max-age=60, Private"},
		"something in front says: not stored":      {need: auth.AnyToken(), values: []string{"reader"}, before: "no-store", want: "no-store"},
		"the handler knows better":                 {need: auth.AnyToken(), target: "?public", values: []string{"reader"}, want: "public"},
		"a refused request":                        {need: auth.AnyToken(), values: []string{"nobody"}, want: "no-store"},
		"a refused request, although none need be": {need: auth.Optional(), values: []string{"nobody"}, want: "no-store"},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), inField("", tt.values...)
			if tt.before != "" {
				w.Header().Set("Cache-Control", tt.before)
			}
			r.URL.RawQuery = strings.TrimPrefix(tt.target, "?")
			wrapped := g.Enforce(tt.need)(g.Enforce(tt.need)(http.HandlerFunc(handler))) // twice: it is said once
			wrapped.ServeHTTP(w, r)
			if vary := w.Header()["Vary"]; w.Header().Get("Cache-Control") != tt.want || !slices.Equal(vary, []string{cloudflare}) {
				t.Errorf("Cache-Control %q, Vary %q; want %q and the field", w.Header()["Cache-Control"], vary, tt.want)
			}
		})
	}
	w := httptest.NewRecorder()
	must(auth.NewGuard(newFake(t), nil)).Enforce(auth.AnyToken())(http.HandlerFunc(handler)).ServeHTTP(w, inField("Bearer reader"))
	if len(w.Header()) != 0 {
		t.Errorf("a Guard without Header: %v", w.Header())
	}
}

// A rule that is only reported on accepts requests without a token: the answer may depend on it.
func TestVaryUnderAReportOnlyRule(t *testing.T) {
	g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{OnDecision: func(context.Context, auth.Decision) {}}))
	for _, authorization := range []string{"", "Bearer reader", "Bearer nobody"} {
		w := httptest.NewRecorder()
		w.Header().Set("Vary", "Origin")
		g.Enforce(auth.Scopes("write:orders").ReportOnly())(http.HandlerFunc(ok)).ServeHTTP(w, inField(authorization))
		if got := w.Header()["Vary"]; w.Code != 200 || !slices.Equal(got, []string{"Origin", "Authorization"}) {
			t.Errorf("%q: %d, Vary %q", authorization, w.Code, got)
		}
	}
}

// counting counts what its verifier is asked.
type counting struct {
	auth.TokenVerifier
	asked int
}

func (c *counting) VerifyToken(ctx context.Context, raw string) (*auth.Principal, error) {
	c.asked++
	return c.TokenVerifier.VerifyToken(ctx, raw)
}

func TestATokenInAFieldIsVerifiedOnce(t *testing.T) {
	v := &counting{TokenVerifier: newFake(t)}
	g := must(auth.NewGuard(v, &auth.GuardOptions{Header: cloudflare}))
	c := auth.RequestCredentials(nil, inField("", "reader"), "GET /orders")
	ctx, err := g.Authorize(t.Context(), c, auth.AnyToken())
	if err != nil {
		t.Fatal(err)
	}
	changed := auth.RequestCredentials(nil, inField("Bearer writer", "reader"), "")
	for _, again := range []auth.Credentials{c, changed} {
		if _, err := g.Authorize(ctx, again, auth.Scopes("read:orders")); err != nil || v.asked != 1 {
			t.Errorf("%v, verified %d times, want once", err, v.asked)
		}
	}
	other := auth.RequestCredentials(nil, inField("", "writer"), "")
	if again, err := g.Authorize(ctx, other, auth.Scopes("write:orders")); err != nil || v.asked != 2 {
		t.Errorf("another token: %v %v, verified %d times, want twice", again, err, v.asked)
	}
	none := auth.RequestCredentials(nil, inField("Bearer reader"), "")
	if _, err := g.Authorize(ctx, none, auth.AnyToken()); reasonOf(err) != auth.ReasonCredentialsMissing {
		t.Errorf("without the field: %v", err)
	}
	if _, err := g.Recheck(ctx, c, auth.Scopes("read:orders")); err != nil || v.asked != 3 {
		t.Errorf("a recheck: %v, verified %d times", err, v.asked)
	}
	if _, err := g.Recheck(ctx, none, auth.AnyToken()); reasonOf(err) != auth.ReasonCredentialsMissing {
		t.Errorf("a recheck without the field: %v", err)
	}
}

// An adapter that gathers what a Guard reads is asked for the field once, and its copy is not the
// caller's.
func TestCompleteBringsTheField(t *testing.T) {
	binding := &fakeBinding{member: "jkt"}
	g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{Header: cloudflare, Bindings: []auth.Binding{binding}}))
	if got := g.ReadsFields(); !slices.Contains(got, cloudflare) || g.TokenField() != cloudflare {
		t.Errorf("reads %q, the token from %s", got, g.TokenField())
	}
	asked := 0
	c := auth.Credentials{Complete: func(_ context.Context, c *auth.Credentials) {
		asked++
		c.Header = http.Header{cloudflare: {"bound"}}
	}}
	ctx, err := g.Authorize(t.Context(), c, auth.AnyToken())
	if p, ok := auth.PrincipalFrom(ctx); err != nil || !ok || p.Subject() == "" || asked != 1 {
		t.Errorf("%v, completed %d times", err, asked)
	}
	if c.Header != nil || c.Complete == nil {
		t.Errorf("the caller's Credentials were changed")
	}
}

// Guards in a row may take tokens from two fields: each reads its own.
func TestGuardsOfTwoFields(t *testing.T) {
	v := newFake(t)
	api := must(auth.NewGuard(v, nil))
	proxied := must(auth.NewGuard(v, &auth.GuardOptions{Header: cloudflare}))
	read, write := auth.Scopes("read:orders"), auth.Scopes("write:orders")
	for name, tt := range map[string]struct {
		r      *http.Request
		status int
	}{
		"both good":                {r: inField("Bearer writer", "reader"), status: 200},
		"the same token twice":     {r: inField("Bearer reader", "reader"), status: 403},
		"the field's alone":        {r: inField("", "writer"), status: 401},
		"Authorization alone":      {r: inField("Bearer writer"), status: 401},
		"a value that both accept": {r: inField("Bearer writer", "Bearer writer"), status: 400},
	} {
		w := httptest.NewRecorder()
		api.Enforce(write)(proxied.Enforce(read)(http.HandlerFunc(ok))).ServeHTTP(w, tt.r)
		turned := httptest.NewRecorder()
		proxied.Enforce(read)(api.Enforce(write)(http.HandlerFunc(ok))).ServeHTTP(turned, tt.r)
		if w.Code != tt.status || turned.Code != tt.status {
			t.Errorf("%s: %d, and in the other order %d; want %d", name, w.Code, turned.Code, tt.status)
		}
	}
}

func TestTheFieldIsNotPrinted(t *testing.T) {
	const secret = "s3cr3t"
	var out bytes.Buffer
	v := newFake(t)
	v.known[secret] = v.known["reader"]
	g := must(auth.NewGuard(v, &auth.GuardOptions{
		Header: cloudflare, OnDecision: func(ctx context.Context, d auth.Decision) {
			auth.LogRefusals(slog.New(slog.NewTextHandler(&out, nil)))(ctx, d)
			fmt.Fprintf(&out, "%v %+v\n", d, d.Err)
			if d.Err != nil {
				fmt.Fprintln(&out, d.Err.Detail(), d.Err.Claim(), d.Err.Expected(), d.Err.Seen(), d.Err.Err)
			}
		},
	}))
	for _, values := range [][]string{{secret}, {secret, secret}, {"Bearer " + secret}, {secret + "," + secret}, {secret + " x"}, {secret + ".x"}, {secret + "\x80"}} {
		r := inField("Bearer "+secret, values...)
		w := httptest.NewRecorder()
		c := auth.RequestCredentials(w, r, "GET /orders")
		fmt.Fprintf(&out, "%v %+v %#v %d %s %q\n", c, c, c, c, c, c)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("asked", "credentials", c)
		text, _ := json.Marshal(c)
		out.Write(text)
		ctx, err := g.Authorize(r.Context(), c, auth.AnyToken())
		fmt.Fprintf(&out, "%v %+v %#v %v\n", ctx, ctx, ctx, err)
		if err != nil {
			g.Refuse(w, r, err)
		}
		fmt.Fprintln(&out, w.Header(), w.Body)
	}
	if strings.Contains(out.String(), secret) {
		t.Errorf("the token was printed:\n%s", &out)
	}
}
