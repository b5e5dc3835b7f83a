package introspect_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// anIssuer is the introspection endpoint of an issuer that knows one token.
func anIssuer() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.FormValue("token") != "2YotnFZFEjr1zCsicMWpAA" {
			io.WriteString(w, `{"active": false}`)
			return
		}
		io.WriteString(w, `{"active": true, "aud": "https://api.example.com", "sub": "alice", "client_id": "app", "scope": "read:orders"}`)
	}))
}

// An API whose issuer gives out opaque tokens: the issuer is asked, and its answer is remembered.
func ExampleNew() {
	issuer := anIssuer()
	defer issuer.Close()

	tokens, err := introspect.New(issuer.URL, introspect.Basic("orders-api", introspect.FixedSecret("secret")), introspect.Config{
		Claims: auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example.com"}},
		OnCall: func(c introspect.Call) { fmt.Println("asked:", c.Outcome) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer tokens.Close()
	guard, err := auth.NewGuard(tokens, nil)
	if err != nil {
		log.Fatal(err)
	}
	api := guard.Require("read:orders")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.PrincipalFrom(r.Context())
		fmt.Fprintln(w, "hello", caller.Subject())
	}))

	for _, token := range []string{"2YotnFZFEjr1zCsicMWpAA", "2YotnFZFEjr1zCsicMWpAA", "another"} {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// asked: active
	// 200
	// 200
	// asked: inactive
	// 401
}

// An issuer that has no preset, here Authentik: its metadata says where it is asked. The audience
// is the client ID of the application that the tokens are for.
func ExampleNew_authentik() {
	client := introspect.Basic("orders-api", introspect.FixedSecret("secret"))
	tokens, err := introspect.New(introspect.FromMetadata, client, introspect.Config{
		Claims: auth.Config{Issuer: "https://authentik.example/application/o/orders/", Audiences: []string{"orders-api"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer tokens.Close()
	guard, err := auth.NewGuard(tokens, nil)
	fmt.Println(guard.Ready(), err)
	// Output: <nil> <nil>
}

// The methods of an Introspector.
func ExampleIntrospector() {
	issuer := anIssuer()
	defer issuer.Close()
	tokens, err := introspect.New(issuer.URL, introspect.Post("orders-api", introspect.FixedSecret("secret")), introspect.Config{
		Claims: auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example.com"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	caller, err := tokens.VerifyToken(context.Background(), "2YotnFZFEjr1zCsicMWpAA")
	fmt.Println(tokens.Issuer(), caller.Subject(), err)
	fmt.Println(tokens.Ready(), len(tokens.Status()))
	fmt.Println(tokens.ChecksRevocation(), tokens.Algorithms()) // for GuardOptions.Profile
	fmt.Println(tokens.Close())
	// Output:
	// https://issuer.example alice <nil>
	// <nil> 1
	// true []
	// <nil>
}

// A secret in a file is read again for each request, so that it can be rotated.
func ExampleSecretFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	secret, err := introspect.SecretFile(file)()
	fmt.Println(secret, err)
	// Output: secret <nil>
}

// A client that signs, and has no secret to share.
func ExamplePrivateKeyJWT() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	client := introspect.PrivateKeyJWT("orders-api", auth.ES256, key, "key-1")
	_, err = introspect.New("https://issuer.example/introspect", client, introspect.Config{
		Claims: auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example.com"}},
	})
	fmt.Println(err)
	// Output: <nil>
}

// JWTs that can be taken back: the issuer is asked about each that verified.
func ExampleRevocable() {
	issuer := anIssuer()
	defer issuer.Close()
	asked, err := introspect.New(issuer.URL, introspect.Basic("orders-api", introspect.FixedSecret("secret")), introspect.Config{
		Claims: auth.Config{Issuer: "https://issuer.example"}, AudienceByServer: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := introspect.Revocable(verifier{}, asked)
	if err != nil {
		log.Fatal(err)
	}
	for _, token := range []string{"2YotnFZFEjr1zCsicMWpAA", "taken back"} {
		_, err := tokens.VerifyToken(context.Background(), token)
		fmt.Println(err)
	}
	fmt.Println(tokens.ChecksRevocation(), len(tokens.Verifiers())) // for GuardOptions.Profile
	fmt.Println(tokens.Ready(), len(tokens.Status()), tokens.Close())
	// Output:
	// <nil>
	// auth: request refused: TOKEN_INACTIVE
	// true 2
	// <nil> 0 <nil>
}

// verifier stands for an [auth.Verifier].
type verifier struct{}

func (verifier) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return auth.NewPrincipal([]byte(`{"sub": "alice"}`))
}

// A client whose secret is fixed, by HTTP Basic: what most servers ask for.
func ExampleBasic() {
	_, err := introspect.New("https://issuer.example/introspect", introspect.Basic("orders-api", introspect.FixedSecret("secret")), introspect.Config{
		Claims: auth.Config{Issuer: "https://issuer.example", Audiences: []string{"https://api.example.com"}},
	})
	fmt.Println(err)
	// Output: <nil>
}

// A client whose secret is in the form, for servers that take nothing else.
func ExamplePost() {
	_, err := introspect.New("https://issuer.example/introspect", introspect.Post("", introspect.FixedSecret("secret")), introspect.Config{})
	fmt.Println(err)
	// Output: introspect: Post needs a client ID and a Secret
}

// A secret that never changes.
func ExampleFixedSecret() {
	secret, err := introspect.FixedSecret("secret")()
	fmt.Println(secret, err)
	// Output: secret <nil>
}

// An endpoint that only trusted clients can reach, such as Ory Hydra's admin port.
func ExampleNoClientAuth() {
	_, err := introspect.New("http://127.0.0.1:4445/admin/oauth2/introspect", introspect.NoClientAuth(), introspect.Config{
		Claims: auth.Config{Issuer: "https://hydra.example/", Audiences: []string{"https://api.example.com"}},
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleOutcomes() {
	fmt.Println(introspect.Outcomes())
	// Output: [active inactive unavailable misconfigured]
}
