package interop_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/bearward/bearward/examples/internal/doctortest"
)

// TestDoctor has the command look at authorization servers that nobody here wrote, as they are and
// with what is wrong in the way that they are named or trusted.
func TestDoctor(t *testing.T) {
	doctor := doctortest.Build(t)
	t.Run("panva", func(t *testing.T) {
		is := startPanva(t, nil).issuer
		doctor.Finds(t, 0, nil, "-strict", is)
		doctor.Finds(t, 0, nil, "-strict", "-mcp", is)
		doctor.Finds(t, 1, []string{"ISSUER_MISMATCH"}, is+"/")
		doctor.Finds(t, 1, []string{"ISSUER_MISMATCH"}, strings.Replace(is, "127.0.0.1", "localhost", 1))
	})
	t.Run("panva over TLS", func(t *testing.T) {
		tls := newCertificates(t)
		is := startPanva(t, tls).issuer
		doctor.Finds(t, 1, []string{"CERTIFICATE_REFUSED"}, is)
		if runtime.GOOS != "linux" {
			return // where it asks the system which authorities there are
		}
		doctor.Trusting(tls.trust).Finds(t, 0, nil, is)
	})
	t.Run("the examples' own", func(t *testing.T) {
		is := embeddedAuthority(t, "https://orders.example", nil).issuer()
		doctor.Finds(t, 0, []string{"NOT_CACHEABLE"}, "-strict", "-mcp", is)
	})
	t.Run("zitadel", func(t *testing.T) {
		is, _ := startZITADEL(t)
		doctor.Finds(t, 0, nil, "-strict", is)
		doctor.Finds(t, 1, []string{"MCP_NO_REGISTRATION"}, "-strict", "-mcp", is)
	})
	t.Run("glewlwyd", func(t *testing.T) {
		is := startGlewlwyd(t).issuer
		doctor.Finds(t, 0, []string{"NOT_CACHEABLE"}, "-strict", is)
		doctor.Finds(t, 1, []string{
			"MCP_NO_CODE_FLOW", "MCP_NO_PKCE", "MCP_NO_PUBLIC_CLIENTS", "MCP_NO_REGISTRATION", "NOT_CACHEABLE",
		}, "-mcp", is)
	})
}
