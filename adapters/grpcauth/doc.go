// Package grpcauth puts a [auth.Guard] in front of a gRPC server.
//
// [ServerOptions] guards unary calls and streams together, by one table of rules. A method that no
// rule names is refused, health and reflection included, and [Check] tells at start which methods
// those are. A method that is not registered is gRPC's own UNIMPLEMENTED.
//
//	rules := auth.Rules{
//		"/shop.v1.Orders/ListOrders":   auth.Scopes("read:orders"),
//		"/shop.v1.Orders/*":            auth.Scopes("write:orders"), // the other methods
//		"/grpc.health.v1.Health/Check": auth.Public(),
//	}
//	server := grpc.NewServer(grpcauth.ServerOptions(guard, rules)...)
//	// register the services, and then:
//	if err := grpcauth.Check(server, rules); err != nil {
//		log.Fatal(err)
//	}
//
// [RulesFromProto] takes the rules from an option of the methods in the .proto files, and
// [FollowReady] lets the health service tell whether tokens can be judged. Package grpcauthtest
// asks a server what attackers would.
//
// # Startup and runtime
//
// ServerOptions panics on a nil guard, a key of another form and a zero Requirement: a server must
// not start with such rules. The interceptors do no I/O of their own and serve concurrently.
// Interceptors given before them see refusals, those after them see accepted calls only, with the
// Principal in the context. Health and reflection are services like any other: without a rule they
// are refused. A unary request is decoded by gRPC before interceptors run, so bound its size
// (grpc.MaxRecvMsgSize) as on any server.
//
// # Refusals
//
// The status code is the image of the HTTP status: 400 INVALID_ARGUMENT, 401 UNAUTHENTICATED, 403
// PERMISSION_DENIED, 500 INTERNAL, 503 UNAVAILABLE. The message is a constant text. A
// google.rpc.ErrorInfo detail has [auth.Reason.Code] as its reason, [Domain] as its domain, and
// what there is of "error", "scope" and "resource_metadata" as metadata; UNAVAILABLE comes with a
// google.rpc.RetryInfo. The challenge that HTTP callers find in WWW-Authenticate is in the
// www-authenticate trailer.
//
// # Streams
//
// A stream is judged before its handler is entered and before a message is read. It ends with
// UNAUTHENTICATED when its token runs out, blocked Recv and Send included; see [Options]. At that
// moment it is judged anew, for the hooks and for a TokenVerifier that prolongs tokens: until that
// verdict, which has five seconds, no message passes.
package grpcauth
