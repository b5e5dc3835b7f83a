package openapiauth_test

import (
	"strings"
	"testing"

	"github.com/bearward/bearward/adapters/openapiauth"
)

func TestOptionsThatAreRefused(t *testing.T) {
	key := change{"SCHEME", "key: {type: apiKey, in: header, name: K}\n    jwt: {type: http, scheme: bearer}"}
	with := func(security string) change { return append(op(security), key...) }
	type options = openapiauth.Options
	for _, c := range []struct {
		name string
		change
		router openapiauth.Router
		options
		want string
	}{
		{"no router", op("[]"), 0, options{}, "openapiauth: a Router is required"},
		{"an unknown router", op("[]"), 4, options{}, "openapiauth: a Router is required"},
		{"a prefix without a slash", op("[]"), openapiauth.Chi, options{Prefix: "v1"}, `Options.Prefix "v1": begins with a slash`},
		{"a prefix that ends with one", op("[]"), openapiauth.Chi, options{Prefix: "/v1/"}, `Options.Prefix "/v1/": begins with a slash`},
		{"a prefix with a parameter", op("[]"), openapiauth.Chi, options{Prefix: "/{v}"}, "a segment is made of"},
		{"a prefix with Echo's parameter", op("[]"), openapiauth.Echo, options{Prefix: "/:v"}, "has no colon"},
		{"a prefix with an asterisk", op("[]"), openapiauth.Chi, options{Prefix: "/*"}, "a segment is made of"},
		{"a negative bound", op("[]"), openapiauth.Chi, options{MaxBytes: -1}, "Options.MaxBytes is -1"},
		{"a document above the bound", op("[]"), openapiauth.Chi, options{MaxBytes: 100}, "and Options.MaxBytes is 100"},
		{"a colon for Echo", append(op("[]"), "PATH", "/x:batch"), openapiauth.Echo, options{}, `line 5, column 3: GET /x:batch: the colon in "x:batch" begins a parameter`},
		{"parameters of one name for net/http", append(op("[]"), "PATH", "/{a-b}/{a_b}"), openapiauth.NetHTTP, options{}, `two parameters are "a_b"`},
		{"tokens of a scheme that is not there", op("[]"), openapiauth.Chi, options{TokenSchemes: []string{"nobody"}}, `Options.TokenSchemes names "nobody"`},
		{"tokens of a scheme that has none", with("[]"), openapiauth.Chi, options{TokenSchemes: []string{"key"}}, `line 13, column 5: Options.TokenSchemes names "key", which is of type apiKey`},
		{"a scheme of another issuer", with("[{login: [a]}, {jwt: []}]"), openapiauth.Chi, options{TokenSchemes: []string{"login"}}, `line 8, column 33: GET /x: the tokens of "jwt" are not the Guard's`},
		{"a scheme in both lists", with("[]"), openapiauth.Chi, options{TokenSchemes: []string{"login"}, IgnoreSchemes: []string{"login"}}, `"login" is in Options.TokenSchemes and in Options.IgnoreSchemes`},
		{"leaving out what is not there", with("[]"), openapiauth.Chi, options{TokenSchemes: []string{"login"}, IgnoreSchemes: []string{"kye"}}, `Options.IgnoreSchemes names "kye"`},
		{"leaving out the only alternative", with("[{key: []}]"), openapiauth.Chi, options{TokenSchemes: []string{"login"}, IgnoreSchemes: []string{"key"}}, "line 8, column 17: GET /x: nobody could call it"},
		{"leaving out what is asked for together with a token", with("[{login: [a], key: []}]"), openapiauth.Chi, options{TokenSchemes: []string{"login"}, IgnoreSchemes: []string{"key"}}, `line 8, column 31: GET /x: "key" is asked for together with a token`},
		{"an exception that is not there", op("[]"), openapiauth.Chi, options{SkipOperations: []string{"GET /y"}}, `Options.SkipOperations names "GET /y"`},
		{"many scopes of several schemes", with("[{login: [" + strings.Repeat("a, ", 99) + "a], jwt: [" + many(100, "s%d, ") + "]}]"), openapiauth.Chi, options{TokenSchemes: []string{"login", "jwt"}}, "line 8, column 19: GET /x: more than 100 scopes"},
		{"roles before OpenAPI 3.1", append(with("[{jwt: [clerk]}]"), "3.1.0", "3.0.4"), openapiauth.Chi, options{TokenSchemes: []string{"jwt"}}, `line 8, column 25: GET /x: "jwt" is of type http bearer, which has no scopes before OpenAPI 3.1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules, err := openapiauth.Rules([]byte(c.document()), c.router, &c.options)
			if err == nil || rules != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got rules %v, error %v, want %s", rules, err, c.want)
			}
		})
	}
}

// What is excepted is not read; what is kept is.
func TestExceptedOperationsGetNoRule(t *testing.T) {
	document := append(op("[{login: [a]}]"), "PATH", "/{a}.json:\n    get: {security: 5}\n    put: {servers: []}\n  /x").document()
	opts := &openapiauth.Options{SkipOperations: []string{"GET /{a}.json", "PUT /{a}.json"}}
	rules, err := openapiauth.Rules([]byte(document), openapiauth.Echo, opts)
	if err != nil || len(rules) != 1 || rules["GET /x"].String() != "a" {
		t.Errorf("got rules %v, error %v", rules, err)
	}
}

func TestOperationsWithServersOfTheirOwnByName(t *testing.T) {
	document := append(op("[{login: [a]}]\n      servers: [{url: https://two.example}]"), "ITEM", "servers: [{url: https://one.example}]").document()
	rules, err := openapiauth.Rules([]byte(document), openapiauth.Chi, &openapiauth.Options{AllowOwnServers: true})
	if err != nil || rules["GET /x"].String() != "a" {
		t.Errorf("got rules %v, error %v", rules, err)
	}
}

func TestPathsInTheWordsOfARouter(t *testing.T) {
	for _, c := range []struct{ name, prefix, path, netHTTP, chi, echo string }{
		{"no parameter", "", "/x", "/x", "/x", "/x"},
		{"the root", "", "/", "/{$}", "/", "/"},
		{"a parameter", "", "/x/{id}", "/x/{id}", "/x/{id}", "/x/:id"},
		{"two parameters", "", "/x/{id}/y/{no}", "/x/{id}/y/{no}", "/x/{id}/y/{no}", "/x/:id/y/:no"},
		{"a trailing slash is only itself", "", "/x/{id}/", "/x/{id}/{$}", "/x/{id}/", "/x/:id/"},
		{"a name that is no identifier", "", "/x/{order-id.v1}", "/x/{order_id_v1}", "/x/{order-id.v1}", "/x/:order-id.v1"},
		{"a name that begins with a digit", "", "/x/{1st}", "/x/{_1st}", "/x/{1st}", "/x/:1st"},
		{"a prefix", "/api/v1", "/x/{id}", "/api/v1/x/{id}", "/api/v1/x/{id}", "/api/v1/x/:id"},
		{"a prefix before the root", "/v1", "/", "/v1/{$}", "/v1/", "/v1/"},
		{"marks in a segment", "", "/x-y_z.json~(1);a=b,c@d", "/x-y_z.json~(1);a=b,c@d", "/x-y_z.json~(1);a=b,c@d", "/x-y_z.json~(1);a=b,c@d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			document := append(op("[{login: [a]}]"), "PATH", c.path).document()
			for router, want := range map[openapiauth.Router]string{openapiauth.NetHTTP: c.netHTTP, openapiauth.Chi: c.chi, openapiauth.Echo: c.echo} {
				rules, err := openapiauth.Rules([]byte(document), router, &openapiauth.Options{Prefix: c.prefix})
				if _, ok := rules["GET "+want]; !ok || len(rules) != 1 {
					t.Errorf("router %d: got %v, error %v, want GET %s", router, rules, err, want)
				}
			}
		})
	}
}

func TestEveryMethodHasARule(t *testing.T) {
	for _, method := range []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"} {
		rules, err := openapiauth.Rules([]byte(append(op("[]"), "METHOD", method).document()), openapiauth.Chi, nil)
		if !rules[strings.ToUpper(method)+" /x"].IsPublic() {
			t.Errorf("%s: got %v, error %v", method, rules, err)
		}
	}
}
