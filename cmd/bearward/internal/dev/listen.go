package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

var errNotLoopback = errors.New("only a loopback address: every machine that reaches another could have tokens made")

// listen listens on an address of this machine that no other one reaches.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(host, "localhost") {
		if host, err = localhost(ctx, net.DefaultResolver.LookupNetIP); err != nil {
			return nil, err
		}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() || ip.Zone() != "" { // check: dev-loopback
		return nil, errNotLoopback
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("%w; port 0 takes a free one", err)
	}
	return listener, nil
}

// localhost returns the address that this machine's resolver has for localhost, IPv4 first. One
// that is not loopback is an error, whatever the others are.
func localhost(ctx context.Context, lookUp func(ctx context.Context, network, host string) ([]netip.Addr, error)) (string, error) {
	ips, err := lookUp(ctx, "ip", "localhost")
	if err != nil {
		return "", err
	}
	chosen := ""
	for _, ip := range ips {
		ip = ip.Unmap()
		if !ip.IsLoopback() { // check: dev-localhost
			return "", fmt.Errorf("localhost is %v here: %w", ip, errNotLoopback)
		}
		if chosen == "" || ip.Is4() {
			chosen = ip.String()
		}
	}
	return chosen, nil
}
