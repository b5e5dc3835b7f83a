package jwks_test

import (
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/bearward/bearward/jwks"
)

func TestHooksTellEach(t *testing.T) {
	var told []string
	hook := func(name string) func(jwks.RefreshEvent) {
		return func(e jwks.RefreshEvent) {
			told = append(told, name+" "+e.URL)
			if name == "panics" {
				panic(name)
			}
		}
	}
	jwks.Hooks(hook("first"), nil, hook("panics"), hook("last"))(jwks.RefreshEvent{URL: "x"})
	if want := []string{"first x", "panics x", "last x"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if jwks.Hooks() != nil || jwks.Hooks(nil) != nil {
		t.Error("no hooks are a hook")
	}
}

// The Source of an event is fit for a metric's label: it has no query and no password.
func TestTheSourceOfAnEventHasNoSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, made := range map[string]func(*jwks.Options) (*jwks.Cache, error){
			"https://issuer.example/tenant": func(o *jwks.Options) (*jwks.Cache, error) {
				return jwks.FromIssuer("https://issuer.example/tenant", o)
			},
			"https://issuer.example/keys?...": func(o *jwks.Options) (*jwks.Cache, error) {
				return jwks.New("https://issuer.example/keys?code=secret", o)
			},
		} {
			var got []string
			c, err := made(&jwks.Options{
				Client:    &http.Client{Transport: nobody{}},
				Logger:    slog.New(slog.DiscardHandler),
				OnRefresh: func(e jwks.RefreshEvent) { got = append(got, e.Source) },
			})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if !slices.Equal(got, []string{want}) {
				t.Errorf("source %q, want %q", got, want)
			}
			c.Close()
		}
	})
}

type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }
