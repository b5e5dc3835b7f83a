package rules

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// A caller has some of what rules ask for.
type caller struct {
	anonymous bool     // has no token
	has       []string // in the words of the text form
	claims    map[string]any
}

// maxCallers bounds how many callers are tried for one operation.
const maxCallers = 4096

// An option is what a caller can have beside others, or in place of others.
type option struct {
	word  string // "": nothing
	claim func(map[string]any)
}

// callers returns one caller for each way to have what the Requirements name, those who have less
// first. It reports false when they are too many.
func callers(reqs ...auth.Requirement) ([]caller, bool) {
	all := []caller{{claims: map[string]any{"iss": "https://issuer.invalid", "sub": "somebody", "client_id": "some-client"}}}
	for _, options := range choices(reqs) {
		if len(all)*len(options) > maxCallers {
			return nil, false
		}
		var more []caller
		for _, c := range all {
			for _, o := range options {
				next := caller{has: slices.Clone(c.has), claims: maps.Clone(c.claims)}
				if o.word != "" {
					next.has = append(next.has, o.word)
					o.claim(next.claims)
				}
				more = append(more, next)
			}
		}
		all = more
	}
	slices.SortFunc(all, func(a, b caller) int {
		return cmp.Or(len(a.has)-len(b.has), slices.Compare(a.has, b.has))
	})
	return append([]caller{{anonymous: true}}, all...), true
}

// choices returns lists of options. A caller has one of each.
func choices(reqs []auth.Requirement) (all [][]option) {
	names := func(kind string) []string {
		var found []string
		for _, r := range reqs {
			found = append(found, r.Names(kind)...)
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	nothing := option{}
	for _, kind := range []string{"scope", "role", "group", "permission"} {
		for _, name := range names(kind) {
			all = append(all, []option{nothing, {word(kind, name), func(c map[string]any) {
				if kind == "scope" {
					before, _ := c["scope"].(string)
					c["scope"] = strings.TrimLeft(before+" "+name, " ")
					return
				}
				before, _ := c[kind+"s"].([]string)
				c[kind+"s"] = append(slices.Clone(before), name)
			}}})
		}
	}
	who, acr, within := []option{nothing}, []option{nothing}, []option{nothing}
	for _, name := range names("issuer") {
		who = append(who, option{word("issuer", name), func(c map[string]any) { c["iss"] = name }})
	}
	for _, kind := range []string{"user", "client"} {
		for _, name := range names(kind) {
			issuer, subject, _ := strings.Cut(name, "|")
			who = append(who, option{word(kind, name), func(c map[string]any) {
				c["iss"], c["sub"] = issuer, subject
				if kind == "client" {
					c["client_id"] = subject
				}
			}})
		}
	}
	for _, name := range names("acr") {
		acr = append(acr, option{word("acr", name), func(c map[string]any) { c["acr"] = name }})
	}
	for _, name := range names("authenticated-within") {
		d, _ := time.ParseDuration(name) // as ParseRules did
		within = append(within, option{word("authenticated-within", name), func(c map[string]any) {
			c["auth_time"] = time.Now().Add(time.Second - d).Unix()
		}})
	}
	all = append(all, who, acr, within)
	if slices.ContainsFunc(reqs, func(r auth.Requirement) bool { return strings.Contains(r.String(), "bound token") }) {
		all = append(all, []option{nothing, {"bound token", func(c map[string]any) { c["cnf"] = map[string]string{new(anyProof).Member(): "x"} }}})
	}
	return all
}

// word is a term as the text form has it.
func word(kind, name string) string {
	switch kind {
	case "scope":
		return auth.Scopes(name).String()
	case "role":
		return auth.Role(name).String()
	case "group":
		return auth.Group(name).String()
	case "permission":
		return auth.Permission(name).String()
	case "acr":
		return auth.ACR(name).String()
	}
	return kind + ":" + name
}

// allowed asks a Guard whether each of the callers meets a Requirement. Nobody meets the zero one.
func allowed(req auth.Requirement, all []caller) ([]bool, error) {
	may := make([]bool, len(all))
	if req.IsZero() {
		return may, nil
	}
	guard, err := auth.NewGuard(tokens(all), &auth.GuardOptions{
		Bindings: []auth.Binding{new(anyProof)}, OnDecision: func(context.Context, auth.Decision) {},
	})
	if err != nil {
		return nil, err
	}
	defer guard.Close()
	for i, c := range all {
		var creds auth.Credentials
		if !c.anonymous {
			creds.Authorization = []string{"Bearer " + strconv.Itoa(i)}
		}
		_, err := guard.Authorize(context.Background(), creds, req)
		may[i] = err == nil
	}
	return may, nil
}

// tokens is a verifier of tokens that are a caller's index each.
type tokens []caller

func (t tokens) VerifyToken(_ context.Context, token string) (*auth.Principal, error) {
	i, err := strconv.Atoi(token)
	if err != nil {
		return nil, err
	}
	doc, err := json.Marshal(t[i].claims)
	if err != nil {
		return nil, err
	}
	return auth.NewPrincipal(doc)
}

// anyProof takes every token as proven that is bound at all.
type anyProof struct{}

func (*anyProof) Member() string   { return "x" }
func (*anyProof) Fields() []string { return nil }
func (*anyProof) Check(context.Context, string, *auth.Credentials, *auth.Principal, []byte) error {
	return nil
}
