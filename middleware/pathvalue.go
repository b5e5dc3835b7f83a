package auth

import (
	"context"
	"net/http"
	"sync"
)

// PathValue returns a parameter of the request's path, in a check of [Requirement.With]: the very
// bytes that the handler gets from its router. ServeMux gives decoded text. chi and Echo give it as
// the path was sent ("auth0%7C1") where that is not the usual way to escape it (URL.RawPath).
//
// It returns "" for a name that the route does not have, and over gRPC. It returns "" in front of
// the routing, where a Guard was given to Use of a router. It returns "" outside a check, and after
// the check has returned. A check refuses "" before it compares: a token's subject may be empty,
// too.
func PathValue(ctx context.Context, name string) string {
	if p, ok := ctx.Value(paramsKey{}).(*paramsContext); ok {
		return p.param(name)
	}
	return ""
}

type paramsKey struct{}

// A paramsContext is the context of the checks of one request. It may outlive them: in a goroutine
// that a check left behind. What the parameters are read from is another request's by then.
type paramsContext struct {
	context.Context
	mu     sync.Mutex
	params interface{ Param(name string) string } // nil when the checks are done
}

func (c *paramsContext) param(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.params == nil {
		return ""
	}
	return c.params.Param(name)
}

// done waits for reads of the parameters, and is the end of them.
func (c *paramsContext) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.params = nil // check: path-value-ended
}

// Value returns the context itself for the key of the parameters: those of a guard in front, whose
// route is another, are never found.
func (c *paramsContext) Value(key any) any {
	if _, ok := key.(paramsKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// requestParams are what http.ServeMux found. It is as large as a pointer, so that it costs no
// allocation.
type requestParams struct{ *http.Request }

func (r requestParams) Param(name string) string { return r.PathValue(name) }
