package auth

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/bearward/bearward/jwks"
)

// maxRetryAfter bounds what a caller is told to wait, whatever a Source says.
const maxRetryAfter = 5 * time.Minute

// retryIn returns how long a caller should wait who was refused for err: until the next request to
// the issuer, where that is known, and up to a quarter more, so that those who were refused
// together do not come back together.
func retryIn(err error) time.Duration {
	at := retryAt(err)
	if at.IsZero() {
		return retryAfter
	}
	wait := min(max(time.Until(at), time.Second), maxRetryAfter)
	wait += rand.N(wait/4 + 1)
	return wait.Truncate(time.Second) + time.Second
}

// retryAt returns when the issuer is asked next, as err tells it, or the zero time.
func retryAt(err error) time.Time {
	if lookup, ok := errors.AsType[*jwks.LookupError](err); ok && lookup != nil {
		return lookup.RetryAt
	}
	if asked, ok := errors.AsType[interface {
		error
		NextRequest() time.Time
	}](err); ok {
		return asked.NextRequest()
	}
	return time.Time{}
}
