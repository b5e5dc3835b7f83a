package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// A toldVerifier tells what a Profile asks of a verifier that is written elsewhere.
type toldVerifier struct {
	auth.TokenVerifier
	algorithms []auth.Algorithm
	revocation bool
}

func (v toldVerifier) Algorithms() []auth.Algorithm { return v.algorithms }
func (v toldVerifier) ChecksRevocation() bool       { return v.revocation }

// provingBinding is a SchemeBinding with chosen algorithms.
type provingBinding struct {
	schemeBinding
	algorithms []string
}

func (b *provingBinding) Algorithms() []string { return b.algorithms }

// memberBinding is a Binding of another member, without a scheme.
type memberBinding struct{ member string }

func (b *memberBinding) Member() string   { return b.member }
func (b *memberBinding) Fields() []string { return nil }
func (b *memberBinding) Check(context.Context, string, *auth.Credentials, *auth.Principal, []byte) error {
	return nil
}

// verifierOf is one of an issuer's, for algorithms.
func verifierOf(t *testing.T, issuer string, change func(*auth.Config), algorithms ...auth.Algorithm) *auth.Verifier {
	t.Helper()
	c := auth.Config{Issuer: issuer, Audiences: []string{"a"}, Algorithms: algorithms}
	if change != nil {
		change(&c)
	}
	return must(auth.NewVerifier(jwks.Static{}, c))
}

func fapi2() *auth.GuardOptions {
	return &auth.GuardOptions{
		Profile: auth.FAPI2, RequireBound: true,
		Bindings: []auth.Binding{&schemeBinding{scheme: "DPoP"}, &memberBinding{"x5t#S256"}},
		Revoked:  func(context.Context, *auth.Principal) (bool, error) { return false, nil },
	}
}

func TestFAPI2NamesAllThatItDoesNotAllow(t *testing.T) {
	good := verifierOf(t, "https://issuer.example", nil, auth.PS256, auth.ES256, auth.EdDSA)
	insecure := func(c *auth.Config) { c.InsecureAllowIDTokens = true }
	forms := func(jwt, opaque auth.TokenVerifier) auth.TokenVerifier { return must(auth.NewForms(jwt, opaque)) }
	told := toldVerifier{good, []auth.Algorithm{auth.ES256}, true}
	unsure := toldVerifier{good, nil, false}
	noRevoked := func(o *auth.GuardOptions) { o.Revoked = nil }
	for name, tt := range map[string]struct {
		v      auth.TokenVerifier // good when nil
		change func(*auth.GuardOptions)
		want   []string
	}{
		"nothing":    {},
		"DPoP alone": {change: func(o *auth.GuardOptions) { o.Bindings = o.Bindings[:1] }},
		"mTLS alone": {change: func(o *auth.GuardOptions) { o.Bindings = o.Bindings[1:] }},
		"proofs of Ed25519, by its newer name": {change: func(o *auth.GuardOptions) {
			o.Bindings[0] = &provingBinding{schemeBinding{scheme: "DPoP"}, []string{"Ed25519", "PS256"}}
		}},
		"no Bindings": {
			change: func(o *auth.GuardOptions) { o.Bindings, o.RequireBound = nil, false },
			want:   []string{"Bindings is empty", "RequireBound is false"},
		},
		"tokens in another field": {
			change: func(o *auth.GuardOptions) { o.Bindings, o.Header = o.Bindings[1:], "X-Token" },
			want:   []string{"Header is set, and tokens come in Authorization"},
		},
		"no RequireBound": {change: func(o *auth.GuardOptions) { o.RequireBound = false }, want: []string{"RequireBound is false"}},
		"nothing that checks revocation": {
			change: noRevoked, want: []string{"Revoked is nil, and the verifier does not say that it checks revocation"},
		},
		"a verifier that says that it checks revocation":              {v: told, change: noRevoked},
		"a verifier that says that it does not":                       {v: unsure, change: noRevoked, want: []string{"Revoked is nil, and the verifier does not say that it checks revocation"}},
		"a verifier that does not, with Revoked":                      {v: unsure},
		"two verifiers that both check revocation":                    {v: forms(told, told), change: noRevoked},
		"two verifiers of which the second does not check revocation": {v: forms(told, unsure), change: noRevoked, want: []string{"Revoked is nil, and the verifier does not say that it checks revocation"}},
		"two verifiers of which the first does not check revocation":  {v: forms(unsure, told), change: noRevoked, want: []string{"Revoked is nil, and the verifier does not say that it checks revocation"}},
		"a verifier that accepts more": {
			v: verifierOf(t, "https://issuer.example", nil), want: []string{"issuer https://issuer.example may sign by RS256, RS384, RS512, PS384, PS512, ES384, ES512"},
		},
		"an issuer among others that may sign by more": {
			v:    must(auth.NewIssuers(good, verifierOf(t, "https://b.example", nil, auth.ES256, auth.RS256), verifierOf(t, "https://a.example", nil, auth.ES512))),
			want: []string{"issuer https://a.example may sign by ES512", "issuer https://b.example may sign by RS256"},
		},
		"two verifiers of which one accepts more": {v: forms(told, toldVerifier{good, []auth.Algorithm{auth.RS256}, true}), want: []string{"the auth_test.toldVerifier accepts RS256"}},
		"a verifier that does not tell its algorithms": {
			v: struct{ auth.TokenVerifier }{good}, want: []string{"the struct { auth.TokenVerifier } does not tell its algorithms"},
		},
		"a verifier that embeds another": {v: struct{ *auth.Verifier }{good}, want: []string{"the struct { *auth.Verifier } does not tell its algorithms"}},
		"ID tokens": {
			v: verifierOf(t, "https://issuer.example", insecure, auth.ES256), want: []string{"InsecureAllowIDTokens of issuer https://issuer.example"},
		},
		"proofs of another algorithm": {
			change: func(o *auth.GuardOptions) {
				o.Bindings[0] = &provingBinding{schemeBinding{scheme: "DPoP"}, []string{"ES256", "RS256", "HS256"}}
			},
			want: []string{"Bindings[0] accepts proofs of RS256, HS256"},
		},
		"proofs of algorithms that nobody tells": {
			change: func(o *auth.GuardOptions) { o.Bindings[0] = &provingBinding{schemeBinding{scheme: "DPoP"}, nil} },
			want:   []string{"Bindings[0] does not tell the algorithms of its proofs"},
		},
		"proofs without a scheme": {
			change: func(o *auth.GuardOptions) { o.Bindings[0] = &memberBinding{"jkt"} },
			want:   []string{"Bindings[0] is no SchemeBinding, so the algorithms of its proofs are unknown"},
		},
		"another member": {
			change: func(o *auth.GuardOptions) { o.Bindings = append(o.Bindings, &memberBinding{"kid"}) },
			want:   []string{`Bindings[2] checks "kid", which is neither DPoP's jkt nor mTLS's x5t#S256`},
		},
		"everything": {
			v: verifierOf(t, "https://issuer.example", insecure, auth.RS256), change: func(o *auth.GuardOptions) { *o = auth.GuardOptions{Profile: auth.FAPI2} },
			want: []string{
				"Bindings is empty", "RequireBound is false", "Revoked is nil, and the verifier does not say that it checks revocation",
				"issuer https://issuer.example may sign by RS256", "InsecureAllowIDTokens of issuer https://issuer.example",
			},
		},
	} {
		opts := fapi2()
		if tt.change != nil {
			tt.change(opts)
		}
		v := tt.v
		if v == nil {
			v = good
		}
		_, err := auth.NewGuard(v, opts)
		var got []string
		if err != nil {
			_, list, _ := strings.Cut(err.Error(), "§5.4.1): ")
			got = strings.Split(list, "; ")
		}
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("%s:\n got %q\nwant %q", name, got, tt.want)
		}
		opts.Profile = 0
		if _, err := auth.NewGuard(v, opts); err != nil {
			t.Errorf("%s, without a Profile: %v", name, err)
		}
	}
	opts := fapi2()
	opts.Profile = 2
	if _, err := auth.NewGuard(good, opts); err == nil || !strings.Contains(err.Error(), "GuardOptions.Profile is 2") {
		t.Errorf("an unknown Profile: %v", err)
	}
}

func TestFAPI2IsKeptByIssuersThatComeLater(t *testing.T) {
	first, wide := verifierOf(t, "https://a.example", nil, auth.ES256), verifierOf(t, "https://b.example", nil)
	is := must(auth.NewIssuers(first))
	if _, err := auth.NewGuard(is, &auth.GuardOptions{Profile: auth.FAPI2}); err == nil {
		t.Fatal("a Guard without Bindings")
	}
	if err := is.Add(wide); err != nil {
		t.Errorf("a Guard that could not be made has an effect: %v", err)
	}
	is.Remove(wide.Issuer())
	must(auth.NewGuard(must(auth.NewForms(is, first)), fapi2()))
	if err := is.Add(wide); err == nil || !strings.Contains(err.Error(), "issuer https://b.example may sign by RS256") {
		t.Errorf("an issuer that may sign by more: %v", err)
	}
	if err := is.Add(verifierOf(t, "https://b.example", nil, auth.PS256)); err != nil {
		t.Errorf("another: %v", err)
	}
}

func TestFAPI2NarrowsWhatNewMakes(t *testing.T) {
	opts := fapi2()
	for name, make := range map[string]func() (*auth.Guard, error){
		"New": func() (*auth.Guard, error) { return auth.New("http://127.0.0.1:1", "a", opts) },
		"NewWithKeys": func() (*auth.Guard, error) {
			return auth.NewWithKeys(must(jwks.FromIssuer("http://127.0.0.1:1", nil)), auth.Config{Issuer: "http://127.0.0.1:1", Audiences: []string{"a"}}, opts)
		},
	} {
		g, err := make()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		g.Close()
	}
	keys := must(jwks.FromIssuer("http://127.0.0.1:1", nil))
	defer keys.Close()
	named := auth.Config{Issuer: "http://127.0.0.1:1", Audiences: []string{"a"}, Algorithms: []auth.Algorithm{auth.RS256}}
	if _, err := auth.NewWithKeys(keys, named, opts); err == nil || !strings.Contains(err.Error(), "may sign by RS256") {
		t.Errorf("an algorithm that the program names: %v", err)
	}
}

// A rule that only reports accepts plain tokens.
func TestFAPI2HasNoRulesThatOnlyReport(t *testing.T) {
	opts := fapi2()
	opts.OnDecision = func(context.Context, auth.Decision) {}
	g := must(auth.NewGuard(verifierOf(t, "https://issuer.example", nil, auth.ES256), opts))
	reports := auth.AnyToken().ReportOnly()
	if err := g.CanEnforce(reports); err == nil || !strings.Contains(err.Error(), "Profile") {
		t.Errorf("CanEnforce: %v", err)
	}
	if err := g.CanEnforce(auth.AnyToken()); err != nil {
		t.Error(err)
	}
	c := auth.RequestCredentials(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), "GET /")
	if _, err := g.Authorize(t.Context(), c, reports); err == nil {
		t.Error("a rule that a swap brought accepts a request without a token")
	}
}
