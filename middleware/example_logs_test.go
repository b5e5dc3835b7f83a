package auth_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// Everything that an operator needs to read: why requests are refused, and why keys could not be fetched.
func ExampleNewWithKeys_logs() {
	issuer, stop := startIssuer()
	defer stop()
	audience := "https://api.example"
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{ReplaceAttr: onlyWhatStays}))

	// region: logs
	keys, err := jwks.FromIssuer(issuer, &jwks.Options{OnRefresh: jwks.LogRefreshes(logger)})
	if err != nil {
		log.Fatal(err)
	}
	config := auth.Config{Issuer: issuer, Audiences: []string{audience}}
	guard, err := auth.NewWithKeys(keys, config, &auth.GuardOptions{OnDecision: auth.LogRefusals(logger)})
	if err != nil {
		log.Fatal(err)
	}
	// endregion

	if err := keys.Refresh(context.Background()); err != nil { // only so that this example logs the same each time
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require("read:orders")(http.HandlerFunc(ok)))
	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/orders", nil))
	_ = guard.Close() // waits for the hooks
	lines := slices.Sorted(strings.Lines(logged.String()))
	fmt.Print(strings.Join(lines, ""))
	// Output:
	// level=INFO msg="keys changed" refresh.keys=1 refresh.added="[2026-11 (EdDSA)]"
	// level=INFO msg="request refused" operation="GET /orders" status=401 reason=CREDENTIALS_MISSING detail="no Authorization header"
}

// startIssuer starts an issuer that publishes its metadata and one key.
func startIssuer() (url string, stop func()) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	mux.HandleFunc("/.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": "%s/keys"}`, server.URL, server.URL)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "2026-11", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	})
	return server.URL, server.Close
}

// onlyWhatStays leaves out what differs from run to run.
func onlyWhatStays(_ []string, a slog.Attr) slog.Attr {
	switch a.Key {
	case slog.TimeKey, "trigger", "url", "elapsed", "next":
		return slog.Attr{}
	}
	return a
}
