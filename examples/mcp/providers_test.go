package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/bearward/bearward/adapters/mcpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/provider"
	"github.com/bearward/bearward/middleware/resource"
)

// Each part of the guide's code, behind each identity provider. What is printed is what a client
// without a token is told, and what the metadata says.
func Example_providers() {
	const api = "https://mcp.example.com/mcp"
	const apiClientID = "6e74172b-be56-4843-9ff4-e66a39bb12e3"
	const tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"

	// region: auth0
	auth0 := provider.Auth0("tenant.eu.auth0.com", api)
	// endregion
	// region: okta
	okta := provider.Okta("example.okta.com", "orders-mcp", api)
	// endregion
	// region: entra
	entra := provider.Entra(tenant, apiClientID) // "aud" is the client ID of the app registration
	entraOptions := &mcpauth.Options{EntryScopes: []string{api + "/.default"}}
	// endregion
	// region: keycloak
	keycloak := provider.Keycloak("https://sso.example/realms/shop", api)
	// endregion
	// region: workos
	workos := provider.Preset{Config: auth.Config{
		Issuer:    "https://acme.authkit.app",
		Audiences: []string{api},
		Types:     []string{"", "JWT", "at+jwt"},
	}}
	// endregion

	plain := &mcpauth.Options{EntryScopes: []string{"read:orders"}}
	for _, p := range []struct {
		preset provider.Preset
		opts   *mcpauth.Options
	}{{auth0, plain}, {okta, plain}, {entra, entraOptions}, {keycloak, plain}, {workos, plain}} {
		serveShop(api, p.preset, p.opts)
	}
	// Output:
	// https://mcp.example.com/mcp [https://tenant.eu.auth0.com/] [read:orders write:orders]
	// Bearer realm="api", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="read:orders"
	// https://mcp.example.com/mcp [https://example.okta.com/oauth2/orders-mcp] [read:orders write:orders]
	// Bearer realm="api", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="read:orders"
	// https://mcp.example.com/mcp [https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0] [read:orders write:orders]
	// Bearer realm="api", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="https://mcp.example.com/mcp/.default"
	// https://mcp.example.com/mcp [https://sso.example/realms/shop] [read:orders write:orders]
	// Bearer realm="api", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="read:orders"
	// https://mcp.example.com/mcp [https://acme.authkit.app] [read:orders write:orders]
	// Bearer realm="api", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="read:orders"
}

// serveShop puts the server behind a preset, and asks it as a client does that has no token yet.
func serveShop(api string, preset provider.Preset, opts *mcpauth.Options) {
	server := newServer()
	// region: server
	guard := must(preset.Guard(&auth.GuardOptions{ResourceMetadata: must(resource.URL(api))}))
	rules := mcpauth.Protocol()
	rules["tools/call list_orders"] = auth.Scopes("read:orders")
	rules["tools/call cancel_order"] = auth.Scopes("write:orders")
	document := must(resource.New(guard, resource.Metadata{Resource: api, Name: "Orders"}, rules))
	mux := http.NewServeMux()
	mux.Handle(document.Pattern(), document)
	mux.Handle("/mcp", mcpauth.Guard(server, guard, rules, opts))
	// endregion
	defer guard.Close()

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", document.URL(), nil))
	var told struct {
		Resource string
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil {
		fmt.Println(err)
	}
	fmt.Println(told.Resource, told.Servers, told.Scopes)
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/mcp", nil))
	fmt.Println(w.Header().Get("WWW-Authenticate"))
}
