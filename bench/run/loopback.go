package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/bearward/bearward/bench/measure"
	auth "github.com/bearward/bearward/middleware"
)

// connections is how many the load comes over.
const connections = 8

// loopback measures a real server, with and without auth, under a load as lean as can be: requests
// that were written beforehand, over connections that stay. Whatever the load generator did beside
// would hide what the server does.
func loopback(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	warmV, err := s.verifier(0)
	if err != nil {
		return err
	}
	coldV, err := s.verifier(off)
	if err != nil {
		return err
	}
	theirs, err := middlewares(s.key)
	if err != nil {
		return err
	}
	handlers := []foreign{
		{name: "without auth", handler: mux(answer)},
		{name: "**Bearward**, remembered", handler: mux(must(auth.NewGuard(warmV, nil)).Require("read:orders")(answer))},
		{name: "**Bearward**, no token cache", handler: mux(must(auth.NewGuard(coldV, nil)).Require("read:orders")(answer))},
		theirs[0], theirs[3],
	}
	var cs []*measure.Contestant
	for _, h := range handlers {
		server := httptest.NewServer(h.handler)
		defer server.Close()
		l, err := newLoad(server.Listener.Addr().String(), s.token)
		if err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
		defer l.close()
		cs = append(cs, &measure.Contestant{Name: h.name, Run: l.run})
	}
	if err := measure.Race(p.rounds, 5*p.slice, cs...); err != nil {
		return err
	}
	r.atLeast("loopback", "loopback HTTP, requests per second: warm / without auth", 0.90, cs[0].Over(cs[1]))
	var all []bar
	for _, c := range cs {
		rate := make([]float64, len(c.PerOp))
		for i, ns := range c.PerOp {
			rate[i] = 1e9 / ns
		}
		all = append(all, bar{strings.ReplaceAll(c.Name, "**", ""), measure.RatioOf(rate)})
	}
	r.compare("Loopback HTTP", fmt.Sprintf("One request over %d connections, load generator in the same process; allocations are both sides'. Ratios are of time.", connections), cs[0], cs, nil)
	return r.bars("throughput.svg", "A whole server on loopback", "requests per second", all)
}

// A load sends one request, over and over, over several connections.
type load struct {
	request []byte
	conns   []*wire
}

type wire struct {
	net.Conn
	in     *bufio.Reader
	answer []byte // as long as every answer
}

func newLoad(addr, token string) (*load, error) {
	l := &load{request: fmt.Appendf(nil, "GET /orders HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", addr, token)}
	for range connections {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			l.close()
			return nil, err
		}
		w := &wire{Conn: conn, in: bufio.NewReader(conn)}
		l.conns = append(l.conns, w)
		if err := w.first(l.request); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

func (l *load) close() {
	for _, w := range l.conns {
		_ = w.Close()
	}
}

// first sends one request and learns how long an answer is.
func (w *wire) first(request []byte) error {
	if _, err := w.Write(request); err != nil {
		return err
	}
	length := 0
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		length += len(line)
		if len(line) == 2 {
			break
		}
	}
	body := w.in.Buffered() // two bytes, which come with the header
	if _, err := w.in.Discard(body); err != nil {
		return err
	}
	w.answer = make([]byte, length+body)
	return w.once(request)
}

var errAnswer = errors.New("the answer is not 200")

func (w *wire) once(request []byte) error {
	if _, err := w.Write(request); err != nil {
		return err
	}
	if _, err := io.ReadFull(w.in, w.answer); err != nil {
		return err
	}
	if !bytes.HasPrefix(w.answer, []byte("HTTP/1.1 200 ")) {
		return errAnswer
	}
	return nil
}

// run sends n requests, shared out among the connections.
func (l *load) run(n int) error {
	return shareOut(len(l.conns), n, func(worker, n int) error {
		for range n {
			if err := l.conns[worker].once(l.request); err != nil {
				return err
			}
		}
		return nil
	})
}

// shareOut has workers do n operations together.
func shareOut(workers, n int, do func(worker, n int) error) error {
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		share := n / workers
		if i < n%workers {
			share++
		}
		wg.Go(func() { errs[i] = do(i, share) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
