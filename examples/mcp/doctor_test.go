package main

import (
	"net/http"
	"testing"

	"github.com/bearward/bearward/examples/internal/doctortest"
)

// The operators' own look at the server finds nothing that its clients miss, and finds what is
// taken away.
func TestDoctor(t *testing.T) {
	doctor := doctortest.Build(t)
	notCached := []string{"NOT_CACHEABLE"} // the key set, by the library under the authorization server
	w := newWorld(t, newHandler)
	doctor.Finds(t, 0, notCached, "-strict", "-mcp", "-api", w.api, "-api-operation", "/mcp", w.issuer)
	doctor.Finds(t, 0, notCached, "-strict", "-mcp", "-api", w.api)
	doctor.Finds(t, 1, []string{"API_CHALLENGE_ELSEWHERE", "API_METADATA_MISSING", "NOT_CACHEABLE"}, "-mcp", "-api", w.api+"/", "-api-operation", "/mcp", w.issuer)

	open := newWorld(t, func(issuer, api string) http.Handler {
		guarded := newHandler(issuer, api)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/mcp" {
				guarded.ServeHTTP(w, r)
			}
		})
	})
	doctor.Finds(t, 1, []string{"API_OPEN", "NOT_CACHEABLE"}, "-mcp", "-api", open.api, "-api-operation", "/mcp", open.issuer)
}
