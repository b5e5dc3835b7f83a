package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// What the log says is enough to mend the cause: what was missing, and what is configured.
func TestLogRefusalsTellsWhatToMend(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	of := func(changes ...authtest.Change) string { return issuer.Token("read:orders", changes...) }
	other := authtest.Claims{"aud": "https://other.example"}
	iss := func(name string) func(*auth.Config) { return func(c *auth.Config) { c.Issuer = name } }
	aud := func(name string) string { return of(authtest.Claims{"aud": name}) }
	typ := func(name any) string { return of(authtest.Header{"typ": name}) }
	alg := func(name string) string { return of(authtest.Header{"alg": name}) }
	bound := func(cnf map[string]any) string { return of(authtest.Claims{"cnf": cnf}) }
	const entra2, entra1 = "https://login.microsoftonline.com/t/v2.0", "https://sts.windows.net/t/"
	for _, tt := range []struct {
		name   string
		change func(*auth.Config)
		token  string
		want   string
	}{
		{"a scope is missing", nil, issuer.Token("other"), `reason=INSUFFICIENT_SCOPE scopes="read:orders write:orders"`},
		{"one audience", nil, of(other), "reason=AUDIENCE_MISMATCH claim=aud expected=https://api.example"},
		{"two audiences", func(c *auth.Config) { c.Audiences = append(c.Audiences, "api2") }, of(other), `expected="https://api.example or api2"`},
		{"clients in place of an audience", func(c *auth.Config) { c.Audiences, c.Clients = nil, []string{"app", "app2"} }, of(other), `expected="none, of client app or app2"`},
		{"an audience, or a client", func(c *auth.Config) { c.Clients = []string{"app"} }, of(other), `expected="https://api.example; or none, of client app"`},
		{"a type", nil, of(authtest.Header{"typ": "JWT"}), "claim=typ expected=at+jwt"},
		{"types, or none", func(c *auth.Config) { c.Types = []string{"at+jwt", ""} }, of(authtest.Header{"typ": "JWT"}), `expected="at+jwt or none"`},
		{"too large", nil, of(authtest.TooLarge), `reason=TOKEN_TOO_LARGE detail="over 16384 bytes (Config.MaxTokenBytes)"`},
		{"two words", nil, "a b", `reason=INVALID_REQUEST detail="no token, or more than one word`},
		{"a quote", nil, `"a.b.c"`, `detail="a character that no token has, such as a quote`},
		{"no signature", nil, of(authtest.EmptySignature), `detail="its signature is empty"`},
		{"JWT", nil, typ("JWT"), `detail="it is JWT, as that of ID tokens`},
		{"no type", nil, typ(authtest.Absent), `detail="there is none: a preset of package provider`},
		{"at+jwt", func(c *auth.Config) { c.Types = []string{"JWT"} }, of(), `detail="it is at+jwt, which Config.Types lacks"`},
		{"a proof", nil, typ("dpop+jwt"), `detail="it is that of a DPoP proof (RFC 9449)"`},
		{"a type of their own", nil, typ("x"), `detail="it is none of an access token that is well known"`},
		{"unsigned", nil, alg("none"), `detail="the token is not signed"`},
		{"a shared secret", nil, alg("HS512"), `detail="the token says HS512, whose key is a secret`},
		{"an algorithm that is not configured", func(c *auth.Config) { c.Algorithms = []auth.Algorithm{auth.ES256} }, of(), `detail="the token says RS256, which Config.Algorithms lacks"`},
		{"an algorithm of later", nil, alg("ML-DSA-44"), `detail="the token says ML-DSA-44, which no API here can verify"`},
		{"an algorithm of their own", nil, alg("c4n4ry"), `detail="the token says another, which is not well known"`},
		{"no issuer", nil, of(authtest.NoIssuer), `claim=iss expected=https://issuer.example detail="there is none"`},
		{"a slash more", nil, of(authtest.IssuerTrailingSlash), `detail="it ends in a slash, and Config.Issuer does not"`},
		{"a slash less", iss(issuer.URL + "/"), of(), `detail="it lacks the slash at the end of Config.Issuer"`},
		{"another case", iss("https://ISSUER.example"), of(), `detail="it differs from Config.Issuer in case alone"`},
		{"http", iss("http://issuer.example"), of(), `detail="it differs from Config.Issuer in http and https alone"`},
		{"another realm", iss("https://issuer.example/realms/a"), of(), `detail="it has the host of Config.Issuer, and another path"`},
		{"another host", iss("https://other.example"), of(), `detail="it is of another host than Config.Issuer"`},
		{"version 1 of Entra", iss(entra2), of(authtest.Claims{"iss": entra1}), `detail="it is Entra ID's of tokens of version 1: provider.EntraV1`},
		{"version 2 of Entra", iss(entra1), of(authtest.Claims{"iss": entra2}), `detail="it is Entra ID's of tokens of version 2: provider.Entra"`},
		{"no audience", nil, of(authtest.NoAudience), `detail="there is none: the client asked for no API`},
		{"an audience with a slash more", nil, aud("https://api.example/"), `detail="it ends in a slash, and Config.Audiences does not"`},
		{"the second audience with a slash more", nil, of(authtest.Claims{"aud": []string{"x", "https://api.example/"}}), `detail="it ends in a slash, and Config.Audiences does not"`},
		{"an App ID URI", nil, aud("api://api.example"), `detail="it differs from Config.Audiences in what stands before :// alone"`},
		{"the ID of an App ID URI", func(c *auth.Config) { c.Audiences = []string{"api://6e74172b"} }, aud("6e74172b"), `detail="it differs from Config.Audiences in what stands before :// alone"`},
		{"the App ID URI of an ID", func(c *auth.Config) { c.Audiences = []string{"6e74172b"} }, aud("api://6e74172b"), `detail="it differs from Config.Audiences in what stands before :// alone"`},
		{"the client", nil, of(authtest.Claims{"aud": "app", "client_id": "app"}), `detail="it is the client itself, as in ID tokens`},
		{"the wrong key", nil, of(authtest.WrongKey), `detail="the key that is published under its kid did not sign it`},
		{"no kid", nil, of(authtest.WrongKey, authtest.Header{"kid": authtest.Absent}), `detail="no kid, and no published key for its alg signed it`},
		{"cut off", nil, of(authtest.Truncated), `detail="the signature has not the length of one by its key: was the token cut off?"`},
		{"a clock", nil, of(authtest.NotYetValid), `claim=nbf expected="a time that has come" detail="by the clock of this machine and Config.Leeway, 30s"`},
		{"a clock, and no leeway", func(c *auth.Config) { c.Leeway = -1 }, of(authtest.IssuedInFuture), `claim=iat expected="a time that has come" detail="by the clock of this machine and Config.Leeway, 0s"`},
		{"no subject", nil, of(authtest.NoSubject), `detail="missing, null or empty, and one of Config.RequiredClaims"`},
		{"another fixed value", func(c *auth.Config) { *c = authtest.WrongFixedClaim.Config(*c) }, of(authtest.WrongFixedClaim), `detail="it is another than that of Config.FixedClaims"`},
		{"no fixed value", func(c *auth.Config) { c.FixedClaims = map[string]string{"token_use": "access"} }, of(), `detail="there is none, and Config.FixedClaims asks for it"`},
		{"scopes in an array", nil, of(authtest.ScopeArray), `expected="scopes in one string (or in an array, with Config.ScopeArray)"`},
		{"an ID token", func(c *auth.Config) { c.Types = []string{"JWT"} }, of(authtest.IDToken), `detail="it marks ID tokens (Config.IDTokenClaims)`},
		{"a check", func(c *auth.Config) {
			c.Checks = []func(*auth.Principal) error{func(*auth.Principal) error { return nil }, func(*auth.Principal) error { return errors.New("c4n4ry") }}
		}, of(), `reason=CLAIMS_REFUSED detail=Config.Checks[1]`},
		{"a check that tells", func(c *auth.Config) {
			c.Checks = []func(*auth.Principal) error{func(*auth.Principal) error { return fmt.Errorf("c4n4ry: %w", tellingError{}) }}
		}, of(), `detail="Config.Checks[0]: the store is a replica"`},
		{"a check of claims of another type", func(c *auth.Config) {
			c.Checks = []func(*auth.Principal) error{auth.CheckClaims(func(*struct {
				Sub int `json:"sub"`
			}) error {
				return nil
			})}
		}, of(), `detail="Config.Checks[0]: a claim has another type than CheckClaims asks for"`},
		{"bound by DPoP", nil, bound(map[string]any{"jkt": "c4n4ry"}), `detail="bound to a DPoP key (jkt), and GuardOptions.Bindings has no dpop.New"`},
		{"bound by mTLS", nil, bound(map[string]any{"x5t#S256": "c4n4ry"}), `detail="bound to a client's certificate (x5t#S256), and GuardOptions.Bindings has no mtls.New"`},
		{"bound otherwise", nil, bound(map[string]any{"c4n4ry": "x"}), `detail="bound in a way that none of GuardOptions.Bindings checks"`},
		{"bound to nothing", nil, bound(map[string]any{}), `detail="cnf names no key"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := issuer.Config()
			if tt.change != nil {
				tt.change(&config)
			}
			got := logged(t, t.Context(), must(auth.NewVerifier(issuer.Keys(), config)), tt.token)
			if !strings.Contains(got, tt.want) || strings.Contains(got, "c4n4ry") {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			// Where the key must be fetched, iss and aud are looked at before it.
			if strings.Contains(got, "claim=iss") || strings.Contains(got, "claim=aud") {
				v := must(auth.NewVerifier(&source{Static: issuer.Keys()}, config))
				if got := logged(t, t.Context(), v, tt.token); !strings.Contains(got, tt.want) && tt.name != "the client" {
					t.Errorf("without a key: got %s, want %s", got, tt.want)
				}
			}
		})
	}
}

// A stranger's audiences are compared with the configured ones as long as that costs next to
// nothing.
func TestLogRefusalsTellsNothingOfLongAudiencesOfStrangers(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	v := must(auth.NewVerifier(&source{Static: issuer.Keys()}, issuer.Config()))
	const note = "it has the host of Config.Audiences, and another path"
	for length, want := range map[int]bool{100: true, 2000: false} {
		long := "https://api.example/" + strings.Repeat("x", length)
		for _, aud := range []any{long, []string{long, "b"}} {
			got := logged(t, t.Context(), v, issuer.Token("read:orders", authtest.Claims{"aud": aud}))
			if !strings.Contains(got, "claim=aud") || strings.Contains(got, note) != want || strings.Contains(got, "there is none") {
				t.Errorf("%d bytes: %s", length, got)
			}
		}
	}
}

// Of several issuers, too, the log says how a name differs from one of them.
func TestLogRefusalsTellsOfSeveralIssuers(t *testing.T) {
	a, b := authtest.NewIssuer(t, &authtest.Options{URL: "https://a.example"}), authtest.NewIssuer(t, &authtest.Options{URL: "https://b.example/"})
	issuers := must(auth.NewIssuers(a.Verifier(a.Config()), b.Verifier(b.Config())))
	for iss, want := range map[any]string{
		"https://a.example/": `detail="it ends in a slash, and a configured one does not"`, "https://b.example": `detail="it lacks the slash at the end of a configured one"`,
		authtest.Absent: `detail="there is none"`, "https://c4n4ry.example": `detail="it is none of those that are configured"`, strings.Repeat("c4n4ry", 100): `detail="it is none of those that are configured"`,
	} {
		if got := logged(t, t.Context(), issuers, a.Token("read:orders", authtest.Claims{"iss": iss})); !strings.Contains(got, "claim=iss expected=\"a configured issuer\" "+want) || strings.Contains(got, "c4n4ry") {
			t.Errorf("%v: %s, want %s", iss, got, want)
		}
	}
}

// A token that cannot be judged by any key says what it is; a key that is published and not used,
// why (the texts are constants and names of algorithms).
func TestLogRefusalsTellsWhatTheTokenIs(t *testing.T) {
	key := newSigningKey(t, "RS256", "a")
	bare := key.public()
	bare.Algorithm = ""
	bound := newSigningKey(t, "PS256", "b").public()
	v := func(keys ...*jwks.Key) auth.TokenVerifier {
		v, err := auth.NewVerifier(jwks.Static(keys), auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	header := func(text string) string { return key.sign(t, text, claims()) }
	payload := func(text string) string { return key.sign(t, key.header(), text) }
	four := []*jwks.Key{newSigningKey(t, "EdDSA", "1").public(), newSigningKey(t, "EdDSA", "2").public(), newSigningKey(t, "EdDSA", "3").public(), newSigningKey(t, "EdDSA", "4").public()}
	for _, tt := range []struct {
		name, token, want string
		keys              []*jwks.Key
	}{
		{"opaque", "oat_8f3a1", `detail="opaque: it has no dots, so it is no JWT"`, nil},
		{"encrypted", "eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA", `detail="encrypted (5 parts)"`, nil},
		{"two parts", "eyJhbGciOiJkaXIifQ.AAAA", `detail="not a compact JWS"`, nil},
		{"not canonical", "eyK.AAAA.AAAA", `detail="header: not base64url without padding, in its one spelling"`, nil},
		{"a header twice", header(`{"alg":"RS256","alg":"RS256"}`), `detail="header: a member appears twice"`, nil},
		{"a numeric kid", header(`{"alg":"RS256","typ":"at+jwt","kid":7}`), `detail="header: \"kid\" is not a string of at most 256 bytes"`, nil},
		{"no alg", header(`{"typ":"at+jwt"}`), `detail="header: \"alg\" is missing, or not a string"`, nil},
		{"a header with a chain of certificates", header(`{"alg":"RS256","x5c":["` + strings.Repeat("A", 5000) + `"]}`), `detail="header: over 4 KiB, over 32 members, or nested over 4 deep"`, nil},
		{"a claim twice", payload(`{"iss":"a","iss":"b"}`), `detail="claims: a member appears twice"`, []*jwks.Key{bare}},
		{"a claim twice, deep", payload(`{"x":[{"a":1,"a":2}]}`), `detail="claims: a member appears twice"`, []*jwks.Key{bare}},
		{"claims of no JSON", payload(`{"iss":`), `detail="claims: not JSON in UTF-8"`, []*jwks.Key{bare}},
		{"claims too deep", payload(`{"x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`), `detail="claims: nested over 64 deep, or a number over 64 digits"`, []*jwks.Key{bare}},
		{"claims that are no object", payload(`"text"`), `detail="claims: not exactly one JSON object"`, []*jwks.Key{bare}},
		{"another alg than the key's", header(`{"alg":"RS256","typ":"at+jwt","kid":"b"}`), `claim=alg expected=PS256 detail="published for PS256, the token says RS256"`, []*jwks.Key{bound}},
		{"another alg than that of a key without alg", header(`{"alg":"PS256","typ":"at+jwt","kid":"a"}`),
			`detail="published without alg, which stands for RS256 (the first RSA algorithm of Config.Algorithms), the token says PS256"`, []*jwks.Key{bare}},
		{"a kid that is not published", header(`{"alg":"RS256","typ":"at+jwt","kid":"z"}`), `detail="no key of that kid is published"`, []*jwks.Key{bare}},
		{"an empty kid", header(`{"alg":"RS256","typ":"at+jwt","kid":""}`), `detail="kid is empty"`, []*jwks.Key{bare}},
		{"no kid, and many keys", header(`{"alg":"EdDSA","typ":"at+jwt"}`), `detail="no kid, and more than 3 published keys are for the token's alg"`, four},
		{"no kid, and no key", header(`{"alg":"ES256","typ":"at+jwt"}`), `detail="no kid, and no published key is for the token's alg"`, four},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := logged(t, t.Context(), v(tt.keys...), tt.token); !strings.Contains(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// A token for Microsoft Graph has a nonce in its header, and a signature over something else than
// it holds.
func TestLogRefusalsKnowsMicrosoftsOwnTokens(t *testing.T) {
	key := newSigningKey(t, "RS256", "a")
	v, err := auth.NewVerifier(jwks.Static{key.public()}, auth.Config{Issuer: testIssuer, Audiences: []string{testAudience}, Types: []string{"JWT"}})
	if err != nil {
		t.Fatal(err)
	}
	good := key.sign(t, `{"typ":"JWT","nonce":"AQABAAAA","alg":"RS256","kid":"a"}`, claims())
	if err := verify(t, v, good); err != nil {
		t.Errorf("a nonce in the header alone: %v", err)
	}
	forged := good[:strings.LastIndexByte(good, '.')] + "." + encode(make([]byte, 256))
	const graph = "its header has a nonce: a token for Microsoft Graph or another API of Microsoft, which no other API can verify"
	if got := logged(t, t.Context(), v, forged); !strings.Contains(got, "reason=SIGNATURE_INVALID") || !strings.Contains(got, graph) {
		t.Error(got)
	}
	plain := key.sign(t, `{"typ":"JWT","alg":"RS256","kid":"a"}`, claims())
	if got := logged(t, t.Context(), v, plain[:strings.LastIndexByte(plain, '.')]+"."+encode(make([]byte, 256))); strings.Contains(got, "Microsoft") {
		t.Errorf("without a nonce: %s", got)
	}
}

// failing cannot verify, for a reason whose text quotes what the caller sent.
type failing struct{ err error }

func (f failing) VerifyToken(_ context.Context, raw string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonUnavailable, Err: fmt.Errorf("about %s: %w", raw, f.err)}
}

func TestLogRefusalsTellsTheCause(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{{jwks.ErrUnavailable, "cause=keys"}, {jwks.ErrClosed, "cause=closed"}, {errors.New("another"), "cause=other"}} {
		got := logged(t, t.Context(), failing{tt.err}, "TOKEN")
		if !strings.Contains(got, tt.want) || strings.Contains(got, "TOKEN") || !strings.Contains(got, "level=ERROR") {
			t.Errorf("%v: %s", tt.err, got)
		}
	}
}

// A Guard that was closed while requests still come is the program's fault, not the issuer's.
func TestLogRefusalsTellsThatTheGuardIsClosed(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	keys := issuer.Source(nil)
	verifier, err := auth.NewVerifier(keys, issuer.Config())
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Close(); err != nil {
		t.Fatal(err)
	}
	if got := logged(t, t.Context(), verifier, issuer.Token("read:orders", authtest.Header{"kid": "new"})); !strings.Contains(got, "cause=closed") {
		t.Errorf("got %s, want cause=closed", got)
	}
}

// A caller who hangs up while he waits for keys says nothing about them.
func TestLogRefusalsBlamesNoKeysForACallerWhoLeft(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if got := logged(t, ctx, failing{jwks.ErrUnavailable}, "TOKEN"); !strings.Contains(got, "reason=UNAVAILABLE cause=canceled") {
		t.Error(got)
	}
}

func TestLogRefusalsNeedsALogger(t *testing.T) {
	defer func() {
		if said := fmt.Sprint(recover()); said != "auth: LogRefusals needs a Logger" {
			t.Errorf("got %s", said)
		}
	}()
	auth.LogRefusals(nil)
}

// logged returns what is logged of one request with a token, at an operation that needs two scopes.
func logged(t *testing.T, ctx context.Context, v auth.TokenVerifier, token string) string {
	t.Helper()
	var b bytes.Buffer
	guard := must(auth.NewGuard(v, &auth.GuardOptions{OnDecision: auth.LogRefusals(slog.New(slog.NewTextHandler(&b, nil)))}))
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	guard.Require("read:orders", "write:orders")(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
	return b.String()
}

// An operation without a name, and credentials that are none, say what was there.
func TestLogRefusalsTellsWhatTheRequestWas(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	var b bytes.Buffer
	guard := issuer.Guard(&auth.GuardOptions{OnDecision: auth.LogRefusals(slog.New(slog.NewTextHandler(&b, nil)))})
	for authorization, want := range map[string]string{
		"":                                 `detail="no Authorization header"`,
		issuer.Token(""):                   `detail="a token without a scheme: it must be Authorization: Bearer TOKEN"`,
		"Basic YTpi":                       `detail="a scheme that is not accepted: it must be Authorization: Bearer TOKEN"`,
		"JWT " + issuer.Token(""):          `detail="a scheme that is not accepted: it must be Authorization: Bearer TOKEN"`,
		"dpop " + issuer.Token(""):         `detail="the scheme DPoP, for which no Binding is configured (GuardOptions.Bindings)"`,
		"opaque-text-that-is-no-scheme-42": `detail="a scheme that is not accepted: it must be Authorization: Bearer TOKEN"`,
	} {
		b.Reset()
		c := auth.Credentials{}
		if authorization != "" {
			c.Authorization = []string{authorization}
		}
		if _, err := guard.Authorize(t.Context(), c, auth.AnyToken()); reasonOf(err) != auth.ReasonCredentialsMissing {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) || !strings.Contains(b.String(), `operation="(none: the request's router named no pattern)"`) {
			t.Errorf("%.20q: %s, want %s", authorization, b.String(), want)
		}
	}
}

// A tellingError has a text for operators.
type tellingError struct{}

func (tellingError) Error() string  { return "c4n4ry" }
func (tellingError) Detail() string { return "the store is a replica" }

func TestTheLogTellsWhyRevocationIsUnknown(t *testing.T) {
	for want, revoked := range map[string]func(context.Context) error{
		"GuardOptions.Revoked returned an error":      func(context.Context) error { return errors.New("c4n4ry") },
		"GuardOptions.Revoked panicked":               func(context.Context) error { panic("c4n4ry") },
		"GuardOptions.Revoked did not answer in time": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"the store is a replica":                      func(context.Context) error { return tellingError{} },
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{
				Revoked:    func(ctx context.Context, _ *auth.Principal) (bool, error) { return false, revoked(ctx) },
				OnDecision: auth.LogRefusals(slog.New(slog.NewJSONHandler(&log, nil))),
			}))
			_, err := g.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer reader"}}, auth.AnyToken())
			if reasonOf(err) != auth.ReasonUnavailable || !strings.Contains(log.String(), `"detail":"`+want+`"`) || strings.Contains(log.String(), "c4n4ry") {
				t.Errorf("%v; the log says\n%s\nwant %s", err, &log, want)
			}
		})
	}
}
