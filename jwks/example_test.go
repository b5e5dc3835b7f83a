package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/bearward/bearward/jwks"
)

// keyServer publishes one key on loopback.
func keyServer() *httptest.Server {
	return httptest.NewServer(body(keySet("2026-11")))
}

func ExampleNew() {
	srv := keyServer()
	defer srv.Close()

	keys, err := jwks.New(srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()

	found, err := keys.Keys(context.Background(), "2026-11")
	fmt.Println(found[0].ID, found[0].Algorithm, err)
	_, err = keys.Keys(context.Background(), "forged")
	fmt.Println(errors.Is(err, jwks.ErrUnknownKey))
	// Output:
	// 2026-11 EdDSA <nil>
	// true
}

func ExampleFromIssuer() {
	_, err := jwks.FromIssuer("http://issuer.example", nil)
	fmt.Println(err)
	// Output: jwks: issuer has the scheme "http": it must be https, or http on loopback; Options.InsecureAllowHTTP allows it inside a network that you trust
}

func ExampleCache_Refresh() {
	srv := keyServer()
	srv.Close() // the issuer is down

	keys, err := jwks.New(srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(keys.Refresh(ctx) == nil, keys.Status().State)
	// Output: false empty
}

func ExampleCache_ReadyHandler() {
	srv := keyServer()
	defer srv.Close()
	keys, err := jwks.New(srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()
	if err := keys.Refresh(context.Background()); err != nil {
		fmt.Println(err)
		return
	}

	mux := http.NewServeMux()
	mux.Handle("GET /readyz", keys.ReadyHandler())
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 200 ready
}

func ExampleOptions() {
	srv := keyServer()
	defer srv.Close()
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey, "url", "elapsed", "next": // differ from run to run
			return slog.Attr{}
		}
		return a
	}}))

	keys, err := jwks.New(srv.URL, &jwks.Options{
		RefreshEvery: 5 * time.Minute,
		OnRefresh: func(e jwks.RefreshEvent) {
			if len(e.Added)+len(e.Removed) > 0 {
				log.Info("keys", "refresh", e)
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := keys.Refresh(context.Background()); err != nil {
		fmt.Println(err)
	}
	keys.Close()
	// Output: level=INFO msg=keys refresh.trigger=start refresh.keys=1 refresh.added="[2026-11 (EdDSA)]"
}

func ExampleParse() {
	keys, err := jwks.Parse([]byte(`{"keys":[
		{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		{"kty":"AKP","alg":"ML-DSA-65","kid":"tomorrow","pub":"AA"}
	]}`))
	fmt.Println(len(keys), keys[0].ID, keys[0].Algorithm, err)
	// Output: 1 a EdDSA <nil>
}

func ExampleSkipped() {
	skips, err := jwks.Skipped([]byte(`{"keys":[{"kty":"AKP","alg":"ML-DSA-65","kid":"tomorrow","pub":"AA"}]}`))
	fmt.Println(skips[0].KeyID, skips[0].Reason, err)
	// Output: tomorrow kty <nil>
}

// A metric has a series for each value from its first scrape on, not from the first event on.
func ExampleStates() {
	for _, state := range jwks.States() {
		fmt.Print(state, " ")
	}
	// Output: empty fresh stale expired closed
}

func ExampleTriggers() {
	fmt.Println(jwks.Triggers())
	// Output: [start snapshot clock unknown_key bad_signature refresh]
}

func ExampleSkipReasons() {
	fmt.Println(len(jwks.SkipReasons()) > 0, jwks.SkipReasons()[0])
	// Output: true malformed
}

// A verifier tells the cache of a bad signature under a key ID that is cached: the issuer may have
// put a new key in the old one's place.
func ExampleCache_SignatureFailed() {
	issuer := newIssuer("2026-11")
	keys, err := jwks.New(keySetURL, &jwks.Options{Client: &http.Client{Transport: issuer}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()
	if err := keys.Refresh(context.Background()); err != nil {
		fmt.Println(err)
	}
	keys.SignatureFailed() // does not wait
	keys.SignatureFailed() // within the same minute: nothing more is fetched
	if err := keys.Refresh(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(keys.Status().Counters.ByBadSignature)
	// Output: 1
}

// What a Cache was made for is what a verifier of its keys must expect in "iss".
func ExampleCache_Issuer() {
	keys, err := jwks.FromIssuer("https://issuer.example", &jwks.Options{Client: &http.Client{Transport: newIssuer()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()
	fmt.Println(keys.Issuer())
	// Output: https://issuer.example
}
