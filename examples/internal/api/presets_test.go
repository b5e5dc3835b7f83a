package api_test

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/provider"
)

// An issuer of jobs, with those who may call, and a proxy, with its own header field.
func TestPresetsOfServices(t *testing.T) {
	for _, tt := range []struct {
		name, issuer, field, scheme string
		preset                      provider.Preset
		callers                     []string
	}{
		{"gitlab-ci", "https://gitlab.com", "Authorization", "Bearer ", provider.GitLabCI("https://gitlab.com", []string{"72"}, audience), []string{"71", "72"}},
		{"cloudflare-access", "https://acme.cloudflareaccess.com", "Cf-Access-Jwt-Assertion", "", provider.CloudflareAccess("acme.cloudflareaccess.com", audience), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, &authtest.Options{Config: &tt.preset.Config, KeySetURL: tt.preset.KeySetURL})
			s := start(t, api.Config{
				Adapter: "nethttp", Issuer: tt.issuer, Preset: tt.name, Callers: tt.callers, Client: issuer.Client(), Logger: slog.New(slog.DiscardHandler),
			})
			for field, want := range map[string]int{tt.field: 200, "X-Another": 401} {
				r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.Addr()+"/orders", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set(field, tt.scheme+issuer.Token("read:orders"))
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				if answer.StatusCode != want {
					t.Errorf("in %s: %d, want %d", field, answer.StatusCode, want)
				}
			}
		})
	}
	_, err := api.Start(api.Config{Adapter: "nethttp", Addr: "127.0.0.1:0", Audience: audience, Issuer: "https://gitlab.com", Preset: "gitlab-ci", Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Error("gitlab-ci without callers is served")
	}
}
