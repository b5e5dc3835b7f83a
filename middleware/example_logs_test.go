package auth_test

import (
	"bytes"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
)

// Everything that an operator needs to read: why requests are refused, and why keys could not be
// fetched. The issuer's URL has a slash too many.
func ExampleGuardOptions() {
	issuer, stop := startIssuer()
	defer stop()
	issuer, audience := issuer+"/", "https://api.example"
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{ReplaceAttr: onlyWhatStays}))

	// region: logs
	guard, err := auth.New(issuer, audience, &auth.GuardOptions{
		OnDecision: auth.LogRefusals(logger),
		Keys:       &jwks.Options{Logger: logger},
	})
	if err != nil {
		log.Fatal(err)
	}
	// endregion

	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require("read:orders")(http.HandlerFunc(ok)))
	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/orders", nil))
	for guard.Status()[0].Keys.LastError == nil { // only so that this example logs the same each time
		runtime.Gosched()
	}
	_ = guard.Close() // waits for the hooks
	lines := slices.Sorted(strings.Lines(logged.String()))
	fmt.Print(strings.Join(lines, ""))
	// Output:
	// level=ERROR msg="keys not fetched, and none are cached: no token can be verified" refresh.keys=0 refresh.error="jwks: discover http://127.0.0.1/.well-known/oauth-authorization-server: the issuer's metadata contradicts the configuration: its issuer is \"http://127.0.0.1\", not \"http://127.0.0.1/\"; http://127.0.0.1/.well-known/openid-configuration: status 404 Not Found"
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
	case "error":
		a.Value = slog.StringValue(regexp.MustCompile(`:\d+`).ReplaceAllString(a.Value.String(), ""))
	}
	return a
}
