//go:build !windows

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A said is what a command said so far.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// until waits for some text.
func (s *said) until(t *testing.T, text string) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		all := s.text.String()
		s.mu.Unlock()
		if strings.Contains(all, text) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("no %q in\n%s", text, all)
		}
	}
}

// SIGHUP has the files read again, and ends nothing.
func TestForwardReadsItsFilesAtSIGHUP(t *testing.T) {
	file := forwardFiles(t, `{"listen": "127.0.0.1:0", "for": ["https://api.example.com"], "gateways": ["127.0.0.1"], "rules": "rules.txt", "issuers": [{"issuer": "http://127.0.0.1:1", "audience": "a"}]}`, "GET /orders = read:orders\n")
	ctx, cancel := context.WithCancel(t.Context())
	log, code := new(said), make(chan int, 1)
	go func() { code <- run(ctx, terminal{out: io.Discard, err: log}, []string{"forward", "-config", file}) }()
	log.until(t, "answering gateways")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	log.until(t, "asked to read the files again")
	log.until(t, "the rules were replaced")
	cancel()
	if got := <-code; got != exitGood {
		t.Errorf("got %d", got)
	}
}
