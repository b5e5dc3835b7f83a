package recipes

import (
	"net/http"

	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
)

// region: ruled-mux
// A ruledMux is the router for code that registers its own routes: each gets the rule of its
// pattern. A pattern without a rule panics, at start.
type ruledMux struct {
	*httpauth.Mux
	rules auth.Rules
}

func (m ruledMux) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	m.Mux.HandleFunc(pattern, m.rules[pattern], h)
}

// endregion
