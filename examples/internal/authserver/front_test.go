package authserver

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// go-oidc's window between check and save is too short to hit from outside,
// so this test looks at the lock itself.
func TestRedemptionsHoldTheLock(t *testing.T) {
	s, err := New(Config{
		Issuer: "http://127.0.0.1:1", Audiences: []string{"a"}, Users: []User{{Name: "alice", Password: "x"}}, Algorithm: "ES256",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for path, want := range map[string]bool{"/token": true, "/revoke": true, "/authorize/x": true, "/jwks": false} {
		locked := false
		s.handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if locked = !s.stepMu.TryLock(); !locked {
				s.stepMu.Unlock()
			}
		})
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "http://127.0.0.1:1"+path, nil))
		if locked != want {
			t.Errorf("%s: lock held %t, want %t", path, locked, want)
		}
	}
}
