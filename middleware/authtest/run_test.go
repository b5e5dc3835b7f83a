package authtest_test

import (
	"fmt"
	"testing"
)

// run runs f as "go test" would, for examples, whose functions get no testing.TB.
func run(f func(t *testing.T)) {
	if testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "x", F: f}}) {
		fmt.Println("ok")
	}
}
