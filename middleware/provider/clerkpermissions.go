package provider

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// ClerkPermissions returns a check for [auth.Requirement.With]: the user has every one of the
// permissions in the organization that the session is for. They are written as in Clerk's
// dashboard: org:FEATURE:PERMISSION. Session tokens of version 2 pack them, which this undoes;
// those of other versions have none. A check is safe for concurrent use. ClerkPermissions panics
// when a permission has another form. Sources: clerk.com/docs "Session tokens", the claims "fea",
// "o.per" and "o.fpm", and Clerk's SDK for JavaScript.
func ClerkPermissions(first string, rest ...string) func(context.Context, *auth.Principal) error {
	wanted := append([]string{first}, rest...)
	for _, w := range wanted {
		parts := strings.Split(w, ":")
		if len(parts) != 3 || parts[0] != "org" || slices.Contains(parts, "") || strings.ContainsAny(w, ", ") { // check: clerk-permission-form
			panic(fmt.Sprintf("provider: ClerkPermissions: %q is not org:FEATURE:PERMISSION", w))
		}
	}
	return func(_ context.Context, p *auth.Principal) error {
		claims, err := auth.ClaimsOf[clerkClaims](p)
		if err != nil {
			return err
		}
		has := claims.permissions()
		for _, w := range wanted {
			if !slices.Contains(has, w) { // check: clerk-permission
				return errors.New("the user lacks a permission in the organization")
			}
		}
		return nil
	}
}

type clerkClaims struct {
	Version      int    `json:"v"`
	Features     string `json:"fea"` // such as "o:invoices,u:dark_mode"
	Organization struct {
		Permissions string `json:"per"` // names, which all features share
		Masks       string `json:"fpm"` // of each of the organization's features: which of the names it has
	} `json:"o"`
}

// permissions returns what the claims pack. What cannot be read permits nothing.
func (c *clerkClaims) permissions() (all []string) {
	if c.Version != 2 { // check: clerk-permission-version
		return nil
	}
	names, masks := commaParts(c.Organization.Permissions), commaParts(c.Organization.Masks)
	for _, f := range commaParts(c.Features) {
		scope, feature, _ := strings.Cut(f, ":")
		if scope != "o" && scope != "ou" && scope != "uo" { // check: clerk-user-feature
			continue // the user's, which has no mask
		}
		if len(masks) == 0 {
			break
		}
		bits, ok := new(big.Int).SetString(masks[0], 10)
		masks = masks[1:]
		if !ok {
			continue
		}
		if bits.Sign() < 0 { // check: clerk-permission-mask
			continue // every bit of it would be set
		}
		for i, name := range names {
			if bits.Bit(i) == 1 {
				all = append(all, "org:"+feature+":"+name)
			}
		}
	}
	return all
}

func commaParts(s string) []string {
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
