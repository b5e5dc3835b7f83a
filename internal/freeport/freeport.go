// Package freeport finds addresses for programs that tests start and that cannot tell which port
// they got.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports that are given out. Systems take ports of connections from above them, and the
// quickstart's tests from 20,000 on: no such port is taken between the look and its use.
const first, count = 10_000, 10_000

var handedOut sync.Map // ports, each once in this process

// Address returns an address of 127.0.0.1 on which nobody listens. It returns none twice.
func Address() (string, error) {
	var last error
	for range 1000 {
		port := first + rand.IntN(count)
		if _, taken := handedOut.LoadOrStore(port, true); taken {
			continue
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			last = err
			continue
		}
		return addr, l.Close()
	}
	return "", errors.Join(errors.New("freeport: no free port"), last)
}
