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
	covers    []string // has, and the scopes that those of has imply, each once
	claims    map[string]any
}

// maxCallers bounds how many callers are tried for one operation.
const maxCallers = 4096

// An option is what a caller can have beside others, or in place of others.
type option struct {
	word    string // "": nothing
	implied []string
	claim   func(map[string]any)
}

// callers returns one caller for each way to have what the Requirements name, those who have less
// first. It reports false when they are too many.
func callers(implies map[string][]string, reqs ...auth.Requirement) ([]caller, bool) {
	all := []caller{{claims: map[string]any{"iss": "https://issuer.invalid", "sub": "somebody", "client_id": "some-client"}}}
	for _, options := range choices(implies, reqs) {
		if len(all)*len(options) > maxCallers {
			return nil, false
		}
		var more []caller
		for _, c := range all {
			for _, o := range options {
				next := caller{has: slices.Clone(c.has), covers: slices.Clone(c.covers), claims: maps.Clone(c.claims)}
				if o.word != "" {
					next.has = append(next.has, o.word)
					next.covers = append(append(next.covers, o.word), o.implied...)
					o.claim(next.claims)
				}
				more = append(more, next)
			}
		}
		all = more
	}
	for i, c := range all {
		slices.Sort(c.covers)
		all[i].covers = slices.Compact(c.covers)
	}
	slices.SortFunc(all, func(a, b caller) int {
		return cmp.Or(len(a.covers)-len(b.covers), len(a.has)-len(b.has), slices.Compare(a.has, b.has))
	})
	return append([]caller{{anonymous: true}}, all...), true
}

// choices returns lists of options. A caller has one of each.
func choices(implies map[string][]string, reqs []auth.Requirement) (all [][]option) {
	names := func(kind string) []string {
		var found []string
		for _, r := range reqs {
			found = append(found, r.Names(kind)...)
		}
		if kind == "scope" {
			found = append(found, implying(implies, found)...)
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	nothing := option{}
	for _, kind := range []string{"scope", "role", "group", "permission"} {
		for _, name := range names(kind) {
			var implied []string
			if kind == "scope" {
				implied = impliedBy(implies, name)
			}
			all = append(all, []option{nothing, {word(kind, name), implied, func(c map[string]any) {
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
		who = append(who, option{word("issuer", name), nil, func(c map[string]any) { c["iss"] = name }})
	}
	for _, kind := range []string{"user", "client"} {
		for _, name := range names(kind) {
			issuer, subject, _ := strings.Cut(name, "|")
			who = append(who, option{word(kind, name), nil, func(c map[string]any) {
				c["iss"], c["sub"] = issuer, subject
				if kind == "client" {
					c["client_id"] = subject
				}
			}})
		}
	}
	for _, name := range names("acr") {
		acr = append(acr, option{word("acr", name), nil, func(c map[string]any) { c["acr"] = name }})
	}
	for _, name := range names("authenticated-within") {
		d, _ := time.ParseDuration(name) // as ParseRules did
		within = append(within, option{word("authenticated-within", name), nil, func(c map[string]any) {
			c["auth_time"] = loggedInAgo(d - time.Second)
		}})
	}
	all = append(all, who, acr, within)
	if slices.ContainsFunc(reqs, func(r auth.Requirement) bool { return strings.Contains(r.String(), "bound token") }) {
		all = append(all, []option{nothing, {"bound token", nil, func(c map[string]any) { c["cnf"] = map[string]string{new(anyProof).Member(): "x"} }}})
	}
	return all
}

// impliedBy returns the scopes that one implies, by however many steps, as words.
func impliedBy(implies map[string][]string, scope string) (words []string) {
	seen := map[string]bool{scope: true}
	for next := slices.Clone(implies[scope]); len(next) > 0; next = next[1:] {
		if s := next[0]; !seen[s] {
			seen[s] = true
			words = append(words, word("scope", s))
			next = append(next, implies[s]...)
		}
	}
	return words
}

// implying returns the scopes that imply one of those.
func implying(implies map[string][]string, scopes []string) (found []string) {
	for scope := range implies {
		words := impliedBy(implies, scope)
		if slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(words, word("scope", s)) }) {
			found = append(found, scope)
		}
	}
	return found
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
func allowed(req auth.Requirement, all []caller, implies map[string][]string) ([]bool, error) {
	may := make([]bool, len(all))
	if req.IsZero() {
		return may, nil
	}
	guard, err := auth.NewGuard(tokens(all), &auth.GuardOptions{
		Bindings: []auth.Binding{new(anyProof)}, OnDecision: func(context.Context, auth.Decision) {}, Implies: implies,
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

// loggedInAgo is a time that counts back from when the token is looked at, however long others
// took.
type loggedInAgo time.Duration

func (d loggedInAgo) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Now().Add(-time.Duration(d)).UnixMilli())/1000, 'f', 3, 64), nil
}

// anyProof takes every token as proven that is bound at all.
type anyProof struct{}

func (*anyProof) Member() string   { return "x" }
func (*anyProof) Fields() []string { return nil }
func (*anyProof) Check(context.Context, string, *auth.Credentials, *auth.Principal, []byte) error {
	return nil
}
