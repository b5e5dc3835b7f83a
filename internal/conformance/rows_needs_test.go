package main_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A payment is an entry of authorization_details as the operation "pay" reads it.
type payment struct {
	Actions []string `json:"actions"`
}

// askOf puts questions to every transport, over operations of the test's own.
func askOf(t *testing.T, name string, v auth.TokenVerifier, opts *auth.GuardOptions, needs map[string]auth.Requirement, questions ...question) {
	s := new(secrets)
	opts.ResourceMetadata = metadataURL
	opts.OnDecision = auth.LogRefusals(slog.New(slog.NewJSONHandler(s, nil)))
	guard := must(auth.NewGuard(v, opts))
	g := &group{t: t, name: name, transports: setup{guard: guard, needs: needs}.transports(t), secret: s}
	t.Cleanup(func() { s.check(t) })
	g.ask(questions...)
}

// forbidden is what a token without the role, group or the like gets.
var forbidden = want{status: 403, reason: auth.ReasonForbidden}

// stepUp is a step-up challenge of RFC 9470 §3.
func stepUp(scopes string, params map[string]string) want {
	params = maps.Clone(params)
	params["error"] = "insufficient_user_authentication"
	return want{status: 401, reason: auth.ReasonInsufficientUserAuthentication, scopes: scopes, params: params}
}

// TestMatrixStepUp holds the rows of step-up authentication.
func TestMatrixStepUp(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	at := func(scope string, claims authtest.Claims) []string { return bearer(token(issuer, scope, claims)) }
	now := time.Now()
	recent, old := now.Add(-time.Minute).Unix(), now.Add(-6*time.Minute).Unix()
	vault := map[string]string{"acr_values": "urn:example:mfa urn:example:phr", "max_age": "300"}
	acr, age := map[string]string{"acr_values": "urn:example:mfa"}, map[string]string{"max_age": "60"}
	const mfa = "urn:example:mfa"
	askOf(t, "step-up", issuer.Verifier(auth.Config{}), new(auth.GuardOptions), map[string]auth.Requirement{
		"vault": auth.AllOf(auth.Scopes("read:orders"), auth.ACR(mfa, "urn:example:phr"), auth.AuthenticatedWithin(5*time.Minute)),
		"acr":   auth.ACR(mfa),
		"age":   auth.AllOf(auth.AuthenticatedWithin(time.Hour), auth.AuthenticatedWithin(time.Minute)),
	},
		question{"SU-03", "the first value", "vault", at("read:orders", authtest.Claims{"acr": mfa, "auth_time": recent}), nil, accepted},
		question{"SU-03", "the second value", "vault", at("read:orders", authtest.Claims{"acr": "urn:example:phr", "auth_time": recent}), nil, accepted},
		question{"SU-01 SU-02 SU-07", "another acr", "vault", at("read:orders", authtest.Claims{"acr": "urn:example:pwd", "auth_time": recent}), nil, stepUp("", vault)},
		question{"SU-04 SU-07", "too long ago", "vault", at("read:orders", authtest.Claims{"acr": mfa, "auth_time": old}), nil, stepUp("", vault)},
		question{"SU-04", "a time to come", "vault", at("read:orders", authtest.Claims{"acr": mfa, "auth_time": now.Add(time.Hour).Unix()}), nil, stepUp("", vault)},
		question{"SU-05", "no auth_time", "vault", at("read:orders", authtest.Claims{"acr": mfa}), nil, stepUp("", vault)},
		question{"SU-06", "no acr", "vault", at("read:orders", authtest.Claims{"auth_time": recent}), nil, stepUp("", vault)},
		question{"SU-05 SU-06", "neither", "vault", at("read:orders", nil), nil, stepUp("", vault)},
		question{"SU-08", "the scope is missing too", "vault", at("other", authtest.Claims{"acr": "x", "auth_time": recent}), nil, stepUp("read:orders", vault)},
		question{"SU-08", "the scope alone is missing", "vault", at("other", authtest.Claims{"acr": mfa, "auth_time": recent}), nil, short("read:orders")},
		question{"SU-08", "an expired token", "vault", bearer(token(issuer, "other", authtest.Expired)), nil, invalid(auth.ReasonTokenExpired)},
		question{"SU-08", "a bound token", "vault", at("other", authtest.Claims{"cnf": object{"jkt": "x"}}), nil, invalid(auth.ReasonBindingNotProved)},
		question{"SU-09 SU-02", "acr alone", "acr", at("read:orders", authtest.Claims{"acr": "x"}), nil, stepUp("", acr)},
		question{"SU-09 SU-04", "the smaller of two times", "age", at("read:orders", authtest.Claims{"auth_time": old}), nil, stepUp("", age)},
	)
}

// TestMatrixDetails holds the rows of rich authorization.
func TestMatrixDetails(t *testing.T) {
	issuer, endpoint := authtest.NewIssuer(t, nil), newIntrospection(t)
	needs := map[string]auth.Requirement{"pay": auth.Detail("payment_initiation", func(_ context.Context, p *payment) bool {
		return slices.Contains(p.Actions, "initiate")
	})}
	good := object{"type": "payment_initiation", "actions": []string{"initiate"}}
	var ofJWT, ofOpaque []question
	for name, tt := range map[string]struct {
		row     string
		details any
		want    want
	}{
		"good":                {"RA-01 RA-03", []any{object{"type": "other"}, good}, accepted},
		"absent":              {"RA-03", nil, short("")},
		"another action":      {"RA-03", []any{object{"type": "payment_initiation", "actions": []string{"status"}}}, short("")},
		"an unknown type":     {"RA-05", []any{object{"type": "payment", "actions": []string{"initiate"}}}, short("")},
		"an object":           {"RA-01", good, invalid(auth.ReasonClaimInvalid)},
		"text":                {"RA-01", "payment_initiation", invalid(auth.ReasonClaimInvalid)},
		"an entry of no type": {"RA-01", []any{good, object{"actions": []string{"initiate"}}}, invalid(auth.ReasonClaimInvalid)},
		"a type that is 1":    {"RA-01", []any{good, object{"type": 1}}, invalid(auth.ReasonClaimInvalid)},
	} {
		ofJWT = append(ofJWT, question{tt.row, name, "pay", bearer(token(issuer, "read:orders", authtest.Claims{"authorization_details": tt.details})), nil, tt.want})
		opaque := endpoint.answer("opaque-"+strings.ReplaceAll(name, " ", "-"), tells(object{
			"active": true, "iss": opaqueIssuer, "sub": "alice", "aud": opaqueAPI, "exp": time.Now().Add(time.Hour).Unix(), "authorization_details": tt.details,
		}))
		ofOpaque = append(ofOpaque, question{"RA-02", name, "pay", bearer(opaque), nil, tt.want})
	}
	askOf(t, "details", issuer.Verifier(auth.Config{}), new(auth.GuardOptions), needs, ofJWT...)
	askOf(t, "details-introspected", endpoint.introspector(t, nil), new(auth.GuardOptions), needs, ofOpaque...)
}

// TestMatrixNeeds holds the rows of roles and the like, and of scopes that imply others.
func TestMatrixNeeds(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	v := issuer.Verifier(auth.Config{RolesClaim: []string{"realm_access", "roles"}})
	alice := auth.Identity{Issuer: issuer.URL, Subject: "alice"}
	job := auth.Identity{Issuer: issuer.URL, Subject: "job", Client: true}
	needs := map[string]auth.Requirement{
		"role": auth.Role("Order Admin"), "group": auth.Group("ops"), "permission": auth.Permission("orders.read"),
		"subject": auth.Subject(alice, job), "issuer": auth.Issuer(issuer.URL), "elsewhere": auth.Issuer("https://other.example"),
		"either": auth.AnyOf(auth.Role("Order Admin"), auth.Scopes("admin:all")), "both": auth.AllOf(auth.Role("Order Admin"), auth.Scopes("admin:all")),
	}
	for name, need := range needs { // each is the one that its text is read as
		again, err := auth.ParseRequirement(need.String())
		if err != nil || again.String() != need.String() {
			t.Fatalf("%v is read as %v, %v", need, again, err)
		}
		needs[name] = again
	}
	at := func(scope string, claims authtest.Claims) []string { return bearer(token(issuer, scope, claims)) }
	admin := authtest.Claims{"realm_access": object{"roles": []string{"user", "Order Admin"}}}
	askOf(t, "needs", v, new(auth.GuardOptions), needs,
		question{"W-06", "the role", "role", at("", admin), nil, accepted},
		question{"W-06", "another role", "role", at("admin:all", authtest.Claims{"realm_access": object{"roles": []string{"Order"}}}), nil, forbidden},
		question{"W-06", "the role in another claim", "role", at("admin:all", authtest.Claims{"roles": []string{"Order Admin"}}), nil, forbidden},
		question{"W-06", "the group", "group", at("", authtest.Claims{"groups": []string{"ops"}}), nil, accepted},
		question{"W-06", "another group", "group", at("", authtest.Claims{"groups": []string{"op"}}), nil, forbidden},
		question{"W-06", "the permission", "permission", at("", authtest.Claims{"permissions": []string{"orders.read"}}), nil, accepted},
		question{"W-06", "no permission", "permission", at("orders.read", nil), nil, forbidden},
		question{"W-06", "the user", "subject", at("", nil), nil, accepted},
		question{"W-06", "the client", "subject", at("", authtest.Claims{"sub": "job", "client_id": "job"}), nil, accepted},
		question{"W-06", "a user of the client's name", "subject", at("", authtest.Claims{"sub": "job"}), nil, forbidden},
		question{"W-06", "a client of the user's name", "subject", at("", authtest.Claims{"sub": "alice", "client_id": "alice"}), nil, forbidden},
		question{"W-06", "the issuer", "issuer", at("", nil), nil, accepted},
		question{"W-06", "another issuer", "elsewhere", at("", nil), nil, forbidden},
		question{"W-06", "the first alternative", "either", at("", admin), nil, accepted},
		question{"W-06", "the second alternative", "either", at("admin:all", nil), nil, accepted},
		question{"W-06", "no alternative", "either", at("", nil), nil, forbidden},
		question{"W-06", "the scope is missing too", "both", at("", nil), nil, short("admin:all")},
		question{"W-06", "the role alone is missing", "both", at("admin:all", nil), nil, forbidden},
	)

	implies := &auth.GuardOptions{Implies: map[string][]string{"admin:all": {"write:orders"}, "write:orders": {"read:orders"}, "read:orders": {"write:orders"}}}
	orders := map[string]auth.Requirement{"read": auth.Scopes("read:orders"), "admin": auth.Scopes("admin:all"), "other": auth.Scopes("read:stats")}
	var asked []question
	for _, scope := range []string{"admin:all", "write:orders", "read:orders"} {
		asked = append(asked, question{"W-07", scope, "read", at(scope, nil), nil, accepted})
	}
	askOf(t, "implies", issuer.Verifier(auth.Config{}), implies, orders, append(asked,
		question{"W-07", "what implies it is missing", "read", at("read:stats", nil), nil, short("read:orders")},
		question{"W-07", "not the other way round", "admin", at("write:orders read:orders", nil), nil, short("admin:all")},
		question{"W-07", "what nothing implies", "other", at("admin:all", nil), nil, short("read:stats")},
	)...)
}

// demanding are rules that ask for more than scopes.
var demanding = auth.Rules{
	"GET /admin":     auth.AllOf(auth.Role("admin"), auth.Scopes("read:orders")),
	"GET /vault":     auth.AllOf(auth.Scopes("read:orders"), auth.ACR("urn:example:mfa", "urn:example:phr"), auth.ACR("urn:example:phr"), auth.AuthenticatedWithin(5*time.Minute)),
	"POST /payments": auth.Detail("payment", func(_ context.Context, p *payment) bool { return slices.Contains(p.Actions, "initiate") }),
	"GET /orders":    auth.Scopes("read:orders"),
}

// TestAssertGuardedAsksForMoreThanScopes finds nothing where the guard asks for all that the rules
// say, and names the rule where it asks for the scopes alone.
func TestAssertGuardedAsksForMoreThanScopes(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Config: &auth.Config{
		Issuer: "https://issuer.example", Audiences: []string{"https://api.example"}, RolesClaim: []string{"realm_access", "roles"},
	}})
	implies := map[string][]string{"admin:all": {"read:orders"}}
	opts := &authtest.GuardedOptions{Implies: implies, Claims: map[string]authtest.Claims{
		"POST /payments": {"authorization_details": []any{object{"type": "payment", "actions": []string{"initiate"}}}},
	}}
	for _, r := range routers {
		t.Run(r.name, func(t *testing.T) {
			ask := func(enforced auth.Rules) []string {
				handlers := map[string]http.Handler{}
				for key := range demanding {
					handlers[key] = book(key)
				}
				said := &recorder{TB: t}
				guard := must(auth.NewGuard(issuer.Verifier(issuer.Config()), &auth.GuardOptions{Implies: implies}))
				authtest.AssertGuarded(said, issuer, r.build(guard, enforced, handlers, nil, nil), demanding, opts)
				return said.errors
			}
			if said := ask(demanding); len(said) > 0 {
				t.Errorf("a whole application: %s", strings.Join(said, "\n"))
			}
			for key, row := range map[string]string{"GET /admin": "W-06", "GET /vault": "SU-01", "POST /payments": "RA-03"} {
				enforced := maps.Clone(demanding)
				if enforced[key] = auth.AnyToken(); key != "POST /payments" {
					enforced[key] = auth.Scopes("read:orders")
				}
				said := ask(enforced)
				if !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, key+": ") && strings.Contains(s, "("+row+")") }) {
					t.Errorf("%s is open to who has the scopes: said %s", key, strings.Join(said, "\n"))
				}
			}
		})
	}
}
