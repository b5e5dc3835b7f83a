package dpop

import (
	"context"
	"time"
)

// A ReplayStore remembers which proofs were used (RFC 9449 §11.1). Implementations must be safe for
// concurrent use. An error means that it cannot tell: the request is not judged (503).
type ReplayStore interface {
	// First reports whether this is the first call with that id within ttl. Of calls with the same
	// id, on all replicas, exactly one is first. It must be atomic, and must not evict an id before
	// its ttl has passed. owner stands for the caller whose proof it is: a store can give each
	// caller a share, so that none fills it. Both are hashes, strings of raw bytes and not of text.
	// It must not try again after an answer was lost: the first try may have been counted.
	First(ctx context.Context, owner, id string, ttl time.Duration) (bool, error)
}
