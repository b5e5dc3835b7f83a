package fetch

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

var (
	errForbiddenAddress = errors.New("link-local or metadata address")
	errNotPublic        = errors.New("not a public address")
)

// metadata are the addresses of cloud metadata services that are not link-local: anybody who can
// make a service fetch from these can often take its identity.
var metadata = [...]netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
}

// notPublic are the prefixes of addresses that no host of the public internet has, beside those
// that net/netip knows (RFC 6890 and the registries that it made).
var notPublic = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b:1::/48", "100::/64", "2001:2::/48", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10",
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// An embedding is a prefix of IPv6 addresses that stand for an IPv4 address, and where its bytes
// are.
type embedding struct {
	prefix  netip.Prefix
	at      [4]int
	flipped bool // Teredo stores the complement
}

var embeddings = [...]embedding{
	{prefix: netip.MustParsePrefix("64:ff9b::/96"), at: [4]int{12, 13, 14, 15}},             // NAT64 (RFC 6052 §2.1)
	{prefix: netip.MustParsePrefix("64:ff9b:1::/48"), at: [4]int{12, 13, 14, 15}},           // NAT64 of one's own (RFC 8215), at each length of RFC 6052 §2.2
	{prefix: netip.MustParsePrefix("64:ff9b:1::/48"), at: [4]int{6, 7, 9, 10}},              //
	{prefix: netip.MustParsePrefix("64:ff9b:1::/48"), at: [4]int{7, 9, 10, 11}},             //
	{prefix: netip.MustParsePrefix("64:ff9b:1::/48"), at: [4]int{9, 10, 11, 12}},            //
	{prefix: netip.MustParsePrefix("2002::/16"), at: [4]int{2, 3, 4, 5}},                    // 6to4 (RFC 3056 §2)
	{prefix: netip.MustParsePrefix("2001::/32"), at: [4]int{4, 5, 6, 7}},                    // Teredo's server (RFC 4380 §4)
	{prefix: netip.MustParsePrefix("2001::/32"), at: [4]int{12, 13, 14, 15}, flipped: true}, // and its client
	{prefix: netip.MustParsePrefix("::/96"), at: [4]int{12, 13, 14, 15}},                    // IPv4-compatible (RFC 4291 §2.5.5.1)
	{prefix: netip.MustParsePrefix("::ffff:0:0:0/96"), at: [4]int{12, 13, 14, 15}},          // IPv4-translated (RFC 2765 §2.1)
}

// addresses returns ip and every IPv4 address that it may stand for.
func addresses(ip netip.Addr) []netip.Addr {
	ip = ip.Unmap().WithZone("")
	all := []netip.Addr{ip}
	if ip.Is4() {
		return all
	}
	b := ip.As16()
	add := func(at [4]int, flip byte) {
		all = append(all, netip.AddrFrom4([4]byte{b[at[0]] ^ flip, b[at[1]] ^ flip, b[at[2]] ^ flip, b[at[3]] ^ flip}))
	}
	for _, e := range embeddings {
		if e.prefix.Contains(ip) {
			flip := byte(0)
			if e.flipped {
				flip = 0xff
			}
			add(e.at, flip)
		}
	}
	if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe { // ISATAP (RFC 5214 §6.1)
		add([4]int{12, 13, 14, 15}, 0)
	}
	return all
}

// Forbidden reports whether no authorization server can live at ip, or at an IPv4 address in it.
func Forbidden(ip netip.Addr) bool {
	all := addresses(ip)
	if all[0].IsMulticast() || all[0].IsUnspecified() { // check: no-host
		return true
	}
	for _, a := range all {
		if a.IsLinkLocalUnicast() || slices.Contains(metadata[:], a) { // check: link-local
			return true
		}
	}
	return false
}

// Public reports whether ip, and the IPv4 address in it, is one of the public internet.
func Public(ip netip.Addr) bool {
	for _, a := range addresses(ip) {
		if !a.IsGlobalUnicast() || a.IsPrivate() { // check: public-private
			return false
		}
		for _, p := range notPublic {
			if p.Contains(a) { // check: public-special
				return false
			}
		}
	}
	return !Forbidden(ip)
}

// control returns what runs after a name is resolved and before each connection is made, so it also
// covers a name that resolves differently the second time.
func control(publicOnly bool) func(string, string, syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("dial %s: %w", address, err)
		}
		if Forbidden(to.Addr()) { // check: dial
			return fmt.Errorf("dial %s: %w", to.Addr(), errForbiddenAddress)
		}
		if publicOnly && !Public(to.Addr()) { // check: dial-public
			return fmt.Errorf("dial %s: %w", to.Addr(), errNotPublic)
		}
		return nil
	}
}

// newTransport returns the transport of one Client. Without o.ProxyFromEnvironment it uses no
// proxy: behind one, the address that is dialled says nothing.
func newTransport(o Options) *http.Transport {
	dialer := &net.Dialer{Timeout: o.DialTimeout, Control: control(o.PublicOnly)}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    o.DialTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    max(1, o.IdleConnections),
		IdleConnTimeout:        10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	// A frozen connection is given up before the request on it is, so the next one dials.
	ping := o.DialTimeout * 2 / 5
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: ping, PingTimeout: ping} // check: pings
	if o.ProxyFromEnvironment {
		t.Proxy = http.ProxyFromEnvironment
	}
	return t
}
