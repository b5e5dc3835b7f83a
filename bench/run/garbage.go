package main

import (
	"context"
	"errors"
	"strings"

	"github.com/bearward/bearward/bench/measure"
	"github.com/bearward/bearward/bench/peers"
	"github.com/bearward/bearward/bench/tokens"
	auth "github.com/bearward/bearward/middleware"
)

// garbage measures what anybody can send, beside the RSA check that an attacker would like to make
// us do for each.
func garbage(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	check, err := s.key.Raw(s.token)
	if err != nil {
		return err
	}
	v, err := s.verifier(0)
	if err != nil {
		return err
	}
	forged, err := s.key.Spoil(s.token)
	if err != nil {
		return err
	}
	other := *s.key
	other.ID = "no-such-key"
	unknown, err := other.Sign(tokens.Claims())
	if err != nil {
		return err
	}
	if err := accept(ctx, v, s.token)(); err != nil { // a good token came by before
		return err
	}
	text := strings.Repeat("x", len(s.token))
	raw := measure.Of("the signature alone (standard library)", check)
	ours := []*measure.Contestant{
		measure.Of("**Bearward**: random text", refuse(ctx, v, text, auth.ReasonTokenMalformed)),
		measure.Of("**Bearward**: unknown kid", refuse(ctx, v, unknown, auth.ReasonKeyUnknown, auth.ReasonKeyNotYetKnown)),
		measure.Of("**Bearward**: wrong signature", refuse(ctx, v, forged, auth.ReasonSignatureInvalid)),
	}
	cs := append([]*measure.Contestant{raw}, ours...)
	for _, peer := range peers.All() {
		if p.quick && len(cs) > 4 {
			break
		}
		verify, err := peer.New(ctx, s.key, s.server.URL)
		if err != nil {
			return err
		}
		for _, bad := range []struct{ name, token string }{{"random text", text}, {"unknown kid", unknown}, {"wrong signature", forged}} {
			if verify(ctx, bad.token) == nil {
				continue // it was set up with its one key and does not look at the kid
			}
			cs = append(cs, measure.Of(peer.Name+": "+bad.name, func() error {
				if verify(ctx, bad.token) == nil {
					return errors.New("accepted")
				}
				return nil
			}))
		}
	}
	if err := measure.Race(p.rounds, p.slice, cs...); err != nil {
		return err
	}
	r.atMost("garbage", "random text / the RSA signature alone", 0.02, ours[0].Over(raw))
	r.count("garbage", "random text, allocations", 0, ours[0].Allocs)
	r.knownMiss("garbage", "unknown kid / the RSA signature alone", 0.06, ours[1].Over(raw), 0.075,
		"a third of its 2 us is to read the header strictly, a third to look at iss, aud, exp and iat, which tell a key that may be newer than those "+
			"cached from one that is not, a tenth the tag by which the token is looked for in the cache")
	r.atMost("garbage", "wrong signature / the RSA signature alone", 1.10, ours[2].Over(raw))
	r.compare("Garbage", "Ratios are to one good RSA signature check. A peer that is not named with an unknown kid does not look at it: it has one key.",
		raw, cs, nil)
	var all []bar
	for _, c := range cs[1:] {
		all = append(all, bar{strings.ReplaceAll(c.Name, "**", ""), c.Over(raw)})
	}
	return r.bars("garbage.svg", "Garbage", "times one good RSA signature check", all)
}
