package auth

import (
	"io"
	"net/http"
	"strconv"
)

// ReadyHandler answers 200 while Ready returns nil, and otherwise 503 with Retry-After. It says no
// more: the reasons are in Ready, and in the key cache's Status. Use it for readiness, never for
// liveness. It asks for no token.
func (g *Guard) ReadyHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		err := g.Ready()
		if err == nil {
			io.WriteString(w, "ready\n")
			return
		}
		w.Header().Set("Retry-After", strconv.Itoa(int(retryIn(err).Seconds())))
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "not ready\n")
	})
}
