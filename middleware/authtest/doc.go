// Package authtest is a kit for testing APIs that Bearward guards. Its [Issuer] lives inside the
// test. It signs good tokens and bad ones of every kind, rotates and withdraws its keys, fails,
// hangs and answers garbage. A complete test:
//
//	func TestListOrders(t *testing.T) {
//		issuer := authtest.NewIssuer(t, nil)
//		orders := issuer.Guard(nil).Require("read:orders")(http.HandlerFunc(listOrders))
//		for token, want := range map[string]int{
//			issuer.Token("read:orders"):                   http.StatusOK,
//			issuer.Token("write:orders"):                  http.StatusForbidden,
//			issuer.Token("read:orders", authtest.Expired): http.StatusUnauthorized,
//		} {
//			r := httptest.NewRequest("GET", "/orders", nil)
//			r.Header.Set("Authorization", "Bearer "+token)
//			w := httptest.NewRecorder()
//			if orders.ServeHTTP(w, r); w.Code != want {
//				t.Errorf("got %d, want %d: %s", w.Code, want, w.Body)
//			}
//		}
//	}
//
// An Issuer is reached through its [Issuer.Client], in memory, without a socket or network. It
// works inside testing/synctest bubbles, where a day of outage takes no time. [Options].Socket
// gives it a loopback socket, for programs that are started with an issuer's URL.
//
// [Issuer.Defects] lists what can be wrong with a token, each with the auth.Reason of its refusal,
// for tables of tests. For a handler's own tests, without a Guard and without signatures, there is
// [WithPrincipal].
//
// [AssertGuarded] sends the API's own router, for each of its rules, the requests of attackers and
// careless clients. It names the rule and the row of the conformance matrix that is not met.
// Package grpcauthtest, beside grpcauth, does so for gRPC servers.
//
// # Other issuers
//
// Several issuers at once have a URL each, and share nothing. [Options].Config makes tokens in the
// form that a provider's preset expects.
//
// # Runtime
//
// An Issuer is safe for concurrent use, holds no goroutine without Options.Socket, and ends with
// its test. Misuse fails the test with a text that names the option or the call.
//
// The package imports testing, and is for tests alone: its RSA keys are published with the module.
// The module's other packages do not import testing, so that a binary which links this one by
// accident is easily seen.
package authtest
