package jwks_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bearward/bearward/jwks"
)

// The query of a URL may be a key to it, and metadata may name a URL with a password. Neither is in
// the text of an error, nor in a log.
func TestNoSecretOfAURLIsTold(t *testing.T) {
	hangUp := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for name, answer := range map[string]http.HandlerFunc{
		"a refusal": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"a page":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"silence":   hangUp,
		"a redirect to silence": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/gone?key=sesame", http.StatusFound)
		},
		"redirects without end": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/keys?key=sesame", http.StatusFound)
		},
		"a redirect elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://bob:sesame@127.0.0.1:1/", http.StatusFound)
		},
		"a redirect with a name": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://sesame@"+r.Host+"/gone", http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle("/keys", answer)
			mux.HandleFunc("/gone", hangUp)
			srv := httptest.NewServer(mux)
			defer srv.Close()
			tellsNothing(t, srv.URL+"/keys", func(o *jwks.Options) (*jwks.Cache, error) {
				o.SameHostRedirects = true
				return jwks.New(srv.URL+"/keys?key=sesame", o)
			})
		})
	}
	for name, uri := range map[string]string{
		"metadata with a password":         "https://bob:sesame@issuer.example/keys",
		"metadata with a query":            "http://issuer.example/keys?key=sesame",
		"metadata with a fragment":         "https://issuer.example/keys#sesame",
		"metadata with a broken URL":       "https://bob:sesame@issuer .example/keys",
		"metadata with no URL":             "https:bob:sesame@issuer.example",
		"metadata that leads to nothing":   "ISSUER/gone?key=sesame",
		"metadata that leads to a refusal": "ISSUER/no?key=sesame",
	} {
		t.Run(name, func(t *testing.T) {
			var srv *httptest.Server
			mux := http.NewServeMux()
			mux.HandleFunc("/.well-known/", func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, srv.URL, strings.Replace(uri, "ISSUER", srv.URL, 1))
			})
			mux.HandleFunc("/gone", hangUp)
			srv = httptest.NewServer(mux)
			defer srv.Close()
			tellsNothing(t, "jwks", func(o *jwks.Options) (*jwks.Cache, error) { return jwks.FromIssuer(srv.URL, o) })
		})
	}
	t.Run("a snapshot of another URL", func(t *testing.T) {
		file := filepath.Join(privateFolder(t), "keys")
		text := `{"source": "https://issuer.example/old?key=sesame", "url": "https://issuer.example/old?key=sesame", "keys": []}`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(http.NotFoundHandler())
		defer srv.Close()
		tellsNothing(t, "it belongs to", func(o *jwks.Options) (*jwks.Cache, error) {
			o.SnapshotFile = file
			return jwks.New(srv.URL+"/keys?key=sesame", o)
		})
	})
}

// tellsNothing fetches once, which fails, and fails the test when anything tells the secret, or
// does not tell what is wanted.
func tellsNothing(t *testing.T, want string, open func(*jwks.Options) (*jwks.Cache, error)) {
	t.Helper()
	var log bytes.Buffer
	var events atomic.Int32
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	hook := jwks.LogRefreshes(logger)
	keys, err := open(&jwks.Options{OnRefresh: func(e jwks.RefreshEvent) { hook(e); events.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	failed := keys.Refresh(context.Background())
	status, ready := keys.Status(), keys.Ready()
	if err := keys.Close(); err != nil { // waits for the hook
		t.Error(err)
	}
	logger.Info("status", "keys", status)
	told := fmt.Sprintf("%v\n%v\n%v\n%s", failed, ready, status.LastError, log.String())
	if failed == nil || events.Load() == 0 || !strings.Contains(told, want) {
		t.Errorf("got %v, %d events, want %s in\n%s", failed, events.Load(), want, told)
	}
	if strings.Contains(told, "sesame") {
		t.Errorf("the secret is told:\n%s", told)
	}
}
