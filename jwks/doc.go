// Package jwks finds the public keys that verify an issuer's tokens, and keeps them fresh in the
// background.
//
// [FromIssuer] finds the key set through the issuer's metadata (RFC 8414, OpenID Connect
// Discovery). [New] is given its URL, and [Static] holds keys that come with the program. All three
// are a [Source].
//
//	keys, err := jwks.FromIssuer("https://issuer.example", &jwks.Options{OnRefresh: jwks.LogRefreshes(logger)})
//	if err != nil {
//		log.Fatal(err)
//	}
//	guard, err := auth.NewWithKeys(keys, config, nil) // package middleware; its Close closes keys
//
// A [Cache] promises:
//
//   - A request whose key is cached never waits: not for the network, not for a lock, whatever
//     happens to the issuer.
//   - A newly published key works from its first token on. Forged key IDs cause two fetches and
//     then one per Cooldown or a little sooner. While they use these up, a token that is newer than
//     the keys cached is answered with 503, and with 401 otherwise ([LookupError] tells which).
//   - A withdrawn key is gone after RefreshEvery and a fetch, at the latest. Nothing that a token
//     says puts that off.
//   - An outage changes nothing until MaxStale. After it every lookup fails with [ErrUnavailable].
//   - Nothing the issuer answers ends the process, fills the memory, holds a request to it for over
//     Timeout, or replaces keys by none.
//
// # When keys are fetched
//
//   - At once, in the background, when a Cache is made.
//   - By the clock: every 10 minutes at most (RefreshEvery), sooner when the issuer's Cache-Control
//     says so, and after a failure with a back-off. No request waits for these.
//   - When a request comes under a key ID that is not cached. Such requests share one fetch and
//     wait for it, 2 s at most.
//   - When no key verified a token whose key ID is cached ([Cache.SignatureFailed]): once a minute,
//     in the background.
//   - By [Cache.Refresh], for programs that do not want to start without keys.
//
// A fetch that fails changes nothing: an error, a time-out, another type of document, no usable
// key. One bad key among good ones is skipped, and reported in [RefreshEvent] and [Status].
//
// # What is read liberally
//
// The issuer publishes over TLS, and is trusted. What has one meaning is taken: null and empty
// members, old forms of base64, coordinates without leading zeros, a byte-order mark, unrelated
// members twice. Tokens are read strictly, by another entry point.
//
// # Startup and runtime
//
// Constructors do no I/O and report what is wrong with a URL or an option by its name. A Cache has
// two goroutines, one that fetches and one that calls the hooks and the log, which [Cache.Close]
// ends and waits for. [Cache.Ready] and [Cache.ReadyHandler] tell readiness. Without any option the
// default log is told when keys cannot be fetched; [LogRefreshes] and [Options].OnRefresh tell
// everything. With Options.SnapshotFile a restart while the issuer is down begins with the keys of
// before.
//
// Everything is safe for concurrent use. Keys are shared: read only. A [Key] keeps its pointer
// across refreshes for as long as it stays the same.
//
// The README of this folder draws the state machine, with all clocks and bounds.
package jwks
