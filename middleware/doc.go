// Package middleware decides whether a request may pass: it verifies OAuth 2.0 access tokens (RFC 9068, RFC 6750) and compares
// their scopes with what an operation requires.
//
// A [Guard] is the one door. Its [Guard.Authorize] takes the credentials that a caller presented and the [Requirement] of the
// operation, and comes to one of three verdicts:
//
//   - accepted: the token is good and the requirement is met;
//   - refused: the request was judged and is bad (400, 401 or 403);
//   - not judged: the issuer's keys, or another needed thing, could not be had (503, never a challenge).
//
// A 4xx never comes from an outage, and a 5xx never comes from a bad token.
//
// # The order of checks
//
// Exactly one Authorization value of scheme Bearer; size; the compact form; the header (algorithm, critical extensions, type); the
// key, from this issuer's own source; the signature; the claims, of which issuer, audience and expiry come first; the proof of possession, for
// a sender-constrained token; the operation's requirement. Where the key is not held, issuer, audience and expiry are looked at before
// it is sought, so that a token that can only fail never causes a fetch of keys.
//
// # Startup and runtime
//
// Constructors do no I/O. [New] starts the background refresh of the issuer's keys; [Guard.Ready] tells whether keys are held, and
// [Guard.Close] stops the refresh. Everything in this package is safe for concurrent use once it is constructed.
//
// Files that wire chi or Echo, which have a package "middleware" of their own, import this package as auth:
//
//	import auth "github.com/bearward/bearward/middleware"
package middleware
