package auth

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/bearward/bearward/jwks"
)

// maxRetryAfter bounds what a caller is told to wait, whatever a Source says.
const maxRetryAfter = 5 * time.Minute

// retryIn returns how long a caller should wait who was refused for err: until the key cache's next
// fetch, where that is known, and up to a quarter more, so that those who were refused together do
// not come back together.
func retryIn(err error) time.Duration {
	lookup, ok := errors.AsType[*jwks.LookupError](err)
	if !ok || lookup == nil || lookup.RetryAt.IsZero() {
		return retryAfter
	}
	wait := min(max(time.Until(lookup.RetryAt), time.Second), maxRetryAfter)
	wait += rand.N(wait/4 + 1)
	return wait.Truncate(time.Second) + time.Second
}
