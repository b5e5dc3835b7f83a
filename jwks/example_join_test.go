package jwks_test

import (
	"fmt"

	"github.com/bearward/bearward/jwks"
)

// Two hooks for every fetch, in a program one that logs and one that counts.
func ExampleHooks() {
	opts := jwks.Options{OnRefresh: jwks.Hooks(
		func(e jwks.RefreshEvent) { fmt.Println("logged", e.Keys) },
		func(e jwks.RefreshEvent) { fmt.Println("counted", e.Keys) },
	)}
	opts.OnRefresh(jwks.RefreshEvent{Keys: 2})
	// Output:
	// logged 2
	// counted 2
}
