package provider_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/provider"
)

// What Keycloak 26.7 writes into tokens that it binds to a DPoP key opens the API with a proof, and
// with nothing else.
func TestKeycloakWithDPoP(t *testing.T) {
	const api = "https://api.example"
	issuer := authtest.NewIssuer(t, &authtest.Options{URL: "https://kc.example.test/realms/demo"})
	preset := provider.Keycloak(issuer.URL, issuer.Audience)
	binding, err := dpop.New([]string{api}, dpop.NewMemory(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := auth.NewGuard(issuer.Verifier(preset.Config), &auth.GuardOptions{Bindings: []auth.Binding{binding}})
	if err != nil {
		t.Fatal(err)
	}
	h := g.Require("read:orders")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	client, thief := authtest.NewProver(t, auth.ES256), authtest.NewProver(t, auth.ES256)
	cnf := map[string]any{"jkt": client.Thumbprint(), "kc-jkt-type": "DPoP"}
	bound := issuer.Token("read:orders", authtest.Claims{"typ": "DPoP", "azp": "app", "cnf": cnf}, authtest.Header{"typ": "JWT"})
	for name, c := range map[string]struct {
		send func(r *http.Request)
		want int
	}{
		"with its proof":  {func(r *http.Request) { client.Prove(r, api, bound) }, http.StatusOK},
		"a thief's proof": {func(r *http.Request) { thief.Prove(r, api, bound) }, http.StatusUnauthorized},
		"under Bearer":    {func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+bound) }, http.StatusUnauthorized},
		"without a proof": {func(r *http.Request) { r.Header.Set("Authorization", "DPoP "+bound) }, http.StatusUnauthorized},
		"DPoP by its name": {func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer "+issuer.Token("read:orders", authtest.Claims{"typ": "DPoP", "azp": "app"}, authtest.Header{"typ": "JWT"}))
		}, http.StatusUnauthorized},
	} {
		r, w := httptest.NewRequest("GET", "/orders", nil), httptest.NewRecorder()
		c.send(r)
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Header()["Www-Authenticate"], c.want)
		}
	}
}

// The log says what a preset's own check refused, by a constant text.
func TestPresetsTellWhyTheyRefuse(t *testing.T) {
	clerks := newRig(t, "clerk", "pending session (must be refused)", clerk, nil)
	if _, err := clerks.verify(nil, nil); auth.AsError(err).Detail() != "Config.Checks[1]: the session is not active" {
		t.Errorf("Clerk: %q", auth.AsError(err).Detail())
	}
	r := newRig(t, "github-actions", "environment prod", provider.GitHubActions([]string{"1", "2"}, "https://github.com/octo-org"), nil)
	if _, err := r.verify(nil, nil); auth.AsError(err).Detail() != "Config.Checks[0]: repository_owner_id is none of those that may call" {
		t.Errorf("GitHub: %q", auth.AsError(err).Detail())
	}
}
