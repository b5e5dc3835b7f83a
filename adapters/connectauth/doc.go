// Package connectauth guards Connect services with an [auth.Guard], for clients of the Connect
// protocol, of gRPC and of gRPC-Web alike.
//
//	rules := auth.Rules{
//		"/shop.v1.Orders/ListOrders": auth.Scopes("read:orders"),
//		"/shop.v1.Orders/*":          auth.Scopes("write:orders"), // the other procedures
//	}
//	api := connectauth.NewMux(guard, rules)
//	connectauth.Handle[shopv1connect.OrdersHandler](api, shopv1connect.NewOrdersHandler, orders)
//	if err := api.Check(); err != nil {
//		log.Fatal(err)
//	}
//	server := &http.Server{Handler: api}
//
// A [Mux] authorizes a request by its path before anything of its body is read. The path is the
// procedure, exactly as the generated handler compares it. A procedure that no rule names is
// refused. [Handle] makes the service's handler, so that no service is served without the guard.
// That handler serves nothing but the procedure that was authorized, and nothing that did not come
// by its Mux. The Principal is in the handler's context, for auth.PrincipalFrom.
//
// # Startup and runtime
//
// Services are added before serving. What is wrong with a rule or a service panics then and names
// it. [Mux.Check] names what is left without a rule, and rules that nothing uses. A Mux does no I/O
// of its own and serves concurrently. What matches no service is answered with 404, without
// authentication. Interceptors and gates that are given to Handle see accepted calls only;
// middlewares around the Mux see all.
//
// # Refusals
//
// A refusal is written as the client's protocol has it. The code is the image of the HTTP status:
// 400 invalid_argument, 401 unauthenticated, 403 permission_denied, 500 internal, 503 unavailable.
// The message is a constant text. A google.rpc.ErrorInfo detail has [auth.Reason.Code] as its
// reason and [Domain] as its domain. Its metadata has "error", "scope" and "resource_metadata",
// where there are such. With unavailable comes a google.rpc.RetryInfo. A request of no known
// protocol is refused as a unary call of Connect is, in JSON. [auth.GuardOptions].WriteRefusal is
// not called.
//
// The challenge is in connect.Error.Meta of a Go client, under WWW-Authenticate:
//
//   - Connect, unary and GET: in the header, with the HTTP status
//   - Connect, streams: in the metadata of the message that ends the stream
//   - gRPC-Web: in the header; at the end of an open stream in the trailers, which are in the body
//   - gRPC: in the header, since HTTP has no such trailer (RFC 9110 §6.5.1)
//
// At the end of a gRPC stream whose header was sent there is no challenge; ErrorInfo always comes.
//
// # Streams
//
// A stream is authorized before its handler is entered, and rechecked while it is open. It is
// ended when the token ends or is withdrawn: see package openstream. Receive and Send of the
// handler then fail at once and its context is canceled. The caller has its status when the handler
// returns. A handler that waits in Send for a slow reader goes on waiting: bound that by
// http.Server.WriteTimeout or a deadline. [Options] is for streams that may outlive their token.
//
// # CORS
//
// CORS goes around the Mux: a preflight never has a token. List WWW-Authenticate among the exposed
// headers, or a browser hides it from scripts.
package connectauth
