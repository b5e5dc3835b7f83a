package jwks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
)

// A drip is a body that gives a byte a second, for ever, until the request is over.
type drip struct{ r *http.Request }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	case <-d.r.Context().Done():
		return 0, d.r.Context().Err()
	}
}

func TestK21_EndlessAnswersAreCut(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		most   time.Duration
	}{
		"never answers": {hang, jwks.FetchTimeout},
		"drips":         {func(w http.ResponseWriter, r *http.Request) { w.(*recorder).body = drip{r} }, jwks.FetchTimeout},
		"never ends":    {func(w http.ResponseWriter, _ *http.Request) { w.(*recorder).body = endless{} }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				i := newIssuer("a")
				c0 := warm(t, i)
				i.answer(c.answer)
				began := time.Now()
				ctx, cancel := contextFor(t, time.Minute)
				defer cancel()
				if err := c0.Refresh(ctx); err == nil || ctx.Err() != nil {
					t.Errorf("Refresh: %v, want the fetch's own error", err)
				}
				if took := time.Since(began); took > c.most {
					t.Errorf("cut after %v, want %v", took, c.most)
				}
				check(t, c0, "a", "served")
			})
		})
	}
}

// endless is a body without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestK21_GzipBombIsCut(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	io.WriteString(z, keySet("a"))
	z.Write(bytes.Repeat([]byte(" "), 64<<20))
	z.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(bomb.Bytes())
	}))
	defer srv.Close()
	c, err := jwks.New(srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v, want the document called too long", err)
	}
}

func TestK22_SetOfTooManyKeysIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, limit := range []int{0, 100} {
			most := limit
			if limit == 0 {
				most = 1000 // the default
			}
			var all []any
			for n := range most {
				all = append(all, edJWK(fmt.Sprint("k", n), 0))
			}
			i := newIssuer()
			i.answer(body(set(all...)))
			c := warm(t, i, func(o *jwks.Options) { o.MaxKeys = limit })
			i.answer(body(set(append(all, map[string]any{"kty": "AKP"})...)))
			if err := c.Refresh(t.Context()); err == nil {
				t.Errorf("a set of %d keys was taken", most+1)
			}
			if got := len(c.Status().Keys); got != most {
				t.Errorf("%d keys cached, want %d", got, most)
			}
		}
	})
}

func TestK23_RedirectsAreNotFollowed(t *testing.T) {
	for name, c := range map[string]struct {
		to      string
		allowed bool
		want    bool
	}{
		"same host":                        {keySetURL + "/moved", false, false},
		"same host, allowed":               {keySetURL + "/moved", true, true},
		"other host, allowed":              {"https://evil.example/keys", true, false},
		"other port, allowed":              {"https://issuer.example:8443/keys", true, false},
		"http, allowed":                    {"http://issuer.example/keys", true, false},
		"round in a circle, allowed":       {keySetURL, true, false},
		"metadata address, allowed":        {"http://169.254.169.254/latest", true, false},
		"subdomain of the host, allowed":   {"https://keys.issuer.example/keys", true, false},
		"scheme-relative, other, allowed":  {"//evil.example/keys", true, false},
		"relative to the request, allowed": {"/keys/moved", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				i := newIssuer()
				i.answer(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.String() == keySetURL && i.count() < 20 {
						http.Redirect(w, r, c.to, http.StatusFound)
						return
					}
					io.WriteString(w, keySet("a"))
				})
				cache := open(t, i, func(o *jwks.Options) { o.SameHostRedirects = c.allowed })
				if got := cache.Refresh(t.Context()) == nil; got != c.want {
					t.Errorf("good fetch: %v, want %v; asked for %q", got, c.want, i.urls())
				}
				if len(i.urls()) > 4 {
					t.Errorf("%d requests", len(i.urls()))
				}
			})
		})
	}
}

func TestK24_LinkLocalAndMetadataAddressesAreNotDialled(t *testing.T) {
	for address, want := range map[string]bool{
		"169.254.169.254":          false,
		"169.254.0.1":              false,
		"::ffff:169.254.169.254":   false,
		"64:ff9b::169.254.169.254": false,
		"fe80::1":                  false,
		"fd00:ec2::254":            false,
		"fd20:ce::254":             false,
		"100.100.100.200":          false,
		"168.63.129.16":            false,
		"192.0.0.192":              false,
		"0.0.0.0":                  false,
		"::":                       false,
		"224.0.0.1":                false,
		"ff02::1":                  false,
		"127.0.0.1":                true,
		"10.0.0.1":                 true,
		"fd00::1":                  true,
		"203.0.113.1":              true,
		"2001:db8::1":              true,
	} {
		if got := jwks.Dialable(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: dialled %v, want %v", address, got, want)
		}
	}
	c, err := jwks.New("https://169.254.169.254/latest", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "link-local or metadata address") {
		t.Errorf("got %v, want the dial refused", err)
	}
}

// A name that is good at first, and resolves to a metadata address once it is trusted.
func TestK24_ReboundNameIsNotDialled(t *testing.T) {
	addresses := make(chan netip.Addr, 16)
	serveDNS(t, addresses)
	srv := httptest.NewServer(body(keySet("a")))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	addresses <- netip.MustParseAddr("127.0.0.1")
	c, err := jwks.New("http://rebound.example:"+port, &jwks.Options{InsecureAllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv.CloseClientConnections() // the next fetch resolves the name again
	addresses <- netip.MustParseAddr("169.254.169.254")
	if err := c.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "link-local or metadata address") {
		t.Errorf("got %v, want the dial refused", err)
	}
	check(t, c, "a", "served")
}

// serveDNS makes the default resolver answer A questions with the addresses sent, each until the
// next is there.
func serveDNS(t *testing.T, addresses <-chan netip.Addr) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	old := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	ended := make(chan bool)
	t.Cleanup(func() { net.DefaultResolver = old; conn.Close(); <-ended })
	go func() {
		defer close(ended)
		var current netip.Addr
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			select {
			case current = <-addresses:
			default:
			}
			conn.WriteTo(dnsAnswer(buf[:n], current), from)
		}
	}()
}

// dnsAnswer answers a question (RFC 1035 §4.1): A with address, anything else with nothing.
func dnsAnswer(query []byte, address netip.Addr) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	question := query[12 : end+5]
	isA := binary.BigEndian.Uint16(query[end+1:]) == 1
	answer := append([]byte{}, query[:2]...)
	answer = append(answer, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	answer = append(answer, question...)
	if isA {
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		answer = append(answer, address.AsSlice()...)
	}
	return answer
}

func TestK26_NotModifiedRenewsTheAge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer()
		i.answer(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"v1"`)
			if r.Header.Get("If-None-Match") == `"v1"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			io.WriteString(w, keySet("a"))
		})
		c := warm(t, i)
		sleep(48 * time.Hour) // twice max-stale
		check(t, c, "a", "served")
		s := c.Status()
		if s.Age > 9*time.Minute || s.Counters.NotModified != s.Counters.Fetches-1 || s.State != jwks.StateFresh {
			t.Errorf("status %+v, want every fetch but the first not modified", s)
		}
	})
}

// A 304 that nobody asked for says nothing about the keys: it must not renew their age.
func TestK26_NotModifiedThatWasNotAskedForIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		c := warm(t, i)
		i.answer(status(http.StatusNotModified))
		sleep(25 * time.Hour)
		check(t, c, "a", "not judged")
	})
}

func TestETagOfABadAnswerIsNotSentBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer("a")
		i.answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"bad"`)
			io.WriteString(w, "{}")
		})
		c := open(t, i)
		c.Refresh(t.Context())
		i.answer(nil)
		sleep(5 * time.Second)
		check(t, c, "a", "served")
		for _, r := range i.seen() {
			if tag := r.etc.Get("If-None-Match"); tag != "" {
				t.Errorf("asked with If-None-Match %s", tag)
			}
		}
	})
}

func TestClientsOwnSettingsGiveWayToOurBounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		i := newIssuer()
		i.answer(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		})
		client := &http.Client{Transport: i, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }, Jar: cookies{}}
		c := open(t, i, func(o *jwks.Options) { o.Client = client })
		if err := c.Refresh(t.Context()); err == nil || i.count() != 1 {
			t.Errorf("%v after %d requests, want one and an error", err, i.count())
		}
		for _, r := range i.seen() {
			if r.etc.Get("Cookie") != "" {
				t.Errorf("asked with %v", r.etc)
			}
		}
	})
}

// cookies is a jar with something in it for everybody.
type cookies struct{}

func (cookies) SetCookies(*url.URL, []*http.Cookie) {}
func (cookies) Cookies(*url.URL) []*http.Cookie     { return []*http.Cookie{{Name: "session", Value: "x"}} }
