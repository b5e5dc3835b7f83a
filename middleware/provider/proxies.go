package provider

import (
	"strings"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// Presets of proxies that sign callers in, and tell the API who they are by a token in a header
// field of their own. None has scopes: rules name subjects and clients, or ask Requirement.With.

// CloudflareAccess is for an API behind Cloudflare Access, by the team's domain, such as
// acme.cloudflareaccess.com. The audience is the AUD tag of the Access application; behind two
// applications an API has two. The token is in Cf-Access-Jwt-Assertion: see Preset.Header. It is
// not in Authorization, which is the application's own.
//
// Refused are session tokens of the team, whose type is org, and tokens of nobody. A service token
// has no subject: Principal.ClientID is its client ID. What reaches the API without Cloudflare has
// no token. Sources: developers.cloudflare.com "Application token" and "Validate JWTs".
func CloudflareAccess(team string, audience ...string) Preset {
	p := of(auth.Config{
		Issuer:         "https://" + team,
		Audiences:      audience,
		Types:          []string{"JWT"},
		Algorithms:     []auth.Algorithm{auth.RS256},
		FixedClaims:    map[string]string{"type": "app"},
		ClientIDClaims: []string{"common_name"},
		RequiredClaims: []string{"iat"},
		Checks: []func(*auth.Principal) error{func(p *auth.Principal) error {
			if p.Subject() == "" && p.ClientID() == "" { // check: cloudflare-nobody
				return refusal("sub and common_name are missing")
			}
			return nil
		}},
	}, host("team domain", team), given("audience", audience))
	if p.err == nil {
		p.KeySetURL = p.Config.Issuer + "/cdn-cgi/access/certs"
		p.Header = "Cf-Access-Jwt-Assertion"
	}
	return p
}

// GoogleIAP is for an API behind Identity-Aware Proxy of Google Cloud. The audience is that of the
// backend service, /projects/NUMBER/global/backendServices/ID, or of the App Engine application,
// /projects/NUMBER/apps/PROJECT. The token is in X-Goog-Iap-Jwt-Assertion: see Preset.Header. The
// subject is accounts.google.com:ID. Health checks have no token: make their route public.
//
// Refused are other backends' tokens, those without a subject, and those that live longer than
// eleven minutes. Source: docs.cloud.google.com "Securing your app with signed headers".
func GoogleIAP(audience ...string) Preset {
	p := of(auth.Config{
		Issuer:         "https://cloud.google.com/iap",
		Audiences:      audience,
		Types:          []string{"JWT"},
		Algorithms:     []auth.Algorithm{auth.ES256},
		RequiredClaims: []string{"sub", "iat"},
		MaxLifetime:    11 * time.Minute, // ten, and 30 s of skew on either side
	}, given("audience", audience), noneWith(audience, func(a string) bool {
		return !strings.HasPrefix(a, "/projects/") // check: iap-audience
	}, "is not IAP's: it begins with /projects/, and the console shows it as Signed Header JWT Audience"))
	if p.err == nil {
		p.KeySetURL = "https://www.gstatic.com/iap/verify/public_key-jwk"
		p.Header = "X-Goog-Iap-Jwt-Assertion"
	}
	return p
}

// AWSALB is refused: what an Application Load Balancer of AWS signs, in X-Amzn-Oidc-Data, names no
// audience. It is padded as no JWT is (RFC 7515 §2), and its keys are no key set. The user's access
// token, in X-Amzn-Oidc-Accesstoken, can guard an API. Use the preset of the authorization server
// that the load balancer logs in with, and set Preset.Header to that field. Source:
// docs.aws.amazon.com "Authenticate users using an Application Load Balancer".
func AWSALB() Preset {
	return refused("X-Amzn-Oidc-Data of an Application Load Balancer names no audience and is no JWT that has a key set; " +
		"use the preset of the authorization server behind it with Preset.Header = \"X-Amzn-Oidc-Accesstoken\", or have clients send its access tokens in Authorization")
}
