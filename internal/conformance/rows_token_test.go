package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// TestMatrixToken holds the rows of RFC 9068: a good token, bent in one way each.
func TestMatrixToken(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	g := newGroup(t, "token", issuer.Verifier(auth.Config{}))
	with := func(rows, name string, w want, changes ...authtest.Change) {
		t.Helper()
		g.ask(question{rows, name, "orders", bearer(token(issuer, "read:orders", changes...)), nil, w})
	}
	claim := func(name string, value any) authtest.Claims { return authtest.Claims{name: value} }
	header := func(name string, value any) authtest.Header { return authtest.Header{name: value} }
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }

	// typ
	with("AT-01 J-36", "at+jwt", accepted, header("typ", "at+jwt"))
	with("AT-02 J-36", "application/at+jwt", accepted, header("typ", "application/at+jwt"))
	with("AT-03", "AT+JWT", accepted, header("typ", "AT+JWT"))
	with("AT-03", "Application/At+Jwt", accepted, header("typ", "Application/At+Jwt"))
	with("AT-04", "none", invalid(auth.ReasonTokenTypeNotAccepted), authtest.NoType)
	with("AT-04", "empty", invalid(auth.ReasonTokenTypeNotAccepted), authtest.EmptyType)
	with("AT-05 AT-43", "JWT", invalid(auth.ReasonTokenTypeNotAccepted), authtest.WrongType)
	for _, typ := range []string{"at+jwt2", "xat+jwt", "text/at+jwt", "application/application/at+jwt", "at+jwt; charset=utf-8", "at jwt"} {
		with("AT-05", typ, invalid(auth.ReasonTokenTypeNotAccepted), header("typ", typ))
	}
	for _, typ := range []any{1, nil, []string{"at+jwt"}} {
		with("AT-05", fmt.Sprint(typ), invalid(auth.ReasonTokenMalformed), header("typ", typ))
	}

	// alg and the signature
	with("AT-07 J-03", "an unsecured JWS", invalid(auth.ReasonTokenMalformed), authtest.AlgNone)
	with("AT-07 J-03", "none over a signature", invalid(auth.ReasonAlgorithmNotAllowed), authtest.AlgNoneSigned)
	with("AT-09 J-05", "one bit is flipped", invalid(auth.ReasonSignatureInvalid), authtest.BadSignature)
	with("AT-09", "cut", invalid(auth.ReasonSignatureInvalid), authtest.Truncated)
	with("AT-09", "claims added", invalid(auth.ReasonSignatureInvalid), authtest.TamperedClaims)
	with("AT-09", "another key", invalid(auth.ReasonSignatureInvalid), authtest.WrongKey)

	// iss
	for _, iss := range []string{authtest.DefaultURL + "/", "https://ISSUER.example", authtest.DefaultURL + ":443", "https://issuer.exampl%65",
		"http://issuer.example", authtest.DefaultURL + " ", "https://issuer.example.attacker.example", ""} {
		with("AT-10", "iss "+iss, invalid(auth.ReasonIssuerNotTrusted), claim("iss", iss))
	}
	with("AT-11", "no iss", invalid(auth.ReasonIssuerNotTrusted), authtest.NoIssuer)
	for _, iss := range []any{1, nil, []string{authtest.DefaultURL}, object{"url": authtest.DefaultURL}} {
		with("AT-11", fmt.Sprint("iss ", iss), invalid(auth.ReasonIssuerNotTrusted), claim("iss", iss))
	}

	// aud
	with("AT-12", "a string", accepted, claim("aud", authtest.DefaultAudience))
	with("AT-13", "one of several", accepted, claim("aud", []string{"https://other.example", authtest.DefaultAudience}))
	with("AT-14 MC-08", "another's", invalid(auth.ReasonAudienceMismatch), authtest.WrongAudience)
	with("AT-14", "others'", invalid(auth.ReasonAudienceMismatch), claim("aud", []string{"a", "b"}))
	with("AT-15", "no aud", invalid(auth.ReasonAudienceMismatch), authtest.NoAudience)
	for _, aud := range []any{[]string{}, "", []string{""}, nil} {
		with("AT-15", fmt.Sprintf("aud %#v", aud), invalid(auth.ReasonAudienceMismatch), claim("aud", aud))
	}
	for _, aud := range []any{[]any{authtest.DefaultAudience, 1}, []any{nil, authtest.DefaultAudience}, []any{[]string{authtest.DefaultAudience}}, 1, object{}} {
		with("AT-16", fmt.Sprintf("aud %#v", aud), invalid(auth.ReasonAudienceMismatch), claim("aud", aud))
	}
	for _, aud := range []string{"https://api.example/", "https://api.exampl", "https://api.example.org", "HTTPS://api.example", "*", "https://*", "https://api.example/orders"} {
		with("AT-17 S-13", "aud "+aud, invalid(auth.ReasonAudienceMismatch), claim("aud", aud))
	}

	// exp, nbf, iat
	with("AT-18", "an hour ago", invalid(auth.ReasonTokenExpired), authtest.Expired)
	with("AT-18", "within the leeway", accepted, claim("exp", in(-10*time.Second)))
	with("AT-19", "no exp", invalid(auth.ReasonClaimInvalid), authtest.NoExpiry)
	for _, exp := range []any{"9999999999", true, nil, object{}, []int{1}, -1, 0, "1e400", 9007199254740993} {
		w := invalid(auth.ReasonClaimInvalid)
		with("AT-20", fmt.Sprintf("exp %#v", exp), w, claim("exp", exp))
	}
	for _, exp := range []string{"1e400", "-1e400", "9223372036854775808", "1e19", "9007199254740993.5", "-0.5", "0.0", strings.Repeat("9", 64)} { // numbers that JSON knows
		with("AT-20", "exp of "+exp, invalid(auth.ReasonClaimInvalid), claim("exp", json.Number(exp)))
	}
	with("AT-20", "a fraction", accepted, claim("exp", float64(in(time.Hour))+0.5))
	with("AT-22", "nbf to come", invalid(auth.ReasonTokenNotYetValid), authtest.NotYetValid)
	with("AT-22", "nbf within the leeway", accepted, claim("nbf", in(10*time.Second)))
	with("AT-22", "nbf null, which is absent", accepted, claim("nbf", nil))
	with("AT-23", "iat null, which is absent", invalid(auth.ReasonClaimInvalid), claim("iat", nil))
	for _, v := range []any{"1", true, object{}} {
		with("AT-22", fmt.Sprintf("nbf %#v", v), invalid(auth.ReasonClaimInvalid), claim("nbf", v))
		with("AT-23", fmt.Sprintf("iat %#v", v), invalid(auth.ReasonClaimInvalid), claim("iat", v))
	}
	with("AT-23", "no iat", invalid(auth.ReasonClaimInvalid), authtest.NoIssuedAt)
	with("AT-24", "iat to come", invalid(auth.ReasonTokenIssuedInFuture), authtest.IssuedInFuture)
	with("AT-24", "iat within the leeway", accepted, claim("iat", in(10*time.Second)))

	// the claims that the profile requires
	for row, name := range map[string]string{"AT-26": "sub", "AT-27": "client_id", "AT-28": "jti"} {
		with(row, "no "+name, invalid(auth.ReasonClaimInvalid), claim(name, authtest.Absent))
		with(row, "empty "+name, invalid(auth.ReasonClaimInvalid), claim(name, ""))
		with(row, name+" is a number", invalid(auth.ReasonClaimInvalid), claim(name, 1))
		with(row, name+" is null", invalid(auth.ReasonClaimInvalid), claim(name, nil))
	}

	// scope
	with("AT-34", "an array", invalid(auth.ReasonClaimInvalid), authtest.ScopeArray)
	for _, scope := range []any{object{}, 1, true, `read:orders "x"`, "read:orders\n", `read:orders \`} {
		with("AT-34", fmt.Sprintf("scope %#v", scope), invalid(auth.ReasonClaimInvalid), claim("scope", scope))
	}
	g.ask(question{"AT-34", "scope null, which is absent", "orders", bearer(token(issuer, "", claim("scope", nil))), nil, short("read:orders")})
	g.ask(question{"AT-34", "scp is not read", "orders", bearer(token(issuer, "", claim("scp", []string{"read:orders"}))), nil, short("read:orders")})
	g.ask(question{"AT-34", "permissions are not read", "orders", bearer(token(issuer, "", claim("permissions", []string{"read:orders"}))), nil, short("read:orders")})

	// claims that are read only when asked for
	for said, values := range map[string][]any{
		"":    {1, "", nil, true, []any{1, nil}, []any{"a", 1}, []any{[]string{"a"}}, []any{object{"display": "a"}}, object{}, []string{}},
		"a":   {[]string{"a"}, object{"a": 1}, []any{object{"value": "a", "display": "A"}}},
		"x":   {"x"}, // a list of one
		"a b": {[]string{"a", "b"}, object{"b": object{}, "a": nil}},
	} {
		for _, v := range values {
			for _, name := range []string{"group", "role", "entitlement"} {
				seen := "alice may read:orders"
				if said != "" {
					seen += " as " + name + " " + said
				}
				in := name + "s"
				with("AT-35", fmt.Sprintf("%s %v", in, v), want{status: 200, body: seen}, claim(in, v))
			}
		}
	}
	with("AT-41", "claims that nobody knows", accepted, claim("https://example.org/x", object{"y": []int{1}}))
	with("AT-41", "a status list, which nothing reads", accepted, claim("status", object{"status_list": object{"idx": -1, "uri": "http://127.0.0.1:1/"}}))

	// what an ID token is known by
	for _, name := range []string{"nonce", "at_hash", "c_hash"} {
		with("AT-43", name+" under typ JWT", invalid(auth.ReasonTokenTypeNotAccepted), header("typ", "JWT"), claim(name, "x"))
	}

	// form
	with("AT-29 AT-30 J-30 J-31 J-32 J-33", "five parts", invalid(auth.ReasonTokenMalformed), authtest.EncryptedForm)
	with("J-30", "a nested JWT", invalid(auth.ReasonTokenTypeNotAccepted), header("cty", "JWT"), header("typ", "JWT"))
	with("AT-40", "a header member twice", invalid(auth.ReasonTokenMalformed), authtest.DuplicateHeader)
	with("AT-40", "a claim twice", invalid(auth.ReasonTokenMalformed), authtest.DuplicateClaim)
	with("AT-40", "a member twice within a claim", invalid(auth.ReasonTokenMalformed), authtest.NestedDuplicate)
	with("AT-42", "over 16 KiB", invalid(auth.ReasonTokenTooLarge), authtest.TooLarge)

	// tokens that are bound to a key, and other things than access tokens (wave 2: refused until
	// their room is built)
	with("S-03 S-06 S-08 D-21 F-04", "bound by DPoP", invalid(auth.ReasonBindingNotProved), authtest.SenderConstrained)
	with("S-06 M-01 M-02 M-03", "bound to a certificate", invalid(auth.ReasonBindingNotProved), claim("cnf", object{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}))
	with("S-07", "bound in an unknown way", invalid(auth.ReasonBindingNotProved), authtest.UnknownBinding)
	with("S-07 M-09", "bound in two ways", invalid(auth.ReasonBindingNotProved), claim("cnf", object{"jkt": "x", "x5t#S256": "y"}))
	with("S-07", "an empty cnf", invalid(auth.ReasonBindingNotProved), authtest.EmptyBinding)
	with("S-07", "a null cnf", invalid(auth.ReasonBindingNotProved), authtest.NullBinding)
	with("IJ-04", "an introspection response", invalid(auth.ReasonTokenTypeNotAccepted), header("typ", "token-introspection+jwt"))
	with("SL-03", "a status list", invalid(auth.ReasonTokenTypeNotAccepted), header("typ", "statuslist+jwt"))
	g.ask(question{"S-03 D-01 D-20 F-04", "the DPoP scheme", "orders", []string{"DPoP " + token(issuer, "read:orders", authtest.SenderConstrained)}, nil, noToken})
	for _, header := range []string{"X-Forwarded-Client-Cert", "X-Client-Cert", "X-SSL-CERT", "Client-Cert"} { // never read
		g.askWith(header, ":MIIB:", question{"S-09 M-07", header, "orders", bearer(token(issuer, "read:orders", claim("cnf", object{"x5t#S256": "x"}))), nil, invalid(auth.ReasonBindingNotProved)})
	}
	for _, header := range []string{"X-User", "X-Forwarded-User", "X-Auth-Request-User", "X-Remote-User"} {
		g.askWith(header, "admin",
			question{"S-10", header, "orders", bearer(token(issuer, "read:orders")), nil, want{status: 200, body: "alice may read:orders"}},
			question{"S-10", header + " alone", "orders", nil, nil, noToken})
	}
}

// TestMatrixOptions holds the rows that need a setting: each under a Guard of its own.
func TestMatrixOptions(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	under := func(name string, config auth.Config) func(rows, name string, w want, changes ...authtest.Change) {
		g := newGroup(t, name, issuer.Verifier(config))
		return func(rows, name string, w want, changes ...authtest.Change) {
			g.ask(question{rows, name, "orders", bearer(token(issuer, "read:orders", changes...)), nil, w})
		}
	}

	with := under("lax", auth.Config{Types: []string{"at+jwt", "JWT", ""}})
	with("AT-06", "JWT", accepted, authtest.WrongType)
	with("AT-06", "no typ", accepted, authtest.NoType)
	for _, typ := range []string{"dpop+jwt", "logout+jwt", "secevent+jwt", "statuslist+jwt", "token-introspection+jwt", "x"} {
		with("AT-06 IJ-04 SL-03", typ, invalid(auth.ReasonTokenTypeNotAccepted), authtest.Header{"typ": typ})
	}
	for _, name := range []string{"nonce", "at_hash", "c_hash"} {
		with("AT-43", name, invalid(auth.ReasonIDToken), authtest.Header{"typ": "JWT"}, authtest.Claims{name: "x"})
		with("AT-43", name+", no typ", invalid(auth.ReasonIDToken), authtest.NoType, authtest.Claims{name: "x"})
	}

	with = under("age", auth.Config{MaxAge: time.Hour, MaxLifetime: 2 * time.Hour})
	with("AT-25", "young", accepted)
	with("AT-25", "old", invalid(auth.ReasonTokenTooOld), authtest.Claims{"iat": time.Now().Add(-61 * time.Minute).Unix()})
	with("AT-25", "long-lived", invalid(auth.ReasonTokenTooOld), authtest.Claims{"exp": time.Now().Add(121 * time.Minute).Unix()})
	with("AT-25", "of unknown age", invalid(auth.ReasonClaimInvalid), authtest.NoIssuedAt)

	with = under("client-id", auth.Config{ClientIDClaims: []string{"azp", "cid"}})
	with("AT-27", "azp", accepted, authtest.Claims{"client_id": authtest.Absent, "azp": "x"})
	with("AT-27", "cid", accepted, authtest.Claims{"client_id": authtest.Absent, "cid": "x"})
	with("AT-27", "neither", invalid(auth.ReasonClaimInvalid))

	with = under("scope-array", auth.Config{ScopeClaim: "scp", ScopeArray: true})
	with("AT-34", "an array", accepted, authtest.Claims{"scope": authtest.Absent, "scp": []string{"read:orders"}})
	with("AT-34", "a string", accepted, authtest.Claims{"scope": authtest.Absent, "scp": "read:orders"})
	with("AT-34", "an object", invalid(auth.ReasonClaimInvalid), authtest.Claims{"scope": authtest.Absent, "scp": map[string]any{"read:orders": true}})

	with = under("subjects", auth.Config{Checks: []func(*auth.Principal) error{func(p *auth.Principal) error {
		if p.Subject() != "alice" || p.Issuer() != issuer.URL {
			return errors.New("nobody knows them")
		}
		return nil
	}}})
	with("J-35", "known", accepted)
	with("J-35", "not known", invalid(auth.ReasonClaimsRefused), authtest.Claims{"sub": "bob"})

	with = under("fixed", auth.Config{FixedClaims: map[string]string{"token_use": "access"}})
	with("AT-43", "token_use access", accepted, authtest.Claims{"token_use": "access"})
	with("AT-43", "token_use id", invalid(auth.ReasonClaimInvalid), authtest.Claims{"token_use": "id"})

	with = under("small", auth.Config{MaxTokenBytes: 1024})
	with("AT-42", "within", accepted)
	with("AT-42", "over", invalid(auth.ReasonTokenTooLarge), authtest.Claims{"x": strings.Repeat("x", 1024)})

	with = under("agile", auth.Config{Algorithms: []auth.Algorithm{auth.PS256, auth.ES256, auth.EdDSA}})
	with("J-43 J-06 F-05", "RS256 is not among the allowed", invalid(auth.ReasonAlgorithmNotAllowed))
	with = under("agile-again", auth.Config{Algorithms: []auth.Algorithm{auth.PS256, auth.RS256}})
	with("J-43", "RS256 is", accepted)

	// Every defect by name, each under the Config that makes it one.
	for _, d := range authtest.Defects() {
		is := issuer
		if d == authtest.DERSignature {
			is = authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
		}
		g := newGroup(t, string(d), is.Verifier(d.Config(is.Config())))
		raw, w := token(is, "read:orders", d), invalid(d.Reason())
		if strings.ContainsAny(raw, " \t,") {
			w = malformed // the header is, before the token is looked at
		}
		g.ask(question{"O-04 G-12 G-20 AT-31", string(d), "orders", bearer(raw), nil, w})
	}
}

// TestMatrixIssuers holds the rows of several keys and several issuers.
func TestMatrixIssuers(t *testing.T) {
	a := authtest.NewIssuer(t, nil)
	b := authtest.NewIssuer(t, &authtest.Options{URL: "https://b.example", Algorithm: auth.ES256})
	c := authtest.NewIssuer(t, &authtest.Options{URL: "https://c.example"})
	narrow := b.Config()
	narrow.Algorithms = []auth.Algorithm{auth.ES256}
	issuers, err := auth.NewIssuers(a.Verifier(auth.Config{}), b.Verifier(narrow), c.Verifier(auth.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	g := newGroup(t, "issuers", issuers)
	before := token(a, "read:orders")
	g.ask(question{"AT-37", "the key that signs", "orders", bearer(before), nil, accepted})
	a.Publish()
	a.Promote()
	g.ask(
		question{"AT-37 K-07", "the next key, of which nobody has heard", "orders", bearer(token(a, "read:orders")), nil, accepted},
		question{"AT-37", "the key before, still published", "orders", bearer(before), nil, accepted},
		question{"AT-38 J-34", "another issuer's iss over a key of this one", "orders", bearer(token(a, "read:orders", authtest.Claims{"iss": c.URL})), nil, invalid(auth.ReasonKeyUnknown)},
		question{"AT-38 J-34", "the same key ID at another issuer", "orders", bearer(token(a, "read:orders", authtest.Claims{"iss": c.URL}, authtest.Header{"kid": c.KeyID()})), nil, invalid(auth.ReasonSignatureInvalid)},
		question{"AT-10", "an issuer that nobody trusts", "orders", bearer(token(a, "read:orders", authtest.Claims{"iss": "https://d.example"})), nil, invalid(auth.ReasonIssuerNotTrusted)},
		question{"J-06", "the algorithm of its own issuer", "orders", bearer(token(b, "read:orders")), nil, accepted},
		question{"J-06", "the algorithm of another issuer", "orders", bearer(token(a, "read:orders", authtest.Claims{"iss": b.URL})), nil, invalid(auth.ReasonAlgorithmNotAllowed)},
	)
	a.Fail(503)
	g.ask(
		question{"K-06 K-14", "another issuer's failure changes nothing", "orders", bearer(token(c, "read:orders")), nil, accepted},
		question{"K-14 AS-07", "a known key while its issuer fails", "orders", bearer(token(a, "read:orders")), nil, accepted},
	)
}

// TestMatrixAlgorithms holds what every algorithm must show.
func TestMatrixAlgorithms(t *testing.T) {
	for alg := auth.RS256; alg <= auth.EdDSA; alg++ {
		issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: alg})
		g := newGroup(t, alg.String(), issuer.Verifier(auth.Config{}))
		rows := "AT-09"
		if alg == auth.RS256 {
			rows += " AT-08"
		}
		g.ask(
			question{rows + " J-05", "good", "orders", bearer(token(issuer, "read:orders")), nil, accepted},
			question{"AT-09", "one bit is flipped", "orders", bearer(token(issuer, "read:orders", authtest.BadSignature)), nil, invalid(auth.ReasonSignatureInvalid)},
			question{"AT-09", "claims added", "orders", bearer(token(issuer, "read:orders", authtest.TamperedClaims)), nil, invalid(auth.ReasonSignatureInvalid)},
			question{"J-04", "HMAC with the public key", "orders", bearer(token(issuer, "read:orders", authtest.HMACWithPublicKey)), nil, invalid(auth.ReasonAlgorithmNotAllowed)},
		)
	}
}
