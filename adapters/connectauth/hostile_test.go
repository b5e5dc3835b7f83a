package connectauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/bearward/bearward/adapters/connectauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func ask(h http.Handler, method, target, contentType, body, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.ProtoMajor = 2
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return record(h, r)
}

// record returns the answer to r. A panic is no answer.
func record(h http.Handler, r *http.Request) (w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil {
			w.Body.WriteString("panic")
		}
	}()
	h.ServeHTTP(w, r)
	return w
}

// A request is authorized before its protocol is looked at: no method, content type or encoding
// gets an answer of the handler's.
func TestRequestsOfNoProtocolAreRefused(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	mux := newMux(issuer, readAll, &talk{onUnary: func(context.Context) error { t.Error("the handler was entered"); return nil }})
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS", "CONNECT", "TRACE", "FOO", ""} {
		for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json", "application/grpc+unknown", "application/connect+unknown", "application/grpc, application/json", "APPLICATION/JSON", "\x00"} {
			for _, body := range []string{"", "{}", strings.Repeat("x", 1<<20)} {
				w := ask(mux, method, unary+"?connect=v9&encoding=none", contentType, body, "")
				status := w.Header().Get("Grpc-Status")
				if status == "" {
					status = w.Result().Trailer.Get("Grpc-Status")
				}
				refused := w.Code == http.StatusUnauthorized || status == "16" || strings.Contains(w.Body.String(), `"unauthenticated"`)
				if !refused || w.Header().Get("WWW-Authenticate") == "" && !strings.Contains(strings.ToLower(w.Body.String()), "www-authenticate") {
					t.Errorf("%s as %q: got %d, %v, %q", method, contentType, w.Code, w.Header(), w.Body)
				}
			}
		}
	}
}

// A body is not read before its sender is known.
func TestNothingOfTheBodyIsReadBefore(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	mux := newMux(issuer, readAll, new(talk))
	for _, kind := range []string{"application/json", "application/proto", "application/grpc", "application/grpc-web", "application/connect+proto"} {
		r := httptest.NewRequest("POST", unary, unread{t})
		r.Header.Set("Content-Type", kind)
		mux.ServeHTTP(httptest.NewRecorder(), r)
	}
}

type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, http.ErrBodyReadAfterClose
}

// However a path is written, a handler is entered by callers who meet its own rule alone.
func TestNoPathReachesAnotherProcedure(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var entered []string
	enter := func(name string) func(context.Context, *connect.Request[message]) (*connect.Response[message], error) {
		return func(context.Context, *connect.Request[message]) (*connect.Response[message], error) {
			entered = append(entered, name)
			return connect.NewResponse(new(message)), nil
		}
	}
	newService := func(service string, opts ...connect.HandlerOption) (string, http.Handler) {
		mux := http.NewServeMux() // which cleans paths
		for _, method := range []string{"Read", "Admin"} {
			procedure := "/" + service + "/" + method
			mux.Handle(procedure, connect.NewUnaryHandler(procedure, enter(procedure), opts...))
		}
		return "/" + service + "/", mux
	}
	mux := connectauth.NewMux(issuer.Guard(nil), auth.Rules{"/a.B/Read": auth.Scopes("read"), "/a.B/Admin": auth.Scopes("admin"), "/a.C/*": auth.Scopes("c")})
	connectauth.Handle(mux, newService, "a.B")
	connectauth.Handle(mux, newService, "a.C")
	scopeOf := map[string]string{"/a.B/Read": "read", "/a.B/Admin": "admin", "/a.C/Read": "c", "/a.C/Admin": "c"}
	used := map[string]bool{}
	for _, target := range []string{
		"/a.B/Read", "/a.B/Admin", "/a.C/Read", "/a.C/Admin", "/a.B/Read/", "//a.B/Admin", "/a.B//Admin", "/a.B/./Admin", "/a.B/Read/../Admin",
		"/a.C/../a.B/Admin", "/a.C/%2e%2e/a.B/Admin", "/a.B%2FAdmin", "/a.B/%41dmin", "/a.B/Admin%00", "/a.B/admin", "/A.B/Admin", "/a.B/Admin;x=1", "/a.B/*", "/a.B/",
		"/a.B", "/", "/a.C/..%2fa.B%2fAdmin", "/a.B/Admin?connect=v1", "http://other.example/a.B/Admin", "/prefix/a.B/Admin", "/a.B/Read%2f..%2fAdmin",
	} {
		for _, scope := range []string{"", "read", "admin", "c"} {
			token := ""
			if scope != "" {
				token = issuer.Token(scope)
			}
			entered = nil
			w := ask(mux, "POST", target, "application/json", `""`, token)
			for _, procedure := range entered {
				used[procedure] = true
				if scopeOf[procedure] != scope {
					t.Errorf("%s with %q reached %s: %d", target, scope, procedure, w.Code)
				}
			}
		}
	}
	if len(used) != len(scopeOf) {
		t.Errorf("only %v were reached", used)
	}
}

// The handlers serve nothing that the Mux did not authorize as what it is.
func TestHandlersServeWhatTheirMuxAuthorizedAlone(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var leaked http.Handler
	entered := new(atomic.Int32)
	service := &talk{
		onUnary:  func(context.Context) error { entered.Add(1); return nil },
		onServer: func(context.Context, *connect.ServerStream[message]) error { entered.Add(1); return nil },
	}
	renamed := func(s *talk, opts ...connect.HandlerOption) (string, http.Handler) {
		path, h := newTalkHandler(s, opts...)
		leaked = h
		return path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if to := r.Header.Get("To"); to != "" { // a handler that goes by something else
				r.URL.Path = to
			}
			h.ServeHTTP(w, r)
		})
	}
	mux := connectauth.NewMux(issuer.Guard(nil), auth.Rules{"/" + talkName + "/Open": auth.Public(), unary: auth.Scopes("read"), server: auth.Scopes("read")})
	connectauth.Handle(mux, renamed, service)
	other := connectauth.NewMux(issuer.Guard(nil), auth.Rules{"/" + talkName + "/*": auth.Public()})
	connectauth.Handle(other, at("/"+talkName+"/", leaked), 1)
	hello := "\x00\x00\x00\x00\x00"
	for name, w := range map[string]*httptest.ResponseRecorder{
		"without the Mux":          ask(leaked, "POST", unary, "application/json", `""`, ""),
		"a stream without the Mux": ask(leaked, "POST", server, "application/connect+proto", hello, ""),
		"by another Mux":           ask(other, "POST", unary, "application/json", `""`, ""),
		"a stream by another Mux":  ask(other, "POST", server, "application/connect+proto", hello, ""),
		"as another procedure":     askTo(mux, unary, "application/json", `""`),
		"as another, and a stream": askTo(mux, server, "application/connect+proto", hello),
	} {
		if entered.Load() != 0 || !strings.Contains(w.Body.String(), `"internal"`) {
			t.Errorf("%s: got %d, %q; entered %d times", name, w.Code, w.Body, entered.Swap(0))
		}
	}
	if w := ask(mux, "POST", unary, "application/json", `""`, issuer.Token("read")); w.Code != 200 || entered.Load() != 1 {
		t.Errorf("what was authorized: got %d, %s", w.Code, w.Body)
	}
}

func askTo(h http.Handler, to, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/"+talkName+"/Open", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("To", to)
	return record(h, r)
}

// What a bad token comes with, too large or compressed with nothing, changes nothing.
func TestOversizedAndBrokenMessagesBehindTheGuard(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	mux := connectauth.NewMux(issuer.Guard(nil), readAll)
	connectauth.Handle(mux, newTalkHandler, new(talk), connect.WithReadMaxBytes(1<<10))
	url, httpClient := serve(t, mux)
	big := wrapperspb.String(strings.Repeat("x", 1<<16))
	for protocol, options := range protocols {
		c := connect.NewClient[message, message](httpClient, url+unary, options...)
		for token, want := range map[string]connect.Code{issuer.Token("read"): connect.CodeResourceExhausted, issuer.Token("read", authtest.Expired): connect.CodeUnauthenticated, "": connect.CodeUnauthenticated} {
			if protocol == "connect GET" || strings.HasSuffix(protocol, "gzip") && want == connect.CodeResourceExhausted {
				continue
			}
			r := connect.NewRequest(big)
			r.Header().Set("Authorization", "Bearer "+token)
			if token == "" {
				r.Header().Del("Authorization")
			}
			if _, err := c.CallUnary(t.Context(), r); connect.CodeOf(err) != want {
				t.Errorf("%s: got %v, want %v", protocol, err, want)
			}
		}
	}
	r := httptest.NewRequest("POST", unary, strings.NewReader("no gzip"))
	r.Header.Set("Content-Type", "application/proto")
	r.Header.Set("Content-Encoding", "br")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if w.Code != 401 {
		t.Errorf("an unknown encoding without a token: got %d", w.Code)
	}
}

func TestOptionalAnswersVary(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	mux := newMux(issuer, auth.Rules{unary: auth.Optional()}, new(talk))
	if w := ask(mux, "POST", unary, "application/json", `""`, ""); w.Code != 200 || !slices.Contains(w.Header().Values("Vary"), "Authorization") {
		t.Errorf("got %d, %v", w.Code, w.Header())
	}
	if w := ask(mux, "POST", unary, "application/json", `""`, issuer.Token("", authtest.Expired)); w.Code != 401 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d, %v", w.Code, w.Header())
	}
}

// A proxy that signs callers in brings the token in a field of its own, to every protocol.
func TestTheTokenInAnotherField(t *testing.T) {
	const field = "X-Goog-Iap-Jwt-Assertion"
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(&auth.GuardOptions{Header: field})
	mux := connectauth.NewMux(guard, readAll)
	connectauth.Handle(mux, newTalkHandler, new(talk))
	good := issuer.Token("read")
	for name, tt := range map[string]struct {
		authorization string
		values        []string
		want          int
	}{
		"the field":                  {"", []string{good}, 200},
		"beside nonsense":            {"Bearer", []string{good}, 200},
		"Authorization alone":        {"Bearer " + good, nil, 401},
		"twice":                      {"", []string{good, good}, 400},
		"with its scheme":            {"", []string{"Bearer " + good}, 400},
		"of another scope":           {"Bearer " + good, []string{issuer.Token("write")}, 403},
		"expired, beside a good one": {"Bearer " + good, []string{issuer.Token("read", authtest.Expired)}, 401},
	} {
		r := httptest.NewRequest("POST", unary, strings.NewReader(`""`))
		r.Header.Set("Content-Type", "application/json")
		if tt.authorization != "" {
			r.Header.Set("Authorization", tt.authorization)
		}
		r.Header[field] = tt.values
		if w := record(mux, r); w.Code != tt.want {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, tt.want)
		}
	}
}

// What caches are told stands beside what a middleware told them, and is no metadata of a refusal.
func TestCachesAreToldInTheHeader(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	mux := newMux(issuer, auth.Rules{unary: auth.Optional()}, new(talk))
	behind := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Origin")
		mux.ServeHTTP(w, r)
	})
	for token, want := range map[string]int{"": 200, issuer.Token("", authtest.Expired): 401} {
		w := ask(behind, "POST", unary, "application/json", `""`, token)
		if got := w.Header().Values("Vary"); w.Code != want || !slices.Equal(got, []string{"Origin", "Authorization"}) {
			t.Errorf("got %d, Vary %q", w.Code, got)
		}
		if body := strings.ToLower(w.Body.String()); strings.Contains(body, `"vary"`) {
			t.Errorf("the refusal tells Vary: %s", body)
		}
	}
}

// A handler that calls another service with its own context does not pass its caller's token on.
func TestTheTokenIsNotPassedOn(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	received := make(chan http.Header, 1)
	next := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { received <- r.Header.Clone() }))
	t.Cleanup(next.Close)
	for name, options := range protocols {
		onward := connect.NewClient[message, message](next.Client(), next.URL+unary, options...)
		mux := newMux(issuer, readAll, &talk{onUnary: func(ctx context.Context) error {
			_, _ = onward.CallUnary(ctx, connect.NewRequest(wrapperspb.String("hello"))) // what arrives is looked at
			return nil
		}})
		token := issuer.Token("read")
		if w := ask(mux, "POST", unary, "application/json", `""`, token); w.Code != http.StatusOK {
			t.Errorf("%s: got %d", name, w.Code)
			continue
		}
		select {
		case header := <-received:
			for field, values := range header {
				if field == "Authorization" || strings.Contains(strings.Join(values, " "), token) {
					t.Errorf("%s: %s arrived with %q", name, field, values)
				}
			}
		default:
			t.Errorf("%s: nothing arrived", name)
		}
	}
}

// A caller who goes before the keys are there is never told that the token is bad.
func TestADeadlineShorterThanTheWaitForKeys(t *testing.T) {
	for kind, codes := range map[string][2]string{"application/json": {"", `"unavailable"`}, "application/grpc": {"14", ""}} {
		synctest.Test(t, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			issuer.Hang()
			mux := newMux(issuer, readAll, new(talk))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			r := httptest.NewRequestWithContext(ctx, "POST", unary, strings.NewReader(`""`))
			r.ProtoMajor = 2
			r.Header.Set("Content-Type", kind)
			r.Header.Set("Authorization", "Bearer "+issuer.Token("read"))
			w := record(mux, r)
			if got := w.Result().Trailer.Get("Grpc-Status"); got != codes[0] || !strings.Contains(w.Body.String(), codes[1]) {
				t.Errorf("%s: %d, status %q, %s", kind, w.Code, got, w.Body)
			}
		})
	}
}
