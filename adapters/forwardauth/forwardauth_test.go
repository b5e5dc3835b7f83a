package forwardauth_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/bearward/bearward/adapters/forwardauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
)

func TestMisconfigured(t *testing.T) {
	guard := authtest.NewIssuer(t, nil).Guard(nil)
	good := auth.Rules{"GET /orders": auth.AnyToken()}
	two := must(auth.NewGuard(everybody{}, nil)) // which has no issuers that it knows of
	for want, c := range map[string]struct {
		guard  *auth.Guard
		rules  auth.Rules
		change func(*forwardauth.Options)
	}{
		"needs a Guard":                    {nil, good, nil},
		"Options.For is empty":             {guard, good, func(o *forwardauth.Options) { o.For = nil }},
		"Options.For[1]":                   {guard, good, func(o *forwardauth.Options) { o.For = append(o.For, "api.example.com") }},
		"For[0]: \"https://a.example/x\"":  {guard, good, func(o *forwardauth.Options) { o.For = []string{"https://a.example/x"} }},
		"Gateways or Options.UnixSocket":   {guard, good, func(o *forwardauth.Options) { o.Gateways = nil }},
		"every caller would be heard":      {guard, good, func(o *forwardauth.Options) { o.Gateways = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} }},
		"not a range":                      {guard, good, func(o *forwardauth.Options) { o.Gateways = []netip.Prefix{{}} }},
		"Options.Form is 7":                {guard, good, func(o *forwardauth.Options) { o.Form = 7 }},
		"Prefix is for Direct":             {guard, good, func(o *forwardauth.Options) { o.Prefix = "/x" }},
		"Prefix is \"/x/\"":                {guard, good, func(o *forwardauth.Options) { o.Form, o.Prefix = forwardauth.Direct, "/x/" }},
		"Fields.Client is \"X_Client\"":    {guard, good, func(o *forwardauth.Options) { o.Fields.Client = "X_Client" }},
		"Fields.Scopes is X-Auth-Subject":  {guard, good, func(o *forwardauth.Options) { o.Fields.Scopes = "x-auth-subject" }},
		"Fields.Subject is Authorization":  {guard, good, func(o *forwardauth.Options) { o.Fields.Subject = "authorization" }},
		"Fields.Issuer cannot be left out": {two, good, func(o *forwardauth.Options) { o.Fields.Issuer = "-" }},
		"auth: Rules are empty":            {guard, nil, nil},
		"the host is in Options.For":       {guard, auth.Rules{"GET api.example.com/orders": auth.AnyToken()}, nil},
		"without regard to case":           {guard, auth.Rules{"GET /orders": auth.AnyToken(), "GET /ORDERS": auth.Public()}, nil},
		"\"GET /{b}\": pattern \"GET /{b}\" conflicts with pattern \"GET /{a}\"": {guard, auth.Rules{"GET /{a}": auth.AnyToken(), "GET /{b}": auth.Public()}, nil},
		"\"GET /pay\": ": {guard, auth.Rules{"GET /pay": auth.Bound()}, nil},
	} {
		o := options()
		if c.change != nil {
			c.change(&o)
		}
		if _, err := forwardauth.New(c.guard, c.rules, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// The rules before a Swap stay in use when those after it have a fault.
func TestSwapIsWhole(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	gate := must(forwardauth.New(issuer.Guard(nil), rules(t, "GET /a = any token\n"), options()))
	if err := gate.Swap(auth.Rules{"GET /b": auth.Public(), "GET /pay": auth.Bound()}); err == nil {
		t.Error("rules that cannot be enforced were taken")
	}
	for target, want := range map[string]int{"/a": 200, "/b": 403} {
		if w := ask(gate, question("GET", target, issuer.Token(""))); w.Code != want {
			t.Errorf("%s: got %d, want %d", target, w.Code, want)
		}
	}
}

// Only gateways are heard, by their connection's own address.
func TestW18_OnlyGatewaysAreHeard(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var faults told
	o := options()
	o.OnRefused = faults.add
	o.UnixSocket = "/run/gate.sock"
	gate := must(forwardauth.New(issuer.Guard(nil), rules(t, "/ = any token\n"), o))
	q := question("GET", "/", issuer.Token(""))
	q.RemoteAddr = "10.0.0.7:1"
	q.Header.Set("X-Forwarded-For", "10.0.0.7")
	unix := func(name string) *http.Request {
		socket := &net.UnixAddr{Name: name, Net: "unix"}
		return q.WithContext(auth.ConnContext(context.Background(), connection{nil, &net.UnixAddr{}, socket}))
	}
	for name, c := range map[string]struct {
		r     *http.Request
		want  int
		fault forwardauth.Fault
	}{
		"the gateway":             {q, 200, ""},
		"the gateway, as IPv6":    {from(q, "::ffff:10.0.0.7"), 200, ""},
		"another address":         {from(q, "10.0.0.8"), 403, forwardauth.FaultPeer},
		"the gateway's socket":    {unix("/run/gate.sock"), 200, ""},
		"another socket":          {unix("/run/other.sock"), 403, forwardauth.FaultPeer},
		"no address":              {q.WithContext(context.Background()), 500, forwardauth.FaultConn},
		"a socket without a name": {unix(""), 500, forwardauth.FaultConn},
	} {
		faults = nil
		w := ask(gate, c.r)
		if w.Code != c.want || (c.fault != "") != (len(faults) == 1 && faults[0] == c.fault) || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %v %v", name, w.Code, faults, w.Header())
		}
	}
}

// What the gateway says is complete, there once, and about this API.
func TestQuestionsAreComplete(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var faults told
	o := options()
	o.OnRefused = faults.add
	o.For = append(o.For, "http://localhost:8080", "HTTPS://Other.example:443/")
	gate := must(forwardauth.New(issuer.Guard(nil), rules(t, "/ = any token\n"), o))
	for _, c := range []struct {
		field  string
		values []string
		fault  forwardauth.Fault
	}{
		{"X-Forwarded-Method", nil, forwardauth.FaultQuestion},
		{"X-Forwarded-Method", []string{""}, forwardauth.FaultQuestion},
		{"X-Forwarded-Method", []string{"GET", "GET"}, forwardauth.FaultQuestion},
		{"X-Forwarded-Method", []string{"get"}, forwardauth.FaultQuestion},
		{"X-Forwarded-Method", []string{"GET /"}, forwardauth.FaultQuestion},
		{"X-Forwarded-Method", []string{"CONNECT"}, forwardauth.FaultQuestion},
		{"X-Forwarded-Method", []string{"PROPFIND"}, ""},
		{"X-Forwarded-Uri", nil, forwardauth.FaultQuestion},
		{"X-Forwarded-Uri", []string{"/", "/"}, forwardauth.FaultQuestion},
		{"X-Forwarded-Host", nil, forwardauth.FaultQuestion},
		{"X-Forwarded-Host", []string{"api.example.com", "api.example.com"}, forwardauth.FaultQuestion},
		{"X-Forwarded-Host", []string{"evil.example"}, forwardauth.FaultOrigin},
		{"X-Forwarded-Host", []string{"api.example.com:8443"}, forwardauth.FaultOrigin},
		{"X-Forwarded-Host", []string{"API.example.com:443"}, ""},
		{"X-Forwarded-Host", []string{"other.example"}, ""},
		{"X-Forwarded-Host", []string{"localhost:8080"}, forwardauth.FaultOrigin}, // which is http
		{"X-Forwarded-Proto", nil, forwardauth.FaultQuestion},
		{"X-Forwarded-Proto", []string{"http"}, forwardauth.FaultOrigin},
		{"X-Forwarded-Proto", []string{"https,http"}, forwardauth.FaultOrigin},
	} {
		faults = nil
		r := question("GET", "/", issuer.Token(""))
		r.Header[c.field] = c.values
		w := ask(gate, r)
		if c.fault == "" && w.Code != 200 || c.fault != "" && (w.Code != 400 || !slices.Equal(faults, told{c.fault})) {
			t.Errorf("%s %q: got %d %v, want %q", c.field, c.values, w.Code, faults, c.fault)
		}
	}
}

// Envoy asks by the request itself.
func TestDirect(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	o := options()
	o.Form, o.Prefix = forwardauth.Direct, "/check"
	gate := must(forwardauth.New(issuer.Guard(nil), rules(t, "GET /orders/{id} = any token\nPOST /orders/{id} = write\n"), o))
	for _, c := range []struct {
		method, target, host, proto string
		want                        int
	}{
		{"GET", "/check/orders/1", "api.example.com", "https", 200},
		{"POST", "/check/orders/1", "api.example.com", "https", 403},
		{"GET", "/orders/1", "api.example.com", "https", 400},
		{"GET", "/checkorders/1", "api.example.com", "https", 400},
		{"GET", "/check/a/..%2forders", "api.example.com", "https", 400},
		{"GET", "/check/orders/1", "evil.example", "https", 400},
		{"GET", "/check/orders/1", "api.example.com", "http", 400},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		r.RequestURI, r.Host = c.target, c.host
		r.Header.Set("X-Forwarded-Proto", c.proto)
		r.Header.Set("X-Forwarded-Method", "GET") // by a client: not read
		r.Header.Set("Authorization", "Bearer "+issuer.Token(""))
		if w := ask(gate, from(r, "10.0.0.7")); w.Code != c.want {
			t.Errorf("%s %s of %s: got %d %s, want %d", c.method, c.target, c.host, w.Code, w.Body, c.want)
		}
	}
}

// Proofs are about the client's request, at the API's own origin.
func TestProofsOfTheClientsRequest(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	binding := must(dpop.New([]string{"https://api.example.com"}, dpop.NewMemory(0), nil))
	guard := issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{binding}})
	gate := must(forwardauth.New(guard, rules(t, "/ = any token\n"), options()))
	prover := authtest.NewProver(t, auth.ES256)
	token := issuer.Token("", prover.Confirmation())
	send := func(proof string) *httptest.ResponseRecorder {
		r := question("POST", "/orders?x=1", "")
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", proof)
		return ask(gate, r)
	}
	good := prover.Proof("POST", "https://api.example.com/orders", token)
	for name, c := range map[string]struct {
		proof string
		want  int
	}{
		"of the question's method": {prover.Proof("GET", "https://api.example.com/orders", token), 401},
		"of the question's path":   {prover.Proof("POST", "https://api.example.com/", token), 401},
		"of another origin":        {prover.Proof("POST", "https://example.com/orders", token), 401},
	} {
		if w := send(c.proof); w.Code != c.want {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
	if w := send(good); w.Code != 200 {
		t.Errorf("a good proof: got %d %s", w.Code, w.Body)
	}
	if w := send(good); w.Code != 401 || len(w.Header()["Www-Authenticate"]) == 0 {
		t.Errorf("a used proof: got %d %v", w.Code, w.Header())
	}
}

// A connection binds nothing: its certificate is the gateway's.
type seesTLS struct{ seen chan bool }

func (seesTLS) Member() string   { return "x5t#S256" }
func (seesTLS) Fields() []string { return nil }
func (s seesTLS) Check(_ context.Context, _ string, c *auth.Credentials, _ *auth.Principal, _ []byte) error {
	s.seen <- c.TLS != nil
	return nil
}

func TestTheGatewaysCertificateIsNotTheClients(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	binding := &seesTLS{make(chan bool, 1)}
	gate := must(forwardauth.New(issuer.Guard(&auth.GuardOptions{Bindings: []auth.Binding{binding}}), rules(t, "/ = any token\n"), options()))
	r := question("GET", "/", issuer.Token("", authtest.Claims{"cnf": map[string]string{"x5t#S256": strings.Repeat("A", 43)}}))
	r.TLS = new(tls.ConnectionState)
	if w := ask(gate, r); w.Code != 200 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if <-binding.seen {
		t.Error("a Binding was shown the gateway's connection")
	}
}

// A check of the program's own sees what the rule's pattern found in the path.
func TestPathValues(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	own := auth.AnyToken().With(func(ctx context.Context, p *auth.Principal) error {
		if auth.PathValue(ctx, "id") != p.Subject() {
			return errors.New("not the caller's own")
		}
		return nil
	})
	gate := must(forwardauth.New(issuer.Guard(nil), auth.Rules{"GET /users/{id}": own}, options()))
	for _, c := range []struct {
		target, subject string
		want            int
	}{{"/users/alice", "alice", 200}, {"/users/bob", "alice", 403}, {"/users/%7Bid%7D", "{id}", 200}, {"/users/%7Bid%7D", "alice", 403}} {
		if w := ask(gate, question("GET", c.target, issuer.Token("", authtest.Claims{"sub": c.subject}))); w.Code != c.want {
			t.Errorf("%s: got %d %s, want %d", c.target, w.Code, w.Body, c.want)
		}
	}
}

// A panic of OnRefused changes no answer.
func TestAHookThatPanics(t *testing.T) {
	o := options()
	o.OnRefused = func(context.Context, forwardauth.Fault) { panic("a cable is loose") }
	gate := must(forwardauth.New(must(auth.NewGuard(everybody{}, nil)), rules(t, "/ = any token\n"), o))
	if w := ask(gate, question("GET", "//", "")); w.Code != 400 {
		t.Errorf("got %d", w.Code)
	}
}

// The rules of gRPC's keys and of methods, and what none names.
func TestRules(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var operations []string
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: func(_ context.Context, d auth.Decision) { operations = append(operations, d.Operation) }})
	gate := must(forwardauth.New(guard, rules(t, "GET /orders = read\nPOST /orders = write\n/shop.Orders/* = read\n/shop.Orders/Delete = admin\n"), options()))
	for _, c := range []struct {
		method, target string
		want           int
		operation      string
	}{
		{"GET", "/orders", 200, "GET /orders"}, {"HEAD", "/orders", 200, "GET /orders"}, {"POST", "/orders", 403, "POST /orders"},
		{"PUT", "/orders", 403, ""}, {"OPTIONS", "/orders", 403, ""}, {"GET", "/other", 403, ""}, {"GET", "/orders/", 403, ""},
		{"POST", "/shop.Orders/List", 200, "/shop.Orders/*"}, {"POST", "/shop.Orders/Delete", 403, "/shop.Orders/Delete"},
	} {
		operations = nil
		w := ask(gate, question(c.method, c.target, issuer.Token("read")))
		if w.Code != c.want || !slices.Equal(operations, []string{c.operation}) {
			t.Errorf("%s %s: got %d %s, told %q", c.method, c.target, w.Code, w.Body, operations)
		}
	}
}

// TestGuarded asks what gateways ask as attackers would.
func TestGuarded(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	o := options()
	o.For = []string{"http://api.example.com", "https://api.example.com"}
	o.Form = forwardauth.Direct
	all := rules(t, "GET /orders = read:orders\nPOST /orders = write:orders\nGET /orders/{id} = read:orders\nDELETE /orders/{id} = admin:all\nGET /me = any token\nGET /catalogue = optional\nGET /healthz = public\n")
	for _, field := range []string{"", "X-Goog-Iap-Jwt-Assertion"} {
		gate := must(forwardauth.New(issuer.Guard(&auth.GuardOptions{Header: field}), all, o))
		authtest.AssertGuarded(t, issuer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Rule", r.Method+r.URL.Path) // the kit tells handlers apart by what they answer
			r = from(r, "10.0.0.7")
			r.Header.Set("X-Forwarded-Proto", "https")
			r.Host = "api.example.com"
			gate.ServeHTTP(w, r)
		}), all, &authtest.GuardedOptions{Header: field})
	}
}
