// Package jwks finds the public keys that verify an issuer's tokens, and keeps them fresh in the background.
//
// [FromIssuer] finds the key set through the issuer's metadata (RFC 8414, OpenID Connect Discovery), [New] is given its URL, and [Static]
// holds keys that come with the program. All three are a [Source].
//
//	keys, err := jwks.FromIssuer("https://issuer.example", &jwks.Options{OnRefresh: jwks.LogRefreshes(logger)})
//	if err != nil {
//		log.Fatal(err)
//	}
//	guard, err := auth.NewWithKeys(keys, config, nil) // package middleware; its Close closes keys
//
// A [Cache] promises:
//
//   - A request whose key is held never waits: not for the network, not for a lock, whatever happens to the issuer.
//   - A newly published key works from its first token on, and a flood of forged key IDs causes two fetches and then one per Cooldown.
//   - A withdrawn key is gone after RefreshEvery, at the latest.
//   - An outage changes nothing until MaxStale, and then nothing is judged. What cannot be judged is never called bad.
//   - Nothing the issuer answers ends the process, fills the memory, holds a fetch for over 5 s, or replaces keys by none.
//
// # When keys are fetched
//
//   - At once, in the background, when a Cache is made.
//   - By the clock: every 10 minutes at most (RefreshEvery), sooner when the issuer's Cache-Control says so, and after a failure with a back-off of 1 s to
//     60 s. No request waits for these.
//   - When a request comes under a key ID that is not held. Such requests share one fetch and wait for it, 2 s at most.
//   - By [Cache.Refresh], for programs that do not want to start without keys.
//
// A fetch that does not count changes nothing: an error, a time-out, another type of document, no usable key. One bad key among good ones is
// skipped, and reported in [RefreshEvent] and [Status].
//
// # Startup and runtime
//
// Constructors do no I/O and report what is wrong with a URL or an option by its name. A Cache has one goroutine of its own, which [Cache.Close]
// ends and waits for. [Cache.Ready] and [Cache.ReadyHandler] tell readiness; [LogRefreshes] and [Options].OnRefresh tell what happens. With
// Options.SnapshotFile a restart while the issuer is down begins with the keys of before.
//
// Everything is safe for concurrent use. Keys are shared: read only. A [Key] keeps its pointer across refreshes for as long as it stays the same.
//
// The README of this folder draws the state machine, with all clocks and bounds.
package jwks
