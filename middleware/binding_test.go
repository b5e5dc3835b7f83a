package auth_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// valueBinding is a Binding that is no pointer.
type valueBinding struct{ *fakeBinding }

// schemeBinding is a Binding with a scheme of its own. Its proof is the field Proof, which is good
// once.
type schemeBinding struct {
	scheme, field string
	algorithms    []string
	used          map[string]bool
}

func (b *schemeBinding) Member() string { return "jkt" }

func (b *schemeBinding) Fields() []string {
	if b.field != "" {
		return []string{b.field}
	}
	return []string{"proof"}
}
func (b *schemeBinding) Scheme() string       { return b.scheme }
func (b *schemeBinding) Algorithms() []string { return append([]string{"ES256"}, b.algorithms...) }

func (b *schemeBinding) Check(_ context.Context, _ string, c *auth.Credentials, _ *auth.Principal, member []byte) error {
	proofs := c.Header.Values("Proof")
	switch {
	case c.Answer == nil:
		return &auth.Error{Reason: auth.ReasonInternal, Err: errors.New("no answer to write the nonce into")}
	case string(member) != `"x"`:
		return fmt.Errorf("bound to %s", member)
	case len(proofs) != 1:
		return &auth.Error{Reason: auth.ReasonProofInvalid}
	case b.used[proofs[0]]:
		return &auth.Error{Reason: auth.ReasonProofReplayed}
	}
	if b.used == nil {
		b.used = map[string]bool{}
	}
	b.used[proofs[0]] = true
	c.Answer.Set("DPoP-Nonce", "nonce after "+proofs[0])
	return nil
}

// dpopLike returns a Guard with a SchemeBinding, and one without a scheme.
func dpopLike(t *testing.T, change func(*auth.GuardOptions)) *auth.Guard {
	t.Helper()
	opts := &auth.GuardOptions{Bindings: []auth.Binding{&schemeBinding{scheme: "DPoP"}}}
	if change != nil {
		change(opts)
	}
	return must(auth.NewGuard(newFake(t), opts))
}

// answered returns what one request of a scheme and token gets.
func answered(h http.Handler, authorization []string, proofs ...string) *http.Response {
	r := httptest.NewRequest("GET", "/orders?x=1", nil)
	if authorization != nil {
		r.Header["Authorization"] = authorization
	}
	if proofs != nil {
		r.Header["Proof"] = proofs
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

const (
	plainDPoP   = `DPoP realm="api", algs="ES256"`
	plainBearer = `Bearer realm="api"`
)

func failing401(scheme, code, text string) string {
	s := scheme + ` realm="api", error="` + code + `", error_description="` + text + `"`
	if scheme == "DPoP" {
		s += `, algs="ES256"`
	}
	return s
}

func TestSchemesAndChallenges(t *testing.T) {
	const mismatch = "The access token is not one for this authentication scheme"
	const needed = "This API needs an access token that is bound to its sender"
	const oneHeader = "The request needs exactly one well-formed Authorization header"
	requireBound := func(o *auth.GuardOptions) { o.RequireBound = true }
	withMTLS := func(o *auth.GuardOptions) {
		o.RequireBound = true
		o.Bindings = append(o.Bindings, &fakeBinding{member: "x5t#S256"})
	}
	for _, tt := range []struct {
		name          string
		change        func(*auth.GuardOptions)
		need          auth.Requirement
		authorization []string
		proofs        []string
		status        int
		challenges    []string
	}{
		{"no credentials: every scheme once", nil, auth.AnyToken(), nil, nil, 401, []string{plainDPoP, plainBearer}},
		{"no credentials, where only bound tokens pass", requireBound, auth.AnyToken(), nil, nil, 401, []string{plainDPoP}},
		{"no credentials, where the rule needs a bound token", nil, auth.AllOf(auth.Bound(), auth.Scopes("read:orders")), nil, nil, 401, []string{plainDPoP}},
		{"no credentials, where an alternative needs no bound token", nil, auth.AnyOf(auth.Bound(), auth.Scopes("admin")), nil, nil, 401, []string{plainDPoP, plainBearer}},
		{"no credentials, where bound tokens may come under Bearer", withMTLS, auth.AnyToken(), nil, nil, 401, []string{plainDPoP, plainBearer}},
		{"another scheme", nil, auth.AnyToken(), []string{"Basic eA=="}, nil, 401, []string{plainDPoP, plainBearer}},
		{"a bound token under its scheme", nil, auth.Scopes("read:orders"), []string{"dpop bound"}, []string{"1"}, 200, nil},
		{"a plain token under Bearer", nil, auth.Scopes("read:orders"), []string{"Bearer reader"}, nil, 200, nil},
		{"a bound token under Bearer", nil, auth.AnyToken(), []string{"Bearer bound"}, []string{"1"}, 401, []string{failing401("Bearer", "invalid_token", mismatch), plainDPoP}},
		{"a plain token under the scheme", nil, auth.AnyToken(), []string{"DPoP reader"}, []string{"1"}, 401, []string{failing401("DPoP", "invalid_token", mismatch), plainBearer}},
		{"a plain token where all must be bound", requireBound, auth.AnyToken(), []string{"Bearer reader"}, nil, 401, []string{failing401("DPoP", "invalid_token", needed)}},
		{"an optional operation where all must be bound", requireBound, auth.Optional(), []string{"Bearer reader"}, nil, 401, []string{failing401("DPoP", "invalid_token", needed)}},
		{"a plain token where the rule needs a bound one", nil, auth.AllOf(auth.Scopes("admin"), auth.Bound()), []string{"Bearer reader"}, nil, 401, []string{failing401("DPoP", "invalid_token", needed)}},
		{"a plain token that meets no alternative", nil, auth.AnyOf(auth.Bound(), auth.Scopes("admin")), []string{"Bearer reader"}, nil, 401, []string{failing401("Bearer", "invalid_token", needed), plainDPoP}},
		{"a plain token that meets the alternative", nil, auth.AnyOf(auth.Bound(), auth.Scopes("read:orders")), []string{"Bearer reader"}, nil, 200, nil},
		{"a bound token that meets the first alternative", nil, auth.AnyOf(auth.Bound(), auth.Scopes("admin")), []string{"DPoP bound"}, []string{"1"}, 200, nil},
		{"no proof", nil, auth.AnyToken(), []string{"DPoP bound"}, nil, 401, []string{failing401("DPoP", "invalid_dpop_proof", "The DPoP proof is not valid"), plainBearer}},
		{"two proofs", nil, auth.AnyToken(), []string{"DPoP bound"}, []string{"1", "2"}, 401, []string{failing401("DPoP", "invalid_dpop_proof", "The DPoP proof is not valid"), plainBearer}},
		{"a forged token under the scheme", nil, auth.AnyToken(), []string{"DPoP forged"}, []string{"1"}, 401, []string{failing401("DPoP", "invalid_token", "The access token is not valid"), plainBearer}},
		{"the scheme alone", nil, auth.AnyToken(), []string{"DPoP"}, nil, 400, []string{failing401("DPoP", "invalid_request", "The request needs exactly one well-formed Authorization header"), plainBearer}},
		{"a value of each scheme", nil, auth.AnyToken(), []string{"DPoP bound", "Bearer reader"}, []string{"1"}, 400, []string{failing401("DPoP", "invalid_request", oneHeader), failing401("Bearer", "invalid_request", oneHeader)}},
		{"short of a scope", nil, auth.Scopes("admin"), []string{"DPoP bound"}, []string{"1"}, 403, []string{`DPoP realm="api", error="insufficient_scope", error_description="The access token lacks a scope that this operation needs", scope="admin", algs="ES256"`, plainBearer}},
		{"not to be had", nil, auth.AnyToken(), []string{"DPoP outage"}, []string{"1"}, 503, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := dpopLike(t, tt.change).Enforce(tt.need)(http.HandlerFunc(ok))
			got := answered(h, tt.authorization, tt.proofs...)
			if got.StatusCode != tt.status || !slices.Equal(got.Header["Www-Authenticate"], tt.challenges) {
				t.Errorf("got %d\n%s\nwant %d\n%s", got.StatusCode, strings.Join(got.Header["Www-Authenticate"], "\n"), tt.status, strings.Join(tt.challenges, "\n"))
			}
		})
	}
}

func TestAProofIsSpentOnce(t *testing.T) {
	told := func(context.Context, auth.Decision) {}
	binding := &schemeBinding{scheme: "DPoP"}
	opts := &auth.GuardOptions{Bindings: []auth.Binding{binding}, OnDecision: told}
	v := newFake(t)
	g, other := must(auth.NewGuard(v, opts)), must(auth.NewGuard(v, opts))
	own := must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{&schemeBinding{scheme: "DPoP", used: map[string]bool{"spent": true}}}}))
	read, admin := auth.Scopes("read:orders"), auth.Scopes("admin")
	wrap := func(guards ...func(http.Handler) http.Handler) http.Handler {
		h := http.Handler(http.HandlerFunc(ok))
		for _, mw := range slices.Backward(guards) {
			h = mw(h)
		}
		return h
	}
	change := func(what func(r *http.Request)) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r = r.Clone(r.Context())
				what(r)
				next.ServeHTTP(w, r)
			})
		}
	}
	// front says where the connection came from, as http.Server does.
	front := func(address, socket string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r.WithContext(auth.ConnContext(r.Context(), endsOf{address: address, socket: socket, unix: socket != ""})))
			})
		}
	}
	for _, tt := range []struct {
		name   string
		h      http.Handler
		status int
	}{
		{"three times by one guard", wrap(g.Enforce(read), g.Enforce(read), g.Enforce(auth.AnyToken())), 200},
		{"by two guards that share the Binding", wrap(g.Enforce(read), other.Enforce(read), g.Enforce(read)), 200},
		{"in front, where it is only reported on", wrap(g.Enforce(admin.ReportOnly()), g.Enforce(read), other.Enforce(read)), 200},
		{"in front, under a path that a mount takes away", wrap(g.Enforce(read), change(func(r *http.Request) { r.URL.Path = "/" }), g.Enforce(read)), 200},
		{"by a guard with a Binding of its own that knows it", wrap(g.Enforce(read), own.Enforce(read)), 401},
		{"with another proof", wrap(g.Enforce(read), change(func(r *http.Request) { r.Header.Set("Proof", "spent") }), own.Enforce(read)), 401},
		{"with another method", wrap(g.Enforce(read), change(func(r *http.Request) { r.Method = "PUT" }), g.Enforce(read)), 401},
		{"with another target", wrap(g.Enforce(read), change(func(r *http.Request) { r.RequestURI = "/admin" }), other.Enforce(read)), 401},
		{"from another address", wrap(front("192.0.2.1", ""), g.Enforce(read), front("192.0.2.2", ""), other.Enforce(read)), 401},
		{"by another Unix socket", wrap(front("", "/a"), g.Enforce(read), front("", "/b"), other.Enforce(read)), 401},
		{"by the same Unix socket", wrap(front("", "/a"), g.Enforce(read), front("", "/a"), other.Enforce(read)), 200},
		{"with a second proof", wrap(g.Enforce(read), change(func(r *http.Request) { r.Header.Add("Proof", "more") }), other.Enforce(read)), 401},
		{"with another token", wrap(g.Enforce(read), change(func(r *http.Request) { r.Header.Set("Authorization", "dpop bound") }), g.Enforce(read)), 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proof := tt.name
			if strings.Contains(tt.name, "of its own") {
				proof = "spent"
			}
			got := answered(tt.h, []string{"DPoP bound"}, proof)
			if got.StatusCode != tt.status {
				t.Errorf("%d %v, want %d", got.StatusCode, got.Header, tt.status)
			}
			if nonces := got.Header["Dpop-Nonce"]; len(nonces) != 1 {
				t.Errorf("nonces %q, want one", nonces)
			}
			if again := answered(tt.h, []string{"DPoP bound"}, proof); again.StatusCode != 401 && !strings.Contains(tt.name, "reported") {
				t.Errorf("%d for a second request with the proof", again.StatusCode)
			}
		})
	}
}

func TestABindingThatCannotAnswerIsWiredWrongly(t *testing.T) {
	_, err := dpopLike(t, nil).Authorize(t.Context(), auth.Credentials{Authorization: []string{"DPoP bound"}, Header: http.Header{"Proof": {"1"}}}, auth.AnyToken())
	if reasonOf(err) != auth.ReasonInternal {
		t.Errorf("%v, want it not judged", err)
	}
}

func TestRecheckAsksForNoProof(t *testing.T) {
	v := newFake(t)
	var revoked bool
	binding := &schemeBinding{scheme: "DPoP"}
	g := must(auth.NewGuard(v, &auth.GuardOptions{
		Bindings: []auth.Binding{binding},
		Revoked:  func(context.Context, *auth.Principal) (bool, error) { return revoked, nil },
	}))
	other := must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{&schemeBinding{scheme: "DPoP"}}}))
	c := auth.Credentials{Authorization: []string{"DPoP bound"}, Header: http.Header{"Proof": {"1"}}, Answer: http.Header{}}
	ctx, err := g.Authorize(t.Context(), c, auth.AnyToken())
	if err != nil {
		t.Fatal(err)
	}
	fresh := auth.Credentials{Authorization: []string{"DPoP bound"}}
	asked := len(v.asked)
	again, err := g.Recheck(ctx, fresh, auth.AnyToken())
	if err != nil || len(v.asked) != asked+1 {
		t.Fatalf("%v after %d verifications", err, len(v.asked)-asked)
	}
	if _, err := g.Recheck(again, fresh, auth.Scopes("admin")); reasonOf(err) != auth.ReasonInsufficientScope {
		t.Errorf("%v, want the requirement compared", err)
	}
	revoked = true
	if _, err := g.Recheck(again, fresh, auth.AnyToken()); reasonOf(err) != auth.ReasonTokenRevoked {
		t.Errorf("%v, want Revoked asked", err)
	}
	revoked = false
	v.known["bound"] = principal(t, "read:orders", `,"cnf":{"jkt":"y"}`)
	if _, err := g.Recheck(again, fresh, auth.AnyToken()); reasonOf(err) != auth.ReasonBindingNotProved {
		t.Errorf("%v for another key, want it not proved", err)
	}
	v.known["bound"] = principal(t, "read:orders", `,"cnf":{"jkt":"x"}`)
	for name, ask := range map[string]func() error{
		"no first look": func() error { _, err := g.Recheck(t.Context(), fresh, auth.AnyToken()); return err },
		"another token": func() error {
			_, err := g.Recheck(ctx, auth.Credentials{Authorization: []string{"dpop bound"}}, auth.AnyToken())
			return err
		},
		"another guard's": func() error { _, err := other.Recheck(ctx, fresh, auth.AnyToken()); return err },
	} {
		if err := ask(); reasonOf(err) != auth.ReasonInternal {
			t.Errorf("%s: %v, want the Binding asked", name, err)
		}
	}
}

func TestRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var answer func(context.Context) (bool, error)
		v := newFake(t)
		g := must(auth.NewGuard(v, &auth.GuardOptions{
			Bindings: []auth.Binding{&fakeBinding{member: "jkt", err: errors.New("comes later")}},
			Revoked: func(ctx context.Context, p *auth.Principal) (bool, error) {
				asked++
				return answer(ctx)
			}}))
		for _, tt := range []struct {
			name   string
			answer func(context.Context) (bool, error)
			token  string
			want   auth.Reason
		}{
			{"good", func(context.Context) (bool, error) { return false, nil }, "reader", ""},
			{"revoked", func(context.Context) (bool, error) { return true, nil }, "reader", auth.ReasonTokenRevoked},
			{"revoked, before any proof", func(context.Context) (bool, error) { return true, nil }, "bound", auth.ReasonTokenRevoked},
			{"not to be had", func(context.Context) (bool, error) { return true, errors.New("down") }, "reader", auth.ReasonUnavailable},
			{"a panic", func(context.Context) (bool, error) { panic("down") }, "reader", auth.ReasonUnavailable},
			{"no answer", func(ctx context.Context) (bool, error) { <-ctx.Done(); return false, nil }, "reader", auth.ReasonUnavailable},
			{"a late answer", func(context.Context) (bool, error) { time.Sleep(251 * time.Millisecond); return false, nil }, "reader", auth.ReasonUnavailable},
			{"an answer in time", func(context.Context) (bool, error) { time.Sleep(249 * time.Millisecond); return false, nil }, "reader", ""},
		} {
			asked, answer = 0, tt.answer
			ctx, err := g.Authorize(t.Context(), bearer(tt.token), auth.AnyToken())
			if reasonOf(err) != tt.want || asked != 1 {
				t.Errorf("%s: %v after %d questions, want %s", tt.name, err, asked, tt.want)
			}
			if err != nil {
				continue
			}
			if _, err := g.Authorize(ctx, bearer(tt.token), auth.AnyToken()); err != nil || asked != 1 {
				t.Errorf("%s, a nested guard: %v after %d questions", tt.name, err, asked)
			}
			if _, err := g.Recheck(ctx, bearer(tt.token), auth.AnyToken()); err != nil || asked != 2 {
				t.Errorf("%s, an open stream: %v after %d questions", tt.name, err, asked)
			}
		}
		asked = 0
		if _, err := g.Authorize(t.Context(), bearer("forged"), auth.AnyToken()); err == nil || asked != 0 {
			t.Errorf("a forged token: %v after %d questions", err, asked)
		}
	})
}

// otherScheme is a second SchemeBinding, of another member.
type otherScheme struct{ *schemeBinding }

func (*otherScheme) Member() string { return "x5t#S256" }
func (*otherScheme) Scheme() string { return "Other" }

// One request has one scheme, so a token that two of them bind passes under neither.
func TestATokenOfTwoSchemesPassesUnderNeither(t *testing.T) {
	g := dpopLike(t, func(o *auth.GuardOptions) { o.Bindings = append(o.Bindings, &otherScheme{&schemeBinding{}}) })
	for _, scheme := range []string{"DPoP", "Other", "Bearer"} {
		c := auth.Credentials{Authorization: []string{scheme + " two"}, Header: http.Header{"Proof": {"1"}}, Answer: http.Header{}}
		if _, err := g.Authorize(t.Context(), c, auth.AnyToken()); reasonOf(err) != auth.ReasonSchemeMismatch {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

// The log says under which scheme a bound token is to come.
func TestASchemeThatIsNotTheTokensIsTold(t *testing.T) {
	g := dpopLike(t, nil)
	for authorization, want := range map[string]string{
		"Bearer bound": "it came under Bearer, and is bound by what comes under DPoP", "DPoP reader": "",
	} {
		_, err := g.Authorize(t.Context(), auth.Credentials{Authorization: []string{authorization}}, auth.AnyToken())
		if e := auth.AsError(err); e.Reason != auth.ReasonSchemeMismatch || e.Detail() != want || e.Expected() == "" {
			t.Errorf("%s: %v %q, expected %q", authorization, e, e.Detail(), e.Expected())
		}
	}
}

// What binds to nothing keeps no proved token out; what is left must be proved all the same.
func TestMembersThatBindNothing(t *testing.T) {
	for cnf, want := range map[string]auth.Reason{
		`{"jkt":"x","kc-jkt-type":"DPoP"}`:                  "", // Keycloak 26.7
		`{"kc-jkt-type":"DPoP","jkt":"x"}`:                  "",
		`{"jkt":"x","x5t#S256":null}`:                       "",
		`{"jkt":"x","kc-jkt-type":"other"}`:                 auth.ReasonBindingNotProved,
		`{"jkt":"x","kc-jkt-type":["DPoP"]}`:                auth.ReasonBindingNotProved,
		`{"jkt":"x","kc-other":"DPoP"}`:                     auth.ReasonBindingNotProved,
		`{"jkt":"x","x5t#S256":"","kc-jkt-type":"DPoP"}`:    auth.ReasonBindingNotProved,
		`{"jkt":"y","kc-jkt-type":"DPoP"}`:                  auth.ReasonBindingNotProved,
		`{"kc-jkt-type":"DPoP"}`:                            auth.ReasonBindingNotProved,
		`{"jkt":null}`:                                      auth.ReasonBindingNotProved,
		`{"jkt":null,"kc-jkt-type":"DPoP","x5t#S256":null}`: auth.ReasonBindingNotProved,
	} {
		v := newFake(t)
		v.known["bound"] = principal(t, "read:orders", `,"cnf":`+cnf)
		g := must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{&schemeBinding{scheme: "DPoP"}}}))
		c := auth.Credentials{Authorization: []string{"DPoP bound"}, Header: http.Header{"Proof": {"1"}}, Answer: http.Header{}}
		if _, err := g.Authorize(t.Context(), c, auth.AnyToken()); reasonOf(err) != want {
			t.Errorf("%s: %v, want %q", cnf, err, want)
		}
		if _, err := g.Authorize(t.Context(), bearer("bound"), auth.AnyToken()); err == nil {
			t.Errorf("%s: accepted under Bearer, without a proof", cnf)
		}
	}
}

// endsOf is a connection from an address, or by a Unix socket.
type endsOf struct {
	address, socket string
	unix            bool
}

func (e endsOf) RemoteAddr() net.Addr {
	if e.unix {
		return &net.UnixAddr{Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(e.address), 1))
}

func (e endsOf) LocalAddr() net.Addr {
	if e.unix {
		return &net.UnixAddr{Name: e.socket, Net: "unix"}
	}
	return &net.TCPAddr{}
}

func (endsOf) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (endsOf) Write([]byte) (int, error)        { return 0, net.ErrClosed }
func (endsOf) Close() error                     { return nil }
func (endsOf) SetDeadline(time.Time) error      { return nil }
func (endsOf) SetReadDeadline(time.Time) error  { return nil }
func (endsOf) SetWriteDeadline(time.Time) error { return nil }

// TestConnContext looks at what Bindings are told of connections.
func TestConnContext(t *testing.T) {
	saw := new(observer)
	g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{Bindings: []auth.Binding{saw}}))
	for _, e := range []endsOf{{address: "192.0.2.1"}, {address: "::ffff:192.0.2.1"}, {address: "2001:db8::1"}, {socket: "/run/a.sock", unix: true}} {
		for name, tt := range map[string]struct {
			ctx   context.Context
			given auth.Credentials
			want  string
		}{
			"left in the context": {auth.ConnContext(t.Context(), e), auth.Credentials{}, cmp.Or(strings.TrimPrefix(e.address, "::ffff:"), "::%"+e.socket)},
			"nothing is known":    {t.Context(), auth.Credentials{}, "invalid IP"},
			"the adapter knows":   {auth.ConnContext(t.Context(), e), auth.Credentials{Peer: netip.MustParseAddr("10.0.0.1")}, "10.0.0.1"},
		} {
			tt.given.Authorization = []string{"Bearer bound"}
			if _, err := g.Authorize(tt.ctx, tt.given, auth.AnyToken()); err != nil {
				t.Fatal(err)
			}
			if got := saw.seen.Peer.String(); got != tt.want {
				t.Errorf("%v, %s: %v, want %s", e, name, got, tt.want)
			}
		}
	}
	if ctx := auth.ConnContext(t.Context(), endsOf{unix: true}); ctx != t.Context() {
		t.Error("a socket without a name has an address")
	}
}

// observer is a Binding that keeps what it is told.
type observer struct{ seen auth.Credentials }

func (*observer) Member() string   { return "jkt" }
func (*observer) Fields() []string { return nil }

func (o *observer) Check(_ context.Context, _ string, c *auth.Credentials, _ *auth.Principal, _ []byte) error {
	o.seen = *c
	return nil
}

// A detailed error of a Binding is told to operators, and other errors are not.
func TestWhatABindingTellsOperators(t *testing.T) {
	binding := &fakeBinding{member: "jkt"}
	g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{Bindings: []auth.Binding{binding}}))
	for want, err := range map[string]error{
		"":              errors.New("a caller's text"),
		"no key":        detailedError("no key"),
		"no key of its": &auth.Error{Reason: auth.ReasonBindingNotProved, Err: fmt.Errorf("of %w", detailedError("no key of its"))},
	} {
		binding.err = err
		_, err := g.Authorize(t.Context(), bearer("bound"), auth.AnyToken())
		e, _ := errors.AsType[*auth.Error](err)
		if e == nil || e.Detail() != want {
			t.Errorf("%v: %q, want %q", err, e.Detail(), want)
		}
	}
}

type detailedError string

func (e detailedError) Error() string  { return string(e) }
func (e detailedError) Detail() string { return string(e) }

// scribbler writes over what it is given.
type scribbler struct{ saw []string }

func (*scribbler) Member() string   { return "x" }
func (*scribbler) Fields() []string { return nil }

func (b *scribbler) Check(_ context.Context, _ string, c *auth.Credentials, _ *auth.Principal, member []byte) error {
	b.saw = append(b.saw, string(member), c.Method)
	clear(member)
	*c = auth.Credentials{}
	return nil
}

// What a remembered token is bound by is read once, and is the same for each request, whatever a
// Binding does with what it is given.
func TestBindingsGetWhatIsTheirsAlone(t *testing.T) {
	issuer, b := authtest.NewIssuer(t, nil), new(scribbler)
	guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{b}})
	value := strings.Repeat("v", 100) // longer than a hash
	token := issuer.Token("read:orders", authtest.Claims{"cnf": map[string]any{"x": value}})
	for range 3 {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		ctx, err := guard.Authorize(t.Context(), auth.RequestCredentials(nil, r, "GET /orders"), auth.AnyToken())
		if err != nil {
			t.Fatal(err)
		}
		if p, _ := auth.PrincipalFrom(ctx); string(p.Confirmation()) != `{"x":"`+value+`"}` {
			t.Errorf("confirmed by %s", p.Confirmation())
		}
	}
	if want := slices.Repeat([]string{`"` + value + `"`, "GET"}, 3); !slices.Equal(b.saw, want) {
		t.Errorf("the Binding saw %q, want %q", b.saw, want)
	}
}
