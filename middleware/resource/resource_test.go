package resource_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/resource"
)

const api = "https://api.example/orders"

var rules = auth.Rules{
	"GET /orders": auth.Scopes("read:orders"),
	"POST /pay":   auth.Detail("payment", func(context.Context, *struct{}) bool { return true }),
}

func newGuard(t *testing.T, opts *auth.GuardOptions) *auth.Guard {
	t.Helper()
	issuer := authtest.NewIssuer(t, &authtest.Options{Audience: api})
	g, err := auth.NewGuard(issuer.Verifier(issuer.Config()), opts)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestURL(t *testing.T) {
	for identifier, want := range map[string]string{
		"https://api.example":           "https://api.example/.well-known/oauth-protected-resource",
		"https://api.example/":          "https://api.example/.well-known/oauth-protected-resource",
		"https://api.example:8443/a/b":  "https://api.example:8443/.well-known/oauth-protected-resource/a/b",
		"https://api.example/a/":        "https://api.example/.well-known/oauth-protected-resource/a/",
		"https://api.example/a?v=1":     "https://api.example/.well-known/oauth-protected-resource/a?v=1",
		"https://api.example?v=1":       "https://api.example/.well-known/oauth-protected-resource?v=1",
		"http://127.0.0.1:8080/mcp":     "http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp",
		"http://localhost/mcp":          "http://localhost/.well-known/oauth-protected-resource/mcp",
		"http://[::1]:8080":             "http://[::1]:8080/.well-known/oauth-protected-resource",
		"http://api.example":            "",
		"http://localhost.evil.example": "",
		"http://127.evil.example":       "",
		"https://api.example/#":         "",
		"https://api.example/a#b":       "",
		"https://":                      "",
		"https:///a":                    "",
		"https://:443/a":                "",
		"https://user@api.example":      "",
		"https:api.example":             "",
		"urn:example:api":               "",
		"/orders":                       "",
		"":                              "",
		"https://api.example/a%2fb":     "",
		"https://api.example/%61":       "",
		"https://api.example/{id}":      "",
		"https://api.example/:id":       "",
		"https://api.example/*":         "",
		"https://api.example/a//b":      "",
		"https://api.example/a/../b":    "",
		"https://api.example/a b":       "",
		"https://api.example/a\x00":     "",
	} {
		got, err := resource.URL(identifier)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", identifier, got, err, want)
		}
	}
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	elsewhere := newGuard(t, &auth.GuardOptions{ResourceMetadata: "https://api.example/.well-known/oauth-protected-resource"})
	plain := newGuard(t, nil)
	silent, err := auth.NewGuard(verifier{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]func() (*resource.Document, error){
		"needs a Guard":                 func() (*resource.Document, error) { return resource.New(nil, resource.Metadata{}, rules) },
		"Rules are empty":               func() (*resource.Document, error) { return resource.New(plain, resource.Metadata{}, nil) },
		"is at https://api.example/.we": func() (*resource.Document, error) { return resource.New(elsewhere, resource.Metadata{}, rules) },
		"Metadata.Resource is required": func() (*resource.Document, error) { return resource.New(silent, resource.Metadata{}, rules) },
		"AuthorizationServers is requi": func() (*resource.Document, error) {
			return resource.New(silent, resource.Metadata{Resource: api}, rules)
		},
		"offline_access": func() (*resource.Document, error) {
			return resource.New(plain, resource.Metadata{}, auth.Rules{"/a": auth.AnyScope("a", "offline_access")})
		},
		"Metadata.Policy": func() (*resource.Document, error) {
			return resource.New(plain, resource.Metadata{Policy: "policy.html"}, rules)
		},
		`cannot have "scopes_supported"`: func() (*resource.Document, error) {
			return resource.New(plain, resource.Metadata{More: map[string]any{"scopes_supported": []string{"x"}}}, rules)
		},
		"has none": func() (*resource.Document, error) {
			return resource.New(plain, resource.Metadata{More: map[string]any{"resource_signing_alg_values_supported": []string{"none"}}}, rules)
		},
		"Metadata.More": func() (*resource.Document, error) {
			return resource.New(plain, resource.Metadata{More: map[string]any{"x": func() {}}}, rules)
		},
	} {
		if d, err := f(); err == nil || d != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// verifier tells no issuers.
type verifier struct{}

func (verifier) VerifyToken(context.Context, string) (*auth.Principal, error) { return nil, nil }

func members(t *testing.T, d http.Handler, target string) map[string]any {
	t.Helper()
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	if w.Code != 200 {
		return nil
	}
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDocument(t *testing.T) {
	d, err := resource.New(newGuard(t, nil), resource.Metadata{
		Name: "Orders <&>", Documentation: "https://docs.example", AuthorizationServers: []string{"https://login.example"},
		More: map[string]any{"empty": "", "none": nil, "list": []int{}, "jwks_uri": "https://api.example/jwks"},
	}, rules)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest("GET", d.Pattern(), nil))
	const want = `{"authorization_details_types_supported":["payment"],"authorization_servers":["https://login.example"],"bearer_methods_supported":["header"],` +
		`"jwks_uri":"https://api.example/jwks","resource":"https://api.example/orders","resource_documentation":"https://docs.example","resource_name":"Orders <&>","scopes_supported":["read:orders"]}` + "\n"
	if w.Body.String() != want {
		t.Errorf("got  %s\nwant %s", w.Body, want)
	}
	bare, err := resource.New(newGuard(t, nil), resource.Metadata{}, auth.Rules{"/a": auth.AnyToken()})
	if err != nil {
		t.Fatal(err)
	}
	if m := members(t, bare, bare.Pattern()); len(m) != 3 {
		t.Errorf("members with nothing in them: %v", m)
	}
}

func TestDocumentFollowsLiveRules(t *testing.T) {
	live, err := auth.NewLiveRules(auth.Rules{"/a": auth.Scopes("a")})
	if err != nil {
		t.Fatal(err)
	}
	d, err := resource.New(newGuard(t, nil), resource.Metadata{}, live.Rules())
	if err != nil {
		t.Fatal(err)
	}
	tags := map[string]bool{}
	for _, scope := range []string{"a", "b", "a", "offline_access"} {
		if err := live.Swap(auth.Rules{"/a": auth.Scopes(scope)}); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest("GET", d.Pattern(), nil))
		if has := strings.Contains(w.Body.String(), `"scopes_supported":["`+scope+`"]`); has != (scope != "offline_access") || strings.Contains(w.Body.String(), "offline_access") {
			t.Errorf("%s: %s", scope, w.Body)
		}
		tags[w.Header().Get("ETag")] = true
	}
	if len(tags) != 3 {
		t.Errorf("%d tags of 3 documents", len(tags))
	}
}

func TestWhatADocumentAnswersFor(t *testing.T) {
	guard := newGuard(t, nil)
	plain, err := resource.New(guard, resource.Metadata{}, rules)
	if err != nil {
		t.Fatal(err)
	}
	root, err := resource.New(guard, resource.Metadata{AtRoot: true}, rules)
	if err != nil {
		t.Fatal(err)
	}
	query, err := resource.New(guard, resource.Metadata{Resource: "https://api.example/orders?v=1"}, rules)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		"/.well-known/oauth-protected-resource/orders":     {"plain", "root"},
		"/.well-known/oauth-protected-resource/orders?x=1": {"plain", "root"},
		"/.well-known/oauth-protected-resource/orders?v=1": {"plain", "root", "query"},
		"/.well-known/oauth-protected-resource":            {"root"},
		"/.well-known/oauth-protected-resource/orders/":    nil,
		"/.well-known/oauth-protected-resource/other":      nil,
		"/orders": nil,
	} {
		var answers []string
		for name, d := range map[string]*resource.Document{"plain": plain, "root": root, "query": query} {
			if members(t, d, path) != nil {
				answers = append(answers, name)
			}
			passed := false
			d.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true })).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
			if passed == slices.Contains(want, name) {
				t.Errorf("%s of %s: the next handler was asked: %v", path, name, passed)
			}
		}
		slices.Sort(answers)
		slices.Sort(want)
		if !slices.Equal(answers, want) {
			t.Errorf("%s: %v answer, want %v", path, answers, want)
		}
	}
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 204, "POST": 405, "DELETE": 405, "X": 405} {
		w := httptest.NewRecorder()
		plain.ServeHTTP(w, httptest.NewRequest(method, plain.Pattern(), nil))
		if w.Code != want || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d, %v", method, w.Code, w.Header())
		}
	}
}

// An API whose tokens come in a field of its own takes them by none of RFC 6750's ways.
func TestTokensInAnotherField(t *testing.T) {
	d, err := resource.New(newGuard(t, &auth.GuardOptions{Header: "Cf-Access-Jwt-Assertion"}), resource.Metadata{}, rules)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := members(t, d, d.Pattern())["bearer_methods_supported"].([]any); !ok || len(got) != 0 {
		t.Errorf("bearer_methods_supported is %v, want an empty list (RFC 9728 §2)", got)
	}
}

// proofs stands for a Binding of DPoP, and certificate for one of client certificates.
type proofs struct{ auth.SchemeBinding }

func (*proofs) Member() string       { return "jkt" }
func (*proofs) Fields() []string     { return []string{"DPoP"} }
func (*proofs) Scheme() string       { return "DPoP" }
func (*proofs) Algorithms() []string { return []string{"ES256"} }

type certificate struct{ auth.Binding }

func (*certificate) Member() string   { return "x5t#S256" }
func (*certificate) Fields() []string { return nil }

func TestBoundTokens(t *testing.T) {
	for want, opts := range map[string]*auth.GuardOptions{
		`["ES256"] null null`: {Bindings: []auth.Binding{new(proofs)}},
		`["ES256"] true null`: {Bindings: []auth.Binding{new(proofs)}, RequireBound: true},
		`["ES256"] null true`: {Bindings: []auth.Binding{new(certificate), new(proofs)}, RequireBound: true},
		`null null true`:      {Bindings: []auth.Binding{new(certificate)}, RequireBound: true},
		`null null null`:      nil,
	} {
		d, err := resource.New(newGuard(t, opts), resource.Metadata{}, rules)
		if err != nil {
			t.Fatal(err)
		}
		m, said := members(t, d, d.Pattern()), []string{}
		for _, name := range []string{"dpop_signing_alg_values_supported", "dpop_bound_access_tokens_required", "tls_client_certificate_bound_access_tokens"} {
			text, err := json.Marshal(m[name])
			if err != nil {
				t.Fatal(err)
			}
			said = append(said, string(text))
		}
		if got := strings.Join(said, " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
