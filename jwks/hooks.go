package jwks

// hook returns what is called after each fetch: the Logger, OnRefresh, and OnKeySkipped.
func (o *Options) hook() func(RefreshEvent) {
	hooks := []func(RefreshEvent){newProblemLog(o.Logger).hook}
	if o.OnRefresh != nil {
		hooks = append(hooks, o.OnRefresh)
	}
	if o.OnKeySkipped != nil {
		hooks = append(hooks, skipHook(o.OnKeySkipped))
	}
	return func(e RefreshEvent) {
		for _, h := range hooks {
			callHook(h, e)
		}
	}
}

// skipHook calls onSkipped for the keys that the set before did not have, or had for another
// reason.
func skipHook(onSkipped func(Skip)) func(RefreshEvent) {
	known := map[Skip]bool{}
	return func(e RefreshEvent) {
		if !e.read { // the set is the one before
			return
		}
		now := make(map[Skip]bool, len(e.Skipped))
		for _, s := range e.Skipped {
			id := s
			if id.KeyID != "" {
				id.Index = 0 // the same key in another place is the same key
			}
			if !known[id] && !now[id] {
				callHook(onSkipped, s)
			}
			now[id] = true
		}
		known = now
	}
}
