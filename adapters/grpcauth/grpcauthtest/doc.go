// Package grpcauthtest is a kit for testing gRPC servers that Bearward guards: the twin of
// authtest.AssertGuarded, which asks HTTP routers.
//
//	func TestServerIsGuarded(t *testing.T) {
//		issuer := authtest.NewIssuer(t, nil)
//		server := newServer(issuer.Guard(nil)) // your own: its interceptors, and its services
//		grpcauthtest.AssertGuarded(t, issuer, server, rules, nil)
//	}
//
// [AssertGuarded] serves the server in memory and calls every method of every rule as attackers and
// careless clients would. It needs no generated code: what is registered tells the methods, and
// what is sent are the bytes of empty messages. Tokens, and an issuer that rotates its keys and
// fails, come from package authtest, which also has what single tests need.
//
// # Refused, or reached
//
// A refusal of the guard carries a google.rpc.ErrorInfo whose domain is grpcauth.Domain; that alone
// tells it from an error of the handler. A handler that is given an empty message may well answer
// INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED or PERMISSION_DENIED, and counts as reached. A call
// that must be refused has to come back with the guard's code, ErrorInfo and challenge, all three.
// A call that must be accepted may come back with anything but a refusal of the guard or
// UNAUTHENTICATED. A call that must get past and is still silent after a second counts as accepted:
// a refusal does not wait.
//
// What cannot be seen from outside is not claimed: that a handler ran before its call was refused,
// and what interceptors do on their own.
//
// # Runtime
//
// It opens no socket, works inside testing/synctest bubbles when issuer and server are made there,
// and hangs up before it returns. The test stops the server, which waits for handlers. It is for
// tests alone: it imports testing, which the packages that servers link do not.
package grpcauthtest
