package provider_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"strings"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/provider"
)

// show prints what an API trusts, and where the keys and the token are.
func show(p provider.Preset) {
	if err := p.Err(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Config.Issuer, p.Config.Audiences)
	if p.KeySetURL != "" {
		fmt.Println("keys:", p.KeySetURL)
	}
	if p.Header != "" {
		fmt.Println("header:", p.Header)
	}
}

func ExampleKubernetes() {
	show(provider.Kubernetes("https://kubernetes.default.svc.cluster.local", "orders-api"))
	show(provider.Kubernetes("https://kubernetes.default.svc.cluster.local", "https://kubernetes.default.svc.cluster.local"))
	// Output:
	// https://kubernetes.default.svc.cluster.local [orders-api]
	// keys: https://kubernetes.default.svc/openid/v1/jwks
	// provider: audience "https://kubernetes.default.svc.cluster.local" is the API server's own, which every pod's default token names: give the API one of its own
}

// An API server that has a name of its own. Outside the cluster there is no such file.
func ExampleInCluster() {
	client, err := provider.InCluster(&provider.ClusterOptions{
		Hosts:     []string{"kubernetes.shop.internal:6443"},
		TokenFile: "/var/run/secrets/keys/token",
	})
	if err != nil {
		fmt.Println(errors.Is(err, fs.ErrNotExist))
		return
	}
	p := provider.Kubernetes("https://kubernetes.shop.internal:6443", "orders-api")
	guard, err := p.Guard(&auth.GuardOptions{Keys: &jwks.Options{Client: client}})
	if err == nil {
		defer guard.Close()
	}
	fmt.Println(err)
	// Output:
	// true
}

// Jobs of one repository of one owner, in the environment that reviewers guard.
func ExampleGitHubActions() {
	p := provider.GitHubActions([]string{"9919"}, "https://api.example")
	p.Config.FixedClaims["repository_id"] = "74"
	p.Config.FixedClaims["environment"] = "prod"
	show(p)
	show(provider.GitHubActions(nil, "https://api.example"))
	// Output:
	// https://token.actions.githubusercontent.com [https://api.example]
	// provider: owner is required
}

func ExampleGitLabCI() {
	show(provider.GitLabCI("https://gitlab.com", []string{"72"}, "https://api.example"))
	show(provider.GitLabCI("https://gitlab.com", []string{"my-group"}, "https://api.example"))
	// Output:
	// https://gitlab.com [https://api.example]
	// provider: namespace "my-group" is not a number: give the ID, since a name can be somebody else's tomorrow
}

func ExampleGoogleCloud() {
	show(provider.GoogleCloud([]string{"billing@my-project.iam.gserviceaccount.com"}, "https://orders.example"))
	show(provider.GoogleCloud([]string{"alice@example.com"}, "https://orders.example"))
	// Output:
	// https://accounts.google.com [https://orders.example]
	// provider: caller alice@example.com is no service account: give its address, of gserviceaccount.com, or its numeric ID
}

func ExampleGoogleIAP() {
	show(provider.GoogleIAP("/projects/123456789012/global/backendServices/987654321"))
	// Output:
	// https://cloud.google.com/iap [/projects/123456789012/global/backendServices/987654321]
	// keys: https://www.gstatic.com/iap/verify/public_key-jwk
	// header: X-Goog-Iap-Jwt-Assertion
}

func ExampleCloudflareAccess() {
	show(provider.CloudflareAccess("acme.cloudflareaccess.com", "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228"))
	// Output:
	// https://acme.cloudflareaccess.com [32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228]
	// keys: https://acme.cloudflareaccess.com/cdn-cgi/access/certs
	// header: Cf-Access-Jwt-Assertion
}

func ExampleAWSALB() {
	show(provider.AWSALB())
	// Output:
	// provider: X-Amzn-Oidc-Data of an Application Load Balancer names no audience and is no JWT that has a key set; use the preset of the authorization server behind it with Preset.Header = "X-Amzn-Oidc-Accesstoken", or have clients send its access tokens in Authorization
}

func ExampleWorkOS() {
	show(provider.WorkOS("acme.authkit.app", "https://mcp.example.com/mcp"))
	// Output:
	// https://acme.authkit.app [https://mcp.example.com/mcp]
}

// The permission of Clerk's organizations, at one route.
func ExampleClerkPermissions() {
	rules := auth.Rules{"GET /invoices": auth.AnyToken().With(provider.ClerkPermissions("org:invoices:read"))}
	fmt.Println(rules["GET /invoices"])
	// Output:
	// any token with a check
}

func ExampleClerk() {
	show(provider.Clerk("clerk.shop.example", "https://shop.example", "http://localhost:3000"))
	show(provider.Clerk("clerk.shop.example"))
	// Output:
	// https://clerk.shop.example []
	// keys: https://clerk.shop.example/.well-known/jwks.json
	// provider: origin is required
}

func ExampleSupabase() {
	show(provider.Supabase("abcdefghijklmnopqrst.supabase.co"))
	// Output:
	// https://abcdefghijklmnopqrst.supabase.co/auth/v1 [authenticated]
	// keys: https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json
}

func ExampleFirebase() {
	show(provider.Firebase("my-project"))
	// Output:
	// https://securetoken.google.com/my-project [my-project]
}

// A program whose issuer is settled where it is deployed.
func ExampleFromEnv() {
	defer setenv(map[string]string{
		"BEARWARD_PRESET":   "keycloak",
		"BEARWARD_ISSUER":   "https://sso.example/realms/shop",
		"BEARWARD_AUDIENCE": "orders-api",
	})()
	// region: env
	guard, err := provider.FromEnv(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()
	// endregion
	fmt.Println(guard.Status()[0].Issuer)
	// Output:
	// https://sso.example/realms/shop
}

// setenv sets variables of the prefix BEARWARD_, and no others, until what it returns is called.
func setenv(variables map[string]string) (undo func()) {
	var before []string
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "BEARWARD_") {
			before = append(before, entry)
			os.Unsetenv(name)
		}
	}
	for name, value := range variables {
		os.Setenv(name, value)
	}
	return func() {
		for name := range variables {
			os.Unsetenv(name)
		}
		for _, entry := range before {
			name, value, _ := strings.Cut(entry, "=")
			os.Setenv(name, value)
		}
	}
}
