package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// TestMatrixBearer holds the rows of RFC 6750 and RFC 9110, and of who is accepted.
func TestMatrixBearer(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	g := newGroup(t, "bearer", issuer.Verifier(auth.Config{}))
	reader := token(issuer, "read:orders")
	expired := token(issuer, "read:orders", authtest.Expired)
	other := token(issuer, "read:orders", authtest.Claims{"sub": "bob"})
	form := func(r *http.Request) {
		r.Method = "GET" // the routes' method; its body is read by a ParseForm that looks for one
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Body = io.NopCloser(strings.NewReader("access_token=" + reader))
		r.ContentLength = int64(len("access_token=" + reader))
	}
	query := func(r *http.Request) { r.URL.RawQuery = "access_token=" + reader }

	overHTTPAlone := func(*http.Request) {} // a gRPC client does not send such bytes

	// Which credentials count. Row B-06 and the like also say that no key is looked for: see the
	// end.
	g.ask(
		question{"B-01 AT-08 J-36", "a good token", "orders", bearer(reader), nil, want{status: 200, body: "alice may read:orders"}},
		question{"B-02 G-09", "bearer", "orders", []string{"bearer " + reader}, nil, accepted},
		question{"B-02 G-09", "BEARER", "orders", []string{"BEARER " + reader}, nil, accepted},
		question{"B-03", "three spaces", "orders", []string{"Bearer   " + reader}, nil, accepted},
		question{"B-03", "a TAB", "orders", []string{"Bearer\t" + reader}, overHTTPAlone, malformed},
		question{"B-03", "a TAB after the space", "orders", []string{"Bearer \t" + reader}, overHTTPAlone, malformed},
		question{"B-03 G-20", "no space", "orders", []string{"Bearer" + reader}, nil, noToken}, // the name of another scheme
		question{"B-04 B-28 B-29 G-05", "no token", "orders", []string{"Bearer"}, nil, malformed},
		question{"B-05 B-28", "two tokens", "orders", []string{"Bearer " + reader + " " + other}, nil, malformed},
		question{"B-05 B-28", "a list of tokens", "orders", []string{"Bearer " + reader + "," + other}, nil, malformed},
		question{"B-05 B-28", "parameters", "orders", []string{`Bearer token="` + reader + `", x=y`}, nil, malformed},
		question{"B-08 B-28 B-29 G-05 G-10 MC-07", "the same value twice", "orders", []string{"Bearer " + reader, "Bearer " + reader}, nil, malformed},
		question{"B-08 G-10", "a good and a bad value", "orders", []string{"Bearer " + reader, "Bearer x"}, nil, malformed},
		question{"B-08 G-10", "a bad and a good value", "orders", []string{"Bearer x", "Bearer " + reader}, nil, malformed},
		question{"B-08", "another scheme and a good value", "orders", []string{"Basic eDp5", "Bearer " + reader}, nil, malformed},
		question{"B-07", "header and query", "orders", bearer(expired), query, invalid(auth.ReasonTokenExpired)}, // not offered: the header alone counts
		question{"B-07", "header and form", "orders", bearer(expired), form, invalid(auth.ReasonTokenExpired)},
		question{"B-09 B-10", "in the body", "orders", nil, form, noToken},
		question{"B-11 B-12 F-01 MC-12", "in the query", "orders", nil, query, noToken},
		question{"B-11", "in a cookie", "orders", nil, func(r *http.Request) { r.Header.Set("Cookie", "access_token="+reader) }, noToken},
		question{"D-38", "in Proxy-Authorization", "orders", nil, func(r *http.Request) { r.Header.Set("Proxy-Authorization", "Bearer "+reader) }, noToken},
		question{"B-13 B-14 B-16 G-01 G-02", "no credentials", "orders", nil, nil, noToken},
		question{"B-15", "Basic", "orders", []string{"Basic eDp5"}, nil, noToken},
		question{"B-15", "Negotiate", "orders", []string{"Negotiate YIIabc"}, nil, noToken},
		question{"B-15", "a scheme that begins like ours", "orders", []string{"BearerX " + reader}, nil, noToken},
		question{"B-15", "DPoP with a token that is not bound", "orders", []string{"DPoP " + reader}, nil, noToken},
		question{"B-36", "HEAD", "orders", nil, func(r *http.Request) { r.Method = "HEAD" }, noToken},
		question{"B-36", "HEAD with a bad token", "orders", bearer(expired), func(r *http.Request) { r.Method = "HEAD" }, invalid(auth.ReasonTokenExpired)},
	)
	for _, c := range []string{"!", "\"", "\\", "%"} {
		g.ask(question{"B-06", "byte " + c, "orders", []string{"Bearer " + reader + c}, nil, invalid(auth.ReasonTokenMalformed)})
	}

	g.ask(question{"B-06", "a byte outside ASCII", "orders", []string{"Bearer " + reader + "é"}, overHTTPAlone, invalid(auth.ReasonTokenMalformed)})

	// Who is accepted, and what the others are told.
	g.ask(
		question{"B-24 B-30 AT-18 AT-31 MC-04 G-01", "expired", "orders", bearer(expired), nil, invalid(auth.ReasonTokenExpired)},
		question{"B-24 AT-31", "malformed", "orders", bearer("x"), nil, invalid(auth.ReasonTokenMalformed)},
		question{"B-25 B-26 B-27 G-03 MC-05 MC-06 F-03", "short of two scopes", "admin", bearer(reader), nil, short("admin:all write:orders")},
		question{"B-25 B-26", "short of one", "admin", bearer(token(issuer, "write:orders")), nil, short("admin:all write:orders")},
		question{"B-25", "with all", "admin", bearer(token(issuer, "x admin:all write:orders")), nil, accepted},
		question{"AT-32", "no scope", "orders", bearer(token(issuer, "")), nil, short("read:orders")},
		question{"AT-32", "no scope needed", "any", bearer(token(issuer, "")), nil, accepted},
		question{"O-08", "optional, none", "optional", nil, nil, anonymous},
		question{"O-08", "optional, a good token", "optional", bearer(reader), nil, want{status: 200, body: "alice may read:orders"}},
		question{"O-08", "optional, a bad token", "optional", bearer(expired), nil, invalid(auth.ReasonTokenExpired)},
		question{"O-08", "optional, a malformed header", "optional", []string{"Bearer"}, nil, malformed},
		question{"O-08", "public, a bad token", "public", bearer(expired), nil, anonymous},
		question{"MC-13", "the next request without a token", "orders", nil, nil, noToken},
		question{"G-06 O-01", "a guard that is wired wrongly says nothing about the token", "broken", bearer(reader), nil, want{status: 500, reason: auth.ReasonInternal}},
	)
	if !g.secret.holds(detail) {
		t.Error("the log does not say what is wired wrongly")
	}
	g.ask(question{"AT-32", "no claim scope", "orders", bearer(token(issuer, "x", authtest.Claims{"scope": authtest.Absent})), nil, short("read:orders")})

	// Word for word: what a caller is told of a token. Signature, key and structure cannot be told
	// apart.
	const generic = "The access token is not valid"
	for defect, text := range map[authtest.Defect]string{
		authtest.Expired: "The access token expired", authtest.WrongAudience: "The access token is not meant for this API", authtest.BadSignature: generic, authtest.UnknownKid: generic,
		authtest.WrongKey: generic, authtest.AlgNoneSigned: generic, authtest.CritHeader: generic, authtest.DuplicateClaim: generic, authtest.Truncated: generic, authtest.RandomText: generic,
	} {
		w := invalid(defect.Reason())
		w.text = text
		g.ask(question{"B-30", "the words for " + string(defect), "orders", bearer(token(issuer, "read:orders", defect)), nil, w})
	}
	for _, scope := range []string{"read", "read:all", "READ:ORDERS", "xread:orders", "read:orders2", "read", "read:order"} {
		g.ask(question{"AT-33", "scope " + scope, "orders", bearer(token(issuer, scope)), nil, short("read:orders")})
	}

	// Every refusal's challenge, read back: one line, one challenge, no parameter twice, no byte
	// that RFC 6750 forbids, and nothing that the caller sent. checkChallenge and checkSecrecy do
	// that for each question; these ask them of one of each kind.
	const every = "B-16 B-17 B-18 B-19 B-21 B-23 B-29 B-31 B-32 B-35 G-07 G-08 G-11 O-03 O-12 PR-15"
	g.ask(
		question{every, "no token", "orders", nil, nil, noToken},
		question{every, "malformed", "orders", []string{"Bearer a b"}, nil, malformed},
		question{every, "invalid", "orders", bearer(expired), nil, invalid(auth.ReasonTokenExpired)},
		question{every, "short", "admin", bearer(reader), nil, short("admin:all write:orders")},
	)
	earlier := authtest.Claims{"iat": time.Now().Add(-15 * time.Minute).Unix()} // than the keys were asked for
	for _, evil := range []string{`"`, `\`, "\r\n", "é", `", error="x`, `<script>`, "%0d%0a", "\x00"} {
		g.ask(
			question{"B-21 B-35", "in a claim " + encoded(evil), "orders", bearer(token(issuer, "read:orders", authtest.Claims{"iss": "https://c4n4ry" + evil})), nil, invalid(auth.ReasonIssuerNotTrusted)},
			question{"B-21 B-35", "in aud " + encoded(evil), "orders", bearer(token(issuer, "read:orders", authtest.Claims{"aud": "https://c4n4ry" + evil})), nil, invalid(auth.ReasonAudienceMismatch)},
			question{"B-21 B-35", "in typ " + encoded(evil), "orders", bearer(token(issuer, "read:orders", authtest.Header{"typ": "c4n4ry" + evil})), nil, invalid(auth.ReasonTokenTypeNotAccepted)},
			question{"B-21 B-35", "in alg " + encoded(evil), "orders", bearer(token(issuer, "read:orders", authtest.Header{"alg": "c4n4ry" + evil})), nil, invalid(auth.ReasonAlgorithmNotAllowed)},
			question{"B-21 B-35 J-20", "in kid " + encoded(evil), "orders", bearer(token(issuer, "read:orders", authtest.Header{"kid": "c4n4ry" + evil}, earlier)), nil, invalid(auth.ReasonKeyUnknown)},
			question{"B-21 B-35", "in crit " + encoded(evil), "orders", bearer(token(issuer, "read:orders", authtest.Header{"crit": []string{"c4n4ry" + evil}})), nil, invalid(auth.ReasonExtensionNotSupported)},
		)
	}
}

// TestMatrixNoKeyIsLookedFor holds the rows which say that a token is refused before a key is
// looked for: the issuer's keys are never fetched, since nothing that is asked deserves it.
func TestMatrixNoKeyIsLookedFor(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	issuer.Fail(503)
	g := newGroup(t, "no-key", issuer.Verifier(auth.Config{}))
	good := token(issuer, "read:orders")
	g.ask(
		question{"B-06", "a byte outside token68", "orders", []string{"Bearer " + good + "!"}, nil, invalid(auth.ReasonTokenMalformed)},
		question{"J-02", "an algorithm that is not allowed", "orders", bearer(token(issuer, "read:orders", authtest.HMACWithPublicKey)), nil, invalid(auth.ReasonAlgorithmNotAllowed)},
		question{"J-02 J-03", "none", "orders", bearer(token(issuer, "read:orders", authtest.AlgNoneSigned)), nil, invalid(auth.ReasonAlgorithmNotAllowed)},
		question{"AT-42", "too large", "orders", bearer(token(issuer, "read:orders", authtest.TooLarge)), nil, invalid(auth.ReasonTokenTooLarge)},
		question{"AT-42", "too large, and no base64", "orders", bearer(strings.Repeat("~", 17<<10)), nil, invalid(auth.ReasonTokenTooLarge)},
		question{"AT-18 O-01", "expired", "orders", bearer(token(issuer, "read:orders", authtest.Expired)), nil, invalid(auth.ReasonTokenExpired)},
		question{"AT-10 O-01", "another issuer", "orders", bearer(token(issuer, "read:orders", authtest.WrongIssuer)), nil, invalid(auth.ReasonIssuerNotTrusted)},
		question{"AT-14 O-01", "another audience", "orders", bearer(token(issuer, "read:orders", authtest.WrongAudience)), nil, invalid(auth.ReasonAudienceMismatch)},
		question{"J-20 J-21", "a kid that is no string", "orders", bearer(token(issuer, "read:orders", authtest.NumericKid)), nil, invalid(auth.ReasonTokenMalformed)},
		question{"J-20", "a kid of 257 bytes", "orders", bearer(token(issuer, "read:orders", authtest.LongKid)), nil, invalid(auth.ReasonTokenMalformed)},
		question{"B-14 O-01", "no token", "orders", nil, nil, noToken},
	)
	if n := issuer.Fetches(); n != 0 {
		t.Errorf("%d fetches of keys", n)
	}

	// And what can only be verified with keys is not judged.
	g.ask(
		question{"K-11 O-01 O-02 G-04", "a good token", "orders", bearer(good), nil, notJudged},
		question{"K-11 O-02", "optional, a good token", "optional", bearer(good), nil, notJudged},
		question{"O-01", "a bad signature", "orders", bearer(token(issuer, "read:orders", authtest.BadSignature)), nil, notJudged},
	)
}

// TestMatrixWithoutKeyID holds the row which says that a token that names no key is tried with up
// to three that it fits, and causes no fetch where there are more.
func TestMatrixWithoutKeyID(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil) // with two keys
	nameless := authtest.Header{"kid": authtest.Absent}
	few := newGroup(t, "few-keys", issuer.Verifier(auth.Config{}))
	few.ask(question{"J-22", "no kid, and two keys that fit", "orders", bearer(token(issuer, "read:orders", nameless)), nil, accepted})
	issuer.Publish()
	few = newGroup(t, "three-keys", issuer.Verifier(auth.Config{}))
	few.ask(question{"J-22", "no kid, and three keys that fit", "orders", bearer(token(issuer, "read:orders", nameless)), nil, accepted})
	issuer.Publish()
	g := newGroup(t, "no-kid", issuer.Verifier(auth.Config{}))
	g.ask(question{"J-22", "a key that is named", "orders", bearer(token(issuer, "read:orders")), nil, accepted})
	before := issuer.Fetches()
	for i := range 5 {
		g.ask(question{"J-22", fmt.Sprint("no key is named, ", i), "orders", bearer(token(issuer, "read:orders", nameless)), nil, invalid(auth.ReasonKeyUnknown)})
	}
	if n := issuer.Fetches() - before; n != 0 {
		t.Errorf("%d fetches of keys", n)
	}
}

// Rows of construction: they hold before a request is made, for every adapter alike.
func TestMatrixConstruction(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	verifier := issuer.Verifier(auth.Config{})
	panics := func(f func()) (said any) {
		defer func() { said = recover() }()
		f()
		return nil
	}
	t.Run("B-20", func(t *testing.T) {
		for _, scope := range []string{"", " ", "a b", `a"b`, `a\b`, "a\nb", "é", "\x7f"} {
			if panics(func() { auth.Scopes(scope) }) == nil {
				t.Errorf("scope %q is accepted", scope)
			}
		}
	})
	t.Run("B-22", func(t *testing.T) { // there is no error_uri; the URL that a challenge does hold is checked alike
		for _, url := range []string{"x", "/x", `https://x.example/"`, `https://x.example/\`, "https://x.example/ ", "https://x.example/\n", "https://x.example/#f", "https://x.example/é"} {
			if panics(func() { must(auth.NewGuard(verifier, &auth.GuardOptions{ResourceMetadata: url})) }) == nil {
				t.Errorf("URL %q is accepted", url)
			}
		}
	})
	t.Run("B-23", func(t *testing.T) {
		for _, realm := range []string{"a\r\nb", "a\x00", "é", "\x7f"} {
			if panics(func() { must(auth.NewGuard(verifier, &auth.GuardOptions{Realm: realm})) }) == nil {
				t.Errorf("realm %q is accepted", realm)
			}
		}
		const odd = `the "api" \ of orders`
		guard := must(auth.NewGuard(verifier, &auth.GuardOptions{Realm: odd}))
		w := httptest.NewRecorder()
		guard.Refuse(w, httptest.NewRequest("GET", "/", nil), &auth.Error{Reason: auth.ReasonCredentialsMissing})
		read, err := parseChallenges(w.Header().Get("WWW-Authenticate"))
		if err != nil || len(read) != 1 || read[0].params["realm"] != odd {
			t.Errorf("realm %q is read back as %v, %v", odd, read, err)
		}
	})
	t.Run("AT-21", func(t *testing.T) {
		c := issuer.Config()
		c.Leeway = 5*time.Minute + 1
		if _, err := auth.NewVerifier(issuer.Keys(), c); err == nil {
			t.Error("a leeway of more than 5 min is accepted")
		}
		expired := issuer.Token("read:orders", authtest.Claims{"exp": time.Now().Add(-31 * time.Second).Unix()})
		if _, err := issuer.Verifier(issuer.Config()).VerifyToken(t.Context(), expired); err == nil {
			t.Error("the default leeway is more than 30 s")
		}
	})
	t.Run("J-01", func(t *testing.T) {
		for a := auth.RS256; a <= auth.EdDSA; a++ { // all that can be named
			if name := a.String(); !strings.Contains("RS PS ES Ed", name[:2]) {
				t.Errorf("%s can be allowed", name)
			}
		}
		c := issuer.Config()
		c.Algorithms = []auth.Algorithm{200}
		if _, err := auth.NewVerifier(issuer.Keys(), c); err == nil {
			t.Error("an algorithm that is none is accepted")
		}
	})
	t.Run("S-01", func(t *testing.T) {
		c := issuer.Config()
		for _, audiences := range [][]string{nil, {}, {""}} {
			c.Audiences = audiences
			if _, err := auth.NewVerifier(issuer.Keys(), c); err == nil || !strings.Contains(err.Error(), "Audiences") {
				t.Errorf("audiences %q: %v", audiences, err)
			}
		}
	})
	t.Run("B-35", func(t *testing.T) { // what formats a value of the API must not print the token or a claim's value either
		raw := token(issuer, "read:orders")
		p, err := verifier.VerifyToken(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		_, refused := verifier.VerifyToken(t.Context(), token(issuer, "read:orders", authtest.WrongFixedClaim, authtest.Claims{"aud": canary}))
		var b bytes.Buffer
		for _, v := range []any{p, refused, auth.AsError(refused), auth.AsError(refused).Reason} {
			for _, verb := range []string{"%v", "%+v", "%s"} {
				fmt.Fprintf(&b, verb, v)
			}
		}
		for _, secret := range append(pieces(bearer(raw)), canary) {
			if strings.Contains(b.String(), secret) {
				t.Errorf("a format prints %q:\n%s", secret, b.String())
			}
		}
	})
}
