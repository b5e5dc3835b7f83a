// Package forwardauth decides for a gateway who may call an API in any language. It answers nginx
// (auth_request), Caddy (forward_auth), Traefik (ForwardAuth), HAProxy and Envoy (http_service).
//
//	rules, err := auth.ParseRules("GET /orders = read:orders\nPOST /orders = write:orders\n")
//	if err != nil {
//		log.Fatal(err)
//	}
//	gate, err := forwardauth.New(guard, rules, forwardauth.Options{
//		For:      []string{"https://api.example.com"},
//		Gateways: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/28")},
//	})
//	if err != nil {
//		log.Fatal(err)
//	}
//	server := &http.Server{Handler: gate, ConnContext: auth.ConnContext}
//
// For each request of a client the gateway asks the [Handler], and tells it method, host, scheme
// and path. The answer 200 means that the request may go on to the API, with the identity fields
// that the answer has. Every other answer is the client's: 400, 401, 403, 500 or 503, as other
// adapters answer. No answer may be stored.
//
// examples/recipes.md has a configuration for each of the five gateways. Those for nginx, Caddy and
// HAProxy are run by our tests.
//
// # Rules
//
// The keys are patterns of http.ServeMux, such as "GET /orders/{id}" or "/files/", without a host.
// They match as there: HEAD follows GET, and the more specific pattern wins. A gRPC key, such as
// "/pkg.Service/*", is one too. What no rule names is 403, OPTIONS included. A preflight has no
// token: let the gateway answer CORS, or give it a rule such as "OPTIONS /orders = public".
//
// # Paths
//
// The gateway, the Handler and the API each read the path. A path that two of them might read
// differently is refused with 400, whatever the token. Such are encoded slashes, segments "." and
// "..", doubled slashes, and backslashes. So are semicolons, control characters, and letters,
// digits and dots that need no encoding. The same holds for what decodes twice, and for what is no
// UTF-8. Some routers ignore case, the last slash, a format behind a dot ("/admin.json",
// "/admin.tar.gz"), or what follows an encoded "?" or "#". A path that would have another rule then
// is refused as well. A rule for that very path settles it.
//
// A request with a field that names another method or path (X-HTTP-Method-Override, X-Original-URL)
// is refused: some frameworks follow it. Others follow "_method" in a form or a query, which nobody
// looks at here: switch that off.
//
// # Identity
//
// An accepted answer has X-Auth-Subject, X-Auth-Issuer, X-Auth-Client and X-Auth-Scopes, always,
// and empty where there is nothing to tell. Values are percent-encoded, "%" too; scopes have a
// space between them. A request that brings one of these names, in any spelling, is 400: to CGI and
// WSGI, x_auth_subject is the same. The gateway must replace the fields of the request by those of
// the answer. An API must be reached through its gateway alone, and must refuse a request without
// the fields.
//
// # Who is heard
//
// Options.Gateways and Options.For are mandatory. A connection from another address is 403, and a
// host or scheme that Options.For does not name is 400. The address is the connection's own, from
// auth.ConnContext. Without that every request is 500.
//
// # gRPC and WebSocket
//
// A gateway asks when a call begins, and never again. It does not end a stream or a WebSocket when
// the token does. An upgrade to anything but a WebSocket is 400: behind h2c a client talks to the
// API itself. A gateway that does not tell of one must not send it on.
//
// A call of gRPC is a POST to /pkg.Service/Method. The configurations for nginx, Caddy and HAProxy
// answer a refusal with a status of gRPC, and the challenge in the trailer. 400 is
// INVALID_ARGUMENT, 401 UNAUTHENTICATED, 403 PERMISSION_DENIED and 503 UNAVAILABLE. Behind other
// gateways clients read the HTTP status, where 400 is INTERNAL. A server in Go is better guarded by
// grpcauth, behind a gateway that asks nothing: it ends streams with their token.
//
// # Sender-constrained tokens
//
// A Binding is asked about the client's request: its method and path, under the origins that the
// Binding was given. The certificate of the gateway's own connection is never taken for the
// client's. A gateway must ask once per request, or a proof counts as used.
//
// [New] does no I/O and starts no goroutine. What is wrong in Options is an error that names the
// field.
package forwardauth
