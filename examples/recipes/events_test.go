package recipes

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/middleware/authtest"
)

// endsSoon makes a token that the guard accepts for three or four seconds more: the leeway is 30 s.
func endsSoon() authtest.Claims {
	return authtest.Claims{"iat": time.Now().Unix() - 300, "exp": time.Now().Unix() - 26}
}

// orders returns a channel that always has an order.
func orders(t *testing.T) <-chan string {
	c, done := make(chan string), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case c <- "order 17":
			case <-t.Context().Done():
				return
			}
		}
	}()
	t.Cleanup(func() { <-done })
	return c
}

// Who writes an order writes no events of his own.
func TestEventsKeepOrdersApart(t *testing.T) {
	for order, want := range map[string]string{
		"order 17":                             "data: order 17\n\n",
		"1\n\nevent: end\ndata: token expired": "data: 1\ndata: \ndata: event: end\ndata: data: token expired\n\n",
		"1\r\revent: end":                      "data: 1\ndata: \ndata: event: end\n\n",
		"1\r\n\r\nid: 2":                       "data: 1\ndata: \ndata: id: 2\n\n",
	} {
		one, w := make(chan string, 1), httptest.NewRecorder()
		one <- order
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			sendEvents(one).ServeHTTP(w, httptest.NewRequest("GET", "/events", nil).WithContext(ctx))
		}()
		for len(one) > 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
		<-ended
		if got := w.Body.String(); got != want+"event: end\ndata: token expired\n\n" {
			t.Errorf("%q was sent as %q, want %q", order, got, want)
		}
	}
}

func TestEventsEndWithTheToken(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	one := make(chan string, 1)
	one <- "order 17"
	at := "http://" + serve(t, newEvents(guard, one)) + "/events"
	r, err := http.NewRequest("GET", at, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+issuer.Token("read:orders", endsSoon()))
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var lines []string
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		lines = append(lines, s.Text())
	}
	if got, want := strings.Join(lines, "|"), "data: order 17||event: end|data: token expired|"; resp.StatusCode != 200 || got != want {
		t.Errorf("got %d %s, want %s", resp.StatusCode, got, want)
	}
}

func TestEventsInABrowser(t *testing.T) {
	issuer, guard := newGuard(t, nil)
	page := openPage(t, "browser/events.js")
	at := "http://" + serve(t, crossOrigin(page.origin, newEvents(guard, orders(t)))) + "/events"
	const read = `async (url, token) => {
		let first = "", last = "";
		try {
			for await (const event of readEvents(url, token)) {
				first ||= event;
				last = event;
			}
			return first + "|" + last;
		} catch (e) {
			return e.message;
		}
	}`
	for _, c := range []struct{ name, token, want string }{
		{"to the end of the token", issuer.Token("read:orders", endsSoon()), "data: order 17|event: end\ndata: token expired"},
		{"another scope", issuer.Token("write:orders"), `403 Bearer realm="api", error="insufficient_scope"`},
		{"an expired token", issuer.Token("read:orders", authtest.Expired), `401 Bearer realm="api", error="invalid_token"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			page.t = t
			if got := page.call(read, at, c.token); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	t.Run("trap: EventSource has no header, and a query is not looked at", func(t *testing.T) {
		page.t = t
		const source = `(url) => new Promise((done) => {
			const source = new EventSource(url);
			source.onopen = () => { source.close(); done("open"); };
			source.onerror = () => { source.close(); done("error"); };
		})`
		if got := page.call(source, at+"?access_token="+issuer.Token("read:orders")); got != "error" {
			t.Errorf("got %s, want error", got)
		}
	})
}

// A stream is guarded when it opens.
func TestEventsAreGuarded(t *testing.T) {
	_, guard := newGuard(t, nil)
	at := "http://" + serve(t, newEvents(guard, nil)) + "/events"
	if got := get(t, at, nil, nil); got.status != http.StatusUnauthorized || got.header.Get("Www-Authenticate") == "" {
		t.Errorf("got %d %v, want 401", got.status, got.header)
	}
}
