package fetch_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearward/bearward/internal/fetch"
)

// H20: an address that carries another one is checked by that, too.
func TestForbiddenAddressesInOthers(t *testing.T) {
	forms := map[string]func(v4 [4]byte) netip.Addr{
		"mapped":                  func(b [4]byte) netip.Addr { return at(t, "::ffff:0:0", 12, b) },
		"translated":              func(b [4]byte) netip.Addr { return at(t, "::ffff:0:0:0", 12, b) },
		"compatible":              func(b [4]byte) netip.Addr { return at(t, "::", 12, b) },
		"NAT64":                   func(b [4]byte) netip.Addr { return at(t, "64:ff9b::", 12, b) },
		"NAT64 of one's own, /96": func(b [4]byte) netip.Addr { return at(t, "64:ff9b:1:2:3:4::", 12, b) },
		"NAT64 of one's own, /48": func(b [4]byte) netip.Addr { return split(t, "64:ff9b:1::", [4]int{6, 7, 9, 10}, b) },
		"NAT64 of one's own, /56": func(b [4]byte) netip.Addr { return split(t, "64:ff9b:1:200::", [4]int{7, 9, 10, 11}, b) },
		"NAT64 of one's own, /64": func(b [4]byte) netip.Addr { return split(t, "64:ff9b:1:2::", [4]int{9, 10, 11, 12}, b) },
		"6to4":                    func(b [4]byte) netip.Addr { return at(t, "2002::1", 2, b) },
		"Teredo's server":         func(b [4]byte) netip.Addr { return at(t, "2001:0:0:0:0:ffff:f7f7:f7f7", 4, b) },
		"Teredo's client": func(b [4]byte) netip.Addr {
			return at(t, "2001:0:808:808::", 12, [4]byte{^b[0], ^b[1], ^b[2], ^b[3]})
		},
		"ISATAP":         func(b [4]byte) netip.Addr { return at(t, "2a00::5efe:0:0", 12, b) },
		"ISATAP, global": func(b [4]byte) netip.Addr { return at(t, "2a00::200:5efe:0:0", 12, b) },
	}
	for name, form := range forms {
		for v4, want := range map[string]bool{
			"169.254.169.254": true, "169.254.0.1": true, "100.100.100.200": true, "168.63.129.16": true, "192.0.0.192": true,
			"8.8.8.8": false, "93.184.216.34": false,
		} {
			ip := form(netip.MustParseAddr(v4).As4())
			if got := fetch.Forbidden(ip); got != want {
				t.Errorf("%s of %s (%s): forbidden %v, want %v", name, v4, ip, got, want)
			}
		}
		for _, v4 := range []string{"10.0.0.1", "192.168.1.1", "172.16.0.1", "127.0.0.1", "100.64.0.1"} {
			if ip := form(netip.MustParseAddr(v4).As4()); fetch.Public(ip) {
				t.Errorf("%s of %s (%s): public", name, v4, ip)
			}
		}
	}
	if fetch.Forbidden(netip.MustParseAddr("::1")) {
		t.Error("::1 is forbidden, although it only looks like an IPv4-compatible address")
	}
}

// at puts the four bytes into ip from one byte on.
func at(t *testing.T, ip string, from int, b [4]byte) netip.Addr {
	return split(t, ip, [4]int{from, from + 1, from + 2, from + 3}, b)
}

func split(t *testing.T, ip string, at [4]int, b [4]byte) netip.Addr {
	t.Helper()
	a := netip.MustParseAddr(ip).As16()
	for i, n := range at {
		a[n] = b[i]
	}
	return netip.AddrFrom16(a)
}

func TestPublicAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2a00:1450:4001::1": true, "2606:4700::1": true, "64:ff9b::808:808": true,
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.31.0.1": false, "192.168.0.1": false, "100.64.0.1": false,
		"0.1.2.3": false, "169.254.1.1": false, "192.0.2.1": false, "198.18.0.1": false, "203.0.113.1": false, "240.0.0.1": false,
		"255.255.255.255": false, "224.0.0.1": false, "fd00::1": false, "fe80::1": false, "fec0::1": false, "ff02::1": false,
		"2001:db8::1": false, "100::1": false, "::": false, "::ffff:10.0.0.1": false, "192.0.0.1": false, "64:ff9b:1::808:808": false,
	} {
		if got := fetch.Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: public %v, want %v", address, got, want)
		}
	}
	url := server(t, func(http.ResponseWriter, *http.Request) {})
	_, err := client(t, fetch.Options{PublicOnly: true}).Do(t.Context(), fetch.Request{URL: url, MaxBytes: 1})
	if err == nil || !strings.Contains(err.Error(), "not a public address") {
		t.Errorf("loopback: %v, want the dial refused", err)
	}
	if _, err := client(t, fetch.Options{}).Do(t.Context(), fetch.Request{URL: url, MaxBytes: 1}); err != nil {
		t.Errorf("loopback, when private addresses may be: %v", err)
	}
}

// A relay forwards TCP connections, until the network behind it freezes.
type relay struct {
	net.Listener
	mu     sync.Mutex
	frozen chan bool
	conns  []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, frozen: make(chan bool)}
	var all sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		r.mu.Lock()
		for _, c := range r.conns {
			c.Close()
		}
		r.mu.Unlock()
		all.Wait()
	})
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				t.Error(err)
				return
			}
			r.mu.Lock()
			r.conns = append(r.conns, in, out)
			frozen := r.frozen
			r.mu.Unlock()
			all.Go(func() { forward(out, in, frozen) })
			all.Go(func() { forward(in, out, frozen) })
		}
	})
	return r
}

func forward(to io.Writer, from io.Reader, frozen <-chan bool) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-frozen: // it arrives nowhere
		default:
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
}

// freeze stops what there is; new connections work.
func (r *relay) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.frozen)
	r.frozen = make(chan bool)
}

// H3: a frozen HTTP/2 connection is given up within the request that meets it, and the next one
// works.
func TestAFrozenConnectionIsNotUsedAgain(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	r := newRelay(t, s.Listener.Addr().String())
	const budget = 5 * time.Second
	c := fetch.New(fetch.Options{DialTimeout: budget})
	defer c.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c.Trust(roots)
	get := func() (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		defer cancel()
		a, err := c.Do(ctx, fetch.Request{URL: "https://" + r.Addr().String(), MaxBytes: 100})
		return string(a.Body), err
	}
	if got, err := get(); err != nil || got != "HTTP/2.0" {
		t.Fatalf("got %q, %v", got, err)
	}
	r.freeze()
	if _, err := get(); err == nil {
		t.Fatal("an answer came through a frozen connection")
	}
	if got, err := get(); err != nil {
		t.Errorf("the request after it: %q, %v; want a new connection", got, err)
	}
}

// The environment is read once a process, so this test asks itself with another one.
func TestProxyOfTheEnvironment(t *testing.T) {
	if os.Getenv("FETCH_TEST_PROXY") == "" {
		proxied := make(chan string, 10)
		proxy := server(t, func(w http.ResponseWriter, r *http.Request) { proxied <- r.URL.String() })
		cmd := exec.Command(os.Args[0], "-test.run=^TestProxyOfTheEnvironment$")
		cmd.Env = append(os.Environ(), "FETCH_TEST_PROXY=1", "HTTP_PROXY="+proxy, "HTTPS_PROXY="+proxy, "NO_PROXY=direct.example")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if len(proxied) != 1 || <-proxied != "http://issuer.example/" {
			t.Error("the proxy was not asked once")
		}
		return
	}
	direct, through := client(t, fetch.Options{}), client(t, fetch.Options{ProxyFromEnvironment: true})
	theirs := client(t, fetch.Options{HTTP: &http.Client{Transport: http.DefaultTransport}})
	for url, want := range map[string]string{
		"https://issuer.example/": "HTTPS_PROXY", "http://issuer.example/": "HTTP_PROXY", "https://direct.example/": "", "http://127.0.0.1/": "",
	} {
		got := fmt.Sprint(direct.UnusedProxy(url), through.UnusedProxy(url), theirs.UnusedProxy(url))
		if got != want {
			t.Errorf("%s: the proxy that is not used is %q, want %q", url, got, want)
		}
	}
	if _, err := through.Do(t.Context(), fetch.Request{URL: "http://issuer.example/", MaxBytes: 1}); err != nil {
		t.Errorf("through the proxy: %v", err)
	}
}
