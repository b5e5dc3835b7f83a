package introspect

// A detailError says in the log line of a request what was asked in vain. What came of it is in the
// log of problems, once.
type detailError struct {
	error
	detail string
}

func (e detailError) Unwrap() error { return e.error }

// Detail is for auth.Error.Detail.
func (e detailError) Detail() string { return e.detail }

// withDetail has the log lines of requests tell the introspection endpoint from whatever else can
// be down.
func withDetail(r result) result {
	switch {
	case r.err == nil:
	case r.outcome == Unavailable:
		r.err = detailError{r.err, "the introspection endpoint has no usable answer"}
	case r.outcome == Misconfigured:
		r.err = detailError{r.err, "the introspection endpoint refuses this API itself: its credentials, or how it asks"}
	}
	return r
}
