package jwks

// Hooks joins hooks for Options.OnRefresh: each is told of every event, in order, and a panic in
// one does not keep it from the next. A nil one is left out; without any other, Hooks returns nil,
// which is no hook.
func Hooks(hooks ...func(RefreshEvent)) func(RefreshEvent) {
	var all []func(RefreshEvent)
	for _, h := range hooks {
		if h != nil {
			all = append(all, h)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return func(e RefreshEvent) {
		for _, h := range all {
			callHook(h, e)
		}
	}
}
