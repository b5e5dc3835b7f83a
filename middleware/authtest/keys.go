package authtest

import "github.com/bearward/bearward/jwks"

// KeyID returns the ID of the key that signs now.
func (is *Issuer) KeyID() string { return is.core.KeyID() }

// KeyIDs returns the IDs of the keys that are published now, oldest first.
func (is *Issuer) KeyIDs() []string { return is.core.KeyIDs() }

// Keys returns the public keys that are published now: a key source that needs no fetch. It does
// not follow later rotations.
func (is *Issuer) Keys() jwks.Static { return is.core.Keys() }

// Publish adds a new key to the key set and returns its ID. Tokens are signed with it only after
// [Issuer.Promote]: the two steps of a careful rotation.
func (is *Issuer) Publish() string {
	is.tb.Helper()
	id, err := is.core.Publish()
	if err != nil {
		is.tb.Fatalf("authtest: Publish: %v", err)
	}
	return id
}

// Promote signs tokens with the newest published key from now on, and returns its ID.
func (is *Issuer) Promote() string {
	is.tb.Helper()
	id, err := is.core.Promote()
	if err != nil {
		is.tb.Fatalf("authtest: Promote: %v", err)
	}
	return id
}

// Rotate publishes a new key, signs tokens with it from now on, and returns its ID. The earlier
// keys stay published.
func (is *Issuer) Rotate() string {
	is.tb.Helper()
	id, err := is.core.Rotate()
	if err != nil {
		is.tb.Fatalf("authtest: Rotate: %v", err)
	}
	return id
}

// Withdraw takes the keys of the given IDs out of the key set; with no ID, every key but the one
// that signs now. A key that is withdrawn while it signs goes on signing, as a stolen one would.
func (is *Issuer) Withdraw(ids ...string) {
	is.tb.Helper()
	if err := is.core.Withdraw(ids...); err != nil {
		is.tb.Fatalf("authtest: %v", err)
	}
}
