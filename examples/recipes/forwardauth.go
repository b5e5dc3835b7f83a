package recipes

import (
	"net/http"
	"net/netip"

	"github.com/bearward/bearward/adapters/forwardauth"
	auth "github.com/bearward/bearward/middleware"
)

// newGate returns the server that a gateway on this machine asks about the API at origin.
//
// region: forward-auth
func newGate(guard *auth.Guard, origin, rules string) (*http.Server, error) {
	table, err := auth.ParseRules(rules)
	if err != nil {
		return nil, err
	}
	gate, err := forwardauth.New(guard, table, forwardauth.Options{
		For:      []string{origin},
		Gateways: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	})
	return &http.Server{Handler: gate, ConnContext: auth.ConnContext}, err
}

// endregion
