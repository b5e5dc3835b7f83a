package auth_test

import (
	"context"
	"slices"
	"testing"

	auth "github.com/bearward/bearward/middleware"
)

func TestHooksTellEach(t *testing.T) {
	var told []string
	hook := func(name string) func(context.Context, auth.Decision) {
		return func(ctx context.Context, d auth.Decision) {
			told = append(told, name+" "+d.Operation)
			if name == "panics" {
				panic(name)
			}
		}
	}
	all := auth.Hooks(hook("first"), nil, hook("panics"), hook("last"))
	all(t.Context(), auth.Decision{Operation: "GET /orders"})
	if want := []string{"first GET /orders", "panics GET /orders", "last GET /orders"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	told = nil
	if auth.Hooks() != nil || auth.Hooks(nil, nil) != nil {
		t.Error("no hooks are a hook: a guard would take time for nobody")
	}
	auth.Hooks(nil, hook("only"))(t.Context(), auth.Decision{Operation: "x"})
	if want := []string{"only x"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestHooksCostNoAllocation(t *testing.T) {
	count := 0
	h := func(context.Context, auth.Decision) { count++ }
	all := auth.Hooks(h, h, h)
	ctx, d := t.Context(), auth.Decision{Operation: "GET /orders"}
	if n := testing.AllocsPerRun(100, func() { all(ctx, d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
