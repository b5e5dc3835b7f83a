package mcpauth_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bearward/bearward/adapters/mcpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// Bodies in which parsers find different tools, and header fields that say other than the body.
var smuggling = map[string]struct {
	body   string
	header []string
}{
	"a second name":                     {body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_orders","name":"cancel_order","arguments":{}}}`},
	"a second name, escaped":            {body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_orders","n\u0061me":"cancel_order","arguments":{}}}`},
	"a second name in another case":     {body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_orders","Name":"cancel_order","arguments":{}}}`},
	"a name in another case alone":      {body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"NAME":"cancel_order","arguments":{}}}`},
	"second params":                     {body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_orders"},"params":{"name":"cancel_order"}}`},
	"second params, by a long s":        {body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_orders"},"param\u017f":{"name":"cancel_order"}}`},
	"a second method":                   {body: `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"cancel_order"}}`},
	"a method in another case":          {body: `{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"cancel_order"}}`},
	"a batch":                           {body: `[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"cancel_order"}}]`},
	"a batch of one":                    {body: `[` + call("cancel_order") + `]`},
	"a second message":                  {body: `{"jsonrpc":"2.0","id":1,"method":"ping"}` + call("cancel_order")},
	"a request that is a response, too": {body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"cancel_order"},"result":{}}`},
	"neither request nor response":      {body: `{"jsonrpc":"2.0","id":1,"params":{"name":"cancel_order"}}`},
	"an empty method":                   {body: `{"jsonrpc":"2.0","id":1,"method":"","params":{"name":"cancel_order"}}`},
	"a method that is a list":           {body: `{"jsonrpc":"2.0","id":1,"method":["tools/call"],"params":{"name":"cancel_order"}}`},
	"no name":                           {body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`},
	"a name that is a list":             {body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["list_orders"]}}`},
	"params that are a list":            {body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["list_orders"]}`},
	"no UTF-8":                          {body: "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"list_orders\xff\"}}"},
	"no JSON":                           {body: `name=cancel_order`},
	"nothing":                           {},
	"a byte order mark":                 {body: "\ufeff" + call("list_orders")},
	"UTF-16":                            {body: string(bytes.Join(bytes.Split([]byte(call("cancel_order")), nil), []byte{0})), header: []string{"Content-Type: application/json; charset=utf-16"}},
	"gzip":                              {body: zipped(call("cancel_order")), header: []string{"Content-Encoding: gzip"}},
	"gzip behind what is allowed":       {body: call("list_orders") + zipped(call("cancel_order")), header: []string{"Content-Encoding: gzip"}},
	"a NUL at the end":                  {body: call("list_orders") + "\x00"},
	"another method in the header":      {body: call("list_orders"), header: []string{"Mcp-Method: ping"}},
	"another tool in the header":        {body: call("list_orders"), header: []string{"Mcp-Method: tools/call", "Mcp-Name: hello"}},
	"another tool in the header alone":  {body: call("list_orders"), header: []string{"Mcp-Name: hello"}},
	"a method in the header's way":      {body: `{"jsonrpc":"2.0","id":1,"result":{}}`, header: []string{"Mcp-Method: ping"}},
	"two methods in the header":         {body: call("list_orders"), header: []string{"Mcp-Method: tools/call", "Mcp-Method: tools/call", "Mcp-Name: list_orders"}},
	"two tools in the header":           {body: call("list_orders"), header: []string{"Mcp-Method: tools/call", "Mcp-Name: list_orders", "Mcp-Name: list_orders"}},
}

// zipped compresses a body.
func zipped(body string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, body)
	_ = w.Close()
	return b.String()
}

// No such body reaches a tool, whatever the caller's token is good for: here, for all that the
// bodies speak of.
func TestW20_WhatIsAuthorizedIsWhatRuns(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for _, opts := range []*mcpauth.Options{nil, stateless} {
		o := newOrders()
		server := serve(t, mcpauth.Guard(o.Server, guardOf(issuer), rules(), opts))
		token := issuer.Token("read:orders write:orders")
		var session []string
		if opts == nil {
			session = []string{initialize(t, server.URL, token)}
		}
		for name, tt := range smuggling {
			a := send(t, server.URL, token, tt.body, append(tt.header, session...)...)
			if a.status != 400 || !strings.Contains(a.body, "The request was refused") {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
			if got := o.took(); got != nil {
				t.Errorf("%s: ran %q", name, got)
			}
		}
	}
}

// A body is read only when the token is good, and no further than 4 MiB.
func TestTheBodyIsReadOnceTheTokenIsGood(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	h := mcpauth.Guard(newOrders().Server, guardOf(issuer), rules(), stateless)
	long := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hello","arguments":{"x":"` + strings.Repeat("x", mcpauth.MaxBodyBytes+1<<20) + `"}}}`
	for _, tt := range []struct {
		token, tool string
		status      int
		most        int
	}{
		{"", "", 401, 0},
		{issuer.Token("", authtest.Claims{"exp": 1}), "", 401, 0},
		{issuer.Token("read:orders"), "", 413, mcpauth.MaxBodyBytes + 512},
		{issuer.Token("read:orders"), "cancel_order", 403, 64<<10 + 512}, // for the ID that the refusal repeats
	} {
		body := &counted{r: strings.NewReader(long)}
		r := httpRequest(t, body, tt.token)
		if tt.tool != "" {
			r.Header["Mcp-Method"], r.Header["Mcp-Name"] = []string{"tools/call"}, []string{tt.tool}
		}
		w := newRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status || body.n > tt.most {
			t.Errorf("%d, and %d bytes were read; want %d and at most %d", w.Code, body.n, tt.status, tt.most)
		}
	}
}

// counted counts what is read from it.
type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// A handler between this package's and the SDK's may change what is asked for, or the server be
// reached by another way. Enforce runs none of it.
func TestW20_EnforceRunsOnlyWhatWasAuthorized(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	o := newOrders()
	o.AddReceivingMiddleware(mcpauth.Enforce(rules()))
	sdk := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return o.Server }, stateless.HTTP)
	rewritten := func(from, to string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			body = bytes.ReplaceAll(body, []byte(from), []byte(to))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			sdk.ServeHTTP(w, r)
		})
	}
	guard := guardOf(issuer)
	token := issuer.Token("read:orders write:orders")
	guarded := newOrders()
	mcpauth.Guard(guarded.Server, guard, rules(), nil) // adds Enforce
	for name, tt := range map[string]struct {
		handler http.Handler
		body    string
	}{
		"another tool":    {mcpauth.Handler(rewritten("list_orders", "cancel_order"), guard, rules(), nil), call("list_orders")},
		"another method":  {mcpauth.Handler(rewritten(`"ping"`, `"tools/call"`), guard, rules(), nil), `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"name":"cancel_order"}}`},
		"another URI":     {mcpauth.Handler(rewritten("orders://all", "orders://one/7"), guard, rules(), nil), `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"orders://all"}}`},
		"another prompt":  {mcpauth.Handler(rewritten("greet", "other"), guard, rules(), nil), `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"greet"}}`},
		"without Handler": {sdk, call("list_orders")},
		"beside Guard":    {mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return guarded.Server }, stateless.HTTP), call("list_orders")},
	} {
		a := send(t, serve(t, tt.handler).URL, token, tt.body)
		if !strings.Contains(a.body, "This operation was not authorized") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if got := append(o.took(), guarded.took()...); got != nil {
			t.Errorf("%s: ran %q", name, got)
		}
	}
	if a := send(t, serve(t, mcpauth.Handler(sdk, guard, rules(), nil)).URL, token, call("list_orders")); a.status != 200 || len(o.took()) != 1 {
		t.Errorf("what was authorized does not run: %+v", a)
	}
}

// In memory and over stdio nobody has authorized anything.
func TestEnforceInMemory(t *testing.T) {
	o := newOrders()
	table := rules()
	table["tools/call hello"] = auth.Public()
	for _, key := range []string{"initialize", "notifications/initialized", "server/discover"} {
		table[key] = auth.Public()
	}
	o.AddReceivingMiddleware(mcpauth.Enforce(table))
	near, far := mcp.NewInMemoryTransports()
	must(o.Connect(t.Context(), far, nil))
	session := must(mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), near, nil))
	defer session.Close()
	for _, tool := range []string{"hello", "list_orders"} {
		_, err := session.CallTool(context.Background(), &mcp.CallToolParams{Name: tool})
		if (err == nil) != (tool == "hello") {
			t.Errorf("%s: %v", tool, err)
		}
	}
}
