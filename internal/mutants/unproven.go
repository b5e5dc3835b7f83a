package main

import (
	_ "embed"
	"strings"
)

// unprovenList names the checks that no run has seen killed since they were made or moved, one a
// line. They are tried and told as all others, but what comes of them fails no run. It only becomes
// shorter: those who see one killed take it out, and a new check is never on it.
//
//go:embed unproven.txt
var unprovenList string

// unproven reports which checks are on the list.
func unproven() map[string]bool {
	names := map[string]bool{}
	for name := range strings.Lines(unprovenList) {
		if name = strings.TrimSpace(name); name != "" && !strings.HasPrefix(name, "#") {
			names[name] = true
		}
	}
	return names
}
