package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// What the log says is enough to mend the cause: what was missing, and what is configured.
func TestLogRefusalsTellsWhatToMend(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	of := func(changes ...authtest.Change) string { return issuer.Token("read:orders", changes...) }
	other := authtest.Claims{"aud": "https://other.example"}
	for _, tt := range []struct {
		name   string
		change func(*auth.Config)
		token  string
		want   string
	}{
		{"a scope is missing", nil, issuer.Token("other"), `reason=INSUFFICIENT_SCOPE scopes="read:orders write:orders"`},
		{"one audience", nil, of(other), "reason=AUDIENCE_MISMATCH claim=aud expected=https://api.example"},
		{"two audiences", func(c *auth.Config) { c.Audiences = append(c.Audiences, "api2") }, of(other), `expected="https://api.example or api2"`},
		{"clients in place of an audience", func(c *auth.Config) { c.Audiences, c.Clients = nil, []string{"app", "app2"} }, of(other), `expected="none, of client app or app2"`},
		{"an audience, or a client", func(c *auth.Config) { c.Clients = []string{"app"} }, of(other), `expected="https://api.example; or none, of client app"`},
		{"a type", nil, of(authtest.Header{"typ": "JWT"}), "claim=typ expected=at+jwt"},
		{"types, or none", func(c *auth.Config) { c.Types = []string{"at+jwt", ""} }, of(authtest.Header{"typ": "JWT"}), `expected="at+jwt or none"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := issuer.Config()
			if tt.change != nil {
				tt.change(&config)
			}
			if got := logged(t, t.Context(), issuer.Verifier(config), tt.token); !strings.Contains(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// failing does not judge, for a reason whose text quotes what the caller sent.
type failing struct{ err error }

func (f failing) VerifyToken(_ context.Context, raw string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonUnavailable, Err: fmt.Errorf("about %s: %w", raw, f.err)}
}

func TestLogRefusalsTellsWhetherKeysAreTheCause(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{{jwks.ErrUnavailable, true}, {errors.New("another"), false}} {
		got := logged(t, t.Context(), failing{tt.err}, "TOKEN")
		if strings.Contains(got, "cause=keys") != tt.want || strings.Contains(got, "TOKEN") || !strings.Contains(got, "level=ERROR") {
			t.Errorf("%v: %s", tt.err, got)
		}
	}
}

// A caller who hangs up while he waits for keys says nothing about them.
func TestLogRefusalsBlamesNoKeysForACallerWhoLeft(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if got := logged(t, ctx, failing{jwks.ErrUnavailable}, "TOKEN"); !strings.Contains(got, "reason=UNAVAILABLE cause=canceled") {
		t.Error(got)
	}
}

func TestLogRefusalsNeedsALogger(t *testing.T) {
	defer func() {
		if said := fmt.Sprint(recover()); said != "auth: LogRefusals needs a Logger" {
			t.Errorf("got %s", said)
		}
	}()
	auth.LogRefusals(nil)
}

// logged returns what is logged of one request with a token, at an operation that needs two scopes.
func logged(t *testing.T, ctx context.Context, v auth.TokenVerifier, token string) string {
	t.Helper()
	var b bytes.Buffer
	guard := must(auth.NewGuard(v, &auth.GuardOptions{OnDecision: auth.LogRefusals(slog.New(slog.NewTextHandler(&b, nil)))}))
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	guard.Require("read:orders", "write:orders")(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
	return b.String()
}
