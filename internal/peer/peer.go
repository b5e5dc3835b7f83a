// Package peer keeps the address of a connection's other end in the context of its requests: for
// package auth, which stores it, and for adapters that must know who asks.
package peer

import (
	"context"
	"net"
	"net/netip"
)

type key struct{}

// With returns ctx with the address of conn's other end. Without one it is ctx.
func With(ctx context.Context, conn net.Conn) context.Context {
	if a := of(conn.RemoteAddr(), conn.LocalAddr()); a.IsValid() {
		return context.WithValue(ctx, key{}, a)
	}
	return ctx
}

// From returns the address that With stored, or the zero Addr.
func From(ctx context.Context) netip.Addr {
	a, _ := ctx.Value(key{}).(netip.Addr)
	return a
}

// Socket returns what stands for a connection by the Unix socket of a name.
func Socket(name string) netip.Addr { return netip.IPv6Unspecified().WithZone(name) }

// of returns the address of a connection between two ends, the zero Addr when it has none. By a
// Unix socket it is the near end that has a name: the far one is a client, which need not have any.
func of(remote, local net.Addr) netip.Addr {
	if socket, ok := local.(*net.UnixAddr); ok {
		if socket.Name == "" { // check: socket-unnamed
			return netip.Addr{}
		}
		return Socket(socket.Name)
	}
	switch a := remote.(type) {
	case nil:
		return netip.Addr{}
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	default:
		p, _ := netip.ParseAddrPort(a.String())
		return p.Addr().Unmap()
	}
}
