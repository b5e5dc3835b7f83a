package peers_test

import (
	"slices"
	"testing"

	"github.com/bearward/bearward/bench/peers"
	"github.com/bearward/bearward/bench/tokens"
)

// A peer that checks less would be quicker for it, so what it does not check stands beside its
// figures.
func TestPeersRefuseWhatTheyAreSaidTo(t *testing.T) {
	key, err := tokens.NewKey("RS256", tokens.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	server := tokens.Serve(key)
	defer server.Close()
	for _, p := range peers.All() {
		t.Run(p.Name, func(t *testing.T) {
			verify, err := p.New(t.Context(), key, server.URL)
			if err != nil {
				t.Fatal(err)
			}
			got, err := peers.Probe(t.Context(), verify, key)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, p.Unchecked) {
				t.Errorf("does not check %q, said not to check %q", got, p.Unchecked)
			}
		})
	}
}
