package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/bearward/bearward/examples/internal/authserver"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/resource"
)

// A world has the authorization server and an API, each on a port of its own.
type world struct {
	issuer, api string
	asked       []string // the scopes that the client asked for, log-in by log-in
}

// newWorld starts the API that newHandler returns, behind the embedded authorization server.
func newWorld(t *testing.T, newHandler func(issuer, api string) http.Handler) *world {
	authority, server := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	w := &world{issuer: "http://" + authority.Listener.Addr().String(), api: "http://" + server.Listener.Addr().String() + "/mcp"}
	as := must(authserver.New(authserver.Config{
		Issuer: w.issuer, Audiences: []string{w.api}, AnyScope: true,
		Scopes: []authserver.Scope{{Name: "read:orders", Meaning: "See your orders"}, {Name: "write:orders", Meaning: "Cancel your orders"}},
		Users:  []authserver.User{alice},
	}))
	t.Cleanup(func() { as.Close() })
	authority.Config.Handler, server.Config.Handler = as, newHandler(w.issuer, w.api)
	authority.Start()
	t.Cleanup(authority.Close)
	server.Start()
	t.Cleanup(server.Close)
	return w
}

// alice has a device that shows codes.
var alice = authserver.User{Name: "alice", Password: "wonderland", FullName: "Alice", CodeKey: []byte("12345678901234567890")}

const callback = "http://127.0.0.1:1/callback"

// connect is the SDK's own client: it discovers, registers, and has the person log in who grants
// what the rounds say, "" for all that is asked.
func (w *world) connect(t *testing.T, rounds ...string) *mcp.ClientSession {
	person := newPerson()
	handler := must(sdkauth.NewAuthorizationCodeHandler(&sdkauth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &sdkauth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName: "a public client", RedirectURIs: []string{callback}, TokenEndpointAuthMethod: "none",
		}},
		AuthorizationCodeFetcher: func(ctx context.Context, args *sdkauth.AuthorizationArgs) (*sdkauth.AuthorizationResult, error) {
			grant := ""
			if n := len(w.asked); n < len(rounds) {
				grant = rounds[n]
			}
			w.ask(args.URL)
			return logIn(ctx, person, w.issuer, args.URL, grant)
		},
	}))
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: w.api, OAuthHandler: handler}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

var (
	formAction = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)
	scopeBox   = regexp.MustCompile(`name="scope"[^>]* value="([^"]+)"|value="([^"]+)"[^>]* name="scope"`)
)

// logIn is what a person does in the browser.
func logIn(ctx context.Context, person *http.Client, issuer, at, grant string) (*sdkauth.AuthorizationResult, error) {
	res, err := person.Do(must(http.NewRequestWithContext(ctx, "GET", at, nil)))
	for err == nil && res.StatusCode != http.StatusSeeOther && res.StatusCode != http.StatusFound {
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		page := string(text)
		action := formAction.FindStringSubmatch(page)
		if action == nil {
			return nil, fmt.Errorf("a page without a form: %d %s", res.StatusCode, page)
		}
		form := url.Values{"username": {"alice"}, "password": {"wonderland"}}
		if strings.Contains(page, `name="code"`) {
			form.Set("code", alice.Code(time.Now()))
		}
		if strings.Contains(page, `name="decision"`) {
			form = url.Values{"decision": {"allow"}}
			for _, box := range scopeBox.FindAllStringSubmatch(page, -1) {
				if scope := html.UnescapeString(box[1] + box[2]); grant == "" || slices.Contains(strings.Fields(grant), scope) {
					form.Add("scope", scope)
				}
			}
		}
		target := must(must(url.Parse(issuer)).Parse(html.UnescapeString(action[1]))).String()
		res, err = person.PostForm(target, form)
	}
	if err != nil {
		return nil, err
	}
	res.Body.Close()
	query := must(res.Location()).Query()
	if query.Get("code") == "" {
		return nil, errors.New(query.Encode())
	}
	return &sdkauth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"), Iss: query.Get("iss")}, nil
}

func call(t *testing.T, session *mcp.ClientSession, tool string) (string, error) {
	res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool})
	if err != nil {
		return "", err
	}
	return res.Content[0].(*mcp.TextContent).Text, nil
}

// The SDK's client walks the whole way: discovery, registration, PKCE, a call, and a second log-in
// for the scope that the second tool needs.
func TestTheSDKsClientStepsUp(t *testing.T) {
	w := newWorld(t, newHandler)
	session := w.connect(t)
	if text, err := call(t, session, "list_orders"); err != nil || text != "orders of alice" {
		t.Fatalf("%q, %v; asked for %q", text, err, w.asked)
	}
	if text, err := call(t, session, "cancel_order"); err != nil || text != "cancelled an order of alice" {
		t.Errorf("%q, %v; asked for %q", text, err, w.asked)
	}
	if text, err := call(t, session, "list_orders"); err != nil || text != "orders of alice" {
		t.Errorf("after the second log-in: %q, %v", text, err)
	}
	if want := []string{"read:orders", "read:orders write:orders"}; !slices.Equal(w.asked, want) {
		t.Errorf("asked for %q, want %q", w.asked, want)
	}
}

// A person who grants less is asked again. Over the SDK's own RequireBearerToken, the same walk
// ends at 403: it does not say that a scope is missing.
func TestAPersonWhoGrantsLess(t *testing.T) {
	w := newWorld(t, newHandler)
	session := w.connect(t, "read:orders", "read:orders")
	if _, err := call(t, session, "cancel_order"); err == nil {
		t.Error("cancel_order without its scope")
	}
	if text, err := call(t, session, "cancel_order"); err != nil || text != "cancelled an order of alice" {
		t.Errorf("%q, %v; asked for %q", text, err, w.asked)
	}

	control := newWorld(t, func(issuer, api string) http.Handler {
		metadata := must(resource.URL(api))
		guard := must(auth.New(issuer, api, nil))
		verify := func(ctx context.Context, _ string, r *http.Request) (*sdkauth.TokenInfo, error) {
			ctx, err := guard.Authorize(ctx, auth.RequestCredentials(nil, r, ""), auth.AnyToken())
			if err != nil {
				return nil, fmt.Errorf("%w: %w", sdkauth.ErrInvalidToken, err)
			}
			p, _ := auth.PrincipalFrom(ctx)
			return &sdkauth.TokenInfo{Scopes: p.Scopes(), Expiration: p.Expiry()}, nil
		}
		mux := http.NewServeMux()
		mux.Handle(resource.WellKnown+"/mcp", sdkauth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{Resource: api, AuthorizationServers: []string{issuer}}))
		mux.Handle("/mcp", sdkauth.RequireBearerToken(verify, &sdkauth.RequireBearerTokenOptions{ResourceMetadataURL: metadata, Scopes: []string{"read:orders"}})(
			onlyFor("cancel_order", sdkauth.RequireBearerToken(verify, &sdkauth.RequireBearerTokenOptions{ResourceMetadataURL: metadata, Scopes: []string{"write:orders"}}),
				mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return newServer() }, nil))))
		return mux
	})
	session = control.connect(t)
	if _, err := call(t, session, "list_orders"); err != nil {
		t.Fatal(err)
	}
	if _, err := call(t, session, "cancel_order"); err == nil || !strings.Contains(err.Error(), "Forbidden") || len(control.asked) != 1 {
		t.Errorf("%v; asked for %q: with the SDK's own middleware, clients step up", err, control.asked)
	}
}

// onlyFor puts a middleware in front of the calls of one tool.
func onlyFor(tool string, mw func(http.Handler) http.Handler, next http.Handler) http.Handler {
	guarded := mw(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if strings.Contains(string(body), `"name":"`+tool+`"`) {
			guarded.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
