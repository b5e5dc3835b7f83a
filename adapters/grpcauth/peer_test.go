package grpcauth

import (
	"net"
	"net/netip"
	"testing"

	"google.golang.org/grpc/peer"
)

// A connection that says nothing of where it comes from is from nowhere: no range of addresses
// contains it.
func TestPeersWithoutAnAddress(t *testing.T) {
	for name, p := range map[string]*peer.Peer{
		"no address":                {},
		"of another kind":           {Addr: &net.IPAddr{IP: net.IPv4(127, 0, 0, 1)}},
		"a socket without its name": {Addr: &net.UnixAddr{Net: "unix"}, LocalAddr: &net.UnixAddr{Net: "unix"}},
		"a socket's far end alone":  {Addr: &net.UnixAddr{Name: "/run/a.sock", Net: "unix"}},
	} {
		if got := peerOf(p); got != (netip.Addr{}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
