package main

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	"github.com/bearward/bearward/examples/internal/orders/orderspb"
	"github.com/bearward/bearward/internal/freeport"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// program builds the program once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "resourceserver")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "resourceserver.exe")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	if err != nil {
		err = &exec.Error{Name: string(out), Err: err}
	}
	return binary, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if binary, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(code)
}

// A running is the program in a process of its own.
type running struct {
	t      *testing.T
	issuer *authtest.Issuer
	addr   string
	out    *os.File
}

// start runs the program for an issuer, and waits until it is ready.
func start(t *testing.T, issuer *authtest.Issuer, args ...string) *running {
	t.Helper()
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	given := []string{"-audience", issuer.Audience, "-addr", addr}
	if !slices.Contains(args, "-issuer") {
		given = append(given, "-issuer", issuer.URL)
	}
	cmd := exec.Command(binary, append(given, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &running{t, issuer, addr, out}
	t.Cleanup(func() {
		defer out.Close()
		if runtime.GOOS == "windows" { // has no interrupt to send
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			return
		}
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("did not stop well: %v\n%s", err, r.log())
		}
	})
	for range 400 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return r
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("does not listen:\n%s", r.log())
	return nil
}

func (r *running) log() string {
	text, _ := os.ReadFile(r.out.Name())
	return string(text)
}

// send sends a GET for the orders with an Authorization value and proofs.
func (r *running) send(authorization string, proofs ...string) *http.Response {
	r.t.Helper()
	req, err := http.NewRequest("GET", "http://"+r.addr+"/orders?page=1", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	req.Header["Dpop"] = proofs
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp
}

// want fails the test unless the answer has the status, and its challenge says what it should.
func (r *running) want(what string, resp *http.Response, status int, challenge string) {
	r.t.Helper()
	if said := strings.Join(resp.Header.Values("WWW-Authenticate"), "\n"); resp.StatusCode != status || !strings.HasPrefix(said, challenge) {
		r.t.Errorf("%s: %d %q, want %d %q\n%s", what, resp.StatusCode, said, status, challenge, r.log())
	}
}

func TestDPoPOverTheWire(t *testing.T) {
	for _, adapter := range []string{"nethttp", "chi", "echo"} {
		for _, mode := range []string{"off", "allow", "require"} {
			t.Run(adapter+" "+mode, func(t *testing.T) {
				t.Parallel()
				issuer, client := authtest.NewIssuer(t, &authtest.Options{Socket: true}), authtest.NewProver(t, auth.ES256)
				r := start(t, issuer, "-adapter", adapter, "-dpop", mode)
				bound, plain := issuer.Token("read:orders", client.Confirmation()), issuer.Token("read:orders")
				proof := func() string { return client.Proof("GET", "http://"+r.addr+"/orders", bound) }

				used := proof()
				switch mode {
				case "off":
					r.want("a plain token", r.send("Bearer "+plain), 200, "")
					r.want("a bound token", r.send("DPoP "+bound, proof()), 401, `Bearer realm="api"`)
					r.want("a bound token under Bearer", r.send("Bearer "+bound), 401, `Bearer realm="api", error="invalid_token"`)
					return
				case "allow":
					r.want("a plain token", r.send("Bearer "+plain), 200, "")
				case "require":
					r.want("a plain token", r.send("Bearer "+plain), 401, `DPoP realm="api", error="invalid_token"`)
				}
				r.want("a proof", r.send("DPoP "+bound, used), 200, "")
				r.want("the proof again", r.send("DPoP "+bound, used), 401, `DPoP realm="api", error="invalid_dpop_proof"`)
				r.want("no proof", r.send("DPoP "+bound), 401, `DPoP realm="api", error="invalid_dpop_proof"`)
				r.want("two proofs", r.send("DPoP "+bound, proof(), proof()), 401, `DPoP realm="api", error="invalid_dpop_proof"`)
				r.want("9 KB", r.send("DPoP "+bound, strings.Repeat("x", 9<<10)), 401, `DPoP realm="api", error="invalid_dpop_proof"`)
				r.want("another's key", r.send("DPoP "+bound, authtest.NewProver(t, auth.ES256).Proof("GET", "http://"+r.addr+"/orders", bound)), 401, `DPoP realm="api", error="invalid_token"`)
				for _, sent := range append(strings.Split(used, "."), strings.Split(bound, ".")...) {
					if strings.Contains(r.log(), sent) {
						t.Errorf("the log holds %q", sent)
					}
				}
			})
		}
	}
}

// Two replicas share the key of their nonces, and not their memory.
func TestReplicasTakeEachOthersNonces(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(base64.RawURLEncoding.EncodeToString([]byte("32 bytes which nobody else knows"))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	issuer, client := authtest.NewIssuer(t, &authtest.Options{Socket: true}), authtest.NewProver(t, auth.EdDSA)
	const origin = "https://orders.example/v1"
	args := []string{"-dpop", "require", "-dpop-nonce", "require", "-dpop-nonce-key", key, "-dpop-nonce-lifetime", "1h", "-dpop-origin", origin}
	one, other, third := start(t, issuer, args...), start(t, issuer, args...), start(t, issuer, append(args[:4:4], "-dpop-origin", origin)...)
	token := issuer.Token("read:orders", client.Confirmation())
	proof := func() string { return client.Proof("GET", origin+"/orders", token) }

	refused := one.send("DPoP "+token, proof())
	one.want("no nonce", refused, 401, `DPoP realm="api", error="use_dpop_nonce"`)
	nonce := refused.Header.Get("DPoP-Nonce")
	if nonce == "" || refused.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", refused.Header)
	}
	client.SetNonce(nonce)
	one.want("its nonce", one.send("DPoP "+token, proof()), 200, "")
	other.want("its replica's nonce", other.send("DPoP "+token, proof()), 200, "")
	third.want("a nonce of another key", third.send("DPoP "+token, proof()), 401, `DPoP realm="api", error="use_dpop_nonce"`)
	one.want("by the address", one.send("DPoP "+token, client.Proof("GET", "http://"+one.addr+"/orders", token)), 401, `DPoP realm="api", error="invalid_dpop_proof"`)
}

// The key of nonces is replaced in three deployments, and meanwhile replicas of two of them run
// side by side: a client goes from one to the other without losing a round trip.
func TestTheKeyOfNoncesIsReplaced(t *testing.T) {
	line := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) + "\n" }
	old, next := line("32 bytes which nobody else knows"), line("32 more bytes, nobody knows them")
	issuer, client := authtest.NewIssuer(t, &authtest.Options{Socket: true}), authtest.NewProver(t, auth.EdDSA)
	const origin = "https://orders.example"
	token := issuer.Token("read:orders", client.Confirmation())
	var deployments []*running
	for _, keys := range []string{old, old + next, next + old, next} {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(keys), 0o600); err != nil {
			t.Fatal(err)
		}
		deployments = append(deployments, start(t, issuer, "-dpop", "require", "-dpop-nonce", "require", "-dpop-nonce-key", file, "-dpop-nonce-lifetime", "1h", "-dpop-origin", origin))
	}
	ask := func(r *running, nonce string) *http.Response {
		client.SetNonce(nonce)
		return r.send("DPoP "+token, client.Proof("GET", origin+"/orders", token))
	}
	nonceOf := func(r *running) string { return ask(r, "").Header.Get("DPoP-Nonce") }
	for i := range len(deployments) - 1 {
		before, after := deployments[i], deployments[i+1]
		before.want("the nonce of the deployment after", ask(before, nonceOf(after)), 200, "")
		after.want("the nonce of the deployment before", ask(after, nonceOf(before)), 200, "")
	}
	first, last := deployments[0], deployments[len(deployments)-1]
	last.want("a nonce of the old key", ask(last, nonceOf(first)), 401, `DPoP realm="api", error="use_dpop_nonce"`)
}

func TestDPoPOverGRPC(t *testing.T) {
	issuer, client := authtest.NewIssuer(t, &authtest.Options{Socket: true}), authtest.NewProver(t, auth.PS256)
	r := start(t, issuer, "-adapter", "grpc", "-dpop", "require", "-dpop-nonce", "require")
	token := issuer.Token("read:orders write:orders", client.Confirmation())
	dial := func(p *authtest.Prover, token string) orderspb.OrdersClient {
		conn, err := grpc.NewClient(r.addr, append(grpcauthtest.Prove(p, "http://"+r.addr, token), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return orderspb.NewOrdersClient(conn)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	api := dial(client, token)
	for range 2 {
		if _, err := api.ListOrders(ctx, &orderspb.ListOrdersRequest{}); err != nil {
			t.Errorf("unary: %v", err)
		}
		place, err := api.PlaceOrders(ctx)
		if err == nil {
			_, err = place.CloseAndRecv()
		}
		if err != nil {
			t.Errorf("a stream: %v", err)
		}
	}
	if _, err := dial(authtest.NewProver(t, auth.PS256), token).ListOrders(ctx, &orderspb.ListOrdersRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("another's key: %v", err)
	}
	if _, err := dial(client, issuer.Token("read:orders")).ListOrders(ctx, &orderspb.ListOrdersRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a plain token: %v", err)
	}
}
