package echoauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

var errNotYours = errors.New("not yours")

// refusals are requests that are refused, one for each kind of answer.
func refusals(t *testing.T) map[string]struct {
	guard *auth.Guard
	req   auth.Requirement
	value []string // of Authorization
	want  int
} {
	issuer, down := authtest.NewIssuer(t, nil), authtest.NewIssuer(t, nil)
	down.Fail(503)
	guard := issuer.Guard(&auth.GuardOptions{ResourceMetadata: "https://api.example/.well-known/oauth-protected-resource"})
	bearer := func(token string) []string { return []string{"Bearer " + token} }
	reader := issuer.Token("read")
	forbid := auth.AnyToken().With(func(context.Context, *auth.Principal) error { return errNotYours })
	type refusal = struct {
		guard *auth.Guard
		req   auth.Requirement
		value []string
		want  int
	}
	return map[string]refusal{
		"no token":          {guard, auth.Scopes("read"), nil, 401},
		"another scheme":    {guard, auth.Scopes("read"), []string{"Basic eDp5"}, 401},
		"two values":        {guard, auth.Scopes("read"), []string{"Bearer x", "Bearer x"}, 400},
		"a bad token":       {guard, auth.Scopes("read"), bearer("x"), 401},
		"an expired token":  {guard, auth.Scopes("read"), bearer(issuer.Token("read", authtest.Expired)), 401},
		"short of scopes":   {guard, auth.Scopes("write", "admin"), bearer(reader), 403},
		"a check said no":   {guard, forbid, bearer(reader), 403},
		"not judged":        {down.Guard(nil), auth.Scopes("read"), bearer(down.Token("read")), 503},
		"optional, but bad": {guard, auth.Optional(), bearer("x"), 401},
	}
}

// TestRefusalsAreThoseOfNetHTTP wants the same answer, byte for byte, as from the guard's own
// middleware.
func TestRefusalsAreThoseOfNetHTTP(t *testing.T) {
	for name, tt := range refusals(t) {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				mux := http.NewServeMux()
				mux.Handle("/orders", tt.guard.Enforce(tt.req)(http.NotFoundHandler()))
				route, table := echo.New(), echo.New()
				route.Any("/orders", ok, echoauth.Enforce(tt.guard, tt.req))
				table.Use(echoauth.EnforceRules(tt.guard, auth.Rules{"/orders": tt.req}))
				table.Any("/orders", ok)
				want, wantBody := fetch(t, mux, method, tt.value)
				if want.StatusCode != tt.want {
					t.Fatalf("net/http answers %d, want %d", want.StatusCode, tt.want)
				}
				for kind, e := range map[string]*echo.Echo{"Enforce": route, "EnforceRules": table} {
					got, body := fetch(t, e, method, tt.value)
					if got.StatusCode != want.StatusCode || body != wantBody || !reflect.DeepEqual(got.Header, want.Header) {
						t.Errorf("%s, %s: got %d %v\n%s\nwant %d %v\n%s", kind, method, got.StatusCode, got.Header, body, want.StatusCode, want.Header, wantBody)
					}
				}
			}
		})
	}
}

// fetch asks a running server, and leaves out of the header what tells the time or a length that
// HEAD need not tell.
func fetch(t *testing.T, h http.Handler, method string, authorization []string) (*http.Response, string) {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	r, err := http.NewRequest(method, server.URL+"/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Authorization"] = authorization
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body strings.Builder
	if _, err := io.Copy(&body, resp.Body); err != nil {
		t.Fatal(err)
	}
	resp.Header.Del("Date")
	if method == "HEAD" {
		resp.Header.Del("Content-Length")
	}
	return resp, body.String()
}

func TestRefusalsGoThroughTheErrorHandler(t *testing.T) {
	const problem = `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"An access token is required","code":"CREDENTIALS_MISSING"}` + "\n"
	issuer := authtest.NewIssuer(t, nil)
	// A Refuse of the guard is not called: Echo has a place of its own for that.
	guard := issuer.Guard(&auth.GuardOptions{WriteRefusal: func(http.ResponseWriter, *http.Request, *auth.Error) { t.Error("Refuse was called") }})
	for _, tt := range []struct {
		name    string
		handler func(error, echo.Context) // nil: Echo's own
		status  int
		body    string
		kind    string // Content-Type
	}{
		{"Echo's own", nil, 401, problem, "application/problem+json"},
		{"one that writes text", func(err error, c echo.Context) {
			he := err.(*echo.HTTPError)
			c.Response().Header().Set("Content-Type", "text/plain")
			_ = c.String(he.Code, "refused: "+string(auth.AsError(he).Reason))
		}, 401, "refused: CREDENTIALS_MISSING", "text/plain"},
		{"one that writes JSON of its own", func(err error, c echo.Context) {
			he := err.(*echo.HTTPError)
			_ = c.JSON(he.Code, echo.Map{"problem": he.Message})
		}, 401, `{"problem":"An access token is required"}` + "\n", "application/json"},
		{"one that asserts a string", func(err error, c echo.Context) {
			he := err.(*echo.HTTPError)
			_ = c.HTML(he.Code, "<p>"+he.Message.(string)+"</p>")
		}, 401, "<p>An access token is required</p>", "text/html; charset=UTF-8"},
		{"one that looks for an inner HTTPError, as Echo's own does", func(err error, c echo.Context) {
			he := err.(*echo.HTTPError)
			if inner, ok := he.Internal.(*echo.HTTPError); ok {
				he = inner
			}
			_ = c.String(he.Code, fmt.Sprintf("%v, %+v, %s", he.Message, he.Message, he.Message))
		}, 401, "An access token is required, An access token is required, An access token is required", "text/plain; charset=UTF-8"},
		{"one that knows nothing of it", func(_ error, c echo.Context) { _ = c.NoContent(418) }, 418, "", ""},
		{"one that writes nothing", func(error, echo.Context) {}, 200, "", ""},
	} {
		entered := false
		handler := func(c echo.Context) error { entered = true; return c.NoContent(204) }
		for kind, e := range both(guard, "/orders", auth.Scopes("read"), handler) {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				var seen error
				inner := tt.handler
				if inner == nil {
					inner = e.DefaultHTTPErrorHandler
				}
				e.HTTPErrorHandler = func(err error, c echo.Context) { seen = err; inner(err, c) }
				w := send(e, "GET", "/orders", "", nil)
				h := w.Header()
				if w.Code != tt.status || w.Body.String() != tt.body || h.Get("Content-Type") != tt.kind || entered {
					t.Errorf("got %d %v, entered: %v\n%s", w.Code, h, entered, w.Body)
				}
				if h.Get("WWW-Authenticate") != `Bearer realm="api"` || h.Get("Cache-Control") != "no-store" {
					t.Errorf("headers %v", h)
				}
				he, isHTTP := seen.(*echo.HTTPError)
				e, isOurs := errors.AsType[*auth.Error](seen)
				if !isHTTP || !isOurs || he.Code != 401 || he.Message != any(e.Description()) || e.Reason != auth.ReasonCredentialsMissing {
					t.Errorf("the error handler saw %#v", seen)
				}
			})
		}
	}
}

// Callers cannot tell one bad token from another, whatever an HTTPErrorHandler makes of the
// Message.
func TestTheMessageTellsNoReason(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	handler := func(c echo.Context) error { return c.NoContent(204) }
	for kind, e := range both(issuer.Guard(nil), "/orders", auth.Scopes("read"), handler) {
		answers := map[string]bool{}
		e.HTTPErrorHandler = func(err error, c echo.Context) {
			he := err.(*echo.HTTPError)
			text := fmt.Sprintf("%v %#v", he.Message, he.Message)
			if inner, ok := he.Internal.(*echo.HTTPError); ok {
				text += fmt.Sprintf(" %v %#v", inner.Message, inner.Message)
			}
			_ = c.String(he.Code, text)
		}
		for _, defect := range []authtest.Defect{authtest.BadSignature, authtest.UnknownKid} {
			w := send(e, "GET", "/orders", issuer.Token("read", defect), nil)
			if w.Code != 401 {
				t.Errorf("%s, %s: %d", kind, defect, w.Code)
			}
			answers[w.Body.String()] = true
		}
		if len(answers) != 1 {
			t.Errorf("%s: %d answers to bad tokens: %v", kind, len(answers), answers)
		}
	}
}

// TestTheBodyIsTheSameJSONWhateverEchoMakesOfIt is about what Echo's JSON does by itself.
func TestTheBodyIsTheSameJSONWhateverEchoMakesOfIt(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	for name, debug := range map[string]bool{"/orders?pretty": false, "/orders": true} {
		e := echo.New()
		e.Debug = debug
		e.GET("/orders", ok, echoauth.Require(guard, "a&b", "<c>")) // encoding/json escapes these
		w := send(e, "GET", name, issuer.Token("read"), nil)
		var problem struct {
			Status      int
			Scope, Code string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || problem.Status != 403 || problem.Scope != "<c> a&b" || problem.Code != "INSUFFICIENT_SCOPE" {
			t.Errorf("%s: %v in %s", name, err, w.Body)
		}
	}
}

func TestAResponseThatIsUnderWayStopsThere(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	write := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := c.String(202, "begun"); err != nil {
				return err
			}
			return next(c)
		}
	}
	entered := false
	handler := func(c echo.Context) error { entered = true; return c.String(200, "secret") }
	for kind, e := range both(issuer.Guard(nil), "/orders", auth.Scopes("read"), handler, write) {
		if w := send(e, "GET", "/orders", "", nil); w.Code != 202 || w.Body.String() != "begun" || entered {
			t.Errorf("%s: %d %q, entered: %v", kind, w.Code, w.Body, entered)
		}
	}
}
