package recipes

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/bearward/bearward/middleware/authtest"
)

func TestWebSocketInABrowser(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	page := openPage(t, "browser/socket.js")
	server := newSocket(guard, orders(t), strings.TrimPrefix(page.origin, "http://"))
	at := "ws://" + serve(t, server) + "/socket"
	foreign := "ws://" + serve(t, newSocket(guard, orders(t), "app.example")) + "/socket"
	const watch = `(url, token) => new Promise((done) => {
		const socket = openSocket(url, token);
		let first = "";
		socket.onmessage = (event) => { first ||= event.data; };
		socket.onclose = (event) => done([first, socket.protocol, event.code, event.reason].join("|"));
	})`
	for _, c := range []struct{ name, url, token, want string }{
		{"to the end of the token", at, issuer.Token("read:orders", endsSoon()), "order 17|orders.v1|3000|token expired"},
		{"another scope", at, issuer.Token("write:orders"), "||1006|"},
		{"an expired token", at, issuer.Token("read:orders", authtest.Expired), "||1006|"},
		{"a page of another host", foreign, issuer.Token("read:orders"), "||1006|"},
	} {
		t.Run(c.name, func(t *testing.T) {
			page.t = t
			if got := page.call(watch, c.url, c.token); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	t.Run("trap: without a header, and a query is not looked at", func(t *testing.T) {
		page.t = t
		const plain = `(url) => new Promise((done) => {
			const socket = new WebSocket(url, ["orders.v1"]);
			socket.onopen = () => done("open");
			socket.onclose = (event) => done(String(event.code));
		})`
		if got := page.call(plain, at+"?access_token="+issuer.Token("read:orders")); got != "1006" {
			t.Errorf("got %s, want 1006", got)
		}
	})
}

// What stands in front of the guard gives nobody a second way in.
func TestTokenFromProtocol(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	at := "http://" + serve(t, newSocket(guard, orders(t), "app.example")) + "/socket"
	good := issuer.Token("read:orders")
	for _, c := range []struct {
		name          string
		authorization []string
		protocols     []string
		status        int
	}{
		{"none", nil, []string{"orders.v1"}, 401},
		{"one", nil, []string{"orders.v1, bearer." + good}, 101},
		{"one on a line of its own", nil, []string{"orders.v1", "bearer." + good}, 101},
		{"two", nil, []string{"orders.v1, bearer." + good + ", bearer." + good}, 400},
		{"one of each kind", []string{"Bearer " + good}, []string{"bearer." + good}, 400},
		{"an empty one", nil, []string{"orders.v1, bearer."}, 400},
		{"in other letters", nil, []string{"orders.v1, Bearer." + good}, 401},
		{"one as any other client sends it", []string{"Bearer " + good}, []string{"orders.v1"}, 101},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := http.Header{"Authorization": c.authorization, "Sec-Websocket-Protocol": c.protocols}
			header.Set("Connection", "Upgrade")
			header.Set("Upgrade", "websocket")
			header.Set("Sec-WebSocket-Version", "13")
			header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
			r, err := http.NewRequest("GET", at, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = header
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != c.status || strings.Contains(fmt.Sprint(resp.Header), good) {
				t.Errorf("got %d %v, want %d and no token", resp.StatusCode, resp.Header, c.status)
			}
		})
	}
}

// The handler never sees the token as a protocol, so it cannot choose it.
func TestTheTokenIsNoProtocol(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	at := "http://" + serve(t, newSocket(guard, orders(t), "app.example")) + "/socket"
	conn, _, err := websocket.Dial(t.Context(), at, &websocket.DialOptions{Subprotocols: []string{"bearer." + issuer.Token("read:orders"), "orders.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if conn.Subprotocol() != "orders.v1" {
		t.Errorf("got protocol %q", conn.Subprotocol())
	}
	if _, message, err := conn.Read(t.Context()); err != nil || string(message) != "order 17" {
		t.Errorf("got %s, %v", message, err)
	}
}
