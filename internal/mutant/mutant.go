// Package mutant tells a test binary which of the module's checks is removed, to prove that a test
// notices.
//
// Nothing in the module imports it. `go run ./internal/mutants` finds the checks by the comments
// that mark them, and builds the tests with a call of On at each, through an overlay of the go
// command. So nothing that is shipped, no variable of the environment and no linker flag can switch
// a check off: the switch is not there.
package mutant

import (
	"os"
	"sync"
)

// chosen is the one mutant that is on, read once so that a test cannot change it half-way.
var chosen = os.Getenv("MUTANT")

// On reports whether the check called name is removed: whether the environment variable
// MUTANT names it. The first time that it is, name is appended as a line to the file named
// by MUTANT_REACHED, if any, to prove that a test came here. It is safe for concurrent
// use.
func On(name string) bool {
	if name != chosen {
		return false
	}
	reached()
	return true
}

var reached = sync.OnceFunc(func() {
	path := os.Getenv("MUTANT_REACHED")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic("mutant: " + err.Error())
	}
	defer f.Close()
	if _, err := f.WriteString(chosen + "\n"); err != nil {
		panic("mutant: " + err.Error())
	}
})
