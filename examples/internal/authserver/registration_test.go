package authserver_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bearward/bearward/examples/internal/authserver"
)

func TestRegistrationIsChecked(t *testing.T) {
	_, issuer := start(t, func(c *authserver.Config) { c.RegistrationToken = "only-for-friends" })
	post := func(body string) int {
		req, err := http.NewRequest(http.MethodPost, issuer+"/register", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer only-for-friends")
		resp, err := http.DefaultClient.Do(req)
		status, _ := read(t, resp, err)
		return status
	}
	const redirect = `"client_name": "x", "application_type": "native", "redirect_uris": `
	for name, body := range map[string]string{
		"no JSON":                        `client_name=x`,
		"no name":                        `{"redirect_uris": ["https://app.test/cb"]}`,
		"no redirect URI":                `{"client_name": "x"}`,
		"a wildcard":                     `{` + redirect + `["https://*.app.test/cb"]}`,
		"a fragment":                     `{` + redirect + `["https://app.test/cb#"]}`,
		"http beyond loopback":           `{` + redirect + `["http://app.test/cb"]}`,
		"a custom scheme":                `{` + redirect + `["com.example.app:/cb"]}`,
		"a logout URI that is no string": `{` + redirect + `["https://app.test/cb"], "post_logout_redirect_uris": [1]}`,
		"a logout URI beyond loopback":   `{` + redirect + `["https://app.test/cb"], "post_logout_redirect_uris": ["http://app.test/bye"]}`,
		"an unknown scope":               `{` + redirect + `["https://app.test/cb"], "scope": "root"}`,
		"the implicit grant":             `{` + redirect + `["https://app.test/cb"], "grant_types": ["implicit"]}`,
	} {
		if status := post(body); status != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", name, status)
		}
	}
	if status := post(`{` + redirect + `["https://app.test/cb"]}`); status != http.StatusCreated {
		t.Errorf("a good one: status %d, want 201", status)
	}
	resp, err := http.Post(issuer+"/register", "application/json", strings.NewReader(`{`+redirect+`["https://app.test/cb"]}`))
	if status, _ := read(t, resp, err); status != http.StatusUnauthorized {
		t.Errorf("without the initial access token: status %d, want 401", status)
	}
}

// RFC 7591 §3.2.2 has a code for it.
func TestBadRedirectURIHasItsOwnCode(t *testing.T) {
	_, issuer := start(t, nil)
	for body, want := range map[string]string{
		`{"client_name": "x", "redirect_uris": ["http://app.test/cb"]}`:                                                                   `"invalid_redirect_uri"`,
		`{"client_name": "x", "redirect_uris": ["https://app.test/cb"], "post_logout_redirect_uris": ["http://app.test/bye"]}`:            `"post_logout_redirect_uris: `,
		`{"client_name": "x", "redirect_uris": ["https://app.test/cb"], "carried_post_logout_redirect_uris": ["http://evil.test/"]} nope`: `"invalid_client_metadata"`,
	} {
		resp, err := http.Post(issuer+"/register", "application/json", strings.NewReader(body))
		if status, page := read(t, resp, err); status != http.StatusBadRequest || !strings.Contains(page, want) {
			t.Errorf("%s: status %d, %s; want %s", body, status, page, want)
		}
	}
}

// The server fetches no URL that a client names, neither at its registration nor later.
func TestRegistrationCausesNoFetch(t *testing.T) {
	_, issuer := start(t, nil)
	inside := httptest.NewUnstartedServer(http.NotFoundHandler())
	var asked atomic.Bool
	inside.Config.ConnState = func(net.Conn, http.ConnState) { asked.Store(true) }
	inside.StartTLS()
	t.Cleanup(inside.Close)
	const good = `"client_name": "x", "redirect_uris": ["https://app.test/cb"]`
	resp, err := http.Post(issuer+"/register", "application/json", strings.NewReader(`{`+good+`}`))
	status, page := read(t, resp, err)
	var client struct {
		ID    string `json:"client_id"`
		At    string `json:"registration_client_uri"`
		Token string `json:"registration_access_token"`
	}
	if err := json.Unmarshal([]byte(page), &client); err != nil || status != http.StatusCreated {
		t.Fatalf("status %d, %v: %s", status, err, page)
	}
	for _, member := range []string{"sector_identifier_uri", "jwks_uri", "signed_jwks_uri", "logo_uri", "client_uri"} {
		named := good + `, "` + member + `": "` + inside.URL + `/"}`
		resp, err := http.Post(issuer+"/register", "application/json", strings.NewReader(`{`+named))
		status, page := read(t, resp, err)
		change, err := http.NewRequest(http.MethodPut, client.At, strings.NewReader(`{"client_id": "`+client.ID+`", `+named))
		if err != nil {
			t.Fatal(err)
		}
		change.Header.Set("Content-Type", "application/json")
		change.Header.Set("Authorization", "Bearer "+client.Token)
		resp, err = http.DefaultClient.Do(change)
		changed, _ := read(t, resp, err)
		if asked.Swap(false) || (status == http.StatusCreated) != (member != "sector_identifier_uri") || (changed == http.StatusOK) != (status == http.StatusCreated) {
			t.Errorf("%s: it was asked, or status %d and %d: %s", member, status, changed, page)
		}
	}
}
