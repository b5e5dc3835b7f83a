//go:build unix

package soak_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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
	s.forget()
}

func (s *spans) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[len(s.all)-1][1] = time.Now()
	s.forget()
}

// forget leaves out what no answer can depend on any more.
func (s *spans) forget() {
	for len(s.all) > 1 && !s.all[0][1].IsZero() && time.Since(s.all[0][1]) > time.Minute {
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

// Events counts what happened to the replicas. They are safe for concurrent use.
type events struct {
	mu     sync.Mutex
	counts map[string]int
}

func (e *events) add(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counts[what]++
}

func (e *events) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for _, what := range slices.Sorted(maps.Keys(e.counts)) {
		all = append(all, fmt.Sprint(e.counts[what], " ", what))
	}
	return strings.Join(all, ", ")
}
