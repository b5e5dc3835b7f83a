package explain_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/explain"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// guardFor returns the Guard for which d is a defect.
func guardFor(is *authtest.Issuer, ds ...authtest.Defect) *auth.Guard {
	config := is.Config()
	for _, d := range ds {
		config = d.Config(config)
	}
	return must(auth.NewGuard(must(auth.NewVerifier(is.Keys(), config)), nil))
}

func reasonOf(g *auth.Guard, token string, req auth.Requirement) auth.Reason {
	_, err := g.Authorize(context.Background(), auth.Credentials{Authorization: []string{"Bearer " + token}}, req)
	if err == nil {
		return ""
	}
	return auth.AsError(err).Reason
}

// Row W-22.
func TestEveryDefectIsExplainedByTheGuardsReason(t *testing.T) {
	for _, alg := range []auth.Algorithm{auth.RS256, auth.ES256, auth.EdDSA} {
		is := authtest.NewIssuer(t, &authtest.Options{Algorithm: alg})
		if r := explain.Token(t.Context(), guardFor(is), is.Token("read:orders"), nil); r.Outcome != "accepted" || r.Reason != "" || len(r.Faults()) > 0 || !r.SignatureVerified {
			t.Fatalf("a good token: %+v", r)
		}
		for _, d := range authtest.Defects() {
			if d == authtest.DERSignature && alg != auth.ES256 {
				continue
			}
			guard, token := guardFor(is, d), is.Token("read:orders", d)
			r := explain.Token(t.Context(), guard, token, nil)
			if guards := reasonOf(guard, token, auth.AnyToken()); r.Reason != d.Reason() || guards != d.Reason() || r.Outcome != "refused" || r.Status == 0 {
				t.Errorf("%v %s: explained by %s (%s), refused by %s, want %s", alg, d, r.Reason, r.Outcome, guards, d.Reason())
			}
			faults := r.Faults()
			if !slices.ContainsFunc(faults, func(s explain.Step) bool { return s.Reason == d.Reason() }) {
				t.Errorf("%v %s: no step has its Reason: %+v", alg, d, faults)
			}
			for _, s := range faults {
				if len(s.Changes) == 0 {
					t.Errorf("%v %s: nothing to change for %s", alg, d, s.Name)
				}
			}
		}
	}
}

// A token with two defects is refused for the first. The second shows behind it, wherever it can
// still be looked at.
func TestTwoDefectsAtOnce(t *testing.T) {
	is := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	all := authtest.Defects()
	for i, first := range all {
		for _, second := range all[i+1:] {
			guard, token := guardFor(is, first, second), is.Token("read:orders", first, second)
			r := explain.Token(t.Context(), guard, token, nil)
			if guards := reasonOf(guard, token, auth.AnyToken()); r.Reason != guards {
				t.Errorf("%s and %s: explained by %s, refused by %s", first, second, r.Reason, guards)
			}
		}
	}
}

func TestFurtherFaultsAreTold(t *testing.T) {
	is := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	for name, tt := range map[string]struct {
		changes []authtest.Change
		want    string
	}{
		"two":              {[]authtest.Change{authtest.WrongAudience, authtest.Expired}, "claims aud AUDIENCE_MISMATCH, claims exp TOKEN_EXPIRED"},
		"three":            {[]authtest.Change{authtest.WrongType, authtest.BadSignature, authtest.NoSubject}, "header typ TOKEN_TYPE_NOT_ACCEPTED, key signature SIGNATURE_INVALID, claims sub CLAIM_INVALID"},
		"behind a key":     {[]authtest.Change{authtest.UnknownKid, authtest.WrongIssuer}, "key key KEY_UNKNOWN, claims iss ISSUER_NOT_TRUSTED"},
		"behind no header": {[]authtest.Change{authtest.WrongAudience, authtest.HeaderNotJSON}, "header form TOKEN_MALFORMED, claims aud AUDIENCE_MISMATCH"},
		"three that lack":  {[]authtest.Change{authtest.NoSubject, authtest.NoTokenID, authtest.NoClientID}, "claims sub CLAIM_INVALID, claims jti CLAIM_INVALID, claims client_id CLAIM_INVALID"},
		"no claims":        {[]authtest.Change{authtest.AlgNoneSigned, authtest.ClaimsArray}, "header alg ALGORITHM_NOT_ALLOWED, claims form TOKEN_MALFORMED"},
		"a rule":           {[]authtest.Change{authtest.Expired}, "claims exp TOKEN_EXPIRED, rule write:orders INSUFFICIENT_SCOPE, rule role:admin FORBIDDEN"},
	} {
		var opts explain.Options
		if name == "a rule" {
			req := must(auth.ParseRequirement("read:orders and write:orders and role:admin"))
			opts.Requirement = &req
		}
		token := is.Token("read:orders", tt.changes...)
		var got []string
		for _, s := range explain.Token(t.Context(), guardFor(is), token, &opts).Faults() {
			got = append(got, s.Part+" "+s.Name+" "+string(s.Reason))
		}
		if got := strings.Join(got, ", "); got != tt.want {
			t.Errorf("%s: got %s\nwant %s", name, got, tt.want)
		}
	}
}

// What is not looked at says why, and claims without a good signature are marked.
func TestWhatIsNotLookedAt(t *testing.T) {
	is := authtest.NewIssuer(t, nil)
	unlooked := func(r *explain.Report) string {
		var all []string
		for _, s := range r.Steps {
			if s.State == explain.NotLookedAt {
				if s.Why == "" {
					t.Errorf("%s is not looked at, and does not say why", s.Name)
				}
				all = append(all, s.Name)
			}
		}
		return strings.Join(all, " ")
	}
	for d, want := range map[authtest.Defect]string{
		authtest.RandomText:    "form alg crit typ key signature form iss aud sub jti client_id exp iat auth_time acr amr cnf scope nbf ID token marks sender",
		authtest.AlgNoneSigned: "key signature",
		authtest.UnknownKid:    "signature",
		authtest.HeaderNotJSON: "alg crit typ key signature",
		authtest.ClaimsArray:   "iss aud sub jti client_id exp iat auth_time acr amr cnf scope nbf ID token marks sender",
		authtest.BadSignature:  "",
		authtest.Expired:       "",
	} {
		r := explain.Token(t.Context(), guardFor(is), is.Token("", d), nil)
		if got := unlooked(r); got != want {
			t.Errorf("%s: not looked at: %s\nwant %s", d, got, want)
		}
		for _, s := range r.Steps {
			if (s.Part == "claims" || s.Part == "guard") && s.State == explain.Good && s.Unverified == r.SignatureVerified {
				t.Errorf("%s: %s: unverified %v, signature verified %v", d, s.Name, s.Unverified, r.SignatureVerified)
			}
		}
	}
}

// The API's own functions are given claims that somebody vouched for, or none.
func TestOwnChecksAreAskedOfGoodTokensAlone(t *testing.T) {
	is := authtest.NewIssuer(t, nil)
	asked := 0
	config := is.Config()
	config.Checks = []func(*auth.Principal) error{func(*auth.Principal) error { asked++; return nil }}
	guard := must(auth.NewGuard(must(auth.NewVerifier(is.Keys(), config)), &auth.GuardOptions{
		Revoked: func(context.Context, *auth.Principal) (bool, error) { asked++; return true, nil },
	}))
	req := auth.AnyToken().With(func(context.Context, *auth.Principal) error { asked += 100; return nil })
	for _, d := range []authtest.Defect{authtest.BadSignature, authtest.Expired, authtest.WrongType} {
		explain.Token(t.Context(), guard, is.Token("", d), &explain.Options{Requirement: &req})
		if asked != 0 {
			t.Errorf("%s: asked", d)
		}
	}
	r := explain.Token(t.Context(), guard, is.Token(""), &explain.Options{Requirement: &req})
	if asked != 2 || r.Reason != auth.ReasonTokenRevoked {
		t.Errorf("a revoked token: %d asked, %s", asked, r.Reason)
	}
}

// values returns what a token says: each string and number of header and claims that has more than
// three characters, and parts of the token itself.
func values(token string) (all []string) {
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			all = append(all, v)
		case json.Number:
			all = append(all, v.String())
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for name, e := range v {
				if strings.HasPrefix(name, "canary") {
					all = append(all, name)
				}
				walk(e)
			}
		}
	}
	for part := range strings.SplitSeq(token, ".") {
		doc, err := base64.RawURLEncoding.DecodeString(part)
		dec := json.NewDecoder(strings.NewReader(string(doc)))
		dec.UseNumber()
		var v any
		if err == nil && dec.Decode(&v) == nil {
			walk(v)
		}
	}
	for i := 0; i+8 <= len(token); i += 3 {
		if !strings.HasPrefix(token, "{") { // a JSON serialization has words of ours
			all = append(all, token[i:i+8])
		}
	}
	return all
}

func TestNothingOfATokenIsTold(t *testing.T) {
	is := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
	canaries := authtest.Claims{"sub": "canary-sub", "client_id": "canary-client", "jti": "canary-jti", "acr": "canary-acr", "canary-name": "canary-value",
		"roles": []string{"canary-role"}, "scope": "canary:scope", "act": map[string]any{"sub": "canary-actor"}}
	req := must(auth.ParseRequirement("delete:orders and role:admin and acr:urn:mfa and authenticated-within:5m"))
	config := []string{is.URL, is.Audience, "at+jwt", "JWT", "jwt", "dpop+jwt", "logout+jwt", "suspended", "none", "Bearer", "RS256", "ES256", "HS256", "ES256K"} // told by every log
	for _, d := range authtest.Defects() {
		guard, token := guardFor(is, d), is.Token("", canaries, d)
		told := string(must(json.Marshal(explain.Token(t.Context(), guard, token, &explain.Options{Requirement: &req}))))
		for _, secret := range values(token) {
			if len(secret) > 3 && !slices.Contains(config, secret) && strings.Contains(told, secret) {
				t.Fatalf("%s: tells %q: %s", d, secret, told)
			}
		}
		withClaims := string(must(json.Marshal(explain.Token(t.Context(), guard, token, &explain.Options{Requirement: &req, Claims: true}))))
		if readable := strings.Contains(withClaims, `"claims":{`); readable && !strings.Contains(withClaims, "canary-value") {
			t.Errorf("%s: -claims does not show the claims: %s", d, withClaims)
		}
	}
}

func TestClaimsAreSafeToPrint(t *testing.T) {
	is := authtest.NewIssuer(t, nil)
	hostile := "\x1b[2J\u009b31m\u202e\U0001F600\x00"
	r := explain.Token(t.Context(), guardFor(is), is.Token("", authtest.Claims{"sub": hostile, "aud": hostile}), &explain.Options{Claims: true})
	var claims struct{ Sub string }
	if err := json.Unmarshal(r.Claims, &claims); err != nil || claims.Sub != hostile {
		t.Errorf("the claims changed: %q, %v", claims.Sub, err)
	}
	for _, c := range string(r.Claims) + r.Faults()[0].Has {
		if c < ' ' || c > '~' {
			t.Fatalf("%q is printed", c)
		}
	}
	if fault := r.Faults()[0]; !strings.HasPrefix(fault.Has, `a string: "\u001b[2J`) {
		t.Errorf("got %q", fault.Has)
	}
}

// A source's error may quote what a server sent, such as the names in its certificate.
func TestErrorsOfKeySourcesAreSafeToPrint(t *testing.T) {
	is := authtest.NewIssuer(t, nil)
	down := sourceFunc(func() error {
		names := x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"\x1b[2Jx\u009b31m\u202e"}}, Host: "issuer.example"}
		return fmt.Errorf("%w: %w", jwks.ErrUnavailable, names)
	})
	guard := must(auth.NewGuard(must(auth.NewVerifier(down, auth.Config{Issuer: is.URL, Audiences: []string{"api"}})), nil))
	r := explain.Token(t.Context(), guard, is.Token(""), nil)
	for _, s := range r.Steps {
		if strings.ContainsAny(s.Detail, "\x1b\u009b\u202e") {
			t.Errorf("%s %s: %q is printed", s.Part, s.Name, s.Detail)
		}
	}
	if s := r.Faults()[0]; s.Part != "key" || !strings.Contains(s.Detail, "valid for ?[2Jx?31m?, not issuer.example") {
		t.Errorf("got %+v", s)
	}
}

// A sourceFunc has no key, and says why.
type sourceFunc func() error

func (f sourceFunc) Keys(context.Context, string) ([]*jwks.Key, error) { return nil, f() }

func TestThePastCanBeAskedFor(t *testing.T) {
	is := authtest.NewIssuer(t, nil)
	token := is.Token("", authtest.Expired)
	now := explain.Token(t.Context(), guardFor(is), token, nil)
	then := explain.Token(t.Context(), guardFor(is), token, &explain.Options{At: time.Now().Add(-90 * time.Minute)})
	if now.Reason != auth.ReasonTokenExpired || then.Reason != "" || then.Outcome != "accepted" {
		t.Errorf("now %s, then %s", now.Reason, then.Reason)
	}
	if has := now.Faults()[0].Has; !strings.HasPrefix(has, "a time 1h0m") || !strings.HasSuffix(has, " ago") {
		t.Errorf("got %q", has)
	}
}

func TestRulesAreExplained(t *testing.T) {
	is := authtest.NewIssuer(t, nil)
	guard := must(auth.NewGuard(must(auth.NewVerifier(is.Keys(), is.Config())), &auth.GuardOptions{
		Implies: map[string][]string{"orders": {"read:orders"}}, OnDecision: func(context.Context, auth.Decision) {},
	}))
	for rule, want := range map[string]string{
		"read:orders":                    "accepted ",
		"write:orders":                   "refused INSUFFICIENT_SCOPE",
		"write:orders or read:orders":    "accepted ",
		"role:admin":                     "refused FORBIDDEN",
		"acr:urn:mfa":                    "refused INSUFFICIENT_USER_AUTHENTICATION",
		"authenticated-within:5m":        "refused INSUFFICIENT_USER_AUTHENTICATION",
		"bound token":                    "refused BINDING_REQUIRED",
		"optional":                       "accepted ",
		"public":                         "accepted ",
		"role:admin and write:orders":    "refused INSUFFICIENT_SCOPE",
		"any token":                      "accepted ",
		"report-only write:orders":       "reported INSUFFICIENT_SCOPE",
		"client:https://x.example|other": "refused FORBIDDEN",
	} {
		req := must(auth.ParseRules("GET /x = " + rule))["GET /x"]
		token := is.Token("orders")
		r := explain.Token(t.Context(), guard, token, &explain.Options{Requirement: &req})
		if got := r.Outcome + " " + string(r.Reason); got != want {
			t.Errorf("%s: got %s, want %s", rule, got, want)
		}
		if guards := reasonOf(guard, token, req); r.Outcome != "reported" && guards != r.Reason {
			t.Errorf("%s: explained by %s, refused by %s", rule, r.Reason, guards)
		}
	}
	none := explain.Token(t.Context(), guard, is.Token("orders"), &explain.Options{Requirement: new(auth.Requirement)})
	if none.Reason != auth.ReasonNoRule {
		t.Errorf("no rule: %s", none.Reason)
	}
	public := auth.Public()
	if r := explain.Token(t.Context(), guard, is.Token("", authtest.Expired), &explain.Options{Requirement: &public}); r.Outcome != "accepted" || len(r.Faults()) != 1 {
		t.Errorf("an expired token at a public operation: %s", r.Outcome)
	}
}

func TestOtherVerifiersAreExplained(t *testing.T) {
	one := authtest.NewIssuer(t, nil)
	two := authtest.NewIssuer(t, &authtest.Options{URL: "https://two.example"})
	both := must(auth.NewIssuers(one.Verifier(auth.Config{}), two.Verifier(auth.Config{})))
	refuses := verifierFunc(func(context.Context, string) (*auth.Principal, error) {
		return nil, &auth.Error{Reason: auth.ReasonTokenInactive}
	})
	breaks := verifierFunc(func(context.Context, string) (*auth.Principal, error) { return nil, errors.New("down") })
	forms := must(auth.NewForms(both, refuses))
	for name, tt := range map[string]struct {
		verifier auth.TokenVerifier
		token    string
		want     string
	}{
		"the second issuer":        {both, two.Token(""), "accepted "},
		"a fault of the second":    {both, two.Token("", authtest.Expired), "refused TOKEN_EXPIRED"},
		"no issuer of ours":        {both, two.Token("", authtest.WrongIssuer), "refused ISSUER_NOT_TRUSTED"},
		"no claims":                {both, two.Token("", authtest.ClaimsArray), "refused TOKEN_MALFORMED"},
		"a JWT by form":            {forms, one.Token("", authtest.WrongAudience), "refused AUDIENCE_MISMATCH"},
		"opaque":                   {forms, "opaque-token", "refused TOKEN_INACTIVE"},
		"a verifier that is down":  {breaks, one.Token(""), "not_judged UNAVAILABLE"},
		"of two kinds, a good one": {forms, one.Token(""), "accepted "},
	} {
		guard := must(auth.NewGuard(tt.verifier, nil))
		r := explain.Token(t.Context(), guard, tt.token, nil)
		if got := r.Outcome + " " + string(r.Reason); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
		if guards := reasonOf(guard, tt.token, auth.AnyToken()); guards != r.Reason {
			t.Errorf("%s: explained by %s, refused by %s", name, r.Reason, guards)
		}
	}
}

type verifierFunc func(context.Context, string) (*auth.Principal, error)

func (f verifierFunc) VerifyToken(ctx context.Context, raw string) (*auth.Principal, error) {
	return f(ctx, raw)
}

func TestEveryReasonHasAChange(t *testing.T) {
	for _, r := range auth.Reasons() {
		reason := verifierFunc(func(context.Context, string) (*auth.Principal, error) { return nil, &auth.Error{Reason: r} })
		for _, s := range explain.Token(t.Context(), must(auth.NewGuard(reason, nil)), "token", nil).Faults() {
			for _, c := range s.Changes {
				if c.Side == "" || c.Do == "" {
					t.Errorf("%s: %+v", r, c)
				}
			}
			if len(s.Changes) == 0 {
				t.Errorf("%s: nothing to change", r)
			}
		}
	}
}
