package provider_test

import (
	"strings"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/provider"
)

func TestClerkPermissions(t *testing.T) {
	type claims = authtest.Claims
	packed := func(features, names, masks string) claims {
		return claims{"v": 2, "fea": features, "o": map[string]any{"id": "org_1", "rol": "admin", "per": names, "fpm": masks}}
	}
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	const read, manage, other = "org:dashboard:read", "org:dashboard:manage", "org:impersonation:manage"
	for name, tt := range map[string]struct {
		claims claims
		has    []string // of read, manage and other
	}{
		"as Clerk documents":        {packed("o:dashboard,o:impersonation", "read,manage", "3,2"), []string{read, manage, other}},
		"one of two":                {packed("o:dashboard,o:impersonation", "read,manage", "1,1"), []string{read}},
		"none":                      {packed("o:dashboard,o:impersonation", "read,manage", "0,0"), nil},
		"in another order":          {packed("o:impersonation,o:dashboard", "manage,read", "1,2"), []string{read, other}},
		"user's features between":   {packed("u:dark_mode,o:dashboard,u:beta,ou:impersonation", "read,manage", "1,2"), []string{read, other}},
		"a user's feature alone":    {packed("u:dashboard", "read,manage", "3"), nil},
		"spaces":                    {packed("o:dashboard, o:impersonation", "read, manage", "3, 2"), []string{read, manage, other}},
		"fewer masks than features": {packed("o:dashboard,o:impersonation", "read,manage", "2"), []string{manage}},
		"more masks than features":  {packed("o:dashboard", "read,manage", "2,3"), []string{manage}},
		"the seventieth name":       {packed("o:dashboard", strings.Repeat("x,", 69)+"read", "590295810358705651712"), []string{read}},
		"a mask beyond the names":   {packed("o:dashboard", "read", "4294967298"), nil},
		"a mask with a sign":        {packed("o:dashboard", "read,manage", "-1"), nil},
		"a mask in hexadecimal":     {packed("o:dashboard", "read,manage", "0x3"), nil},
		"no mask":                   {packed("o:dashboard", "read,manage", ""), nil},
		"no names":                  {packed("o:dashboard", "", "3"), nil},
		"no features":               {packed("", "read,manage", "3"), nil},
		"a feature without a scope": {packed("dashboard", "read,manage", "3"), nil},
		"another scope":             {packed("x:dashboard,o:impersonation", "read,manage", "3"), []string{other}},
		"no organization":           {claims{"v": 2, "fea": "o:dashboard"}, nil},
		"version 1":                 {claims{"v": 1, "fea": "o:dashboard", "o": map[string]any{"per": "read", "fpm": "1"}, "org_permissions": []string{read}}, nil},
		"no version":                {claims{"fea": "o:dashboard", "o": map[string]any{"per": "read", "fpm": "1"}}, nil},
		"a member of another type":  {claims{"v": 2, "fea": "o:dashboard", "o": map[string]any{"per": "read", "fpm": 1}}, nil},
		"features in a list":        {claims{"v": 2, "o": map[string]any{"per": "read", "fpm": "1"}, "fea": []string{"o:dashboard"}}, nil},
		"a name that looks longer":  {packed("o:dashboard:read", "manage", "1"), nil},
	} {
		credentials := auth.Credentials{Authorization: []string{"Bearer " + issuer.Token("", tt.claims)}}
		for _, want := range []string{read, manage, other} {
			_, err := guard.Authorize(t.Context(), credentials, auth.AnyToken().With(provider.ClerkPermissions(want)))
			if has := strings.Contains(strings.Join(tt.has, " "), want); has != (err == nil) || !has && reason(err) != auth.ReasonForbidden {
				t.Errorf("%s: %s: %v, want it permitted: %v", name, want, err, has)
			}
		}
		_, err := guard.Authorize(t.Context(), credentials, auth.AnyToken().With(provider.ClerkPermissions(read, other, manage)))
		if all := len(tt.has) == 3; all != (err == nil) {
			t.Errorf("%s: all three: %v", name, err)
		}
	}
}

func TestClerkPermissionsHaveOneForm(t *testing.T) {
	for _, bad := range []string{"", "read", "dashboard:read", "user:dashboard:read", "org:dashboard", "org::read", "org:dashboard:", "org:a:b:c", "org:a,b:c", "org: a:b"} {
		func() {
			defer func() {
				if e, _ := recover().(string); !strings.Contains(e, "org:FEATURE:PERMISSION") {
					t.Errorf("%q: %q", bad, e)
				}
			}()
			provider.ClerkPermissions("org:invoices:read", bad)
		}()
	}
}
