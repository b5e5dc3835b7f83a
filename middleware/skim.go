package auth

import (
	"slices"
	"time"

	"github.com/bearward/bearward/internal/jose"
)

// What is looked at in a token before its key is fetched: these claims, and then the client IDs
// where they stand for an audience.
const (
	skimIss = iota
	skimAud
	skimExp
	skimIat
	skimClientID
)

// skimNames returns the names of what is looked at.
func skimNames(c Config) []string {
	names := []string{"iss", "aud", "exp", "iat"}
	if len(c.Clients) > 0 {
		names = append(names, c.ClientIDClaims...)
	}
	return names
}

// checkBeforeFetch looks at iss, aud and exp: a token that these alone condemn never causes a
// fetch. Nobody has vouched for what is read here, so all else is passed over, and everything is
// read again, strictly, once the signature is found good.
func (v *Verifier) checkBeforeFetch(s *scratch, parts jose.Compact, now time.Time) *Error {
	if err := v.skim(s, parts.Payload); err != nil {
		return err
	}
	if !jose.EqualText(s.skimmedText(skimIss), v.config.Issuer) { // check: skim-issuer
		iss, _ := jose.SkimText(s.payload, s.skimmed[skimIss])
		return v.otherIssuer(iss)
	}
	if !v.skimAudience(s) { // check: skim-audience
		return v.otherAudience(s.skimmedAudience(), "")
	}
	return v.skimExpiry(s, now)
}

// skimFirst is how much of the claims is decoded first, in base64url. Issuers write what is looked
// at before all else.
const skimFirst = 512

// skim finds what is looked at. What stands behind it is not decoded, if it is long.
func (v *Verifier) skim(s *scratch, part string) (refused *Error) {
	s.skimmed = append(s.skimmed[:0], make([]jose.Value, len(v.skimNames))...)
	for _, size := range [...]int{skimFirst, len(part)} {
		if size > len(part) {
			continue
		}
		if s.payload, refused = decodePart(s.payload, part[:size], "claims"); refused != nil {
			continue
		}
		if err := jose.Skim(s.payload, v.skimNames, s.skimmed); err != nil {
			refused = malformed("claims", err)
		} else if size == len(part) || s.skimmedAll() {
			return nil
		}
	}
	return refused
}

// skimmedAll reports whether all that is looked at was found, and stands before the end of what was
// decoded: a value at the end may be cut off.
func (s *scratch) skimmedAll() bool {
	return !slices.ContainsFunc(s.skimmed, func(v jose.Value) bool { return v.Kind == 0 || v.End >= len(s.payload) })
}

// skimmedText returns the text of what was found, which is empty for an absent claim.
func (s *scratch) skimmedText(claim int) []byte {
	v := s.skimmed[claim]
	return s.payload[v.Start:v.End]
}

// skimAudience reports whether the token may be meant for us.
func (v *Verifier) skimAudience(s *scratch) bool {
	isOurs := func(text []byte) bool {
		return slices.ContainsFunc(v.config.Audiences, func(a string) bool { return jose.EqualText(text, a) })
	}
	empty := true
	switch aud := s.skimmed[skimAud]; aud.Kind {
	case '"':
		return isOurs(s.skimmedText(skimAud))
	case '[':
		ours := false
		_ = jose.SkimElements(s.payload, aud, func(text []byte) bool {
			empty, ours = false, isOurs(text)
			return ours
		})
		if ours {
			return true
		}
	}
	return empty && v.skimClient(s)
}

// maxNotedText bounds an audience that is compared for a note, in bytes, before a key has vouched
// for it: each is compared with each of Config.Audiences, which may take longer than a signature.
const maxNotedText = 256

// skimmedAudience returns what an operator is told about.
func (s *scratch) skimmedAudience() (all []string) {
	add := func(text []byte) bool {
		if len(text) > maxNotedText { // check: skim-noted-size
			text = []byte(`"?"`) // near to none
		}
		if name, ok := jose.SkimText(text, jose.Value{Kind: '"', End: len(text)}); ok {
			all = append(all, name)
		}
		return len(all) == maxNoted
	}
	switch aud := s.skimmed[skimAud]; aud.Kind {
	case '"':
		add(s.skimmedText(skimAud))
	case '[':
		_ = jose.SkimElements(s.payload, aud, add)
	}
	return all
}

// skimClient reports whether the first client ID that the token has is one of Config.Clients.
func (v *Verifier) skimClient(s *scratch) bool {
	for claim := skimClientID; claim < len(s.skimmed); claim++ {
		if kind := s.skimmed[claim].Kind; kind != 0 && kind != 'n' {
			return slices.ContainsFunc(v.config.Clients, func(c string) bool { return jose.EqualText(s.skimmedText(claim), c) })
		}
	}
	return false
}

// skimExpiry checks exp, and iat where Config.MaxAge bounds the time since.
func (v *Verifier) skimExpiry(s *scratch, now time.Time) (err *Error) {
	p := Principal{leeway: v.config.Leeway}
	if p.exp, err = v.skimDate(s, skimExp); err != nil {
		return err
	}
	if p.iat, err = v.skimDate(s, skimIat); err != nil {
		return err
	}
	if p.exp.Sec < 0 || p.exp.Sec == 0 && p.exp.Nsec <= 0 { // check: skim-expiry-required
		return noExpiry()
	}
	p.until = p.expiry(v.config.MaxAge)
	return v.unexpired(&p, now)
}

func (v *Verifier) skimDate(s *scratch, claim int) (jose.NumericDate, *Error) {
	found := s.skimmed[claim]
	if found.Kind == 0 || found.Kind == 'n' {
		return jose.NumericDate{}, nil
	}
	d, err := jose.NumericDateOf(string(s.skimmedText(claim)), jose.Value{Kind: found.Kind, End: found.End - found.Start})
	if err != nil { // check: skim-date-type
		return d, &Error{Reason: ReasonClaimInvalid, Err: err, about: &detail{claim: v.skimNames[claim], expected: "seconds since the epoch"}}
	}
	return d, nil
}
