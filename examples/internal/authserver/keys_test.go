package authserver_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/examples/internal/authserver"
)

// published returns the key IDs of the key set, in order.
func published(t *testing.T, issuer string) []string {
	t.Helper()
	resp, err := http.Get(issuer + "/jwks")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	var kids []string
	for _, key := range set.Keys {
		if key["d"] != nil {
			t.Fatal("the key set holds a private key")
		}
		kids = append(kids, key["kid"].(string))
	}
	return kids
}

func TestRotationShowsInTheKeySetAndInTokens(t *testing.T) {
	s, issuer := start(t, nil)
	c := register(t, issuer)
	signedBy := func() string {
		tok, err := c.LogIn(t.Context(), alice, "read:orders")
		if err != nil {
			t.Fatal(err)
		}
		return part(t, tok.AccessToken, 0)["kid"].(string)
	}
	want := func(step, signing string, kids ...string) {
		t.Helper()
		got := published(t, issuer)
		slices.Sort(got)
		slices.Sort(kids)
		if !slices.Equal(got, kids) {
			t.Errorf("%s: key set %v, want %v", step, got, kids)
		}
		if by := signedBy(); by != signing {
			t.Errorf("%s: signed by %s, want %s", step, by, signing)
		}
	}
	old := published(t, issuer)[0]
	next, err := s.PublishKey()
	if err != nil {
		t.Fatal(err)
	}
	want("published", old, old, next)
	if _, err := s.PublishKey(); err == nil {
		t.Error("a second key was published before the first one was promoted")
	}
	if _, err := s.PromoteKey(); err != nil {
		t.Fatal(err)
	}
	want("promoted", next, old, next)
	if retired := s.RetireKeys(); !slices.Equal(retired, []string{old}) {
		t.Errorf("retired %v, want %s", retired, old)
	}
	want("retired", next, next)
	if _, err := s.PromoteKey(); err == nil {
		t.Error("promoted without a published key")
	}
}

func TestKeysRotateByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := authserver.New(authserver.Config{
			Issuer: "http://127.0.0.1:1", Audiences: []string{audience, "https://other.test"},
			Users:       []authserver.User{{Name: "alice", Password: "x"}},
			Algorithm:   "ES256",
			RotateEvery: time.Hour, Overlap: 10 * time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		keys := func() int {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:1/jwks", nil))
			return strings.Count(w.Body.String(), `"kid"`)
		}
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{time.Minute, 1}, {40 * time.Minute, 2}, {10 * time.Minute, 2}, {10 * time.Minute, 1}, {40 * time.Minute, 2}} {
			time.Sleep(step.wait)
			synctest.Wait()
			if got := keys(); got != step.want {
				t.Errorf("%d keys, want %d", got, step.want)
			}
		}
	})
}
