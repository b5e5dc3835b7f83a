package echoauth

import (
	"maps"
	"strings"
	"sync/atomic"

	"github.com/labstack/echo/v4"
)

// maxNames bounds the handlers whose names one middleware keeps. An Echo has fewer routes, unless a
// middleware makes handlers of its own for each request (SetHandler).
const maxNames = 4096

// names are those of the routes that a middleware is given to, by their handlers. Each is looked
// for once, so that no request builds one. The zero value is ready. Reads take no lock, and a name
// that is lost to a race is looked for again.
type names struct {
	known atomic.Pointer[map[identity]string]
}

// of returns the name of the route that c was routed to, whatever a middleware made of the
// request's method, host or path since: "GET /orders", with a virtual host in front of the path. A
// handler of RouteNotFound has its path alone; what matches no route has none.
func (n *names) of(c echo.Context) string {
	id := identify(c.Handler())
	var known map[identity]string
	if p := n.known.Load(); p != nil {
		known = *p
	}
	if name, ok := known[id]; ok {
		return name
	}
	if isOwn(c.Handler()) || len(known) >= maxNames {
		return ""
	}
	name := nameOf(c.Echo(), id)
	more := make(map[identity]string, len(known)+1)
	maps.Copy(more, known)
	more[id] = name
	n.known.Store(&more)
	return name
}

// nameOf returns the name of the one route of e with that handler, "" when there is none.
func nameOf(e *echo.Echo, id identity) (name string) {
	for _, r := range routesOf(e) {
		if h := r.handler(); h != nil && identify(h) == id {
			if name != "" {
				return ""
			}
			name = strings.TrimPrefix(r.key(), echo.RouteNotFound+" ")
		}
	}
	return name
}
