package jwks_test

import (
	"slices"
	"testing"

	"github.com/bearward/bearward/jwks"
)

func TestHooksTellEach(t *testing.T) {
	var told []string
	hook := func(name string) func(jwks.RefreshEvent) {
		return func(e jwks.RefreshEvent) {
			told = append(told, name+" "+e.URL)
			if name == "panics" {
				panic(name)
			}
		}
	}
	jwks.Hooks(hook("first"), nil, hook("panics"), hook("last"))(jwks.RefreshEvent{URL: "x"})
	if want := []string{"first x", "panics x", "last x"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if jwks.Hooks() != nil || jwks.Hooks(nil) != nil {
		t.Error("no hooks are a hook")
	}
}
