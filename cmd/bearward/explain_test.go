package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// write puts text into a file of its own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// keySet writes the key set of an issuer into a file.
func keySet(t *testing.T, is *authtest.Issuer) string {
	t.Helper()
	answer, err := is.Client().Get(is.KeySetURL())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	doc, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "keys.json", string(doc))
}

// explains returns the arguments of `bearward explain` for an issuer.
func explains(t *testing.T, is *authtest.Issuer, more ...string) []string {
	t.Helper()
	return append([]string{"explain", "-issuer", is.URL, "-audience", is.Audience, "-keys", keySet(t, is)}, more...)
}

// golden compares text with a file of testdata, or writes that with UPDATE=1.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", "explain", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: look at the output, and write it with UPDATE=1", err)
	}
	if text != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, text, want)
	}
}

// What explain says of each defect of authtest is in testdata. Where a defect needs a Config that
// no flag gives, explain accepts the token, or tells another fault.
func TestExplainEveryDefect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock starts at the same time each time
		is := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
		args := explains(t, is)
		for _, d := range authtest.Defects() {
			out, err, code := bearward(t, is.Token("read:orders", d)+"\n", args...)
			golden(t, string(d)+".txt", out)
			own := slices.Contains(is.Defects(), d)
			if err != "" || own && (code != exitBad || !strings.HasPrefix(out, "✗ refused: "+string(d.Reason())+" ")) {
				t.Errorf("%s: exit code %d, %s, want %s", d, code, err, d.Reason())
			}
		}
		entries, err := os.ReadDir(filepath.Join("testdata", "explain"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := strings.TrimSuffix(e.Name(), ".txt")
			if d := authtest.Defect(name); d.Reason() == "" && !strings.HasPrefix(name, "more ") {
				t.Errorf("%s is of no defect", e.Name())
			}
		}
	})
}

const someRules = `GET /orders = read:orders
POST /orders = write:orders and role:admin
GET /report = report-only acr:urn:mfa
/healthz = public
`

func TestExplainMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
		rules := write(t, "rules.txt", someRules)
		token := is.Token("read:orders")
		three := is.Token("read:orders", authtest.WrongAudience, authtest.Expired, authtest.BadSignature)
		for name, tt := range map[string]struct {
			in   string
			args []string
			code int
		}{
			"a good token":       {token, nil, exitGood},
			"two faults":         {is.Token("read:orders", authtest.WrongAudience, authtest.NoSubject), nil, exitBad},
			"three faults":       {three, nil, exitBad},
			"left out":           {"Authorization: Bearer " + token + "\r\n", nil, exitGood},
			"rules":              {token, []string{"-rules", rules}, exitGood},
			"operation":          {token, []string{"-rules", rules, "-operation", "POST /orders"}, exitBad},
			"no operation":       {token, []string{"-rules", rules, "-operation", "GET /nothing"}, exitBad},
			"bound":              {is.Token("read:orders", authtest.SenderConstrained), []string{"-dpop", "-mtls"}, exitGood},
			"bound otherwise":    {is.Token("read:orders", authtest.SenderConstrained), []string{"-mtls"}, exitBad},
			"reported":           {token, []string{"-rules", rules, "-operation", "GET /report"}, exitGood},
			"public":             {three, []string{"-rules", rules, "-operation", "GET /healthz"}, exitGood},
			"at":                 {is.Token("read:orders", authtest.Expired), []string{"-at", "1999-12-31T22:30:00Z"}, exitGood},
			"claims":             {is.Token("read:orders", authtest.Claims{"jti": "a", "aud": "https://api.example/"}), []string{"-claims"}, exitBad},
			"json":               {is.Token("read:orders", authtest.Claims{"aud": "https://api.example/"}), []string{"-json", "-rules", rules}, exitBad},
			"json with claims":   {is.Token("read:orders", authtest.Claims{"jti": "a", "exp": "x"}), []string{"-json", "-claims"}, exitBad},
			"unverified and own": {is.Token("read:orders", authtest.WrongKey), []string{"-rules", rules, "-operation", "GET /orders"}, exitBad},
		} {
			out, err, code := bearward(t, tt.in, explains(t, is, tt.args...)...)
			if code != tt.code || err != "" {
				t.Errorf("%s: exit code %d, want %d: %s", name, code, tt.code, err)
			}
			if strings.Contains(out, is.KeyID()) && !strings.Contains(name, "claims") {
				t.Errorf("%s: the key ID is told", name)
			}
			golden(t, "more "+name+".txt", strings.ReplaceAll(out, is.KeyID(), "KID"))
		}
	})
}

func TestExplainColours(t *testing.T) {
	is := authtest.NewIssuer(t, nil)
	var coloured strings.Builder
	token := is.Token("read:orders", authtest.WrongAudience, authtest.HeaderNotJSON)
	args := explains(t, is, "-at", "2026-03-01T12:00:00Z")
	run(t.Context(), terminal{in: strings.NewReader(token), out: &coloured, err: t.Output(), colour: true}, args)
	plain, _, _ := bearward(t, token, args...)
	text := coloured.String()
	for _, s := range []string{"\x1b[1;31m✗ refused", "\x1b[32m✓ size\x1b[0m", "\x1b[2m· alg\x1b[0m"} {
		if !strings.Contains(text, s) {
			t.Errorf("%q is not in %q", s, text)
		}
	}
	for _, code := range []string{"1;31", "32", "2", "33", "0", "1"} {
		text = strings.ReplaceAll(text, "\x1b["+code+"m", "")
	}
	if text != plain {
		t.Errorf("colours change the text:\n%s\n%s", text, plain)
	}
}

func TestExplainUsage(t *testing.T) {
	is := authtest.NewIssuer(t, nil)
	keys, token := keySet(t, is), is.Token("read:orders")
	ok := []string{"explain", "-issuer", is.URL, "-audience", is.Audience, "-keys", keys}
	for name, tt := range map[string]struct {
		in   string
		args []string
		want string
	}{
		"a token as argument":     {"", append(ok, token), "not taken as an argument"},
		"a token behind -token":   {"", append(ok, "-token", token), "never the token itself"},
		"a token as a flag":       {"", append(ok, "-"+token), "a flag is unknown"},
		"a token as a flag value": {"", append(ok, "-json="+token), "a flag is unknown"},
		"a token as a time":       {"", append(ok, "-at", token), "-at is neither"},
		"an unknown flag":         {"", append(ok, "-tokens"), "no flag -tokens"},
		"no token":                {" \n", ok, "no token was given"},
		"no issuer":               {token, []string{"explain", "-audience", "x"}, "-issuer is required"},
		"no audience":             {token, []string{"explain", "-issuer", is.URL}, "-audience is required"},
		"an issuer of no URL":     {token, []string{"explain", "-issuer", "x", "-audience", "x"}, "issuer"},
		"no such preset":          {token, append(ok, "-preset", "nobody"), "no preset"},
		"callers of nothing":      {token, append(ok, "-caller", "x"), "-preset"},
		"no such rules":           {token, append(ok, "-rules", "nowhere"), "nowhere"},
		"rules from the token":    {token, append(ok, "-rules", "-"), "standard input"},
		"bad rules":               {token, append(ok, "-rules", write(t, "r", "GET /x read")), "1:12"},
		"an operation alone":      {token, append(ok, "-operation", "GET /x"), "-operation needs -rules"},
		"no such keys":            {token, []string{"explain", "-issuer", is.URL, "-audience", "x", "-keys", "nowhere"}, "nowhere"},
		"keys that are none":      {token, []string{"explain", "-issuer", is.URL, "-audience", "x", "-keys", write(t, "k", "{}")}, "-keys"},
		"too long":                {strings.Repeat("x", maxTokenRead+1), ok, "2 MiB"},
	} {
		out, err, code := bearward(t, tt.in, tt.args...)
		if code != exitUsage || out != "" || !strings.Contains(err, tt.want) {
			t.Errorf("%s: exit code %d, %q, %q", name, code, out, err)
		}
		for i := 0; i+8 <= len(token); i++ {
			if strings.Contains(err, token[i:i+8]) {
				t.Fatalf("%s: the token is told: %s", name, err)
			}
		}
	}
	if out, err, code := bearward(t, "", "explain", "-h"); code != exitGood || err != "" || !strings.Contains(out, "-audience NAME") {
		t.Errorf("help: exit code %d, %s%s", code, out, err)
	}
	out, err, code := bearward(t, "", append(ok, "-token", write(t, "token", token))...)
	if code != exitGood || err != "" || !strings.HasPrefix(out, "✓ accepted") {
		t.Errorf("a token in a file: exit code %d, %s%s", code, out, err)
	}
}

// An issuer that is asked for its keys, up and down.
func TestExplainAsksTheIssuer(t *testing.T) {
	is := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	args := []string{"explain", "-issuer", is.URL, "-audience", is.Audience}
	if out, err, code := bearward(t, is.Token("read:orders"), args...); code != exitGood {
		t.Errorf("exit code %d, %s%s", code, out, err)
	}
	is.Fail(500)
	var logged strings.Builder // by the key cache, whose Close ended its goroutine
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	out, err, code := bearward(t, is.Token("read:orders"), args...)
	slog.SetDefault(before)
	if logged.Len() > 0 {
		t.Errorf("beside the explanation there is a log: %s", &logged)
	}
	if code != exitOpen || !strings.HasPrefix(out, "? not judged: UNAVAILABLE (503)") || !strings.Contains(out, "500") {
		t.Errorf("exit code %d, %s%s", code, out, err)
	}
	if out, _, code = bearward(t, is.Token("read:orders", authtest.Expired), args...); code != exitBad || !strings.HasPrefix(out, "✗ refused: TOKEN_EXPIRED") {
		t.Errorf("exit code %d, %s%s", code, out, err)
	}
}

func TestExplainReadsTheEnvironment(t *testing.T) {
	is := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	t.Setenv("BEARWARD_ISSUER", is.URL)
	t.Setenv("BEARWARD_AUDIENCE", is.Audience)
	if out, err, code := bearward(t, is.Token("read:orders"), "explain"); code != exitGood {
		t.Errorf("exit code %d, %s%s", code, out, err)
	}
	if out, err, code := bearward(t, is.Token("read:orders", authtest.WrongAudience), "explain"); code != exitBad || !strings.Contains(out, "AUDIENCE_MISMATCH") {
		t.Errorf("exit code %d, %s%s", code, out, err)
	}
	t.Setenv("BEARWARD_AUDIENCE", "")
	if _, err, code := bearward(t, is.Token("read:orders"), "explain"); code != exitUsage || !strings.Contains(err, "BEARWARD_AUDIENCE") {
		t.Errorf("exit code %d, %s", code, err)
	}
}

func TestExplainTakesPresets(t *testing.T) {
	is := authtest.NewIssuer(t, nil)
	// A token of RFC 9068 with a preset for another form: its own fault, and no usage error.
	out, err, code := bearward(t, is.Token("read:orders", authtest.Header{"typ": "JWT"}, authtest.Claims{"azp": "client"}),
		"explain", "-issuer", "https://issuer.example/realms/x", "-audience", is.Audience, "-audience", "second", "-preset", "keycloak", "-keys", keySet(t, is))
	if code != exitBad || !strings.Contains(out, "ISSUER_NOT_TRUSTED") || !strings.Contains(out, "Bearer") {
		t.Errorf("exit code %d, %s%s", code, out, err)
	}
}

func TestExplainTellsNothingOfAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := authtest.NewIssuer(t, &authtest.Options{Algorithm: auth.ES256})
		rules := write(t, "rules.txt", "GET /x = delete:orders and role:admin\n")
		canaries := authtest.Claims{"sub": "canary-sub", "client_id": "canary-client", "jti": "canary-jti", "acr": "canary-acr", "canary-name": "canary-value", "scope": "canary:scope"}
		for _, d := range authtest.Defects() {
			token := is.Token("", canaries, d)
			for _, more := range [][]string{nil, {"-json"}, {"-rules", rules}, {"-rules", rules, "-operation", "GET /x", "-json"}} {
				out, err, _ := bearward(t, token, explains(t, is, more...)...)
				for _, secret := range secrets(token) {
					if strings.Contains(out+err, secret) {
						t.Fatalf("%s %q: tells %q:\n%s%s", d, more, secret, out, err)
					}
				}
			}
		}
	})
}

// secrets are the token's parts, and values that only the token has.
func secrets(token string) []string {
	found := map[string]bool{}
	for part := range strings.SplitSeq(token, ".") {
		if doc, err := base64.RawURLEncoding.DecodeString(part); err == nil {
			var members map[string]any
			if json.Unmarshal(doc, &members) == nil {
				for _, v := range members {
					if text := fmt.Sprint(v); strings.HasPrefix(text, "canary") || strings.HasPrefix(text, "9") && len(text) > 8 {
						found[text] = true
					}
					if f, ok := v.(float64); ok && f > 1e6 {
						found[fmt.Sprintf("%.0f", f)] = true
					}
				}
			}
		}
	}
	if !strings.HasPrefix(token, "{") {
		for i := 0; i+8 <= len(token); i += 5 {
			found[token[i:i+8]] = true
		}
	}
	return append(slices.Collect(maps.Keys(found)), "canary")
}

func TestExplainWritesJSON(t *testing.T) {
	is := authtest.NewIssuer(t, nil)
	out, _, _ := bearward(t, is.Token("read:orders", authtest.Expired), explains(t, is, "-json", "-at", time.Now().UTC().Format(time.RFC3339))...)
	var report map[string]any
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	want := []string{"at", "needs_proof", "outcome", "reason", "signature_verified", "status", "steps", "version"}
	if got := names(report); !slices.Equal(got, want) || report["version"] != 1.0 {
		t.Errorf("got %q, version %v", got, report["version"])
	}
	for _, s := range report["steps"].([]any) {
		step := s.(map[string]any)
		want := []string{"name", "part", "state", "unverified"}
		if step["state"] == "fault" {
			want = []string{"accepted", "changes", "claim", "has", "name", "part", "reason", "state", "unverified"}
		}
		if got := names(step); !slices.Equal(got, want) {
			t.Errorf("%v: got %q, want %q", step["name"], got, want)
		}
	}
}
