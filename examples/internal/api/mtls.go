package api

import (
	"fmt"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/mtls"
)

// MTLS says which tokens that are bound to a client certificate are accepted (RFC 8705). The zero
// value refuses them all.
type MTLS struct {
	Allow   bool         // with the certificate of the connection; Config.TLS asks for it
	Proxies []mtls.Proxy // or with the one that a proxy tells of
}

// bind adds what checks certificates to the others.
func (m MTLS) bind(others []auth.Binding) ([]auth.Binding, error) {
	if !m.Allow && len(m.Proxies) == 0 {
		return others, nil
	}
	binding, err := mtls.New(&mtls.Options{From: m.Proxies})
	if err != nil {
		return nil, fmt.Errorf("api: Config.MTLS: %w", err)
	}
	return append(others, binding), nil
}
