// Package grpcauth puts a [middleware.Guard] in front of a gRPC server.
//
// [ServerOptions] guards unary calls and streams together, by one table of rules. A method that no rule names is refused, health and
// reflection included, and [Check] tells at start which methods those are. A method that is not registered is gRPC's own
// UNIMPLEMENTED.
//
// # Refusals
//
// The status code is the image of the HTTP status: 400 INVALID_ARGUMENT, 401 UNAUTHENTICATED, 403 PERMISSION_DENIED, 500 INTERNAL,
// 503 UNAVAILABLE. The message is a constant text. A google.rpc.ErrorInfo detail has [middleware.Reason.Code] as its reason, [Domain]
// as its domain, and what there is of "error", "scope" and "resource_metadata" as metadata; UNAVAILABLE comes with a
// google.rpc.RetryInfo. The challenge that HTTP callers find in WWW-Authenticate is in the www-authenticate trailer.
//
// # Streams
//
// A stream is judged before its handler is entered and before a message is read. It ends with UNAUTHENTICATED when its token runs
// out, blocked Recv and Send included; see [Options].
package grpcauth
