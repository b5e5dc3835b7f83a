package connectauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/bearward/bearward/adapters/connectauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

const metadataURL = "https://api.example/.well-known/oauth-protected-resource"

// newMux returns a guarded talk.
func newMux(issuer *authtest.Issuer, rules auth.Rules, t *talk) *connectauth.Mux {
	m := connectauth.NewMux(issuer.Guard(&auth.GuardOptions{ResourceMetadata: metadataURL}), rules)
	connectauth.Handle(m, newTalkHandler, t)
	return m
}

var readAll = auth.Rules{"/" + talkName + "/*": auth.Scopes("read")}

// Every client of every kind is told what is wrong in its own protocol, with the challenge.
func TestRefusalsArriveInEveryProtocol(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	down := authtest.NewIssuer(t, &authtest.Options{URL: "https://down.example"})
	down.Fail(http.StatusServiceUnavailable)
	mux := newMux(issuer, readAll, new(talk))
	unjudged := newMux(down, readAll, new(talk))
	for transport, serve := range map[string]func(testing.TB, http.Handler) (string, *http.Client){"TLS": serve, "clear": serveClear} {
		url, httpClient := serve(t, mux)
		downURL, downClient := serve(t, unjudged)
		for protocol, options := range protocols {
			for procedure, call := range kinds {
				if protocol == "connect GET" && procedure != unary {
					continue
				}
				t.Run(transport+"/"+protocol+procedure, func(t *testing.T) {
					c := connect.NewClient[message, message](httpClient, url+procedure, options...)
					good := issuer.Token("read")
					if got, err := call(c, t.Context(), []string{"Bearer " + good}); err != nil || !strings.HasSuffix(got, " said hello") || got == " said hello" {
						t.Errorf("a good token: got %q, %v", got, err)
					}
					for what, q := range map[string]struct {
						authorization []string
						code          connect.Code
						reason        auth.Reason
						challenge     string
					}{
						"no token":     {nil, connect.CodeUnauthenticated, auth.ReasonCredentialsMissing, `Bearer realm="api", resource_metadata="` + metadataURL + `"`},
						"expired":      {[]string{"Bearer " + issuer.Token("read", authtest.Expired)}, connect.CodeUnauthenticated, auth.ReasonTokenExpired, `error="invalid_token"`},
						"scope":        {[]string{"Bearer " + issuer.Token("write")}, connect.CodePermissionDenied, auth.ReasonInsufficientScope, `scope="read"`},
						"two tokens":   {[]string{"Bearer " + good, "Bearer " + good}, connect.CodeInvalidArgument, auth.ReasonInvalidRequest, `error="invalid_request"`},
						"other scheme": {[]string{"Basic eDp5"}, connect.CodeUnauthenticated, auth.ReasonCredentialsMissing, "Bearer "},
					} {
						_, err := call(c, t.Context(), q.authorization)
						wantRefusal(t, what, err, q.code, q.reason, q.challenge)
					}
					c = connect.NewClient[message, message](downClient, downURL+procedure, options...)
					_, err := call(c, t.Context(), []string{"Bearer " + down.Token("read")})
					wantRefusal(t, "not judged", err, connect.CodeUnavailable, auth.ReasonUnavailable, "")
				})
			}
		}
	}
}

func wantRefusal(t *testing.T, what string, err error, code connect.Code, reason auth.Reason, challenge string) {
	t.Helper()
	var e *connect.Error
	if !errors.As(err, &e) || e.Code() != code {
		t.Errorf("%s: got %v, want %v", what, err, code)
		return
	}
	if want := (&auth.Error{Reason: reason}).Description(); e.Message() != want {
		t.Errorf("%s: got the message %q, want %q", what, e.Message(), want)
	}
	got := e.Meta().Values("WWW-Authenticate")
	if challenge == "" && len(got) > 0 || challenge != "" && (len(got) != 1 || !strings.Contains(got[0], challenge)) {
		t.Errorf("%s: got the challenge %q, want %q", what, got, challenge)
	}
	info, retry := detailsOf(e)
	if info == nil || info.Reason != reason.Code() || info.Domain != connectauth.Domain {
		t.Errorf("%s: got the detail %v, want %s", what, info, reason)
	}
	if (info.GetMetadata()["resource_metadata"] == metadataURL) != (challenge != "") {
		t.Errorf("%s: got the metadata %v", what, info.GetMetadata())
	}
	if retry != (code == connect.CodeUnavailable) {
		t.Errorf("%s: RetryInfo: %t", what, retry)
	}
}

func detailsOf(e *connect.Error) (info *errdetails.ErrorInfo, retry bool) {
	for _, d := range e.Details() {
		switch v, _ := d.Value(); v := v.(type) {
		case *errdetails.ErrorInfo:
			info = v
		case *errdetails.RetryInfo:
			retry = v.GetRetryDelay().AsDuration() > 0
		}
	}
	return info, retry
}

func TestTheExactRuleWins(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	rules := auth.Rules{"/" + talkName + "/*": auth.Scopes("all"), unary: auth.Scopes("read"), server: auth.Public(), client: auth.Optional()}
	url, httpClient := serve(t, newMux(issuer, rules, new(talk)))
	for _, q := range []struct {
		procedure, scope string
		want             connect.Code
	}{
		{unary, "read", 0}, {unary, "all", connect.CodePermissionDenied}, {bidi, "all", 0}, {bidi, "read", connect.CodePermissionDenied},
		{server, "", 0}, {client, "", 0},
	} {
		c := connect.NewClient[message, message](httpClient, url+q.procedure)
		var authorization []string
		if q.scope != "" {
			authorization = []string{"Bearer " + issuer.Token(q.scope)}
		}
		got, err := kinds[q.procedure](c, t.Context(), authorization)
		if err == nil && q.want != 0 || err != nil && connect.CodeOf(err) != q.want {
			t.Errorf("%s with %q: got %q, %v, want %v", q.procedure, q.scope, got, err, q.want)
		}
	}
}

// What no rule names is refused, with every scope that there is.
func TestAProcedureWithoutARuleIsDenied(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	url, httpClient := serve(t, newMux(issuer, auth.Rules{unary: auth.Scopes("read")}, new(talk)))
	for procedure, call := range kinds {
		if procedure == unary {
			continue
		}
		c := connect.NewClient[message, message](httpClient, url+procedure, connect.WithGRPC())
		_, err := call(c, t.Context(), []string{"Bearer " + issuer.Token("read write")})
		wantRefusal(t, procedure, err, connect.CodePermissionDenied, auth.ReasonNoRule, "")
	}
}

// Hooks are told the rule's key, and never the caller's text.
func TestHooksAreToldTheRule(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	told := make(chan string, 8)
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { told <- d.Operation }})
	mux := connectauth.NewMux(guard, auth.Rules{unary: auth.AnyToken(), "/" + talkName + "/*": auth.AnyToken()})
	connectauth.Handle(mux, newTalkHandler, new(talk))
	for procedure, want := range map[string]string{unary: unary, server: "/" + talkName + "/*", "/" + talkName + "/Se%63ret?q=secret": "/" + talkName + "/*"} {
		ask(mux, "POST", procedure, "application/json", "", "")
		if got := <-told; got != want {
			t.Errorf("%s: hooks were told %q, want %q", procedure, got, want)
		}
	}
	other := connectauth.NewMux(guard, auth.Rules{unary: auth.AnyToken()})
	connectauth.Handle(other, newTalkHandler, new(talk))
	ask(other, "POST", "/"+talkName+"/Secret", "application/json", "", "")
	if got := <-told; got != "" {
		t.Errorf("hooks were told %q of a procedure without a rule", got)
	}
}

func TestWhatIsWrongPanicsAndNamesIt(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	read := auth.Scopes("read")
	found := http.NotFoundHandler()
	for want, do := range map[string]func(){
		"needs a Guard":                      func() { connectauth.NewMux(nil, nil) },
		`rule "shop.Orders/List" is neither`: func() { connectauth.NewMux(guard, auth.Rules{"shop.Orders/List": read}) },
		`rule "/shop.Orders/" is neither`:    func() { connectauth.NewMux(guard, auth.Rules{"/shop.Orders/": read}) },
		`rule "/shop.Orders/a/b" is neither`: func() { connectauth.NewMux(guard, auth.Rules{"/shop.Orders/a/b": read}) },
		`rule "/*/List" is neither`:          func() { connectauth.NewMux(guard, auth.Rules{"/*/List": read}) },
		`rule "/shop.Orders/L*" is neither`:  func() { connectauth.NewMux(guard, auth.Rules{"/shop.Orders/L*": read}) },
		`rule "POST /a.B/C" is neither`:      func() { connectauth.NewMux(guard, auth.Rules{"POST /a.B/C": read}) },
		`rule "//List" is neither`:           func() { connectauth.NewMux(guard, auth.Rules{"//List": read}) },
		"zero Requirement":                   func() { connectauth.NewMux(guard, auth.Rules{"/a.B/C": {}}) },
		`rule "/a.B/C": Bound needs`:         func() { connectauth.NewMux(guard, auth.Rules{"/a.B/C": auth.Bound()}) },
		"needs a Mux":                        func() { connectauth.Handle(nil, newTalkHandler, nil) },
		"a constructor":                      func() { connectauth.Handle[*talk](connectauth.NewMux(guard, readAll), nil, nil) },
		`"/a/b/": the path is not`:           func() { connectauth.Handle(connectauth.NewMux(guard, readAll), at("/a/b/", found), 1) },
		`"/": the path is not`:               func() { connectauth.Handle(connectauth.NewMux(guard, readAll), at("/", found), 1) },
		`"//": the path is not`:              func() { connectauth.Handle(connectauth.NewMux(guard, readAll), at("//", found), 1) },
		`"/a.B": the path is not`:            func() { connectauth.Handle(connectauth.NewMux(guard, readAll), at("/a.B", found), 1) },
		`"/a.B/" has a handler that was made without`: func() {
			connectauth.Handle(connectauth.NewMux(guard, readAll), func(int, ...connect.HandlerOption) (string, http.Handler) { return "/a.B/", found }, 1)
		},
		`"/a.B/" has a nil handler`: func() { connectauth.Handle(connectauth.NewMux(guard, readAll), at("/a.B/", nil), 1) },
		`"/c.D/" is there already`: func() {
			m := connectauth.NewMux(guard, readAll)
			connectauth.Handle(m, at("/c.D/", found), 1)
			connectauth.Handle(m, at("/c.D/", found), 1)
		},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("got %q, want %q in it", got, want)
				}
			}()
			do()
		}()
	}
}

// An answering Binding accepts every token, and sets a field in the answer.
type answering struct{}

func (*answering) Member() string   { return "jkt" }
func (*answering) Fields() []string { return nil }

func (*answering) Check(_ context.Context, _ string, c *auth.Credentials, _ *auth.Principal, _ []byte) error {
	c.Answer.Set("Next-Nonce", "7")
	return nil
}

func TestAnswersOfBindingsArriveInEveryProtocol(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	mux := connectauth.NewMux(issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{new(answering)}}), readAll)
	connectauth.Handle(mux, newTalkHandler, new(talk))
	url, httpClient := serve(t, mux)
	bound := authtest.NewProver(t, auth.ES256).Confirmation()
	for protocol, options := range protocols {
		c := connect.NewClient[message, message](httpClient, url+unary, options...)
		r := connect.NewRequest(new(message))
		r.Header().Set("Authorization", "Bearer "+issuer.Token("read", bound))
		res, err := c.CallUnary(t.Context(), r)
		if err != nil || res.Header().Get("Next-Nonce") != "7" {
			t.Errorf("%s: accepted: got %v, %v", protocol, res, err)
		}
		r = connect.NewRequest(new(message))
		r.Header().Set("Authorization", "Bearer "+issuer.Token("write", bound))
		_, err = c.CallUnary(t.Context(), r)
		var e *connect.Error
		if !errors.As(err, &e) || e.Meta().Get("Next-Nonce") != "7" {
			t.Errorf("%s: refused: got %v", protocol, err)
		} else if info, _ := detailsOf(e); info.GetMetadata()["next-nonce"] != "7" {
			t.Errorf("%s: refused: got %v", protocol, info)
		}
	}
}
