// Package programs tests the four programs that the README shows.
package programs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/internal/authserver"
	"github.com/bearward/bearward/examples/internal/client"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	"github.com/bearward/bearward/internal/freeport"
)

var programs = []string{"nethttp", "chi", "echo", "grpc"}

const (
	maxLines  = 60 // of a program
	maxRegion = 6  // of the region that protects the route
)

func TestProgramsAreShort(t *testing.T) {
	for _, name := range programs {
		source, err := os.ReadFile(filepath.Join("..", "..", name, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(source, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, want at most %d", name, n, maxLines)
		}
		_, region, ok := strings.Cut(string(source), "// region: "+name+"\n")
		region, _, closed := strings.Cut(region, "// endregion")
		if !ok || !closed {
			t.Fatalf("%s has no region %q", name, name)
		}
		if n := strings.Count(region, "\n"); n > maxRegion {
			t.Errorf("%s protects its route in %d lines, want at most %d", name, n, maxRegion)
		}
		if !strings.Contains(region, "read:orders") {
			t.Errorf("the region of %s does not ask for read:orders", name)
		}
	}
}

// issueTokens serves an authorization server and returns a token with
// read:orders and one without.
func issueTokens(t *testing.T) (issuer, audience, good, short string) {
	t.Helper()
	var as *authserver.Server
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { as.ServeHTTP(w, r) }))
	t.Cleanup(ts.Close)
	audience = "https://orders.test"
	as, err := authserver.New(authserver.Config{
		Issuer: ts.URL, Audiences: []string{audience},
		Scopes: []authserver.Scope{{Name: "read:orders", Meaning: "See the orders"}},
		Users:  []authserver.User{{Name: "alice", Password: "wonderland"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { as.Close() })
	md, err := client.Discover(t.Context(), http.DefaultClient, ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	app, err := client.Register(t.Context(), http.DefaultClient, md, client.Registration{
		Name: "Test", RedirectURIs: []string{"http://localhost:9/callback"}, Scope: "openid read:orders",
	}, audience)
	if err != nil {
		t.Fatal(err)
	}
	logIn := func(scope string) string {
		tok, err := app.LogIn(t.Context(), client.Person{Name: "alice", Password: "wonderland"}, scope)
		if err != nil {
			t.Fatal(err)
		}
		return tok.AccessToken
	}
	return ts.URL, audience, logIn("read:orders"), logIn("openid")
}

// serve builds and runs a program; it is stopped, and must stop well, at the
// end of the test.
func serve(t *testing.T, name, issuer, audience string) (addr string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name+".exe")
	build := exec.Command("go", "build", "-o", binary, "./"+name)
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", name, err, out)
	}
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}

	var out bytes.Buffer
	cmd := exec.Command(binary, "-issuer", issuer, "-audience", audience, "-addr", addr)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if runtime.GOOS == "windows" { // has no interrupt to send
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			return
		}
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s did not stop well: %v\n%s", name, err, out.String())
		}
	})
	return addr
}

// call asks for the orders and returns the HTTP status, or what says the same.
func call(ctx context.Context, name, addr, token string) (int, error) {
	if name == "grpc" {
		return callGRPC(ctx, addr, token)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/orders", nil)
	if err != nil {
		return 0, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func callGRPC(ctx context.Context, addr, token string) (int, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	_, err = orderspb.NewOrdersClient(conn).ListOrders(ctx, &orderspb.ListOrdersRequest{})
	switch code := status.Code(err); code {
	case codes.OK:
		return 200, nil
	case codes.Unauthenticated:
		return 401, nil
	case codes.PermissionDenied:
		return 403, nil
	}
	return 0, err
}

func TestProgramsProtectTheirRoute(t *testing.T) {
	issuer, audience, good, short := issueTokens(t)
	for _, name := range programs {
		t.Run(name, func(t *testing.T) {
			addr := serve(t, name, issuer, audience)
			for _, c := range []struct {
				what, token string
				want        int
			}{
				{"no token", "", 401},
				{"a token with the scope", good, 200},
				{"a token without the scope", short, 403},
				{"random text", "correct-horse-battery-staple", 401},
			} {
				if err := until(t.Context(), func(ctx context.Context) error {
					got, err := call(ctx, name, addr, c.token)
					if err == nil && got != c.want {
						err = fmt.Errorf("status %d", got)
					}
					return err
				}); err != nil {
					t.Errorf("%s: %v, want %d", c.what, err, c.want)
				}
			}
		})
	}
}

// until polls: the program needs a moment to listen and to find its keys.
func until(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
