package interop_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
)

// patience bounds every wait for something to come about.
const patience = 30 * time.Second

// cooldown is short, so that a test need not wait for a fetch that is allowed again.
const cooldown = time.Second

// answers are the statuses of "GET /orders", which needs read:orders, "POST /orders", which needs
// write:orders, and "GET /me", which needs any token; in HTTP's terms.
type answers struct{ get, post, me int }

// What a caller may be answered.
var (
	reader    = answers{200, 403, 200} // with read:orders
	scopeless = answers{403, 403, 200} // with a good token, and no scope
	refused   = answers{401, 401, 401} // without a good token
)

// doors are running APIs, one per adapter.
type doors map[string]func(t *testing.T, token string) answers

func startDoors(t *testing.T, issuer, audience, preset string) doors {
	t.Helper()
	all := doors{}
	for _, adapter := range api.Adapters() {
		server := startAPI(t, api.Config{Adapter: adapter, Issuer: issuer, Audience: audience, Preset: preset})
		if adapter == "grpc" {
			all[adapter] = overGRPC(t, server.Addr())
		} else {
			all[adapter] = overHTTP("http://" + server.Addr())
		}
	}
	return all
}

// startAPI starts the API on a free port, and waits until it has the issuer's keys.
func startAPI(t *testing.T, config api.Config) *api.Server {
	t.Helper()
	config.Addr, config.Cooldown = "127.0.0.1:0", cooldown
	server, err := api.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("%s: %v", config.Adapter, err)
		}
	})
	until(t, config.Adapter+" is ready", func() bool { return server.Ready() == nil })
	return server
}

func overHTTP(base string) func(*testing.T, string) answers {
	call := func(t *testing.T, method, path, token string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(`{"item":"tea","quantity":1}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	return func(t *testing.T, token string) answers {
		return answers{call(t, "GET", "/orders", token), call(t, "POST", "/orders", token), call(t, "GET", "/me", token)}
	}
}

var statusOf = map[codes.Code]int{
	codes.OK: 200, codes.Unauthenticated: 401, codes.PermissionDenied: 403, codes.Unavailable: 503,
}

func overGRPC(t *testing.T, addr string) func(*testing.T, string) answers {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	client := orderspb.NewOrdersClient(conn)
	return func(t *testing.T, token string) answers {
		ctx := t.Context()
		if token != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
		}
		_, getErr := client.ListOrders(ctx, &orderspb.ListOrdersRequest{})
		_, postErr := client.PlaceOrder(ctx, &orderspb.PlaceOrderRequest{})
		_, meErr := client.WhoAmI(ctx, &orderspb.WhoAmIRequest{})
		return answers{statusOf[status.Code(getErr)], statusOf[status.Code(postErr)], statusOf[status.Code(meErr)]}
	}
}

// all asks every adapter, and wants these answers of each.
func (d doors) all(t *testing.T, token string, want answers) {
	t.Helper()
	for adapter, ask := range d {
		if got := ask(t, token); got != want {
			t.Errorf("%s: %+v, want %+v", adapter, got, want)
		}
	}
}

// forget waits until every adapter refuses a token whose key was withdrawn. A token by a key that
// it has not seen makes its cache look at the key set again, and is accepted as soon as a fetch is
// allowed.
func (d doors) forget(t *testing.T, withdrawn, unseen string) {
	t.Helper()
	for adapter, ask := range d {
		until(t, adapter+" accepts the new key", func() bool { return ask(t, unseen).me == http.StatusOK })
		if got := ask(t, withdrawn); got != refused {
			t.Errorf("%s: a token by the withdrawn key got %+v", adapter, got)
		}
	}
}

// until polls what, within patience.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(100 * time.Millisecond); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func redeem(t *testing.T, r *http.Request) *oauth2.Token {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var token struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(body, &token); err != nil || token.AccessToken == "" {
		t.Fatalf("refresh: %s\n%s", resp.Status, body)
	}
	return &oauth2.Token{AccessToken: token.AccessToken, RefreshToken: token.RefreshToken}
}

func part(t *testing.T, token string, n int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatal("the access token is no JWT")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[n])
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

func keyID(t *testing.T, token string) string {
	t.Helper()
	kid, _ := part(t, token, 0)["kid"].(string)
	return kid
}

// logForm shows what kind of token it was.
func logForm(t *testing.T, token string) {
	t.Helper()
	header, claims := part(t, token, 0), part(t, token, 1)
	t.Logf("typ %v, alg %v, aud %T, iss %v", header["typ"], header["alg"], claims["aud"], claims["iss"])
}
