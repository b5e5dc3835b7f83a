package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearward/bearward/middleware/authtest"
)

func TestResourcesThatAreNone(t *testing.T) {
	for _, resource := range []string{"http://api.example", "https://api.example/#x", "api.example", "https://api.example/a/../b"} {
		var errs strings.Builder
		code := run(t.Context(), []string{"-issuer", "http://127.0.0.1:1", "-audience", "a", "-addr", "127.0.0.1:0", "-resource", resource}, &errs)
		if code != exitUsage || !strings.Contains(errs.String(), "-resource: ") {
			t.Errorf("%s: exit code %d, %q", resource, code, errs.String())
		}
	}
}

// TestResourceOverTheWire follows a challenge to the document, and asks for what needs more than a
// scope.
func TestResourceOverTheWire(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	now := time.Now().Unix()
	pay := func(more map[string]any) authtest.Claims {
		more["type"] = "payment_initiation"
		return authtest.Claims{"authorization_details": []any{more}}
	}
	initiate := []string{"status", "initiate"}
	for _, adapter := range []string{"nethttp", "chi", "echo"} {
		t.Run(adapter, func(t *testing.T) {
			const resource = "https://api.example/orders"
			r := start(t, issuer, "-adapter", adapter, "-resource", resource)
			ask := func(method, path, token string) (status int, challenge, body string) {
				t.Helper()
				req, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.addr+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if token != "" {
					req.Header.Set("Authorization", "Bearer "+token)
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				return resp.StatusCode, resp.Header.Get("WWW-Authenticate"), string(text)
			}
			const path = "/.well-known/oauth-protected-resource/orders"
			status, challenge, _ := ask("GET", "/orders", "")
			if status != 401 || !strings.Contains(challenge, `resource_metadata="https://api.example`+path+`"`) {
				t.Errorf("%d, %s", status, challenge)
			}
			status, _, body := ask("GET", path, "")
			var document struct {
				Resource string
				Servers  []string `json:"authorization_servers"`
				Scopes   []string `json:"scopes_supported"`
				Details  []string `json:"authorization_details_types_supported"`
			}
			if err := json.Unmarshal([]byte(body), &document); err != nil || status != 200 {
				t.Fatalf("%d, %s, %v", status, body, err)
			}
			if document.Resource != resource || strings.Join(document.Servers, " ") != issuer.URL || strings.Join(document.Scopes, " ") != "admin:all read:orders write:orders" ||
				strings.Join(document.Details, " ") != "payment_initiation" {
				t.Errorf("the document is %s", body)
			}
			const stepUp = `error="insufficient_user_authentication"`
			for name, tt := range map[string]struct {
				method, path, token string
				status              int
				challenge           string
			}{
				"the vault":                   {"GET", "/vault", issuer.Token("read:orders", authtest.Claims{"acr": "urn:example:phr", "auth_time": now}), 200, ""},
				"a weak authentication":       {"GET", "/vault", issuer.Token("read:orders", authtest.Claims{"acr": "pwd", "auth_time": now}), 401, `acr_values="urn:example:mfa urn:example:phr", max_age="300"`},
				"an old authentication":       {"GET", "/vault", issuer.Token("read:orders", authtest.Claims{"acr": "urn:example:mfa", "auth_time": now - 400}), 401, stepUp},
				"neither, and no scope":       {"GET", "/vault", issuer.Token(""), 401, `scope="read:orders"`},
				"a payment":                   {"POST", "/payments", issuer.Token("", pay(map[string]any{"actions": initiate})), 200, ""},
				"a payment here":              {"POST", "/payments", issuer.Token("", pay(map[string]any{"actions": initiate, "locations": []string{"https://x.example", issuer.Audience}})), 200, ""},
				"a payment elsewhere":         {"POST", "/payments", issuer.Token("", pay(map[string]any{"actions": initiate, "locations": []string{"https://x.example"}})), 403, `error="insufficient_scope"`},
				"another action":              {"POST", "/payments", issuer.Token("", pay(map[string]any{"actions": []string{"status"}})), 403, `error="insufficient_scope"`},
				"no details":                  {"POST", "/payments", issuer.Token("admin:all"), 403, `error="insufficient_scope"`},
				"details that cannot be read": {"POST", "/payments", issuer.Token("", authtest.Claims{"authorization_details": "x"}), 401, `error="invalid_token"`},
			} {
				status, challenge, body := ask(tt.method, tt.path, tt.token)
				if status != tt.status || !strings.Contains(challenge, tt.challenge) {
					t.Errorf("%s: %d, %s, %s; want %d and %s", name, status, challenge, body, tt.status, tt.challenge)
				}
			}
		})
	}
}
