package authserver

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" // what apps that show such codes expect (RFC 6238 §1.2)
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
)

// The ways to log in, as "acr" and acr_values name them (RFC 9470 §4).
const (
	ACRPassword    = "urn:example:pwd" // a password
	ACRMultiFactor = "urn:example:mfa" // a password, and a code of the user's CodeKey
)

// errUnmet is RFC 9470 §5's: the user cannot log in as the application asks.
const errUnmet = "unmet_authentication_requirements"

// codeStep is how long a code is shown, and the one before and after it are accepted (RFC 6238
// §5.2).
const codeStep = 30 * time.Second

// Code is the code of six digits that the user's device shows at that time (RFC 6238).
func (u User) Code(at time.Time) string {
	return codeOf(u.CodeKey, at.Unix()/int64(codeStep/time.Second))
}

func codeOf(key []byte, step int64) string {
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, step)
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[offset:])&0x7fffffff%1_000_000)
}

// useCode tells whether code is the user's now, and was not used before. stepMu is held.
func (s *Server) useCode(u User, code string) bool {
	if len(u.CodeKey) == 0 {
		return false
	}
	now := time.Now().Unix() / int64(codeStep/time.Second)
	for step := now - 1; step <= now+1; step++ {
		if step > s.usedSteps[u.Name] && subtle.ConstantTimeCompare([]byte(codeOf(u.CodeKey, step)), []byte(code)) == 1 {
			s.usedSteps[u.Name] = step
			return true
		}
	}
	return false
}

// withKnownACRs leaves out of acr_values what is not known here, when something else is there: it
// is a list of what would do, in order of preference (OpenID Connect Core §3.1.2.1). Go-oidc
// refuses the request for one unknown value.
func withKnownACRs(r *http.Request) *http.Request {
	query := r.URL.Query()
	known := slices.DeleteFunc(strings.Fields(query.Get("acr_values")), func(acr string) bool {
		return acr != ACRPassword && acr != ACRMultiFactor
	})
	if len(known) == 0 {
		return r
	}
	query.Set("acr_values", strings.Join(known, " "))
	r = r.Clone(r.Context())
	r.URL.RawQuery = query.Encode()
	return r
}

// wanted is the way to log in that the application prefers; "" when it asks for none.
func wanted(as *goidc.AuthnSession) string {
	first, _, _ := strings.Cut(strings.Join(strings.Fields(as.ACRValues), " "), " ")
	return first
}

// meets tells whether a login is of the way that the application prefers. One with a code is also
// one with a password.
func meets(current login, as *goidc.AuthnSession) bool {
	return wanted(as) != ACRMultiFactor || current.acr == ACRMultiFactor
}

// authenticateUser checks what came with the login page, and returns the way in which the user is
// authenticated by it; "" when something is wrong. A user without a CodeKey logs in by password
// where the application takes that, too.
func (s *Server) authenticateUser(as *goidc.AuthnSession, name, password, code string) (string, error) {
	if !s.passwordIs(name, password) {
		return "", nil
	}
	if wanted(as) != ACRMultiFactor {
		return ACRPassword, nil
	}
	user, _ := s.user(name)
	switch {
	case len(user.CodeKey) > 0 && s.useCode(user, code):
		return ACRMultiFactor, nil
	case len(user.CodeKey) > 0:
		return "", nil
	case slices.Contains(strings.Fields(as.ACRValues), ACRPassword):
		return ACRPassword, nil
	}
	return "", goidc.NewError(errUnmet, "this user has no device for codes")
}

// loginClaims say how and when the user logged in (RFC 9470 §6.1, RFC 9068 §2.2.1).
func loginClaims(g *goidc.Grant) map[string]any {
	claims := map[string]any{goidc.ClaimAuthTime: g.Store[keepAuthTime], goidc.ClaimACR: g.Store[keepACR]}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func tokenClaims(_ context.Context, _ *goidc.Token, g *goidc.Grant) map[string]any {
	return loginClaims(g)
}
