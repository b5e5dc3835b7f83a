package main

import (
	"strings"
	"testing"
	"time"
)

// bound gets a bound token and plays the thief, on a tab of its own.
func (b *browser) bound() {
	b.t.Helper()
	b.wants(b.press("Bound tokens"), "Get a bound token, call with it, and then play the thief.", "Needs a bound token. Get one first.")
	b.look("20-bound")
	b.wants(b.press("Get a bound token"), "Allow My first app?", "See the orders")
	b.wants(b.press("Allow"), "How the token was bound", "bound to its key")
	if p := b.read(); !strings.HasSuffix(b.location(), "/bound") || len(p.Tokens["bound"].Key) != 43 || p.Verdict != "promised" {
		b.t.Errorf("at %s: bound to %q, %s", b.location(), p.Tokens["bound"].Key, p.Verdict)
	}
	b.look("21-bound-token")
	p := b.says("Call with the key", "All four listed the orders.")
	if len(p.Orders) == 0 {
		b.t.Error("no orders")
	}
	b.look("22-bound-call")
	b.says("Use it without the key", "The token without a proof is refused and the token as a bearer token is refused.")
	b.look("23-bound-stolen")
	b.says("Use another key", "All four refused, as they must: the token is bound to another key.")
	b.says("Replay a proof", "The application’s call works and the used proof is refused.")
	b.look("24-bound-replay")
	b.certified()
	b.opaque()
	b.tools()
	if text := b.press("Bearer tokens"); !strings.Contains(text, "The short-lived token works") {
		b.t.Errorf("the other tab has lost what was tried there:\n%s", text)
	}
}

// opaque gets a token that only the issuer can read, revokes it, and does without the issuer, on a
// tab of its own.
func (b *browser) opaque() {
	b.t.Helper()
	b.wants(b.press("Opaque, and revoked"), "Get an opaque token, call with it", "Needs an opaque token. Get one first.")
	b.look("28-opaque")
	b.opaqueToken()
	b.look("29-opaque-token")
	b.says("Call with the token", "All four listed the orders.")
	p := b.says("Revoke the token", "is refused.")
	if !strings.HasPrefix(p.Headline, "The token works, right after its revocation it ") || len(p.Calls) != 3 || p.Tokens["opaque"].Expiry != "revoked: no API accepts it" {
		b.t.Errorf("after the revocation: %q, %+v", p.Headline, p.Tokens)
	}
	b.wants(b.text(), "s after the revocation at the latest, and 4 s are promised")
	b.look("30-opaque-revoked")
	b.says("Call with the token", "All four refused, as they must: the issuer says that the token is not active.")
	b.opaqueToken()
	b.says("Take the issuer down", "While the APIs remember it, the token works and 3 s later it cannot be verified.")
	b.look("31-opaque-down")
	b.says("Call with the token", "All four say that they cannot tell, as they must: what they remember is too old, and the issuer cannot be asked.")
	b.says("Bring the issuer up", "All four listed the orders.")
}

func (b *browser) opaqueToken() {
	b.t.Helper()
	b.wants(b.press("Get an opaque token"), "Allow My first app?", "See the orders")
	b.wants(b.press("Allow"), "How you got the token", "letters and digits, without claims")
	if p := b.read(); !strings.HasSuffix(b.location(), "/opaque") || p.Verdict != "promised" {
		b.t.Errorf("at %s: %s", b.location(), p.Verdict)
	}
}

// tools walks the whole way of a client of MCP, on a tab of its own.
func (b *browser) tools() {
	b.t.Helper()
	b.wants(b.press("MCP"), "Call list_orders, and log in when the client waits for you.", "No call waits for a login.", "The client has nothing to forget yet.")
	b.look("32-mcp")
	b.says("Call list_orders", "Without a token the server refuses (401), and says where to log in. The client asks for read:orders, and waits for you.")
	b.wants(b.text(), "A call waits for you. Log in, or start over.", "a call waits for your login")
	b.look("33-mcp-refused")
	b.wants(b.press("Log in for the client"), "Allow MCP client?", "See the orders")
	b.look("34-mcp-consent")
	b.press("Allow")
	if p := b.read(); !strings.HasSuffix(b.location(), "/mcp") || p.Headline != "After the login the call works: alice sees 2 orders." || p.Verdict != "promised" {
		b.t.Errorf("at %s: %q, %s", b.location(), p.Headline, p.Verdict)
	}
	b.look("35-mcp-called")
	b.says("Call list_orders", "The call works: alice sees 2 orders.")
	b.says("Call place_order", "The token has no write:orders: the server refuses the call (403), and says what it needs. The client asks for read:orders and write:orders, and waits for you.")
	b.look("36-mcp-step-up")
	b.wants(b.press("Log in for the client"), "Allow MCP client?", "Place orders")
	b.press("Allow")
	if p := b.read(); p.Headline != "After the login the call works: it placed order 3 for alice." || p.Verdict != "promised" {
		b.t.Errorf("%q, %s", p.Headline, p.Verdict)
	}
	b.look("37-mcp-stepped-up")
	b.says("Start over", "The client has no token any more: its next call is a first one.")
	b.says("Call place_order", "Without a token the server refuses (401)")
	b.press("Log in for the client")
	b.press("Deny")
	if p := b.read(); p.Headline != "You said no. The client got no token, and did not call again." || p.Verdict != "promised" {
		b.t.Errorf("%q, %s", p.Headline, p.Verdict)
	}
}

// certified gets a token that is bound to a certificate, and plays the thief.
func (b *browser) certified() {
	b.t.Helper()
	b.wants(b.press("Get a TLS-bound token"), "Allow My first app?", "See the orders")
	b.wants(b.press("Allow"), "How the token was bound", "bound to its certificate")
	if p := b.read(); !strings.HasSuffix(b.location(), "/bound") || len(p.Tokens["certified"].Key) != 43 || p.Verdict != "promised" {
		b.t.Errorf("at %s: bound to %q, %s", b.location(), p.Tokens["certified"].Key, p.Verdict)
	}
	b.look("25-certified-token")
	b.says("Show the certificate", "All four listed the orders.")
	b.look("26-certified-call")
	b.says("Show no certificate", "All four refused, as they must: the token is bound to a certificate, and the connection has none.")
	b.look("27-certified-stolen")
	b.says("Show another one", "All four refused, as they must: the token is bound to another certificate.")
}

// The APIs over TLS have not met the key of this token, and the issuer that could tell them is
// down. All four say so at once: waiting for each would outlast the action.
func TestAnUnknownKeyWhileTheIssuerIsDownInABrowser(t *testing.T) {
	t.Parallel()
	b := openBrowser(t, 2*time.Minute)
	b.register()
	b.goTo("http://" + b.ports.app() + "/")
	b.logIn()
	b.press("Allow")
	b.press("Rotate the keys")
	b.press("Bound tokens")
	b.press("Get a TLS-bound token")
	b.press("Allow")
	b.press("Bearer tokens")
	b.press("Take the issuer down")
	b.press("Bound tokens")
	b.says("Show the certificate", "All four")
	b.says("Show no certificate", "All four")
}
