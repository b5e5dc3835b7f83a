// Package introspect verifies opaque tokens by asking their issuer about them (RFC 7662). It can
// also ask about JWTs, which can then be taken back before they expire.
//
//	tokens, err := introspect.New("https://issuer.example/introspect",
//		introspect.Basic("orders-api", introspect.SecretFile("/run/secrets/orders-api")),
//		introspect.Config{Claims: auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example.com"}}})
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer tokens.Close()
//	guard, err := auth.NewGuard(tokens, nil)
//
// [FromMetadata] in place of the URL has the issuer's metadata name the endpoint.
//
// An answer that calls the token active is checked like the claims of a JWT: issuer, audience,
// expiry and scopes. Bound tokens need their proof ("cnf"). The answer is used for MaxAge (30 s).
// So long may a revoked token still be accepted, and a second more, for an answer on its way.
//
// A token that the issuer does not call active is answered 401. Without a usable answer it is 503.
// When the endpoint refuses this API's own credentials it is 500, and the log says so.
// Never is a token accepted because the issuer cannot be asked.
//
// Callers with one new token cause one request, and those who give up end it for nobody else. At
// most MaxFlights requests are made at a time. A quarter of these is for tokens that were active
// when last asked about, so a flood of garbage does not reach their callers. While the endpoint is
// down, one request probes it, in steps of 1 to 5 s, and answers that are young enough go on.
//
// auth.NewForms puts JWTs and opaque tokens side by side; [Revocable] has the issuer asked about
// JWTs that verified. Nothing is asked about a token before [Config.Accept] and its size allow it.
// No log, error or event of this package has a token in it.
package introspect
