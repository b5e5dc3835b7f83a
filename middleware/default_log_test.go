package auth_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A syncBuffer may be written and read at a time.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.b.Reset()
	return s.b.String()
}

// TestW15_TheDefaultLogTellsWhyKeysCannotBeHad: a newcomer's Guard has no option but a client that
// reaches the issuer of the test. An outage and a misspelled issuer are in the log, once in ten
// minutes however many requests come, and so is the end of it.
func TestW15_TheDefaultLogTellsWhyKeysCannotBeHad(t *testing.T) {
	var logged syncBuffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	defer slog.SetDefault(before)
	for name, tt := range map[string]struct {
		misspelled bool
		want       string
	}{
		"an outage":           {false, "status 503"},
		"a misspelled issuer": {true, "contradicts the configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := authtest.NewIssuer(t, nil)
				url := issuer.URL
				if tt.misspelled {
					url += "/"
				} else {
					issuer.Fail(http.StatusServiceUnavailable)
				}
				guard := must(auth.New(url, issuer.Audience, &auth.GuardOptions{Keys: &jwks.Options{Client: issuer.Client()}}))
				defer guard.Close()
				lines := func() int {
					t.Helper()
					synctest.Wait()
					text := logged.take()
					if text != "" && (!strings.Contains(text, "level=ERROR") || !strings.Contains(text, tt.want)) {
						t.Errorf("logged %s", text)
					}
					return strings.Count(text, "\n")
				}
				if n := lines(); n != 1 {
					t.Errorf("%d lines at the start", n)
				}
				for range 9 {
					for range 100 {
						_, _ = guard.Authorize(t.Context(), auth.Credentials{Authorization: []string{"Bearer " + issuer.Token("read:orders")}}, auth.AnyToken())
					}
					time.Sleep(time.Minute)
				}
				if n := lines(); n != 0 {
					t.Errorf("%d lines in nine minutes more", n)
				}
				time.Sleep(3 * time.Minute)
				if n := lines(); n != 1 {
					t.Errorf("%d lines after ten minutes", n)
				}
				if tt.misspelled {
					return
				}
				issuer.Recover()
				time.Sleep(2 * time.Minute)
				if text := logged.take(); !strings.Contains(text, "keys fetched again") || strings.Contains(text, "ERROR") {
					t.Errorf("when all is well again: %s", text)
				}
			})
		})
	}
}
