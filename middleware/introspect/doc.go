// Package introspect verifies tokens that only their issuer can read, by asking it (RFC 7662):
// opaque tokens, and JWTs that can be taken back before they expire.
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
// An answer that calls the token active is checked like the claims of a JWT: issuer, audience,
// expiry, scopes, and "cnf", so that bound tokens need their proof. The answer is remembered for
// MaxAge (30 s): that is how long a revoked token may still be accepted, and one second more, for
// the answer on its way.
//
// What a caller gets: 401 for a token that the issuer does not call active; 503 when no usable
// answer can be had; 500 when the endpoint refuses this API's own credentials, which the log says.
// Never is a token accepted because the issuer cannot be asked.
//
// Callers with one new token cause one request, whoever of them gives up. At most MaxFlights
// requests are made at a time, a quarter of them for tokens that were active when last asked about,
// so that a flood of garbage harms nobody who was here before. While the endpoint is down, one
// request probes it, in steps of 1 to 5 s, and answers that are young enough go on.
//
// auth.NewForms puts JWTs and opaque tokens side by side; [Revocable] has the issuer asked about
// JWTs that verified. Nothing is asked about a token before [Config.Accept] and its size allow it,
// and a token is in no log, error or event of this package.
package introspect
