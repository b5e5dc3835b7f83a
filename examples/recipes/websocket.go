package recipes

import (
	"context"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
)

// newSocket returns an API that sends each order over a WebSocket, to pages of the host.
//
// region: websocket
func newSocket(guard *auth.Guard, orders <-chan string, host string) http.Handler {
	mux := httpauth.NewMux(guard)
	mux.Handle("GET /socket", auth.Scopes("read:orders"), auth.UntilExpiry(sendMessages(orders, host)))
	return tokenFromProtocol(mux)
}

// tokenFromProtocol stands in front of the guard. It moves the token of a subprotocol
// "bearer.TOKEN" to Authorization: beside one that is there, so that two of them are refused.
func tokenFromProtocol(next http.Handler) http.Handler {
	const field = "Sec-Websocket-Protocol"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var others []string
		for name := range strings.SplitSeq(strings.Join(r.Header[field], ","), ",") {
			name = strings.TrimSpace(name)
			if token, ok := strings.CutPrefix(name, "bearer."); ok {
				r.Header.Add("Authorization", "Bearer "+token)
			} else if name != "" {
				others = append(others, name)
			}
		}
		r.Header.Set(field, strings.Join(others, ", "))
		next.ServeHTTP(w, r)
	})
}

func sendMessages(orders <-chan string, host string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"orders.v1"}, OriginPatterns: []string{host}})
		if err != nil {
			return // Accept has answered
		}
		defer conn.CloseNow()
		open := conn.CloseRead(context.WithoutCancel(r.Context())) // ends with the connection
		for {
			select {
			case <-open.Done():
				return
			case <-r.Context().Done(): // the token has ended
				conn.Close(3000, "token expired") // 3000 is "Unauthorized" in IANA's registry
				return
			case order := <-orders:
				if conn.Write(open, websocket.MessageText, []byte(order)) != nil {
					return
				}
			}
		}
	})
}

// endregion
