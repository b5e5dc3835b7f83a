package echoauth

import (
	"maps"
	"net/http"
	"sync/atomic"

	"github.com/labstack/echo/v4"
)

// maxOperations bounds the names that one guard keeps: a middleware may call SetPath with text that
// the caller sent.
const maxOperations = 1024

// operations remembers the name of each operation, so that no request builds one. The zero value is
// ready. Reads take no lock, and a name that is lost to a race is built again.
type operations struct {
	known atomic.Pointer[map[operationKey]string]
}

type operationKey struct{ method, path string }

// of returns "METHOD /path" of the route that c was routed to, and the path alone for a method that
// may be the caller's own text.
func (o *operations) of(c echo.Context) string {
	key := operationKey{c.Request().Method, c.Path()}
	known := o.known.Load()
	if known != nil {
		if name, ok := (*known)[key]; ok {
			return name
		}
	}
	switch {
	case !isMethod(key.method):
		return key.path
	case key.path == "": // not routed
		return key.method
	}
	name := key.method + " " + key.path
	next := make(map[operationKey]string, 1)
	if known != nil {
		if len(*known) >= maxOperations {
			return name
		}
		next = maps.Clone(*known)
	}
	next[key] = name
	o.known.Store(&next)
	return name
}

// isMethod reports whether m is one of the methods that Echo has a name for.
func isMethod(m string) bool {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace, echo.PROPFIND, echo.REPORT:
		return true
	}
	return false
}
