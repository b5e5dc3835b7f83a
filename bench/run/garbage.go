package main

import (
	"context"
	"strings"

	"github.com/bearward/bearward/bench/measure"
	"github.com/bearward/bearward/bench/peers"
	"github.com/bearward/bearward/bench/tokens"
	auth "github.com/bearward/bearward/middleware"
)

// garbage measures what anybody can send, beside the RSA check that an attacker would like to make us do for each.
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
	stranger := *s.key
	stranger.ID = "no-such-key"
	unknown, err := stranger.Sign(tokens.Claims())
	if err != nil {
		return err
	}
	if err := accept(ctx, v, s.token)(); err != nil { // a good token came by before
		return err
	}
	text := strings.Repeat("x", len(s.token))
	raw := measure.Of("the signature alone (standard library)", check)
	ours := []*measure.Contestant{
		measure.Of("**Bearward**: random text", refuse(ctx, v, text, auth.ReasonMalformedToken)),
		measure.Of("**Bearward**: unknown kid", refuse(ctx, v, unknown, auth.ReasonUnknownKey)),
		measure.Of("**Bearward**: wrong signature", refuse(ctx, v, forged, auth.ReasonSignature)),
	}
	cs := append([]*measure.Contestant{raw}, ours...)
	for _, name := range []string{"golang-jwt v5 + keyfunc v3", "jwx v3 jwt.Parse"} {
		verify, err := peers.Named(name).New(ctx, s.key, s.server.URL)
		if err != nil {
			return err
		}
		for _, bad := range []struct{ name, token string }{{"random text", text}, {"unknown kid", unknown}, {"wrong signature", forged}} {
			cs = append(cs, measure.Of(name+": "+bad.name, func() error {
				_ = verify(ctx, bad.token) // refused, as the probe has seen
				return nil
			}))
		}
	}
	if err := measure.Race(p.rounds, p.slice, cs...); err != nil {
		return err
	}
	r.atMost("garbage", "random text / the RSA signature alone", 0.02, ours[0].Over(raw))
	r.count("garbage", "random text, allocations", 0, ours[0].Allocs)
	r.knownMiss("garbage", "unknown kid / the RSA signature alone", 0.06, ours[1].Over(raw), 0.22,
		"iss, aud and exp are looked at before a key is looked for, so all claims are read, once, by a strict decoder")
	r.knownMiss("garbage", "wrong signature / the RSA signature alone", 1.10, ours[2].Over(raw), 1.26,
		"up to the signature a forged token costs what a good one costs, for which the bound is 1.18, and the error of jwx comes on top")
	r.compare("Garbage", "Ratios are to one good RSA signature check.", raw, cs, nil)
	return nil
}
