package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/bearward/bearward/jwks"
)

// Keys that come with the program, of an issuer that publishes none.
func ExampleStatic() {
	keys, err := jwks.Parse([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := keys.Keys(context.Background(), "a")
	fmt.Println(found, err)
	_, err = keys.Held("b")
	fmt.Println(errors.Is(err, jwks.ErrUnknownKey), err)
	// Output:
	// [a (EdDSA)] <nil>
	// true jwks: the issuer publishes no such key: the static set lacks it
}

// What is known without asking the network.
func ExampleCache_Held() {
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
	}

	found, err := keys.Held("2026-11")
	fmt.Println(found, err)
	_, err = keys.Held("2026-12") // may have been published since: Keys would fetch
	fmt.Println(errors.Is(err, jwks.ErrUnavailable))
	fmt.Println(keys.Ready(), keys.Age() < time.Minute)
	// Output:
	// [2026-11 (EdDSA)] <nil>
	// true
	// <nil> true
}

func ExampleLogRefreshes() {
	srv := keyServer()
	defer srv.Close()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey, "trigger", "url", "elapsed", "next": // differ from run to run
			return slog.Attr{}
		}
		return a
	}}))
	keys, err := jwks.New(srv.URL, &jwks.Options{OnRefresh: jwks.LogRefreshes(logger)})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := keys.Refresh(context.Background()); err != nil {
		fmt.Println(err)
	}
	_ = keys.Close() // waits for the hook
	// Output:
	// level=INFO msg="keys changed" refresh.keys=1 refresh.added="[2026-11 (EdDSA)]"
}
