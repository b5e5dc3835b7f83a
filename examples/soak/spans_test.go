//go:build unix

package soak_test

import (
	"sync"
	"time"
)

// Spans are the times in which something was not as usual. They are safe for concurrent use.
type spans struct {
	mu  sync.Mutex
	all [][2]time.Time // the second is zero while it lasts
}

func (s *spans) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, [2]time.Time{time.Now()})
}

func (s *spans) add(from, to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, [2]time.Time{from, to})
}

func (s *spans) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[len(s.all)-1][1] = time.Now()
	for len(s.all) > 1 && time.Since(s.all[0][1]) > time.Minute {
		s.all = s.all[1:]
	}
}

// touch reports whether the time from one instant to another has a part of a span, or of what
// follows one within after.
func (s *spans) touch(from, to time.Time, after time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.all {
		if span[0].Before(to) && (span[1].IsZero() || span[1].Add(after).After(from)) {
			return true
		}
	}
	return false
}

// cover reports whether the time from one instant to another lies within one span.
func (s *spans) cover(from, to time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.all {
		if !span[0].After(from) && (span[1].IsZero() || !span[1].Before(to)) {
			return true
		}
	}
	return false
}
