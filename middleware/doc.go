// Package auth verifies OAuth 2.0 access tokens (RFC 9068, RFC 6750) and authorizes requests. It
// compares what a token carries, such as scopes and roles, with what an operation requires.
//
// Import it as auth, since routers have a package "middleware" of their own:
//
//	import auth "github.com/bearward/bearward/middleware"
//
// A guarded route needs no other package of this module:
//
//	guard, err := auth.New("https://issuer.example", "https://api.example", nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	mux.Handle("GET /orders", guard.Require("read:orders")(http.HandlerFunc(listOrders)))
//
// [PrincipalFrom] tells a handler who is calling.
//
// [New] is for issuers of RFC 9068 tokens. Package provider has presets for named issuers, whose
// tokens mostly look otherwise. [NewWithKeys] takes every setting. Give it [jwks.LogRefreshes],
// without which no log says why keys could not be fetched. Routers and gRPC have adapters of their
// own (httpauth, chiauth, echoauth, grpcauth), and package authtest is for the tests of an API that
// is guarded.
//
// Every request passes a [Guard]. Its [Guard.Authorize] takes the credentials that a caller
// presented and the [Requirement] of the operation, and makes one of three decisions:
//
//   - accepted: the token is good and the requirement is met;
//   - refused: the credentials are bad, or do not meet the requirement (400, 401 or 403);
//   - not judged: the keys, or something else that the decision needs, were not available (503,
//     never a challenge).
//
// A 4xx never comes from an outage, and a 5xx never comes from a bad token.
//
// # The order of checks
//
//  1. the credentials: exactly one Authorization value, of scheme Bearer or of a [SchemeBinding],
//     or one of [GuardOptions].Header, and nothing from query, form or cookie;
//  2. the size, 16 KiB by default, and the compact form in strict base64url;
//  3. the header: algorithm, critical extensions, type; keys that a token brings along are never
//     used;
//  4. the key, from this issuer's own source, that fits the algorithm and no other;
//  5. the signature;
//  6. issuer, audience and expiry;
//  7. the other claims: not before, issued at, what is required, marks of an ID token,
//     [Config].Checks;
//  8. [GuardOptions].Revoked;
//  9. the sender. A token that is bound to one ("cnf") is refused until a [Binding] checks each of
//     its members. A plain one is refused where only bound tokens are accepted;
//  10. the operation's [Requirement].
//
// Where the key is not cached, the Guard first checks issuer, audience and expiry: a token that
// fails them causes no fetch of keys. Steps 2 to 7 are cached per token. The clock, the issuer's
// keys and the other steps are checked on every request.
//
// # Refusals
//
// A refusal is an [Error] with a [Reason] of a closed set. It is answered with the status of its
// Reason, a WWW-Authenticate challenge (RFC 6750 §3) where there is one, and a problem document
// (RFC 9457). All texts are constant: no token, claim or key ID reaches an answer or a log.
// [GuardOptions].OnDecision tells operators more, and [LogRefusals] writes it to a logger.
//
// # Startup and runtime
//
// Constructors do no I/O, so an API starts while its issuer is down, and verifies tokens once the
// keys are fetched. What is wrong in a configuration is an error that names the field. What is
// wrong in a literal of the program, such as a scope with a space or a zero Requirement, is a panic
// at start. Nothing panics while serving. [New] starts the background refresh of the issuer's keys,
// one goroutine. [Guard.Ready] tells whether keys are cached. [Guard.Close] stops the refresh and
// waits for it: call it after the server has stopped.
//
// Everything in this package is safe for concurrent use once it is constructed. A [Principal] and
// an Error may be shared between requests, and are immutable. Hooks are called on the request's
// goroutine: a slow one makes requests slow, and its panic is contained.
package auth
