// Package jwks finds the public keys that verify an issuer's tokens, and keeps them fresh in the background.
//
// [FromIssuer] finds the key set through the issuer's metadata (RFC 8414, OpenID Connect Discovery), [New] is given its URL, and [Static]
// holds keys that come with the program. All three are a [Source].
//
// A [Cache] promises:
//
//   - A request whose key is held never waits: not for the network, not for a lock, whatever happens to the issuer.
//   - A newly published key works from its first token on, and a flood of forged key IDs causes two fetches and then one per Cooldown.
//   - A withdrawn key is gone after RefreshEvery, at the latest.
//   - An outage changes nothing until MaxStale, and then nothing is judged. What cannot be judged is never called bad.
//   - Nothing the issuer answers ends the process, fills the memory, holds a fetch for over 5 s, or replaces keys by none.
//
// README.md draws its state machine.
package jwks
