package provider

import (
	"errors"
	"slices"
	"strings"
	"time"

	auth "github.com/bearward/bearward/middleware"
)

// Presets of issuers whose tokens are of programs: pods, jobs and service accounts. None has
// scopes: rules name subjects, or ask Requirement.With.

// Kubernetes is for the service accounts of a cluster, by the tokens that a projected volume gives
// pods for an audience of the API's own. The issuer is the API server's --service-account-issuer:
// kubectl get --raw /.well-known/openid-configuration tells it. The subject is
// system:serviceaccount:NAMESPACE:NAME.
//
// Refused is the API server's own audience, which the token has that every pod gets by default. So
// are tokens that live longer than a day, and those of legacy Secrets, which never expire. A pod
// that was deleted keeps its access until its token expires: have volumes ask for ten minutes
// (expirationSeconds: 600).
//
// With an issuer of kubernetes.default.svc, the keys are those of the cluster that the program runs
// in. [InCluster] fetches them, unless the options bring a Client. Sources: kubernetes.io
// "Configure Service Accounts for Pods", sections "Launch a Pod using service account token
// projection" and "Service account issuer discovery".
func Kubernetes(issuer string, audience ...string) Preset {
	const inCluster = "https://kubernetes.default.svc"
	p := of(auth.Config{
		Issuer:         issuer,
		Audiences:      audience,
		Types:          []string{""},
		RequiredClaims: []string{"sub", "iat"},
		MaxLifetime:    24 * time.Hour,
		Checks:         []func(*auth.Principal) error{serviceAccount},
	}, httpsURL("issuer", issuer), given("audience", audience), noneWith(audience, func(a string) bool {
		return a == issuer || a == inCluster || strings.HasPrefix(a, inCluster+".") // check: kubernetes-audience
	}, "is the API server's own, which every pod's default token names: give the API one of its own"))
	if p.err != nil {
		return p
	}
	p.Example = map[string]any{"sub": "system:serviceaccount:default:client"}
	if issuer == inCluster || strings.HasPrefix(issuer, inCluster+".") {
		p.inCluster, p.KeySetURL = true, inCluster+"/openid/v1/jwks" // metadata may name an address instead
	}
	return p
}

func serviceAccount(p *auth.Principal) error {
	if !strings.HasPrefix(p.Subject(), "system:serviceaccount:") { // check: kubernetes-subject
		return refusal("the subject is no service account")
	}
	return nil
}

// GitHubActions is for jobs of GitHub Actions of some owners, by the token that core.getIDToken
// returns for the API's audience. Owners are the IDs of organizations and users:
// https://api.github.com/users/NAME tells them. GitHub gives every job of everybody a token for any
// audience, so without an owner there is no preset. Config.FixedClaims may ask for more, such as
// repository_id or environment. The subject can be customized by the owner.
//
// Refused are jobs of other owners. A pull request from a fork gets no token, unless the repository
// lets forks write. [Named] also knows the issuers of GitHub Enterprise Server, and of enterprises
// that have a token URL of their own. Source: docs.github.com "OpenID Connect reference".
func GitHubActions(owners []string, audience ...string) Preset {
	return gitHubActions(gitHubIssuer, owners, audience)
}

const gitHubIssuer = "https://token.actions.githubusercontent.com"

func gitHubActions(issuer string, owners, audience []string) Preset {
	enterprise, _ := strings.CutPrefix(issuer, gitHubIssuer+"/")
	if segmentOf("enterprise", enterprise) != nil && !strings.HasSuffix(issuer, "/_services/token") { // check: github-issuer
		issuer = gitHubIssuer
	}
	return of(withCaller(auth.Config{
		Issuer:         issuer,
		Audiences:      audience,
		Types:          []string{"JWT"},
		Algorithms:     []auth.Algorithm{auth.RS256},
		RequiredClaims: []string{"sub", "iat", "jti", "repository_owner_id"},
	}, "repository_owner_id", owners), httpsURL("issuer", issuer), ids("owner", owners), given("audience", audience)).
		example("repository_owner_id", owners).calledBy(oneOf("repository_owner_id", owners))
}

// GitLabCI is for jobs of GitLab CI/CD of some namespaces, by the token that the keyword id_tokens
// gives a job. The issuer is the GitLab instance, such as https://gitlab.com. Namespaces are the
// IDs of groups and users: everybody's jobs can ask for any audience, so without one there is no
// preset. A subgroup is a namespace of its own. Config.FixedClaims may ask for more, such as
// project_id, or ref_protected, which is the string "true" or "false".
//
// Refused are jobs of other namespaces, those in forks among them, and the ID tokens by which
// people log in with GitLab. A member of the project may run a fork's merge request in the project
// itself: its code then gets the project's token. Fix ref_protected to "true" where that must not
// call. Sources: docs.gitlab.com "OpenID Connect (OIDC) Authentication Using ID Tokens", and "Merge
// request pipelines", section "Run pipelines in the parent project".
func GitLabCI(issuer string, namespaces []string, audience ...string) Preset {
	return of(withCaller(auth.Config{
		Issuer:         issuer,
		Audiences:      audience,
		Types:          []string{"JWT"},
		Algorithms:     []auth.Algorithm{auth.RS256},
		RequiredClaims: []string{"sub", "iat", "jti", "namespace_id", "project_id"},
	}, "namespace_id", namespaces), httpsURL("issuer", issuer), ids("namespace", namespaces), given("audience", audience)).
		example("namespace_id", namespaces).calledBy(oneOf("namespace_id", namespaces))
}

// GoogleCloud is for service accounts of Google Cloud, by their ID tokens for the API's audience.
// The metadata server, Pub/Sub, Cloud Tasks and Cloud Scheduler make such tokens. Callers are the
// service accounts' e-mail addresses or numeric IDs. Everybody can have a token of this issuer for
// any audience, so without one there is no preset. A token may lack the address: ask the metadata
// server for format=full, or generateIdToken for includeEmail.
//
// Refused are other service accounts, an address that Google has not verified, and people who
// signed in with Google, whose tokens have at_hash or nonce. Google's access tokens are opaque: see
// [Google]. Sources: docs.cloud.google.com "Authenticate service-to-service requests",
// google.golang.org/api/idtoken.
func GoogleCloud(callers []string, audience ...string) Preset {
	accounts := slices.Clone(callers)
	check := auth.CheckClaims(func(c *googleClaims) error {
		if slices.Contains(accounts, c.Subject) {
			return nil
		}
		if c.Email == "" || !slices.Contains(accounts, c.Email) { // check: google-caller
			return refusal("the service account is none of those that may call")
		}
		if !c.Verified { // check: google-email-verified
			return refusal("the address is not verified")
		}
		return nil
	})
	p := of(auth.Config{
		Issuer:         "https://accounts.google.com",
		Audiences:      audience,
		Types:          []string{"JWT"},
		Algorithms:     []auth.Algorithm{auth.RS256},
		ClientIDClaims: []string{"azp"},
		RequiredClaims: []string{"sub", "iat"},
		Checks:         []func(*auth.Principal) error{check},
	}, given("caller", callers), serviceAccounts(callers), given("audience", audience), noneWith(audience, func(a string) bool {
		return strings.HasSuffix(a, ".apps.googleusercontent.com") // check: google-audience
	}, "is of an application that people sign in to with Google: give the API one of its own"))
	if p.err == nil && len(callers) > 0 {
		p.Example = map[string]any{"email": callers[0], "email_verified": true}
		if isNumber(callers[0]) {
			p.Example = map[string]any{"sub": callers[0]}
		}
	}
	return p.calledBy(check)
}

type googleClaims struct {
	Subject  string `json:"sub"`
	Email    string `json:"email"`
	Verified bool   `json:"email_verified"`
}

// serviceAccounts checks the callers of GoogleCloud.
func serviceAccounts(callers []string) error {
	for _, c := range callers {
		name, domain, _ := strings.Cut(c, "@")
		if !isNumber(c) && (name == "" || !strings.HasSuffix(domain, ".gserviceaccount.com")) { // check: google-service-account
			return errors.New("provider: caller " + c + " is no service account: give its address, of gserviceaccount.com, or its numeric ID")
		}
	}
	return nil
}

// example has the first of values be that of claim in p.Example, where it is not fixed.
func (p Preset) example(claim string, values []string) Preset {
	if p.err == nil && len(values) > 1 {
		p.Example = map[string]any{claim: values[0]}
	}
	return p
}
