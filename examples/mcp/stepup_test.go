package main

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"testing"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/bearward/bearward/adapters/mcpauth"
	"github.com/bearward/bearward/examples/internal/authserver"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/resource"
)

// stepUp is the SDK's handler, and what RFC 9470 §4 adds to it: a challenge's acr_values and
// max_age go into the next authorization request. The SDK does not do it by itself.
type stepUp struct {
	*sdkauth.AuthorizationCodeHandler
	from url.Values // the challenge that is being answered; the SDK answers one at a time
}

// Authorize answers a challenge.
func (s *stepUp) Authorize(ctx context.Context, r *http.Request, res *http.Response) error {
	challenges, err := oauthex.ParseWWWAuthenticate(res.Header["Www-Authenticate"])
	if err != nil {
		return err
	}
	s.from = url.Values{}
	for _, c := range challenges {
		for _, name := range []string{"acr_values", "max_age"} {
			if c.Params["error"] == "insufficient_user_authentication" && c.Params[name] != "" {
				s.from.Set(name, c.Params[name])
			}
		}
	}
	return s.AuthorizationCodeHandler.Authorize(ctx, r, res)
}

// newStrictHandler guards cancel_order by how the person logged in.
func newStrictHandler(issuer, api string) http.Handler {
	guard := must(auth.New(issuer, api, &auth.GuardOptions{ResourceMetadata: must(resource.URL(api))}))
	rules := mcpauth.Protocol()
	rules["tools/call list_orders"] = auth.Scopes("read:orders")
	rules["tools/call cancel_order"] = auth.AllOf(auth.Scopes("read:orders"), auth.ACR(authserver.ACRMultiFactor))
	document := must(resource.New(guard, resource.Metadata{}, rules))
	mux := http.NewServeMux()
	mux.Handle(document.Pattern(), document)
	mux.Handle("/mcp", mcpauth.Guard(newServer(), guard, rules, &mcpauth.Options{EntryScopes: []string{"read:orders"}}))
	return mux
}

// The SDK's client steps up by acr: 401 insufficient_user_authentication, a log-in with acr_values
// and a code, and the call succeeds. Without stepUp around its handler, it logs in again as before,
// and the call is refused (control).
func TestTheSDKsClientStepsUpByACR(t *testing.T) {
	for name, honors := range map[string]bool{"with acr_values": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newStrictHandler)
			person, handler := newPerson(), &stepUp{}
			var asked []string // acr_values, log-in by log-in
			handler.AuthorizationCodeHandler = must(sdkauth.NewAuthorizationCodeHandler(&sdkauth.AuthorizationCodeHandlerConfig{
				DynamicClientRegistrationConfig: &sdkauth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
					ClientName: "a public client", RedirectURIs: []string{callback}, TokenEndpointAuthMethod: "none",
				}},
				AuthorizationCodeFetcher: func(ctx context.Context, args *sdkauth.AuthorizationArgs) (*sdkauth.AuthorizationResult, error) {
					to := must(url.Parse(args.URL))
					query := to.Query()
					if honors {
						for parameter, values := range handler.from {
							query[parameter] = values
						}
					}
					to.RawQuery = query.Encode()
					asked = append(asked, query.Get("acr_values"))
					return logIn(ctx, person, w.issuer, to.String(), "")
				},
			}))
			client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: w.api, OAuthHandler: handler}, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { session.Close() })
			if text, err := call(t, session, "list_orders"); err != nil || text != "orders of alice" {
				t.Fatalf("%q, %v", text, err)
			}
			text, err := call(t, session, "cancel_order")
			if !honors {
				if err == nil || len(asked) < 2 {
					t.Errorf("%q after the log-ins %q", text, asked)
				}
				return
			}
			if err != nil || text != "cancelled an order of alice" {
				t.Errorf("%q, %v; asked for %q", text, err, asked)
			}
			if want := []string{"", authserver.ACRMultiFactor}; !slices.Equal(asked, want) {
				t.Errorf("asked for %q, want %q", asked, want)
			}
		})
	}
}
