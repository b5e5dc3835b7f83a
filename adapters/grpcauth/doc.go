// Package grpcauth guards a gRPC server with an [auth.Guard].
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
// [RulesFromProto] takes the rules from an option of the methods in the .proto files. [FollowReady]
// lets the health service tell whether tokens can be verified. Package grpcauthtest tests a server
// with the requests of an attacker.
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
// google.rpc.ErrorInfo detail has [auth.Reason.Code] as its reason and [Domain] as its domain. Its
// metadata has "error", "scope" and "resource_metadata", where there are such. UNAVAILABLE comes
// with a google.rpc.RetryInfo. The challenge that HTTP callers find in WWW-Authenticate is in the
// www-authenticate trailer.
//
// # Streams
//
// A stream is authorized before its handler is entered and before a message is read, and rechecked
// while it is open:
//
//	 refused ---> the status and the challenge; the handler is not entered
//	 |
//	call --- accepted ---> open <-----------------------------.
//	                        |                                 |
//	                        |  each minute, give or take 15 s |
//	                        +--- recheck, messages pass ------+ accepted; or not judged (a store or
//	                        |                                 |   issuer is out of reach): again
//	                        |  at the token's end             |   after 1 s, 2 s, ... 30 s, for 5 min
//	                        +--- recheck, messages wait ------' accepted
//	                        |
//	                        |  refused: UNAUTHENTICATED or PERMISSION_DENIED
//	                        |  not judged for 5 min, or at the token's end: UNAVAILABLE
//	                        v
//	                      ended: the caller has its status; Recv, Send and the context of the
//	                        |    handler fail at once, with that status from Recv and Send
//	                        v
//	                      handler done: the interceptors in front see it return
//
// So the withdrawal of a key, GuardOptions.Revoked, MaxAge and LiveRules reach open streams. A
// recheck verifies the token again; proofs (DPoP) are spent and count. It may take five seconds,
// also where a function of the application's does not come back. Hooks are told of each. See
// [Options] for streams that may outlive their token.
//
// A stream that was opened while its rule of [auth.LiveRules] was public is rechecked as well; its
// handler sees no Principal. Other public streams are not.
//
// When the caller is gone, messages that had arrived before are not handed out any more.
//
// The handler runs where it would run without a guard, so a panic  shows its own
// stack. GracefulStop, and Stop with grpc.WaitForHandlers, wait for the handlers of ended streams.
//
// # ServeHTTP
//
// Under grpc.Server.ServeHTTP the challenge comes in the header instead of the trailer (RFC 9110
// §6.5.1). At the end of a stream whose header was sent there is no challenge; ErrorInfo always
// comes.
package grpcauth
