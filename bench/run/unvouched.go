package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/bearward/bearward/bench/measure"
	"github.com/bearward/bearward/bench/tokens"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// unvouched measures what is read of a token before a signature vouches for it: a header, and
// claims that are walked for iss. All of it must cost less than the RSA check that it keeps away.
func unvouched(ctx context.Context, p plan, r *report) error {
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
	one, err := tenants(s, 1, 0)
	if err != nil {
		return err
	}
	many, err := tenants(s, 300, 0)
	if err != nil {
		return err
	}
	forged, err := s.key.Spoil(s.token)
	if err != nil {
		return err
	}
	encode := base64.RawURLEncoding.EncodeToString
	header, _, _ := strings.Cut(s.token, ".")
	members := strings.Repeat(`"m":{"a":1},`, 900)
	wide := encode([]byte(`{"alg":"RS256"`+strings.Repeat(`,"m":0`, 500)+`}`)) + ".e30.AA"
	late := header + "." + encode([]byte(`{`+members+`"iss":"https://nobody.example"}`)) + ".AA"
	raw := measure.Of("the RSA signature alone (standard library)", check)
	wideHeader := measure.Of("**Bearward**: a header of 500 members", refuse(ctx, v, wide, auth.ReasonTokenMalformed))
	lateIssuer := measure.Of("**Bearward**: iss behind 10 kB of claims", refuse(ctx, many, late, auth.ReasonIssuerNotTrusted))
	forgedOne := measure.Of("**Bearward**: forged, one tenant", refuse(ctx, one, forged, auth.ReasonSignatureInvalid))
	forgedMany := measure.Of("**Bearward**: forged, 300 tenants", refuse(ctx, many, forged, auth.ReasonSignatureInvalid))
	unnamed, err := threeKeys(s)
	if err != nil {
		return err
	}
	small := bytes.Repeat([]byte{1}, 256) // below every modulus: a larger one is refused without a check
	noKeyID := encode([]byte(`{"alg":"RS256","typ":"at+jwt"}`)) + "." + strings.Split(forged, ".")[1] + "." + encode(small)
	forgedUnnamed := measure.Of("**Bearward**: forged, without a kid, three keys", refuse(ctx, unnamed, noKeyID, auth.ReasonSignatureInvalid))
	cs := []*measure.Contestant{raw, wideHeader, lateIssuer, forgedOne, forgedMany, forgedUnnamed}
	if err := measure.Race(p.rounds, p.slice, cs...); err != nil {
		return err
	}
	r.atMost("unvouched", "header with 500 members / the RSA signature alone", 0.3, wideHeader.Over(raw))
	r.atMost("unvouched", "iss behind 10 kB of claims / the RSA signature alone", 1, lateIssuer.Over(raw))
	r.atMost("unvouched", "forged token, 300 tenants of one key set / one tenant", 1.2, forgedMany.Over(forgedOne))
	r.atMost("unvouched", "forged token without a kid, three keys / the RSA signature alone", 3.3, forgedUnnamed.Over(raw))
	r.compare("Before the signature", "Ratios are to one good RSA signature check.", raw, cs, nil)
	return nil
}

// threeKeys returns a Verifier of three RSA keys, each of which is tried for a token that names
// none: more are never tried.
func threeKeys(s *stand) (*auth.Verifier, error) {
	keys := jwks.Static{}
	for n := range 3 {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		keys = append(keys, &jwks.Key{ID: fmt.Sprint(n), Algorithm: s.key.Alg, Public: private.Public()})
	}
	return auth.NewVerifier(keys, auth.Config{Issuer: tokens.Issuer, Audiences: []string{tokens.Audience}})
}

// tenants returns the Issuers of n tenants whose keys are the same; cache is Config.CacheSize.
func tenants(s *stand, n, cache int) (*auth.Issuers, error) {
	var vs []*auth.Verifier
	for i := range n {
		issuer := tokens.Issuer
		if i > 0 {
			issuer = fmt.Sprint(tokens.Issuer, "/", i)
		}
		v, err := auth.NewVerifier(s.keys, auth.Config{Issuer: issuer, Audiences: []string{tokens.Audience}, CacheSize: cache})
		if err != nil {
			return nil, err
		}
		vs = append(vs, v)
	}
	return auth.NewIssuers(vs...)
}
