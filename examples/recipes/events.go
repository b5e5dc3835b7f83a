package recipes

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
)

// newEvents returns an API that sends each order as a server-sent event.
//
// region: events
func newEvents(guard *auth.Guard, orders <-chan string) http.Handler {
	mux := httpauth.NewMux(guard)
	mux.Handle("GET /events", auth.Scopes("read:orders"), auth.UntilExpiry(sendEvents(orders)))
	return mux
}

// dataLines keeps a text with line ends in it one event.
var dataLines = strings.NewReplacer("\r\n", "\ndata: ", "\r", "\ndata: ", "\n", "\ndata: ")

func sendEvents(orders <-chan string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for control := http.NewResponseController(w); control.Flush() == nil; {
			select {
			case <-r.Context().Done(): // the caller is gone, or its token has ended
				fmt.Fprint(w, "event: end\ndata: token expired\n\n")
				return
			case order := <-orders:
				fmt.Fprintf(w, "data: %s\n\n", dataLines.Replace(order))
			}
		}
	})
}

// endregion
