package auth

import "context"

// Hooks joins hooks for GuardOptions.OnDecision: each is told of every Decision, in order, and a
// panic in one does not keep it from the next. A nil one is left out; without any other, Hooks
// returns nil, which is no hook.
func Hooks(hooks ...func(context.Context, Decision)) func(context.Context, Decision) {
	var all []func(context.Context, Decision)
	for _, h := range hooks {
		if h != nil {
			all = append(all, h)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return func(ctx context.Context, d Decision) {
		for _, h := range all {
			callHook(ctx, h, d)
		}
	}
}

// callHook recovers from a panic in h: a hook must not decide who gets in.
func callHook(ctx context.Context, h func(context.Context, Decision), d Decision) {
	defer func() { _ = recover() }()
	h(ctx, d)
}
