package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// decide authorizes a token with claims, and returns the refusal and its challenge.
func decide(t testing.TB, opts *auth.GuardOptions, req auth.Requirement, claims string) (*auth.Error, string) {
	t.Helper()
	p, err := auth.NewPrincipal([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	g := must(auth.NewGuard(&fakeVerifier{known: map[string]*auth.Principal{"t": p}}, opts))
	if _, err := g.Authorize(t.Context(), bearer("t"), req); err != nil {
		e := auth.AsError(err)
		return e, strings.Join(challengesOf(g, e), "\n")
	}
	return nil, ""
}

const alice = `{"iss":"https://a.example","sub":"alice","client_id":"app","scope":"read",` +
	`"roles":["admin","Order Admin"],"groups":["ops"],"permissions":["orders.read"]}`

func TestNamedNeeds(t *testing.T) {
	id := auth.Identity{Issuer: "https://a.example", Subject: "alice"}
	client := auth.Identity{Issuer: "https://a.example", Subject: "alice", Client: true}
	tests := []struct {
		req   auth.Requirement
		met   bool
		claim string
	}{
		{auth.Role("admin"), true, ""},
		{auth.Role("admin", "Order Admin"), true, ""},
		{auth.Role("admin", "owner"), false, "roles"},
		{auth.Role("Admin"), false, "roles"},
		{auth.Role("ops"), false, "roles"},
		{auth.Group("ops"), true, ""},
		{auth.Group("admin"), false, "groups"},
		{auth.Permission("orders.read"), true, ""},
		{auth.Permission("orders"), false, "permissions"},
		{auth.Issuer("https://b.example", "https://a.example"), true, ""},
		{auth.Issuer("https://b.example"), false, "iss"},
		{auth.Subject(id), true, ""},
		{auth.Subject(auth.Identity{Issuer: "https://b.example", Subject: "alice"}, id), true, ""},
		{auth.Subject(client), false, "sub"},
		{auth.Subject(auth.Identity{Issuer: "https://b.example", Subject: "alice"}), false, "sub"},
		{auth.AnyOf(auth.Role("owner"), auth.Scopes("read")), true, ""},
		{auth.AnyOf(auth.Role("owner"), auth.Scopes("write")), false, "roles"},
	}
	for _, tt := range tests {
		err, challenge := decide(t, nil, tt.req, alice)
		if (err == nil) != tt.met {
			t.Errorf("%v: %v, want met %v", tt.req, err, tt.met)
			continue
		}
		if err != nil && (err.Reason != auth.ReasonForbidden || err.Status() != 403 || challenge != "" || err.Claim() != tt.claim || err.Detail() != "the operation needs "+tt.req.String()) {
			t.Errorf("%v: %v with challenge %q, claim %q, detail %q", tt.req, err, challenge, err.Claim(), err.Detail())
		}
	}
	if err, challenge := decide(t, nil, auth.AllOf(auth.Role("owner"), auth.Scopes("write")), alice); err == nil || !strings.Contains(challenge, `error="insufficient_scope", error_description="The access token lacks a scope that this operation needs", scope="write"`) {
		t.Errorf("a role and a scope are missing: %v, %s", err, challenge)
	}
	if err, _ := decide(t, nil, auth.Role("admin"), `{"sub":"x"}`); err == nil {
		t.Error("a token without roles is accepted")
	}
}

func TestStepUp(t *testing.T) {
	now := time.Now().Unix()
	at := func(ago int64, acr string) string {
		return fmt.Sprintf(`{"iss":"https://a.example","sub":"alice","scope":"read","acr":%q,"auth_time":%d}`, acr, now-ago)
	}
	vault := auth.AllOf(auth.Scopes("read", "vault"), auth.ACR("mfa", "phr"), auth.AuthenticatedWithin(5*time.Minute))
	open := auth.AllOf(auth.Scopes("read"), auth.ACR("mfa", "phr"), auth.AuthenticatedWithin(5*time.Minute))
	const both = `acr_values="mfa phr", max_age="300"`
	tests := []struct {
		name   string
		req    auth.Requirement
		claims string
		want   string // of the challenge, "" when it is met
	}{
		{"all there", open, at(10, "mfa"), ""},
		{"the other value", open, at(10, "phr"), ""},
		{"another acr", open, at(10, "pwd"), both},
		{"the list of both", open, at(10, "mfa phr"), both},
		{"too long ago", open, at(310, "mfa"), both},
		{"to come", open, at(-60, "mfa"), both},
		{"neither claim", open, `{"scope":"read"}`, both},
		{"no auth_time", open, `{"scope":"read","acr":"mfa"}`, both},
		{"an acr that is no text", open, fmt.Sprintf(`{"scope":"read","acr":["mfa"],"auth_time":%d}`, now), both},
		{"an auth_time that is text", open, fmt.Sprintf(`{"scope":"read","acr":"mfa","auth_time":"%d"}`, now), both},
		{"the scope is missing too", vault, at(10, "pwd"), `scope="read vault", ` + both},
		{"the scope alone is missing", vault, at(10, "mfa"), `error="insufficient_scope", error_description="The access token lacks a scope that this operation needs", scope="read vault"`},
		{"acr alone is asked for", auth.ACR("mfa"), at(1, "x"), `acr_values="mfa"`},
		{"auth_time alone is asked for", auth.AuthenticatedWithin(time.Second), at(2, "x"), `max_age="1"`},
		{"the smaller of two times", auth.AllOf(auth.AuthenticatedWithin(5*time.Minute), auth.AuthenticatedWithin(time.Minute), auth.AuthenticatedWithin(time.Hour)), at(120, ""), `max_age="60"`},
		{"what two acr have in common", auth.AllOf(auth.ACR("a", "b", "c"), auth.ACR("c", "b")), at(1, "a"), `acr_values="b c"`},
		{"the first alternative", auth.AnyOf(auth.ACR("mfa"), auth.Scopes("vault")), at(1, "x"), `acr_values="mfa"`},
		{"the first alternative is a scope", auth.AnyOf(auth.Scopes("vault"), auth.ACR("mfa")), at(1, "x"), `scope="vault"`},
		{"the second alternative is met", auth.AnyOf(auth.ACR("mfa"), auth.Scopes("read")), at(1, "x"), ""},
		{"an alternative in an all-of", auth.AllOf(auth.ACR("mfa"), auth.AnyOf(auth.ACR("pwd"), auth.Scopes("read"))), at(1, "mfa"), ""},
	}
	for _, tt := range tests {
		err, challenge := decide(t, nil, tt.req, tt.claims)
		if (err == nil) != (tt.want == "") || !strings.HasSuffix(challenge, tt.want) {
			t.Errorf("%s: %v\n got %s\nwant %s", tt.name, err, challenge, tt.want)
		}
		if err != nil && err.Reason == auth.ReasonInsufficientUserAuthentication && (err.Status() != 401 || err.Detail() != "the operation needs "+tt.req.String() || err.Claim() != "acr" && err.Claim() != "auth_time") {
			t.Errorf("%s: status %d, claim %q, detail %q", tt.name, err.Status(), err.Claim(), err.Detail())
		}
	}
	err, challenge := decide(t, nil, open, at(10, "pwd"))
	if want := `Bearer realm="api", error="insufficient_user_authentication", error_description="This operation needs a stronger or more recent authentication", ` + both; challenge != want {
		t.Errorf("got  %s\nwant %s", challenge, want)
	}
	if want := map[string]string{"error": "insufficient_user_authentication", "acr_values": "mfa phr", "max_age": "300"}; !maps.Equal(err.Params(), want) {
		t.Errorf("got %v, want %v", err.Params(), want)
	}
	if got := string(must(err.MarshalJSON())); !strings.Contains(got, `"acr_values":"mfa phr","max_age":"300"`) {
		t.Errorf("the problem document lacks what to ask for: %s", got)
	}
}

// The leeway of a verifier is for issuers whose clock is ahead, and for no more.
func TestAuthenticationToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		g := issuer.Guard(nil)
		authenticated := func(at time.Duration) string {
			return issuer.Token("read", authtest.Claims{"auth_time": time.Now().Add(at).Unix()})
		}
		req := auth.AuthenticatedWithin(time.Minute)
		for _, tt := range []struct {
			at  time.Duration
			met bool
		}{{-61 * time.Second, false}, {-time.Minute, true}, {0, true}, {30 * time.Second, true}, {31 * time.Second, false}} {
			if _, err := g.Authorize(t.Context(), bearer(authenticated(tt.at)), req); (err == nil) != tt.met {
				t.Errorf("authenticated %v from now: %v, want met %v", tt.at, err, tt.met)
			}
		}
		token := authenticated(0)
		for _, met := range []bool{true, false} { // the second from the cache
			if _, err := g.Authorize(t.Context(), bearer(token), req); (err == nil) != met {
				t.Errorf("%v, want met %v", err, met)
			}
			time.Sleep(61 * time.Second)
		}
	})
}

type payment struct {
	Actions []string `json:"actions"`
}

func initiates(_ context.Context, p *payment) bool { return slices.Contains(p.Actions, "initiate") }

func TestDetail(t *testing.T) {
	req := auth.AllOf(auth.Scopes("read"), auth.Detail("payment", initiates))
	for details, want := range map[string]auth.Reason{
		`[{"type":"payment","actions":["initiate"]}]`:                                     "",
		`[{"type":"x"},{"type":"payment"},{"type":"payment","actions":["x","initiate"]}]`: "",
		`[{"type":"payment","actions":["status"]}]`:                                       auth.ReasonInsufficientScope,
		`[{"type":"payment2","actions":["initiate"]}]`:                                    auth.ReasonInsufficientScope,
		`[{"type":"Payment","actions":["initiate"]}]`:                                     auth.ReasonInsufficientScope,
		`[{"type":"payment","Actions":["initiate"]}]`:                                     auth.ReasonInsufficientScope,
		`[{"type":"payment","actions":"initiate"}]`:                                       auth.ReasonInsufficientScope,
		`[]`:   auth.ReasonInsufficientScope,
		`null`: auth.ReasonInsufficientScope,
		`{"type":"payment","actions":["initiate"]}`: auth.ReasonClaimInvalid,
		`"payment"`: auth.ReasonClaimInvalid,
		`[{"type":"payment","actions":["initiate"]},{"actions":[]}]`: auth.ReasonClaimInvalid,
		`[{"type":1}]`:    auth.ReasonClaimInvalid,
		`[{"type":null}]`: auth.ReasonClaimInvalid,
		`[null]`:          auth.ReasonClaimInvalid,
		`["payment"]`:     auth.ReasonClaimInvalid,
	} {
		err, challenge := decide(t, nil, req, `{"scope":"read","authorization_details":`+details+`}`)
		if reasonOf(asError(err)) != want {
			t.Errorf("%s: %v, want %v", details, err, want)
		}
		if err != nil && (strings.Contains(challenge, "scope=") || !strings.Contains(challenge, "error=") || err.Claim() != "authorization_details") {
			t.Errorf("%s: challenge %s, claim %q", details, challenge, err.Claim())
		}
		if err, _ := decide(t, nil, auth.Scopes("read"), `{"scope":"read","authorization_details":`+details+`}`); err != nil {
			t.Errorf("%s: where no rule asks for it: %v", details, err)
		}
	}
	if err, challenge := decide(t, nil, req, `{}`); err == nil || !strings.Contains(challenge, `scope="read"`) {
		t.Errorf("a scope and a detail are missing: %v, %s", err, challenge)
	}
}

func asError(e *auth.Error) error {
	if e == nil {
		return nil
	}
	return e
}

func TestImplies(t *testing.T) {
	opts := &auth.GuardOptions{Implies: map[string][]string{"admin": {"write"}, "write": {"read", "write"}, "loop": {"pool"}, "pool": {"loop", "read"}}}
	for scope, want := range map[string]map[string]bool{
		"admin": {"admin": true, "write": true, "read": true, "loop": false},
		"write": {"admin": false, "write": true, "read": true},
		"read":  {"admin": false, "write": false, "read": true},
		"loop":  {"loop": true, "pool": true, "read": true, "admin": false},
		"pool":  {"loop": true, "pool": true, "read": true, "write": false},
		"":      {"read": false, "": false},
	} {
		p := principal(t, scope, "")
		g := must(auth.NewGuard(&fakeVerifier{known: map[string]*auth.Principal{"t": p}}, opts))
		for asked, met := range want {
			if got := g.Grants(p, asked); got != met {
				t.Errorf("%q grants %q: %v, want %v", scope, asked, got, met)
			}
			if asked == "" {
				continue
			}
			_, err := g.Authorize(t.Context(), bearer("t"), auth.Scopes(asked))
			if (err == nil) != met {
				t.Errorf("%q for a rule of %q: %v, want met %v", scope, asked, err, met)
			}
			if err != nil && !slices.Equal(auth.AsError(err).Scopes, []string{asked}) {
				t.Errorf("the challenge names %q, want the least scope %q", auth.AsError(err).Scopes, asked)
			}
			if p.HasScope(asked) != (asked == scope) {
				t.Errorf("HasScope(%q) of %q is not literal", asked, scope)
			}
		}
		if g.Grants(nil, "read") {
			t.Error("nobody is granted a scope")
		}
	}
	for _, bad := range []map[string][]string{{"a b": {"c"}}, {"a": {`c"`}}, {"": {"c"}}, {"a": {""}}} {
		if _, err := auth.NewGuard(newFake(t), &auth.GuardOptions{Implies: bad}); err == nil || !strings.Contains(err.Error(), "GuardOptions.Implies") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestScopeInChallenge(t *testing.T) {
	for _, on := range []bool{false, true} {
		g := must(auth.NewGuard(newFake(t), &auth.GuardOptions{ScopeInChallenge: on}))
		for what, c := range map[string]auth.Credentials{"no token": {}, "a bad token": bearer("forged")} {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/orders", nil)
			r.Header["Authorization"] = c.Authorization
			g.Require("read", "orders")(http.NotFoundHandler()).ServeHTTP(w, r)
			if said := w.Header().Get("WWW-Authenticate"); w.Code != 401 || strings.Contains(said, `scope="orders read"`) != on {
				t.Errorf("%s with ScopeInChallenge %v: %d, %s", what, on, w.Code, said)
			}
		}
	}
}

func TestTheLogSaysWhatIsMissing(t *testing.T) {
	var log bytes.Buffer
	opts := &auth.GuardOptions{ScopeInChallenge: true, OnDecision: auth.LogRefusals(slog.New(slog.NewTextHandler(&log, nil)))}
	line := func(req auth.Requirement) string {
		log.Reset()
		decide(t, opts, req, alice)
		return log.String()
	}
	for _, tt := range []struct {
		req  auth.Requirement
		want []string
	}{
		{auth.AnyOf(auth.Role("owner"), auth.Scopes("write")), []string{"reason=FORBIDDEN", "claim=roles", "expected=owner", `detail="the operation needs role:owner or write"`}},
		{auth.AllOf(auth.ACR("mfa", "phr"), auth.Scopes("write")), []string{"reason=INSUFFICIENT_USER_AUTHENTICATION", "claim=acr", `expected="mfa or phr"`, "scopes=write"}},
		{auth.AuthenticatedWithin(time.Hour), []string{"claim=auth_time", `expected="at most 1h ago"`}},
		{auth.Detail("payment", initiates), []string{"reason=INSUFFICIENT_SCOPE", "claim=authorization_details", "type payment"}},
		{auth.Subject(auth.Identity{Issuer: "i", Subject: "bob"}), []string{"claim=sub", `expected=user:i|bob`}},
	} {
		got := line(tt.req)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("no %s in %s", want, got)
			}
		}
		if strings.Contains(got, "alice") {
			t.Errorf("what the token says is in %s", got)
		}
	}
}

func TestNeedsThatHaveNoMeaningPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"no role":                func() { auth.Role("") },
		"not UTF-8":              func() { auth.Group("a", "\xff") },
		"no permission":          func() { auth.Permission("a", "") },
		"no issuer":              func() { auth.Issuer("") },
		"a subject of no issuer": func() { auth.Subject(auth.Identity{Subject: "x"}) },
		"an issuer's subject":    func() { auth.Subject(auth.Identity{Issuer: "x"}) },
		"a bar":                  func() { auth.Subject(auth.Identity{Issuer: "a|b", Subject: "x"}) },
		"an acr with a space":    func() { auth.ACR("a b") },
		"an acr with a quote":    func() { auth.ACR("a", `"`) },
		"no time":                func() { auth.AuthenticatedWithin(0) },
		"half a second":          func() { auth.AuthenticatedWithin(1500 * time.Millisecond) },
		"no type":                func() { auth.Detail("", initiates) },
		"no check":               func() { auth.Detail[payment]("x", nil) },
		"two acr":                func() { auth.AllOf(auth.ACR("a"), auth.ACR("b")) },
		"two acr, deeper":        func() { auth.AllOf(auth.AllOf(auth.ACR("a"), auth.Role("x")), auth.ACR("b").With(noCheck)) },
		"acr of alternatives":    func() { auth.AllOf(auth.ACR("a"), auth.AnyOf(auth.ACR("b"), auth.ACR("c"))) },
		"public inside":          func() { auth.AllOf(auth.Role("a"), auth.Public()) },
	} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, "auth: ") {
					t.Errorf("%s: %s", name, said)
				}
			}()
			f()
		}()
	}
}

func TestNames(t *testing.T) {
	req := auth.AnyOf(auth.AllOf(auth.Scopes("b", "a"), auth.Role("r")), auth.Group("g"), auth.Permission("p"), auth.Issuer("i"), auth.ACR("z", "y"),
		auth.AuthenticatedWithin(90*time.Minute), auth.Detail("d", initiates), auth.Subject(auth.Identity{Issuer: "i", Subject: "s"}, auth.Identity{Issuer: "i", Subject: "c", Client: true}))
	for kind, want := range map[string]string{"scope": "a b", "role": "r", "group": "g", "permission": "p", "issuer": "i", "acr": "y z", "authenticated-within": "1h30m",
		"detail": "d", "user": "i|s", "client": "i|c", "": "", "other": ""} {
		if got := strings.Join(req.Names(kind), " "); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}

// randomNeed is a Requirement of all that text can say.
func randomNeed(r *rand.Rand, depth int) auth.Requirement {
	names := []string{"a", "b", "role:a", "Role:x", "Public", "and", "user:i|s", "acr:", "x=y", "(", "détail", "Order Admin", `"quoted" \ back`, "\t\n", "a|b", "nobody", "\u202e", "#"}
	pick := func() string { return names[r.IntN(len(names))] }
	scope := func() string {
		for {
			if s := pick(); !strings.ContainsAny(s, "\" \\\t\u00e9\u202e") {
				return s
			}
		}
	}
	id := func() auth.Identity {
		return auth.Identity{Issuer: strings.ReplaceAll(pick(), "|", "/"), Subject: pick(), Client: r.IntN(2) == 0}
	}
	if depth == 0 || r.IntN(3) == 0 {
		switch r.IntN(11) {
		case 0:
			return auth.Role(pick(), pick())
		case 1:
			return auth.Group(pick())
		case 2:
			return auth.Permission(pick())
		case 3:
			return auth.Issuer(pick(), pick())
		case 4:
			return auth.Subject(id(), id())
		case 5:
			return auth.ACR(scope(), scope())
		case 6:
			return auth.AuthenticatedWithin(time.Duration(1+r.IntN(10000)) * time.Second)
		case 7:
			return auth.AnyToken()
		case 8:
			return auth.Bound()
		case 9:
			return auth.AnyScope(scope(), scope())
		}
		return auth.Scopes(scope(), scope())
	}
	x, y := randomNeed(r, depth-1), randomNeed(r, depth-1)
	if r.IntN(2) == 0 {
		return allOf(x, y)
	}
	return auth.AnyOf(x, y)
}

// allOf is AnyOf where the two ask for acr that no token has both of.
func allOf(x, y auth.Requirement) (both auth.Requirement) {
	defer func() {
		if recover() != nil {
			both = auth.AnyOf(x, y)
		}
	}()
	return auth.AllOf(x, y)
}

// What is printed is read back the same, and means the same to random tokens.
func TestRequirementsRoundTripAsText(t *testing.T) {
	const seed = 20261128
	r := rand.New(rand.NewPCG(seed, 0))
	for range 3000 {
		req := randomNeed(r, 3)
		if r.IntN(5) == 0 {
			req = req.ReportOnly()
		}
		text, err := auth.Rules{"GET /x": req}.Text()
		if err != nil {
			t.Fatalf("seed %d: %v cannot be written: %v", seed, req, err)
		}
		if strings.ContainsFunc(text, func(c rune) bool { return c != '\n' && (c < ' ' || c > '~') }) {
			t.Fatalf("seed %d: not ASCII: %q", seed, text)
		}
		rules, err := auth.ParseRules(text)
		if err != nil || rules["GET /x"].String() != req.String() {
			t.Fatalf("seed %d: %q was read as %v, %v", seed, text, rules["GET /x"], err)
		}
		for range 4 {
			claims := fmt.Sprintf(`{"iss":"a","sub":"b","scope":"a b","roles":["a","Order Admin"],"groups":["b"],"permissions":["(","a"],"acr":"a","auth_time":%d%s}`,
				time.Now().Add(-time.Duration(r.IntN(10000))*time.Second).Unix(), []string{"", `,"client_id":"b"`}[r.IntN(2)])
			opts := &auth.GuardOptions{Bindings: []auth.Binding{&fakeBinding{member: "jkt"}}, OnDecision: func(context.Context, auth.Decision) {}}
			was, wasChallenge := decide(t, opts, req, claims)
			is, isChallenge := decide(t, opts, rules["GET /x"], claims)
			if reasonOf(asError(was)) != reasonOf(asError(is)) || wasChallenge != isChallenge {
				t.Fatalf("seed %d: %v: %v (%s) became %v (%s)", seed, req, was, wasChallenge, is, isChallenge)
			}
		}
	}
}

func TestParseNeeds(t *testing.T) {
	for text, want := range map[string]string{
		`role:admin and group:ops`:                         `role:admin and group:ops`,
		`permission:orders.read`:                           `permission:orders.read`,
		`role:"Order Admin"`:                               `role:"Order Admin"`,
		`role:"admin"`:                                     `role:admin`,
		`role:"\u00e9"`:                                    `role:"\u00e9"`,
		`user:https://i.example|auth0|1`:                   `user:https://i.example|auth0|1`,
		`client:"https://i.example|my job"`:                `client:"https://i.example|my job"`,
		`issuer:https://i.example`:                         `issuer:https://i.example`,
		`acr:urn:mfa`:                                      `acr:urn:mfa`,
		`acr:"urn:mfa urn:phr"`:                            `acr:"urn:mfa urn:phr"`,
		`authenticated-within:300s`:                        `authenticated-within:5m`,
		`"role:admin" or (x and authenticated-within:90m)`: `"role:admin" or (x and authenticated-within:1h30m)`,
		`"Public" and "acr:"`:                              `"Public" and "acr:"`,
		`with`:                                             `with`,
	} {
		if got, err := auth.ParseRequirement(text); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		`role:`:                       `column 1: expected a name behind "role:"`,
		`role:""`:                     `column 1: expected a name behind "role:"`,
		`role:"\xff"`:                 `column 1: expected a name behind "role:"`,
		`Role:admin`:                  `column 1: expected "role:" in lower case`,
		`ACR:x`:                       `column 1: expected "acr:" in lower case`,
		`role:a=b`:                    `column 1: a name with an equals sign`,
		`role:a\b`:                    `column 1: a name with`,
		`role:"a`:                     `column 6: a quote without its end`,
		`role:"a\"`:                   `column 6: a quote without its end`,
		`role:"a\q"`:                  `column 6: an escape between the quotes that is none of Go's`,
		`role:"é"`:                    `column 6: between quotes, byte 0xc3`,
		`role:"a"b`:                   `column 9: expected a space after the quote`,
		`user:read`:                   `column 1: expected user:ISSUER|SUBJECT: a scope of that name stands in quotes`,
		`client:|x`:                   `column 1: expected client:ISSUER|SUBJECT`,
		`user:x|`:                     `column 1: expected user:ISSUER|SUBJECT`,
		`acr:" a"`:                    `column 1: expected values of acr`,
		`acr:"a\\b"`:                  `column 1: expected values of acr`,
		`authenticated-within:5`:      `column 1: expected a time of whole seconds`,
		`authenticated-within:0s`:     `column 1: expected a time of whole seconds`,
		`authenticated-within:1500ms`: `column 1: expected a time of whole seconds`,
		`authenticated-within:-5m`:    `column 1: expected a time of whole seconds`,
		`detail:payment`:              `column 1: detail:payment has a check, which only code can make`,
		`detail:payment with a check`: `column 1: detail:payment has a check`,
		`read with a check`:           `column 6: "with a check" is what only code can ask (Requirement.With)`,
		`(a or b) with a check`:       `column 10: "with a check"`,
	} {
		func() {
			defer noPanic(t)
			if got, err := auth.ParseRequirement(text); err == nil || !got.IsZero() || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, %v, want %s", text, got, err, want)
			}
		}()
	}
	if got := auth.AllOf(auth.Scopes("read"), auth.Detail("a b", initiates)).String(); got != `read and detail:"a b" with a check` {
		t.Error(got)
	}
	// An acr that contradicts another is a fault of the text, and no panic.
	defer noPanic(t)
	if _, err := auth.ParseRules("/a = x\n/b = acr:a and acr:b"); err == nil || !strings.Contains(err.Error(), "line 2, column ") {
		t.Errorf("two acr: %v", err)
	}
}

func TestListsAreReadOnce(t *testing.T) {
	p := principal(t, "read", `,"roles":["a"],"authorization_details":[{"type":"payment","actions":["initiate"]}]`)
	g := must(auth.NewGuard(&fakeVerifier{known: map[string]*auth.Principal{"t": p}}, nil))
	req := auth.AllOf(auth.Role("a"), auth.AnyOf(auth.Group("x"), auth.Role("a")), auth.AnyOf(auth.ACR("x"), auth.Scopes("read")))
	c := bearer("t")
	c.Authorization = []string{"Bearer t"}
	plain := testing.AllocsPerRun(100, func() { _, _ = g.Authorize(t.Context(), c, auth.Scopes("read")) })
	roles := testing.AllocsPerRun(100, func() {
		if _, err := g.Authorize(t.Context(), c, req); err != nil {
			t.Fatal(err)
		}
	})
	if roles > plain {
		t.Errorf("%v allocations, and %v for a scope", roles, plain)
	}
	p.Roles()[0] = "b"
	if p.Roles()[0] != "a" {
		t.Error("a caller changed what others see")
	}
}

// A Principal may be shared: who asks first reads for all.
func TestManyAskOnePrincipal(t *testing.T) {
	p := principal(t, "read", `,"roles":["a"],"acr":"mfa"`)
	g := must(auth.NewGuard(&fixedVerifier{p}, nil))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := g.Authorize(context.Background(), bearer("t"), auth.AllOf(auth.Role("a"), auth.ACR("mfa"))); err != nil || p.Roles()[0] != "a" {
				t.Errorf("%v, %v", err, p.Roles())
			}
		})
	}
	all.Wait()
}

// fixedVerifier takes every token for the same caller's.
type fixedVerifier struct{ p *auth.Principal }

func (v *fixedVerifier) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return v.p, nil
}

// A check of the program's own may cost a look into a database: callers who are refused anyway do
// not cause it.
func TestChecksAreAskedLast(t *testing.T) {
	const claims = `{"iss":"https://a.example","sub":"alice","scope":"read","roles":["clerk"],"authorization_details":[{"type":"pay"}]}`
	var asked []string
	note := func(what string, met bool) bool { asked = append(asked, what); return met }
	detail := func(met bool) auth.Requirement {
		return auth.Detail("pay", func(context.Context, *struct{}) bool { return note("detail", met) })
	}
	check := func(r auth.Requirement, met bool) auth.Requirement {
		return r.With(func(context.Context, *auth.Principal) error {
			if note("check", met) {
				return nil
			}
			return errors.New("no")
		})
	}
	role, scope := auth.Role("owner"), auth.Scopes("write")
	have := auth.AllOf(auth.Role("clerk"), auth.Scopes("read"))
	for name, tt := range map[string]struct {
		req   auth.Requirement
		want  auth.Reason
		asked string
	}{
		"a scope is missing, behind a detail":        {auth.AllOf(detail(true), scope), auth.ReasonInsufficientScope, ""},
		"a scope is missing, before a detail":        {auth.AllOf(scope, detail(true)), auth.ReasonInsufficientScope, ""},
		"a role is missing, behind a check":          {auth.AllOf(check(auth.AnyToken(), true), role), auth.ReasonForbidden, ""},
		"a role is missing, before a check":          {auth.AllOf(role, check(auth.AnyToken(), true)), auth.ReasonForbidden, ""},
		"a role is missing, before a detail":         {auth.AllOf(role, detail(true)), auth.ReasonForbidden, ""},
		"a detail of another type":                   {auth.AllOf(check(auth.AnyToken(), true), auth.Detail("other", func(context.Context, *struct{}) bool { return true })), auth.ReasonInsufficientScope, ""},
		"deeper":                                     {auth.AllOf(auth.AnyOf(detail(true), check(have, true)), auth.AllOf(auth.AnyToken(), role)), auth.ReasonForbidden, ""},
		"an alternative without its scope":           {auth.AnyOf(auth.AllOf(detail(true), scope), have), "", ""},
		"an alternative without its scope, and none": {auth.AnyOf(auth.AllOf(detail(true), scope), auth.AllOf(role, detail(true))), auth.ReasonInsufficientScope, ""},
		"all is there":                               {auth.AllOf(detail(true), have, check(have, true)), "", "detail check"},
		"a check that says no":                       {auth.AllOf(check(have, false), have), auth.ReasonForbidden, "check"},
		"a detail that says no":                      {auth.AllOf(have, detail(false)), auth.ReasonInsufficientScope, "detail"},
		"a check of a detail":                        {auth.AllOf(check(detail(true), true), have), "", "detail check"},
	} {
		asked = nil
		refused, _ := decide(t, nil, tt.req, claims)
		var got auth.Reason
		if refused != nil {
			got = refused.Reason
		}
		if got != tt.want || strings.Join(asked, " ") != tt.asked {
			t.Errorf("%s: %q, asked %q; want %q, asked %q", name, got, asked, tt.want, tt.asked)
		}
	}
}

// A plain token where every way needs a bound one is refused before checks of the program's own are
// asked, and before what else it carries is read.
func TestAPlainTokenIsRefusedBeforeChecks(t *testing.T) {
	opts := &auth.GuardOptions{Bindings: []auth.Binding{&fakeBinding{member: "jkt"}}}
	const malformed = `{"iss":"https://a.example","sub":"alice","scope":"read","authorization_details":"none"}`
	asked := false
	check := auth.AnyToken().With(func(context.Context, *auth.Principal) error { asked = true; return nil })
	detail := auth.Detail("pay", func(context.Context, *struct{}) bool { asked = true; return true })
	for name, req := range map[string]auth.Requirement{
		"a check":        auth.AllOf(check, auth.Bound()),
		"a detail":       auth.AllOf(detail, auth.Bound()),
		"each way bound": auth.AnyOf(auth.AllOf(check, auth.Bound()), auth.AllOf(detail, auth.Bound())),
	} {
		refused, _ := decide(t, opts, req, malformed)
		if refused == nil || refused.Reason != auth.ReasonBindingRequired || asked {
			t.Errorf("%s: %v, a check was asked: %v", name, refused, asked)
		}
	}
}
