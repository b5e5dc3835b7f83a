package auth_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// These tests hold what a trusted issuer may sign, beyond the profile of RFC 9068, as long as it
// has one meaning.

// liberal verifies tokens of one key under a Config, with and without the need to fetch the key,
// and by Issuers.
type liberal struct {
	key       *signingKey
	verifiers map[string]auth.TokenVerifier
}

func newLiberal(t *testing.T, config auth.Config) *liberal {
	t.Helper()
	key := newSigningKey(t, "EdDSA", "k1")
	config.Issuer = testIssuer
	if config.Audiences == nil && config.Clients == nil {
		config.Audiences = []string{testAudience}
	}
	verifier := func(keys jwks.Source) *auth.Verifier {
		v, err := auth.NewVerifier(keys, config)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	withCachedKey := verifier(jwks.Static{key.public()})
	is, err := auth.NewIssuers(withCachedKey)
	if err != nil {
		t.Fatal(err)
	}
	return &liberal{key, map[string]auth.TokenVerifier{
		"key held": withCachedKey, "key fetched": verifier(&source{Static: jwks.Static{key.public()}}), "by Issuers": is,
	}}
}

// ask verifies a token of typ whose payload has these claims beside or in place of those of a good
// one.
func (l *liberal) ask(t *testing.T, name, typ string, edits map[string]any, want auth.Reason) *auth.Principal {
	t.Helper()
	var payload map[string]any
	if err := json.Unmarshal([]byte(claims()), &payload); err != nil {
		t.Fatal(err)
	}
	payload["exp"], payload["iat"] = time.Now().Unix()+300, time.Now().Unix()
	for claim, value := range edits {
		if payload[claim] = value; value == absent {
			delete(payload, claim)
		}
	}
	doc, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	token := l.key.sign(t, fmt.Sprintf(`{"alg":"EdDSA","typ":%q,"kid":"k1"}`, typ), string(doc))
	var last *auth.Principal
	for how, v := range l.verifiers {
		p, err := v.VerifyToken(t.Context(), token)
		if reasonOf(err) != want {
			t.Errorf("%s, %s: %v %v, want %q", name, how, reasonOf(err), auth.AsError(err).Detail(), want)
		}
		if p != nil {
			last = p
		}
	}
	return last
}

const absent = "\x00absent"

type edits = map[string]any

// Keycloak before 25 writes the login's nonce into access tokens, where its claim typ tells the two
// apart.
func TestWhatMarksAnIDTokenIsConfigured(t *testing.T) {
	plain := newLiberal(t, auth.Config{Types: []string{"JWT", "at+jwt"}})
	keycloak := newLiberal(t, auth.Config{Types: []string{"JWT", "at+jwt"}, FixedClaims: map[string]string{"typ": "Bearer"}, IDTokenClaims: []string{"at_hash", "c_hash"}})
	cognito := newLiberal(t, auth.Config{Types: []string{"JWT"}, FixedClaims: map[string]string{"token_use": "access"}, IDTokenClaims: []string{}})
	own := newLiberal(t, auth.Config{Types: []string{"JWT"}, IDTokenClaims: []string{"nonce", "at_hash", "c_hash", "urn:example:id"}})
	insecure := newLiberal(t, auth.Config{Types: []string{"JWT"}, InsecureAllowIDTokens: true})
	for _, mark := range []string{"nonce", "at_hash", "c_hash"} {
		marked := edits{mark: "x", "typ": "Bearer", "token_use": "access"}
		plain.ask(t, mark+", by default", "JWT", marked, auth.ReasonIDToken)
		plain.ask(t, mark+" of an at+jwt", "at+jwt", marked, "")
		plain.ask(t, mark+" that is null", "JWT", edits{mark: nil}, "")
		cognito.ask(t, mark+", and token_use access", "JWT", marked, "")
		own.ask(t, mark+", and an own mark", "JWT", marked, auth.ReasonIDToken)
		insecure.ask(t, mark+", insecurely", "JWT", marked, "")
	}
	keycloak.ask(t, "typ Bearer and a nonce", "JWT", edits{"typ": "Bearer", "nonce": "x"}, "")
	keycloak.ask(t, "typ Bearer and at_hash", "JWT", edits{"typ": "Bearer", "at_hash": "x"}, auth.ReasonIDToken)
	keycloak.ask(t, "typ ID and a nonce", "JWT", edits{"typ": "ID", "nonce": "x"}, auth.ReasonClaimInvalid)
	keycloak.ask(t, "no typ, and a nonce", "JWT", edits{"nonce": "x"}, auth.ReasonClaimInvalid)
	cognito.ask(t, "token_use id", "JWT", edits{"token_use": "id", "nonce": "x"}, auth.ReasonClaimInvalid)
	authentik := newLiberal(t, auth.Config{Types: []string{"JWT"}, RequiredClaims: []string{"sub", "iat", "uid"}, IDTokenClaims: []string{"at_hash", "c_hash"}})
	authentik.ask(t, "uid and a nonce", "JWT", edits{"uid": "x", "nonce": "x"}, "")
	authentik.ask(t, "no uid, and a nonce", "JWT", edits{"nonce": "x"}, auth.ReasonClaimInvalid)
	authentik.ask(t, "uid and at_hash", "JWT", edits{"uid": "x", "nonce": "x", "at_hash": "x"}, auth.ReasonIDToken)
	own.ask(t, "the own mark", "JWT", edits{"urn:example:id": true}, auth.ReasonIDToken)
	own.ask(t, "none", "JWT", nil, "")
}

func TestAMarkOfIDTokensIsLeftOutOnlyWhereSomethingElseTells(t *testing.T) {
	for _, c := range []struct {
		name   string
		config auth.Config
		ok     bool
	}{
		{"fixed claims", auth.Config{Types: []string{"JWT"}, IDTokenClaims: []string{}, FixedClaims: map[string]string{"typ": "Bearer"}}, true},
		{"at+jwt alone", auth.Config{IDTokenClaims: []string{}}, true},
		{"insecure by name", auth.Config{Types: []string{"JWT"}, IDTokenClaims: []string{}, InsecureAllowIDTokens: true}, true},
		{"more marks", auth.Config{Types: []string{"JWT"}, IDTokenClaims: []string{"nonce", "at_hash", "c_hash", "sid"}}, true},
		{"a required claim that ID tokens lack", auth.Config{Types: []string{"JWT"}, IDTokenClaims: []string{"at_hash", "c_hash"}, RequiredClaims: []string{"sub", "uid"}}, true},
		{"scopes, which ID tokens lack", auth.Config{Types: []string{"JWT"}, IDTokenClaims: []string{}, ScopeClaim: "scp", RequiredClaims: []string{"scp"}}, true},
		{"required claims that ID tokens have", auth.Config{Types: []string{"JWT"}, IDTokenClaims: []string{"at_hash", "c_hash"}, RequiredClaims: []string{"sub", "client_id", "iat", "jti", "azp", "email", "sid"}}, false},
		{"a required client", auth.Config{Types: []string{"JWT"}, IDTokenClaims: []string{"at_hash", "c_hash"}, ClientIDClaims: []string{"cid"}, RequiredClaims: []string{"cid"}}, false},
		{"nothing", auth.Config{Types: []string{"JWT"}, IDTokenClaims: []string{}}, false},
		{"one mark less", auth.Config{Types: []string{"JWT", "at+jwt"}, IDTokenClaims: []string{"nonce", "at_hash"}}, false},
		{"no type", auth.Config{Types: []string{""}, IDTokenClaims: []string{"at_hash", "c_hash"}}, false},
		{"an empty name", auth.Config{IDTokenClaims: []string{""}}, false},
	} {
		c.config.Issuer, c.config.Audiences = testIssuer, []string{testAudience}
		if _, err := auth.NewVerifier(jwks.Static{}, c.config); (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "Config.IDTokenClaims") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A user who has roles in many clients has many members and elements: the token's size bounds them,
// and nothing else.
func TestClaimsOfManyMembers(t *testing.T) {
	l := newLiberal(t, auth.Config{MaxTokenBytes: 256 << 10})
	many := func(n int, make func(i int) any) (all []any) {
		for i := range n {
			all = append(all, make(i))
		}
		return all
	}
	object := func(n int, value func(i int) any) map[string]any {
		o := map[string]any{}
		for i := range n {
			o[fmt.Sprint("member-", i)] = value(i)
		}
		return o
	}
	for name, claim := range map[string]edits{
		"70 Keycloak clients":     {"resource_access": object(70, func(int) any { return edits{"roles": []string{"user", "viewer"}} })},
		"200 Entra groups":        {"groups": many(200, func(i int) any { return fmt.Sprintf("6e74172b-be56-4843-9ff4-%012d", i) })},
		"520 groups":              {"groups": many(520, func(i int) any { return fmt.Sprint("group-", i) })},
		"110 ZITADEL roles":       {"urn:zitadel:iam:org:project:roles": object(110, func(int) any { return edits{"264312": "acme.example", "264313": "b.example"} })},
		"600 claims":              object(600, func(i int) any { return i }),
		"20,000 numbers":          {"x": many(20000, func(i int) any { return i })},
		"arrays side by side":     {"x": many(3000, func(int) any { return []any{} })},
		"600 audiences":           {"aud": append(many(600, func(i int) any { return fmt.Sprint("https://api.example/", i) }), testAudience)},
		"63 deep below the top":   {"x": json.RawMessage(strings.Repeat("[", 63) + strings.Repeat("]", 63))},
		"brackets inside of text": {"x": strings.Repeat(`[{"`, 500)},
	} {
		l.ask(t, name, "at+jwt", claim, "")
	}
	for name, claim := range map[string]edits{
		"64 deep below the top":     {"x": json.RawMessage(strings.Repeat("[", 64) + strings.Repeat("]", 64))},
		"64 objects deep":           {"x": json.RawMessage(strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64))},
		"a number of 65 digits":     {"x": json.RawMessage(strings.Repeat("1", 65))},
		"a member twice, deep":      {"x": json.RawMessage(`[[{"a":1,"b":2,"a":3}]]`)},
		"larger than MaxTokenBytes": {"x": strings.Repeat("x", 256<<10)},
	} {
		want := auth.ReasonTokenMalformed
		if strings.HasPrefix(name, "larger") {
			want = auth.ReasonTokenTooLarge
		}
		l.ask(t, name, "at+jwt", claim, want)
	}
}

// What a .NET server, AD FS or Supabase makes of claims that nothing here uses.
func TestClaimsThatNothingUsesMayHaveAnyType(t *testing.T) {
	l := newLiberal(t, auth.Config{Types: []string{"JWT", "at+jwt"}})
	for claim, values := range map[string][]any{
		"amr":       {[]any{edits{"method": "password", "timestamp": 1764324000}}, "pwd", []any{"pwd", 1}, edits{}, 7},
		"auth_time": {"2026-11-28T09:00:00.000Z", "1764324000", true, []int{1}},
		"acr":       {1, []string{"0"}, true, edits{}},
	} {
		for _, value := range values {
			name := fmt.Sprintf("%s %v", claim, value)
			l.ask(t, name, "JWT", edits{claim: value}, "")
			l.ask(t, name+" of the profile", "at+jwt", edits{claim: value}, auth.ReasonClaimInvalid)
			l.ask(t, name+" of the profile, by its long name", "application/at+JWT", edits{claim: value}, auth.ReasonClaimInvalid)
		}
		l.ask(t, claim+" null", "at+jwt", edits{claim: nil}, "")
	}
}

// Serializers write null for what is not set.
func TestAClaimThatIsNullIsAbsent(t *testing.T) {
	l := newLiberal(t, auth.Config{Types: []string{"JWT"}, ScopeClaim: "scp", ScopeArray: true, ScopeFallback: "roles", ClientIDClaims: []string{"azp", "client_id"}, RequiredClaims: []string{"sub"}})
	for _, claim := range []string{"nbf", "iat", "jti", "client_id", "azp", "scp", "nonce", "at_hash", "acr", "amr", "auth_time", "groups"} {
		l.ask(t, claim, "JWT", edits{claim: nil}, "")
	}
	if p := l.ask(t, "the scopes' fallback", "JWT", edits{"scp": nil, "roles": []string{"read"}}, ""); p == nil || !p.HasScope("read") {
		t.Error("a null claim kept its fallback from being read")
	}
	if p := l.ask(t, "the second client ID", "JWT", edits{"azp": nil, "client_id": "app"}, ""); p == nil || p.ClientID() != "app" {
		t.Error("a null claim hid the next one")
	}
	for claim, want := range map[string]auth.Reason{"iss": auth.ReasonIssuerNotTrusted, "aud": auth.ReasonAudienceMismatch, "exp": auth.ReasonClaimInvalid, "sub": auth.ReasonClaimInvalid} {
		l.ask(t, claim+", which is required", "JWT", edits{claim: nil}, want)
	}
	fixed := newLiberal(t, auth.Config{Types: []string{"JWT"}, FixedClaims: map[string]string{"typ": "Bearer"}})
	fixed.ask(t, "a fixed claim", "JWT", edits{"typ": nil}, auth.ReasonClaimInvalid)
}

// Keycloak says of a token that is bound to a DPoP key that its type is DPoP, where others say
// Bearer (RFC 9449 §5).
func TestTheTypeOfABoundTokenIsDPoP(t *testing.T) {
	l := newLiberal(t, auth.Config{Types: []string{"JWT"}, FixedClaims: map[string]string{"typ": "Bearer"}})
	cnf := edits{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}
	l.ask(t, "Bearer", "JWT", edits{"typ": "Bearer"}, "")
	l.ask(t, "Bearer, and bound", "JWT", edits{"typ": "Bearer", "cnf": cnf}, "")
	if p := l.ask(t, "DPoP, and bound", "JWT", edits{"typ": "DPoP", "cnf": cnf}, ""); p == nil || p.Confirmation() == nil {
		t.Errorf("%v: the binding is gone", p)
	}
	for name, claims := range map[string]edits{
		"DPoP, and not bound": {"typ": "DPoP"}, "another case": {"typ": "dpop", "cnf": cnf}, "a list": {"typ": []string{"DPoP"}, "cnf": cnf},
		"Refresh, and bound": {"typ": "Refresh", "cnf": cnf}, "ID, and bound": {"typ": "ID", "cnf": cnf}, "none, and bound": {"cnf": cnf},
	} {
		l.ask(t, name, "JWT", claims, auth.ReasonClaimInvalid)
	}
	other := newLiberal(t, auth.Config{Types: []string{"JWT"}, FixedClaims: map[string]string{"token_use": "access"}})
	other.ask(t, "where another value is fixed", "JWT", edits{"token_use": "DPoP", "cnf": cnf}, auth.ReasonClaimInvalid)
}

// A binding that is null names no key: it is no plain token (RFC 9700 §4.10.1).
func TestANullBindingIsNoneThatAnybodyCouldProve(t *testing.T) {
	l := newLiberal(t, auth.Config{})
	p := l.ask(t, "cnf null", "at+jwt", edits{"cnf": nil}, "")
	if p == nil || string(p.Confirmation()) != "null" {
		t.Errorf("%v: a null binding is gone", p)
	}
}

// Ory Hydra writes an empty audience for a token that was asked for without one.
func TestAnEmptyAudienceIsAbsent(t *testing.T) {
	clients := newLiberal(t, auth.Config{Clients: []string{"app"}})
	both := newLiberal(t, auth.Config{Audiences: []string{testAudience}, Clients: []string{"app"}})
	audiences := newLiberal(t, auth.Config{})
	for name, aud := range map[string]any{"an empty list": []string{}, "null": nil, "absent": absent} {
		clients.ask(t, name, "at+jwt", edits{"aud": aud}, "")
		both.ask(t, name, "at+jwt", edits{"aud": aud}, "")
		clients.ask(t, name+", another client", "at+jwt", edits{"aud": aud, "client_id": "other"}, auth.ReasonAudienceMismatch)
		audiences.ask(t, name, "at+jwt", edits{"aud": aud}, auth.ReasonAudienceMismatch)
	}
	for name, aud := range map[string]any{"another API": "https://other.example", "an empty name": "", "a list of an empty name": []string{""}, "a number": 7, "an object": edits{}, "a list of numbers": []int{1}} {
		clients.ask(t, name, "at+jwt", edits{"aud": aud}, auth.ReasonAudienceMismatch)
		both.ask(t, name, "at+jwt", edits{"aud": aud}, auth.ReasonAudienceMismatch)
	}
	both.ask(t, "this API", "at+jwt", edits{"client_id": "other"}, "")
}

// .NET and others write a list of one as its one element.
func TestOneRoleAsTextIsAListOfOne(t *testing.T) {
	l := newLiberal(t, auth.Config{RolesClaim: []string{"realm", "roles"}, GroupsClaim: []string{"role"}})
	for name, c := range map[string]struct {
		value any
		want  []string
	}{
		"text": {"admin", []string{"admin"}}, "text of two words": {"order clerk", []string{"order clerk"}}, "a list": {[]string{"a", "b"}, []string{"a", "b"}},
		"a list of one": {[]string{"a"}, []string{"a"}}, "objects": {[]any{edits{"value": "a"}}, []string{"a"}}, "empty text": {"", nil}, "null": {nil, nil}, "a number": {7, nil}, "true": {true, nil},
	} {
		p := l.ask(t, name, "at+jwt", edits{"realm": edits{"roles": c.value}, "role": c.value, "permissions": c.value, "entitlements": c.value}, "")
		for what, got := range map[string][]string{"Roles": p.Roles(), "Groups": p.Groups(), "Permissions": p.Permissions(), "Entitlements": p.Entitlements()} {
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: %s %q, want %q", name, what, got, c.want)
			}
		}
	}
}

// Config.MaxAge bounds how long a token is good for, wherever that is asked: ValidUntil, what is
// remembered, and the refusal.
func TestMaxAgeBoundsHowLongATokenIsGoodFor(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	for _, c := range []struct {
		name   string
		maxAge time.Duration
		until  time.Time
	}{
		{"none", 0, now.Add(300 * time.Second)}, {"shorter than the lifetime", time.Minute, now.Add(time.Minute)}, {"longer", time.Hour, now.Add(300 * time.Second)},
	} {
		l := newLiberal(t, auth.Config{MaxAge: c.maxAge})
		p := l.ask(t, c.name, "at+jwt", edits{"iat": now.Unix(), "exp": now.Unix() + 300}, "")
		if want := c.until.Add(30 * time.Second); p == nil || !p.ValidUntil().Equal(want) {
			t.Errorf("%s: ValidUntil %v, want %v", c.name, p.ValidUntil(), want)
		}
	}
	l := newLiberal(t, auth.Config{MaxAge: time.Minute})
	l.ask(t, "too old", "at+jwt", edits{"iat": now.Unix() - 91, "exp": now.Unix() + 300}, auth.ReasonTokenTooOld)
	l.ask(t, "too old, and expired", "at+jwt", edits{"iat": now.Unix() - 300, "exp": now.Unix() - 100}, auth.ReasonTokenExpired)
	l.ask(t, "without iat", "at+jwt", edits{"iat": absent}, auth.ReasonClaimInvalid)
}

// Issuers spell one meaning in many ways: PHP escapes slashes, and some write dates with an
// exponent or a fraction, or print with line breaks.
func TestSpellingsOfOneMeaning(t *testing.T) {
	l := newLiberal(t, auth.Config{Types: []string{"JWT"}, ScopeClaim: "scp", ScopeArray: true, Audiences: []string{testAudience}, Clients: []string{"app/1"}})
	now := time.Now().Unix()
	good := map[string]string{
		"iss": `"https://issuer.example"`, "aud": `"https://api.example"`, "sub": `"alice"`, "jti": `"1"`, "client_id": `"app/1"`,
		"iat": fmt.Sprint(now), "exp": fmt.Sprint(now + 300), "scp": `"read"`,
	}
	slashes := func(s string) string { return strings.ReplaceAll(s, "/", `\/`) }
	for name, tt := range map[string]struct {
		claims map[string]string
		want   auth.Reason
	}{
		"escaped slashes":               {map[string]string{"iss": slashes(good["iss"]), "aud": slashes(good["aud"])}, ""},
		"escaped slashes, in a list":    {map[string]string{"aud": "[" + slashes(`"https://other.example","https://api.example"`) + "]"}, ""},
		"escaped slashes, of a client":  {map[string]string{"aud": "[]", "client_id": slashes(good["client_id"])}, ""},
		"escaped letters":               {map[string]string{"iss": `"\u0068ttps://issuer.example"`, "sub": `"\u0061lice"`}, ""},
		"another issuer, escaped":       {map[string]string{"iss": slashes(`"https://issuer.example/"`)}, auth.ReasonIssuerNotTrusted},
		"another audience, escaped":     {map[string]string{"aud": slashes(`"https://api.example/"`)}, auth.ReasonAudienceMismatch},
		"dates with a fraction":         {map[string]string{"iat": fmt.Sprintf("%d.25", now-1), "exp": fmt.Sprintf("%d.75", now+300)}, ""},
		"dates with an exponent":        {map[string]string{"iat": fmt.Sprintf("%d.%06de3", now/1000-1, 0), "exp": fmt.Sprintf("%de1", now/10+30)}, ""},
		"expired, with an exponent":     {map[string]string{"exp": fmt.Sprintf("%de1", now/10-60)}, auth.ReasonTokenExpired},
		"a date in quotes":              {map[string]string{"exp": fmt.Sprintf("%q", good["exp"])}, auth.ReasonClaimInvalid},
		"line breaks":                   {map[string]string{"aud": "[\r\n\t \"https://api.example\"\n]", "scp": "[\n  \"read\"\n]"}, ""},
		"scopes in both claims":         {map[string]string{"scope": `"write"`}, ""},
		"a name in many scripts":        {map[string]string{"name": `"Zoë 김 \ud83d\ude00 \u202e"`, "名前": `{"姓":["é"]}`}, ""},
		"an object that has iss and so": {map[string]string{"act": `{"iss":"https://evil.example","aud":"x","exp":1,"sub":"bob"}`}, ""},
		"names in another case beside":  {map[string]string{"ISS": `"https://evil.example"`, "Exp": "1", "AUD": `["x"]`}, ""},
	} {
		claims := maps.Clone(good)
		maps.Copy(claims, tt.claims)
		var members []string
		for _, name := range slices.Sorted(maps.Keys(claims)) {
			members = append(members, fmt.Sprintf(" %q\t: %s", name, claims[name]))
		}
		token := l.key.sign(t, `{"alg":"EdDSA","typ":"JWT","kid":"k1"}`, "\n{"+strings.Join(members, ",\n")+"\n}\r\n")
		for how, v := range l.verifiers {
			p, err := v.VerifyToken(t.Context(), token)
			if reasonOf(err) != tt.want {
				t.Errorf("%s, %s: %v %v, want %q", name, how, reasonOf(err), auth.AsError(err).Detail(), tt.want)
			}
			if p != nil && (p.Subject() != "alice" || p.ClientID() != "app/1" || !slices.Equal(p.Scopes(), []string{"read"})) {
				t.Errorf("%s, %s: %s %s %q", name, how, p.Subject(), p.ClientID(), p.Scopes())
			}
		}
	}
}
