package differential

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	jwkv2 "github.com/lestrrat-go/jwx/v2/jwk"
	jwtv2 "github.com/lestrrat-go/jwx/v2/jwt"
	jwkv3 "github.com/lestrrat-go/jwx/v3/jwk"
	jwtv3 "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/bearward/bearward/bench/tokens"
	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

const leeway = 30 * time.Second // what all of them are given

// required are the claims that RFC 9068 §2.2 requires.
var required = []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"}

// A verify function tells whether a library accepts a token.
type verify func(raw string) error

// publicOnly makes a public key one of package tokens.
type publicOnly struct{ public crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.public }
func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("a public key")
}

// libraries are set up as strictly as each one's documentation tells for RFC 9068.
var libraries = []struct {
	name string
	new  func(t *testing.T, k *tokens.Key) verify
}{
	{"ours", ours}, {"golang-jwt v5", golangJWT}, {"go-jose v4", goJose}, {"go-oidc v3", goOIDC}, {"jwx v3", jwxV3}, {"jwx v2", jwxV2},
}

const panva = "panva/jose 6"

func ours(t *testing.T, k *tokens.Key) verify {
	v, err := auth.NewVerifier(jwks.Static{k.Public()}, auth.Config{Issuer: tokens.Issuer, Audiences: []string{tokens.Audience}})
	if err != nil {
		t.Fatal(err)
	}
	guard := must(auth.NewGuard(v, nil)) // which looks at cnf
	return func(raw string) error {
		_, err := guard.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + raw}}, auth.AnyToken())
		return err
	}
}

func golangJWT(t *testing.T, k *tokens.Key) verify {
	keys, err := keyfunc.NewJWKSetJSON(tokens.Set(k))
	if err != nil {
		t.Fatal(err)
	}
	parser := jwt.NewParser(jwt.WithIssuer(tokens.Issuer), jwt.WithAudience(tokens.Audience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithValidMethods([]string{k.Alg}), jwt.WithStrictDecoding(), jwt.WithLeeway(leeway))
	return func(raw string) error {
		claims := jwt.MapClaims{}
		if _, err := parser.ParseWithClaims(raw, claims, keys.Keyfunc); err != nil {
			return err
		}
		for _, name := range required {
			if _, ok := claims[name]; !ok {
				return fmt.Errorf("no %s", name)
			}
		}
		return nil
	}
}

func goJose(_ *testing.T, k *tokens.Key) verify {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.Private.Public(), KeyID: k.ID, Algorithm: k.Alg, Use: "sig"}}}
	expected := josejwt.Expected{Issuer: tokens.Issuer, AnyAudience: josejwt.Audience{tokens.Audience}, Time: time.Now()}
	return func(raw string) error {
		parsed, err := josejwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(k.Alg)})
		if err != nil {
			return err
		}
		var claims josejwt.Claims
		if err := parsed.Claims(&set, &claims); err != nil {
			return err
		}
		if claims.Expiry == nil {
			return errors.New("no exp")
		}
		return claims.ValidateWithLeeway(expected, leeway)
	}
}

func goOIDC(t *testing.T, k *tokens.Key) verify {
	v := oidc.NewVerifier(tokens.Issuer, &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{k.Private.Public()}},
		&oidc.Config{ClientID: tokens.Audience, SupportedSigningAlgs: []string{k.Alg}})
	return func(raw string) error {
		_, err := v.Verify(t.Context(), raw)
		return err
	}
}

func jwxV2(t *testing.T, k *tokens.Key) verify {
	set, err := jwkv2.Parse(tokens.Set(k))
	if err != nil {
		t.Fatal(err)
	}
	options := []jwtv2.ParseOption{jwtv2.WithKeySet(set), jwtv2.WithIssuer(tokens.Issuer), jwtv2.WithAudience(tokens.Audience), jwtv2.WithAcceptableSkew(leeway)}
	for _, name := range required {
		options = append(options, jwtv2.WithRequiredClaim(name))
	}
	return func(raw string) error {
		_, err := jwtv2.Parse([]byte(raw), options...)
		return err
	}
}

func jwxV3(t *testing.T, k *tokens.Key) verify {
	set, err := jwkv3.Parse(tokens.Set(k))
	if err != nil {
		t.Fatal(err)
	}
	options := []jwtv3.ParseOption{jwtv3.WithKeySet(set), jwtv3.WithIssuer(tokens.Issuer), jwtv3.WithAudience(tokens.Audience), jwtv3.WithAcceptableSkew(leeway)}
	for _, name := range required {
		options = append(options, jwtv3.WithRequiredClaim(name))
	}
	return func(raw string) error {
		_, err := jwtv3.Parse([]byte(raw), options...)
		return err
	}
}

// A tokenSet is one algorithm's key and the tokens of all cases.
type tokenSet struct {
	Alg    string            `json:"alg"`
	Key    map[string]string `json:"key"`
	Tokens []string          `json:"tokens"`
}

// askPanva puts the tokens to panva/jose under Node.js. Without Node.js it returns nil, and under
// CI=true fails.
func askPanva(t *testing.T, sets []tokenSet) [][]bool {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Logf("%s is missing: install Node.js 20 or later, with npm, to ask %s too", program, panva)
			return nil
		}
	}
	if _, err := os.Stat("panva/node_modules"); err != nil {
		install := exec.Command("npm", "ci", "--no-audit", "--no-fund")
		install.Dir = "panva"
		if out, err := install.CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	}
	question, err := json.Marshal(map[string]any{"issuer": tokens.Issuer, "audience": tokens.Audience, "sets": sets})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "verify.mjs")
	cmd.Dir, cmd.Stdin = "panva", bytes.NewReader(question)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.Bytes())
	}
	var answers [][]bool
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(sets) {
		t.Fatalf("node said %v: %s", err, out)
	}
	return answers
}

// TestDifferential asks all libraries about all tokens, and compares README.md with what came out.
// UPDATE=1 writes it.
func TestDifferential(t *testing.T) {
	algs := []auth.Algorithm{auth.RS256, auth.PS256, auth.ES256, auth.EdDSA}
	all := cases()
	if n := len(all) * len(algs); n < 500 {
		t.Errorf("%d tokens, fewer than 500", n)
	}
	names := []string{}
	for _, l := range libraries {
		names = append(names, l.name)
	}
	names = append(names, panva)

	// accepted[case][library] are the algorithms under which the library accepts the token.
	accepted := make([]map[string][]string, len(all))
	for i := range accepted {
		accepted[i] = map[string][]string{}
	}
	var sets []tokenSet
	for _, alg := range algs {
		issuer, key := issuerOf(t, alg)
		set := tokenSet{Alg: alg.String(), Key: key.JWK()}
		for _, c := range all {
			set.Tokens = append(set.Tokens, issuer.Token("read:orders", c.changes...))
		}
		sets = append(sets, set)
		for _, l := range libraries {
			verify := l.new(t, key)
			for i, raw := range set.Tokens {
				if verify(raw) == nil {
					accepted[i][l.name] = append(accepted[i][l.name], set.Alg)
				}
			}
		}
	}
	answers := askPanva(t, sets)
	for s, list := range answers {
		for i, ok := range list {
			if ok {
				accepted[i][panva] = append(accepted[i][panva], sets[s].Alg)
			}
		}
	}

	var table strings.Builder
	fmt.Fprintf(&table, "\n%d tokens: %d cases under each of %d algorithms.\n\n| token | %s | who is right |\n|---|%s---|\n", len(all)*len(algs), len(all), len(algs),
		strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	differ := 0
	for i, c := range all {
		if want := map[bool]int{true: len(algs)}[c.good]; len(accepted[i]["ours"]) != want {
			t.Errorf("%s: ours accepts it under %v", c.name, accepted[i]["ours"])
		}
		row, agree := cells(accepted[i], names, len(algs), c.good)
		if agree {
			continue
		}
		differ++
		fmt.Fprintf(&table, "| %s |%s %s |\n", c.name, row, whoIsRight(c.why, c.decision))
	}
	fmt.Fprintf(&table, "\nOn the other %d cases all agree.\n", len(all)-differ)
	if answers == nil {
		t.Skip("the table has a column for panva/jose, which was not asked")
	}
	replaceInReadme(t, "<!-- measured -->\n", "<!-- end -->\n", table.String())
}

// issuerOf returns an issuer with its key as package tokens has it.
func issuerOf(t *testing.T, alg auth.Algorithm) (*authtest.Issuer, *tokens.Key) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Algorithm: alg})
	key := &tokens.Key{Name: alg.String(), Alg: alg.String(), ID: issuer.KeyID()}
	for _, k := range issuer.Keys() {
		if k.ID == key.ID {
			key.Private = publicOnly{k.Public}
		}
	}
	return issuer, key
}

// cells returns what the libraries say of one case, and whether all of them are right. accepted has
// the algorithms under which each one accepts it, of so many.
func cells(accepted map[string][]string, names []string, algs int, good bool) (row string, agree bool) {
	agree = true
	for _, name := range names {
		said := "refused"
		switch n := len(accepted[name]); {
		case n == algs:
			said = "accepted"
		case n > 0:
			said = "accepted (" + strings.Join(accepted[name], ", ") + ")"
		}
		agree = agree && said == map[bool]string{true: "accepted", false: "refused"}[good]
		row += " " + said + " |"
	}
	return row, agree
}

func whoIsRight(why string, decision bool) string {
	if decision {
		return "nobody is wrong; ours is stricter by decision: " + why
	}
	return "ours, and those that agree: " + why
}

// replaceInReadme compares what stands between two lines of README.md with a table.
func replaceInReadme(t *testing.T, begin, end, table string) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(readme), begin)
	old, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatal("README.md has no part for the table")
	}
	if old == table {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Errorf("README.md is not what the libraries say; UPDATE=1 go test -C bench ./differential")
		return
	}
	if err := os.WriteFile("README.md", []byte(before+begin+table+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every case that we refuse says why, and every defect of authtest is among them.
func TestEveryRefusalHasAReason(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases() {
		if c.why == "" || seen[c.name] {
			t.Errorf("%s: no reason, or there twice", c.name)
		}
		seen[c.name] = true
	}
	if n := len(authtest.Defects()) - len(needSettings); len(defects) != n {
		t.Errorf("%d rules for %d defects", len(defects), n)
	}
}
