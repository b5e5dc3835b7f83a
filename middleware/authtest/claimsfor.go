package authtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/bearward/bearward/internal/issuer"
	auth "github.com/bearward/bearward/middleware"
)

// ClaimsFor returns what a token of is needs besides scopes to meet need. That is roles, groups and
// permissions where [Options].Config has them, the subject, acr, and an auth_time of just now.
// There is nothing where scopes suffice. What checks of the program's own ask (With, Detail) nobody
// but the program knows.
//
//	issuer.Token("read:vault", issuer.ClaimsFor(rules["GET /vault"]))
func (is *Issuer) ClaimsFor(need auth.Requirement) Claims {
	config := is.Config()
	claims := Claims{}
	for _, list := range []struct {
		kind string
		path []string
	}{{"role", config.RolesClaim}, {"group", config.GroupsClaim}, {"permission", config.PermissionsClaim}} {
		names := need.Names(list.kind)
		if len(names) == 0 {
			continue
		}
		if len(list.path) == 0 {
			list.path = []string{list.kind + "s"}
		}
		issuer.SetList(claims, list.path, names)
	}
	if len(need.Names("authenticated-within")) > 0 {
		claims["auth_time"] = time.Now().Unix()
	}
	var best Claims
	for _, who := range subjects(need, config.Issuer) {
		for _, acr := range append(need.Names("acr"), "") {
			one := Claims{}
			merge(one, claims)
			merge(one, who)
			if acr != "" {
				one["acr"] = acr
			}
			if best == nil {
				best = one
			}
			if meets(need, config.Issuer, one) {
				return one
			}
		}
	}
	return best
}

// subjects returns the claims of those whom need names, of the issuer, and none.
func subjects(need auth.Requirement, issuer string) (all []Claims) {
	for _, kind := range []string{"user", "client"} {
		for _, name := range need.Names(kind) {
			subject, ours := strings.CutPrefix(name, issuer+"|")
			switch {
			case !ours:
			case kind == "client":
				all = append(all, Claims{"sub": subject, "client_id": subject})
			default:
				all = append(all, Claims{"sub": subject})
			}
		}
	}
	return append(all, Claims{})
}

// meets reports whether claims, with every scope, role and the like that need names, meet it.
func meets(need auth.Requirement, issuer string, claims Claims) bool {
	all := Claims{
		"iss": issuer, "sub": "alice", "client_id": "client", "cnf": map[string]string{"jkt": "x"}, "scope": strings.Join(need.Names("scope"), " "),
		"roles": need.Names("role"), "groups": need.Names("group"), "permissions": need.Names("permission"),
	}
	for _, name := range []string{"sub", "client_id", "acr", "auth_time"} {
		if value, ok := claims[name]; ok {
			all[name] = value
		}
	}
	doc, err := json.Marshal(all)
	if err != nil {
		panic(fmt.Sprintf("authtest: %v", err)) // of text and numbers
	}
	guard, err := auth.NewGuard(told(doc), &auth.GuardOptions{
		Bindings: []auth.Binding{new(everyProof)}, OnDecision: func(context.Context, auth.Decision) {},
	})
	if err != nil {
		return false
	}
	_, err = guard.Authorize(context.Background(), auth.Credentials{Authorization: []string{"Bearer t"}}, need)
	return err == nil
}

// told is a verifier to which every token has these claims.
type told []byte

func (t told) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return auth.NewPrincipal(t)
}

// Short returns claims that fall short of c, each in one thing, by what it is, such as "without the
// claim roles". They are for tests that a rule asks for all of c. Another subject stands in
// the place of "sub", and for a user's authentication there are a weaker one and an older one too.
func (c Claims) Short() map[string]Claims {
	all := map[string]Claims{}
	change := func(what, name string, value any) {
		short := maps.Clone(c)
		short[name] = value
		all[what] = short
	}
	for name := range c {
		switch name {
		case "sub":
			change("of another subject", name, somebody)
		case "client_id":
			change("of another client", name, somebody)
		default:
			change("without the claim "+name, name, Absent)
		}
	}
	if c["acr"] != nil {
		change("with another acr", "acr", somebody)
	}
	if c["auth_time"] != nil {
		change("whose user was authenticated in 1970", "auth_time", 1)
	}
	return all
}
