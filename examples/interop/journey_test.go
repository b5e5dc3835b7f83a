package interop_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const ordersScope = "openid offline_access read:orders"

// settings are those of a client, see "start" in folder "clients".
type settings map[string]any

// with returns s with more.
func (s settings) with(more settings) settings {
	all := maps.Clone(s)
	maps.Copy(all, more)
	return all
}

// A journey is what a client does from its first token to one by the issuer's next key.
type journey struct {
	client    *client
	authority authority
	itself    bool // tokens are the client's own; nobody logs in
	apis      []*guarded
	nonceCost []int // the statuses by which an API tells a client a nonce
	thieves   func(t *testing.T, g *guarded, done told)
}

func (j journey) walk(t *testing.T) {
	t.Helper()
	again, sub := "refresh", j.authority.sub
	if j.itself {
		again, sub = "grant", j.client.settings["client"].(string)
	}
	wantStatuses(t, "the first token", j.begin(t), append(slices.Clone(j.authority.nonceCost), http.StatusOK))
	for _, g := range j.apis {
		first := g.ask(t, j.client, "GET /me")
		wantStatuses(t, g.adapter+": the first call", first, append(slices.Clone(j.nonceCost), http.StatusOK))
		if !strings.Contains(first.Body, sub) {
			t.Errorf("%s: %q does not name %s", g.adapter, first.Body, sub)
		}
		wantStatuses(t, g.adapter+": the next call", g.ask(t, j.client, "GET /orders"), []int{http.StatusOK})
		wantStatuses(t, g.adapter+": a call without the scope", g.ask(t, j.client, "POST /orders"), []int{http.StatusForbidden})
		j.steal(t, g)
	}

	before := j.client.do(t, again, nil)
	wantStatuses(t, "the second token", before, []int{http.StatusOK})
	j.authority.rotate(t)
	for _, g := range j.apis {
		wantStatuses(t, g.adapter+": a token by the key before", g.ask(t, j.client, "GET /me"), []int{http.StatusOK})
	}
	after := j.client.do(t, again, nil)
	if keyID(t, after.Token) == keyID(t, before.Token) {
		t.Fatal("the same key still signs")
	}
	for _, g := range j.apis {
		until(t, g.adapter+" accepts a token by the new key", func() bool {
			return g.ask(t, j.client, "GET /me").Status == http.StatusOK
		})
		j.steal(t, g)
	}
}

// begin gets the first token.
func (j journey) begin(t *testing.T) told {
	t.Helper()
	if j.itself {
		return j.client.do(t, "grant", nil)
	}
	callback := j.authority.login(t, j.client.do(t, "authorize", nil).URL)
	return j.client.do(t, "exchange", map[string]any{"url": callback})
}

// steal has thieves take what a client has just sent with success.
func (j journey) steal(t *testing.T, g *guarded) {
	t.Helper()
	done := g.ask(t, j.client, "GET /me")
	if done.Status != http.StatusOK {
		t.Errorf("%s: there is nothing to steal: %d %s", g.adapter, done.Status, done.Body)
		return
	}
	g.log.take()
	j.thieves(t, g, done)
}

func wantStatuses(t *testing.T, what string, done told, want []int) {
	t.Helper()
	if got := done.statuses(); !slices.Equal(got, want) {
		t.Errorf("%s: statuses %v, want %v: %s", what, got, want, done.Body)
	}
}
