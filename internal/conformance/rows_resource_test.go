package main_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/mtls"
	"github.com/bearward/bearward/middleware/resource"
)

// ordersAPI is the identifier of a resource with a path, and accountsAPI that of another on its
// host.
const (
	ordersAPI   = "https://api.example/orders"
	accountsAPI = "https://api.example/accounts"
)

// documented are the rules of the resource.
var documented = auth.Rules{
	"GET /orders":  auth.Scopes("read:orders"),
	"POST /orders": auth.AllOf(auth.Scopes("write:orders"), auth.Detail("order", func(context.Context, *struct{}) bool { return true })),
	"GET /admin":   auth.AnyOf(auth.Role("admin"), auth.Scopes("admin:all")),
}

// withDocument registers a document in a router of each kind, beside guarded operations.
var withDocument = map[string]func(*auth.Guard, auth.Rules, *resource.Document) http.Handler{
	"nethttp": func(g *auth.Guard, rules auth.Rules, d *resource.Document) http.Handler {
		mux := httpauth.NewMux(g)
		for key, need := range rules {
			mux.HandleFunc(key, need, hello)
		}
		mux.Handle(d.Pattern(), auth.Public(), d)
		return mux
	},
	"chi": func(g *auth.Guard, rules auth.Rules, d *resource.Document) http.Handler {
		r := chi.NewRouter()
		for key, need := range rules {
			method, pattern, _ := strings.Cut(key, " ")
			chiauth.NewRouter(g, r).MethodFunc(method, pattern, need, hello)
		}
		r.Handle(d.Pattern(), d)
		return r
	},
	"chi-table": func(g *auth.Guard, rules auth.Rules, d *resource.Document) http.Handler {
		rules = maps.Clone(rules)
		rules[d.Pattern()] = auth.Public()
		r := chi.NewRouter()
		r.Use(chiauth.Enforce(g, rules, r))
		for key := range rules {
			if method, pattern, ok := strings.Cut(key, " "); ok {
				r.MethodFunc(method, pattern, hello)
			}
		}
		r.Handle(d.Pattern(), d)
		return r
	},
	"echo": func(g *auth.Guard, rules auth.Rules, d *resource.Document) http.Handler {
		e := echo.New()
		for key, need := range rules {
			method, pattern, _ := strings.Cut(key, " ")
			e.Add(method, pattern, echoHello, echoauth.Enforce(g, need))
		}
		e.Any(d.Pattern(), echo.WrapHandler(d))
		return e
	},
	"echo-table": func(g *auth.Guard, rules auth.Rules, d *resource.Document) http.Handler {
		rules = maps.Clone(rules)
		rules[d.Pattern()] = auth.Public()
		e := echo.New()
		e.Use(echoauth.EnforceRules(g, rules))
		for key := range rules {
			if method, pattern, ok := strings.Cut(key, " "); ok {
				e.Add(method, pattern, echoHello)
			}
		}
		e.Any(d.Pattern(), echo.WrapHandler(d))
		return e
	},
	"nethttp-around": func(g *auth.Guard, rules auth.Rules, d *resource.Document) http.Handler { // a guard in front of every path
		mux := httpauth.NewMux(g)
		for key, need := range rules {
			mux.HandleFunc(key, need, hello)
		}
		return d.Handler(g.Enforce(auth.AnyToken())(mux))
	},
}

// guardOf returns a Guard whose challenges name the document of a resource.
func guardOf(t *testing.T, issuer *authtest.Issuer, identifier string, bindings ...auth.Binding) *auth.Guard {
	t.Helper()
	return must(auth.NewGuard(issuer.Verifier(issuer.Config()), &auth.GuardOptions{
		ResourceMetadata: must(resource.URL(identifier)), Bindings: bindings, RequireBound: len(bindings) > 0,
	}))
}

// documentOf reads a document's members.
func documentOf(t *testing.T, h http.Handler) map[string]any {
	t.Helper()
	w := httptest.NewRecorder()
	d, isDocument := h.(*resource.Document)
	path := resource.WellKnown
	if isDocument {
		path = d.Pattern()
	}
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	var members map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &members); err != nil || w.Code != 200 {
		t.Fatalf("%d, %s: %v", w.Code, w.Body, err)
	}
	return members
}

// TestResourceMetadata holds the rows of what a running server answers.
func TestResourceMetadata(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Audience: ordersAPI})
	for name, build := range withDocument {
		guard := guardOf(t, issuer, ordersAPI)
		live := must(auth.NewLiveRules(documented))
		d := must(resource.New(guard, resource.Metadata{Name: "Orders", More: map[string]any{"resource_name#de": "Bestellungen", "x_empty": []string{}}}, live.Rules()))
		server := httptest.NewServer(build(guard, live.Rules(), d))
		defer server.Close()
		ask := func(t *testing.T, method, path string, header http.Header) (*http.Response, []byte) {
			t.Helper()
			r := must(http.NewRequestWithContext(t.Context(), method, server.URL+path, nil))
			maps.Copy(r.Header, header)
			if host := header.Get("Host"); host != "" {
				r.Host = host
			}
			resp := must(server.Client().Do(r))
			defer resp.Body.Close()
			return resp, must(io.ReadAll(resp.Body))
		}
		members := func(t *testing.T, header http.Header) map[string]any {
			t.Helper()
			resp, body := ask(t, "GET", d.Pattern(), header)
			var m map[string]any
			if err := json.Unmarshal(body, &m); err != nil || resp.StatusCode != 200 {
				t.Fatalf("%d, %s: %v", resp.StatusCode, body, err)
			}
			return m
		}
		is := func(t *testing.T, m map[string]any, member string, want any) {
			t.Helper()
			if got, want := encoded(m[member]), encoded(want); got != want {
				t.Errorf("%s is %s, want %s", member, got, want)
			}
		}
		for row, test := range map[string]func(t *testing.T){
			"PR-01": func(t *testing.T) { members(t, nil) },
			"PR-02": func(t *testing.T) {
				if resp, _ := ask(t, "GET", d.Pattern(), nil); resp.Header.Get("Content-Type") != "application/json" {
					t.Errorf("Content-Type %q", resp.Header.Get("Content-Type"))
				}
			},
			"PR-04": func(t *testing.T) {
				if d.Pattern() != "/.well-known/oauth-protected-resource/orders" {
					t.Error(d.Pattern())
				}
				if resp, _ := ask(t, "GET", resource.WellKnown, nil); resp.StatusCode == 200 {
					t.Error("the document of a resource with a path is at the root too")
				}
			},
			"PR-05": func(t *testing.T) { is(t, members(t, nil), "resource", ordersAPI) },
			"PR-06": func(t *testing.T) {
				for _, header := range []http.Header{{"Host": {"evil.example"}}, {"X-Forwarded-Host": {"evil.example"}, "Forwarded": {"host=evil.example"}}} {
					is(t, members(t, header), "resource", ordersAPI)
				}
			},
			"PR-07": func(t *testing.T) { is(t, members(t, nil), "authorization_servers", []string{issuer.URL}) },
			"PR-08": func(t *testing.T) {
				is(t, members(t, nil), "scopes_supported", []string{"admin:all", "read:orders", "write:orders"})
				more := maps.Clone(documented)
				more["GET /admin"] = auth.Scopes("stats", "offline_access")
				if err := live.Swap(more); err != nil {
					t.Fatal(err)
				}
				is(t, members(t, nil), "scopes_supported", []string{"read:orders", "stats", "write:orders"})
				if err := live.Swap(documented); err != nil {
					t.Fatal(err)
				}
			},
			"RA-04": func(t *testing.T) {
				is(t, members(t, nil), "authorization_details_types_supported", []string{"order"})
			},
			"PR-09": func(t *testing.T) { is(t, members(t, nil), "bearer_methods_supported", []string{"header"}) },
			"PR-11": func(t *testing.T) {
				for name, value := range members(t, nil) {
					if slices.Contains([]string{"null", `""`, "[]", "{}", "false"}, encoded(value)) {
						t.Errorf("%s is %s", name, encoded(value))
					}
				}
			},
			"PR-13": func(t *testing.T) { is(t, members(t, nil), "resource_name#de", "Bestellungen") },
			"PR-16": func(t *testing.T) {
				resp, _ := ask(t, "GET", "/orders", nil)
				read, err := parseChallenges(resp.Header.Get("WWW-Authenticate"))
				if err != nil || resp.StatusCode != 401 || len(read) != 1 {
					t.Fatalf("%d, %v, %v", resp.StatusCode, read, err)
				}
				path, ours := strings.CutPrefix(read[0].params["resource_metadata"], "https://api.example")
				if resp, body := ask(t, "GET", path, nil); !ours || resp.StatusCode != 200 || !strings.Contains(string(body), `"resource":"`+ordersAPI+`"`) {
					t.Errorf("%s: %d, %s", read[0].params["resource_metadata"], resp.StatusCode, body)
				}
			},
			"PR-17": func(t *testing.T) {
				resp, _ := ask(t, "GET", d.Pattern(), http.Header{"Origin": {"https://app.example"}})
				if h := resp.Header; h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("headers %v", h)
				}
				resp, _ = ask(t, "OPTIONS", d.Pattern(), http.Header{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"mcp-protocol-version"}})
				if h := resp.Header; resp.StatusCode != 204 || h.Get("Access-Control-Allow-Headers") != "*" || h.Get("Access-Control-Allow-Origin") != "*" {
					t.Errorf("preflight: %d, %v", resp.StatusCode, h)
				}
			},
			"PR-18": func(t *testing.T) {
				get, _ := ask(t, "GET", d.Pattern(), nil)
				head, body := ask(t, "HEAD", d.Pattern(), nil)
				tag := get.Header.Get("ETag")
				if head.StatusCode != 200 || len(body) > 0 || tag == "" || head.Header.Get("ETag") != tag || get.Header.Get("Cache-Control") != "public, max-age=300" {
					t.Errorf("HEAD: %d, headers %v and %v", head.StatusCode, head.Header, get.Header)
				}
				if again, _ := ask(t, "GET", d.Pattern(), http.Header{"If-None-Match": {tag}}); again.StatusCode != 304 {
					t.Errorf("If-None-Match: %d", again.StatusCode)
				}
				if post, _ := ask(t, "POST", d.Pattern(), nil); post.StatusCode != 405 || post.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
					t.Errorf("POST: %d, %v", post.StatusCode, post.Header)
				}
			},
			"PR-19": func(t *testing.T) {
				if resp, _ := ask(t, "GET", "/orders", nil); resp.StatusCode != 401 {
					t.Errorf("the API itself: %d", resp.StatusCode)
				}
				members(t, http.Header{"Authorization": {"Bearer nonsense"}})
			},
		} {
			t.Run(row+"/"+name, test)
		}
	}
}

// TestResourceConfiguration holds the rows of what a constructor refuses, and what a document is
// made of.
func TestResourceConfiguration(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Audience: ordersAPI})
	guard := must(auth.NewGuard(issuer.Verifier(issuer.Config()), nil))
	refused := func(t *testing.T, meta resource.Metadata, says string) {
		t.Helper()
		if d, err := resource.New(guard, meta, documented); err == nil || d != nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %s", meta, err, says)
		}
	}
	for row, test := range map[string]func(t *testing.T){
		"PR-03": func(t *testing.T) {
			for _, r := range []string{"http://api.example", "https://api.example#x", "https://api.example/#", "api.example", "/orders", "https://", "urn:example:api", "https://u@api.example"} {
				refused(t, resource.Metadata{Resource: r}, "Metadata.Resource")
			}
			d := must(resource.New(guard, resource.Metadata{Resource: "https://api.example/orders?v=2"}, documented))
			if d.URL() != "https://api.example/.well-known/oauth-protected-resource/orders?v=2" {
				t.Error(d.URL())
			}
		},
		"RI-01": func(t *testing.T) {
			for _, r := range []string{"https://api.example#x", "//api.example", "orders", "https:api.example"} {
				refused(t, resource.Metadata{Resource: r}, "Metadata.Resource")
				if _, err := resource.URL(r); err == nil {
					t.Errorf("%s has a document", r)
				}
			}
		},
		"RI-02": func(t *testing.T) {
			if m := documentOf(t, must(resource.New(guard, resource.Metadata{}, documented))); m["resource"] != ordersAPI {
				t.Errorf("the audience of the Guard is %s, and the resource is %v", ordersAPI, m["resource"])
			}
			two := issuer.Config()
			two.Audiences = append(two.Audiences, accountsAPI)
			several := must(auth.NewGuard(issuer.Verifier(two), nil))
			if _, err := resource.New(several, resource.Metadata{}, documented); err == nil || !strings.Contains(err.Error(), "Metadata.Resource is required") {
				t.Errorf("two audiences: %v", err)
			}
		},
		"PR-10": func(t *testing.T) {
			dpop, cert := new(onceBinding), must(mtls.New(nil))
			for name, tt := range map[string]struct {
				bindings []auth.Binding
				required bool
				want     map[string]any
			}{
				"none":            {nil, false, map[string]any{}},
				"dpop":            {[]auth.Binding{dpop}, false, map[string]any{"dpop_signing_alg_values_supported": []string{"ES256"}}},
				"dpop, required":  {[]auth.Binding{dpop}, true, map[string]any{"dpop_signing_alg_values_supported": []string{"ES256"}, "dpop_bound_access_tokens_required": true}},
				"certificates":    {[]auth.Binding{cert}, true, map[string]any{"tls_client_certificate_bound_access_tokens": true}},
				"both, required":  {[]auth.Binding{dpop, cert}, true, map[string]any{"dpop_signing_alg_values_supported": []string{"ES256"}, "tls_client_certificate_bound_access_tokens": true}},
				"both, as wanted": {[]auth.Binding{cert, dpop}, false, map[string]any{"dpop_signing_alg_values_supported": []string{"ES256"}, "tls_client_certificate_bound_access_tokens": true}},
			} {
				g := must(auth.NewGuard(issuer.Verifier(issuer.Config()), &auth.GuardOptions{Bindings: tt.bindings, RequireBound: tt.required}))
				m := documentOf(t, must(resource.New(g, resource.Metadata{}, documented)))
				for _, member := range []string{"dpop_signing_alg_values_supported", "dpop_bound_access_tokens_required", "tls_client_certificate_bound_access_tokens"} {
					if encoded(m[member]) != encoded(tt.want[member]) {
						t.Errorf("%s: %s is %s, want %s", name, member, encoded(m[member]), encoded(tt.want[member]))
					}
				}
			}
		},
		"PR-12": func(t *testing.T) {
			for _, list := range []any{[]string{"ES256", "none"}, []any{"none"}} {
				refused(t, resource.Metadata{More: map[string]any{"resource_signing_alg_values_supported": list}}, "none")
			}
			m := documentOf(t, must(resource.New(guard, resource.Metadata{More: map[string]any{"resource_signing_alg_values_supported": []string{"ES256"}}}, documented)))
			if encoded(m["resource_signing_alg_values_supported"]) != encoded([]string{"ES256"}) {
				t.Errorf("%v", m)
			}
		},
		"PR-14": func(t *testing.T) { // not offered: no client reads it
			refused(t, resource.Metadata{More: map[string]any{"signed_metadata": "e30.e30.AA"}}, "signed_metadata")
		},
	} {
		t.Run(row, test)
	}
}

// Two resources on one host have a document each, and the challenges of each name its own.
func TestResourcesOnOneHost(t *testing.T) {
	mux := http.NewServeMux()
	for _, identifier := range []string{ordersAPI, accountsAPI} {
		issuer := authtest.NewIssuer(t, &authtest.Options{Audience: identifier})
		guard := guardOf(t, issuer, identifier)
		d := must(resource.New(guard, resource.Metadata{AtRoot: identifier == ordersAPI}, documented))
		path := strings.TrimPrefix(identifier, "https://api.example")
		mux.Handle(path, guard.Enforce(auth.AnyToken())(http.HandlerFunc(hello)))
		mux.Handle(d.Pattern(), d)
		if identifier == ordersAPI {
			mux.Handle(resource.WellKnown, d)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if said := w.Header().Get("WWW-Authenticate"); !strings.Contains(said, `resource_metadata="`+d.URL()+`"`) {
			t.Errorf("%s: %s", identifier, said)
		}
	}
	for path, want := range map[string]string{"/orders": ordersAPI, "/accounts": accountsAPI, "": ordersAPI, "/other": "", "/orders/": "", "/orders/1": ""} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", resource.WellKnown+path, nil))
		if is := w.Code == 200; is != (want != "") || is && !strings.Contains(w.Body.String(), `"resource":"`+want+`"`) {
			t.Errorf("%s: %d, %s", path, w.Code, w.Body)
		}
	}
}
