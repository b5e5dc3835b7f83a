package recipes

import (
	"context"
	"io"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/recipes/internal/orderspb"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestW18_GatewaysAskTheGateAboutGRPC(t *testing.T) {
	for kind := range grpcGateways {
		t.Run(kind, func(t *testing.T) {
			issuer, guard := newGuard(t, nil)
			b := startGRPCBehindGate(t, kind, func(string) *auth.Guard { return guard })
			good := "Bearer " + issuer.Token("read:orders watch:orders", authtest.Claims{"sub": "Änne 100%"})
			kinds := map[string]func(context.Context, ...grpc.CallOption) error{
				"unary": func(ctx context.Context, opts ...grpc.CallOption) error {
					answer, err := orderspb.NewOrdersClient(b.conn).ListOrders(ctx, &orderspb.ListOrdersRequest{}, opts...)
					if err == nil && answer.Of != "%C3%84nne%20100%25" {
						t.Errorf("the API was told %q", answer.Of)
					}
					return err
				},
				"streamed by the server": func(ctx context.Context, opts ...grpc.CallOption) error {
					stream, err := orderspb.NewOrdersClient(b.conn).WatchOrders(ctx, &orderspb.ListOrdersRequest{}, opts...)
					if err != nil {
						return err
					}
					n := 0
					for {
						answer, err := stream.Recv()
						if err == io.EOF && n == 3 {
							return nil
						} else if err != nil {
							return err
						}
						n++
						if answer.Of != "%C3%84nne%20100%25" {
							t.Errorf("the API was told %q", answer.Of)
						}
					}
				},
				"streamed by both": func(ctx context.Context, _ ...grpc.CallOption) error {
					return b.talk(ctx, "/bearward.recipes.v1.Orders/Talk")
				},
			}
			for _, c := range []struct {
				name      string
				fields    []string
				want      codes.Code
				challenge string
			}{
				{"a good token", []string{"authorization", good}, codes.OK, ""},
				{"no token", nil, codes.Unauthenticated, `Bearer realm="api"`},
				{"an expired token", []string{"authorization", "Bearer " + issuer.Token("read:orders watch:orders", authtest.Expired)}, codes.Unauthenticated, `Bearer realm="api", error="invalid_token"`},
				{"a forged token", []string{"authorization", "Bearer " + issuer.Token("read:orders watch:orders", authtest.BadSignature)}, codes.Unauthenticated, `Bearer realm="api", error="invalid_token"`},
				{"another scope", []string{"authorization", "Bearer " + issuer.Token("write:orders")}, codes.PermissionDenied, `Bearer realm="api", error="insufficient_scope"`},
				{"two tokens in one line", []string{"authorization", good + ", x"}, codes.InvalidArgument, `Bearer realm="api", error="invalid_request"`},
				{"an identity of its own", []string{"authorization", good, "x-auth-subject", "root"}, codes.InvalidArgument, ""},
			} {
				for shape, call := range kinds {
					t.Run(c.name+", "+shape, func(t *testing.T) {
						var trailer metadata.MD
						err := call(called(t, c.fields...), grpc.Trailer(&trailer))
						calls := b.orders.take()
						if status.Code(err) != c.want || len(calls) != btoi(c.want == codes.OK) {
							t.Fatalf("got %v, %d calls; want %v", err, len(calls), c.want)
						}
						if got := strings.Join(trailer.Get("www-authenticate"), "|"); shape == "unary" && (!strings.HasPrefix(got, c.challenge) || (got == "") != (c.challenge == "")) {
							t.Errorf("got challenge %q, want %q", got, c.challenge)
						}
						for _, c := range calls {
							if got := c.fields.Get("authorization"); len(got) > 0 {
								t.Error("the token reached the API")
							}
							if got := strings.Join(c.fields.Get("x-auth-scopes"), "|"); got != "read:orders watch:orders" {
								t.Errorf("the API was told the scopes %q", got)
							}
						}
					})
				}
			}
			reads := "Bearer " + issuer.Token("read:orders")
			if _, err := orderspb.NewOrdersClient(b.conn).ListOrders(called(t, "authorization", reads), &orderspb.ListOrdersRequest{}); err != nil {
				t.Errorf("a token for the rule of the service: %v", err)
			}
			if err := kinds["streamed by the server"](called(t, "authorization", reads)); status.Code(err) != codes.PermissionDenied {
				t.Errorf("a token for the rule of the service, to a method with a rule of its own: %v", err)
			}
			if err := b.gate.Close(); err != nil {
				t.Fatal(err)
			}
			b.orders.take()
			if err := kinds["unary"](called(t, "authorization", good)); status.Code(err) != codes.Unavailable || len(b.orders.take()) > 0 {
				t.Errorf("without the gate: got %v", err)
			}
		})
	}
}

// What reaches the server is what the caller may call, however it writes the method.
func TestW18_GatewaysAndTheGRPCServerAgreeOnTheMethod(t *testing.T) {
	for kind := range grpcGateways {
		t.Run(kind, func(t *testing.T) {
			issuer, guard := newGuard(t, nil)
			b := startGRPCBehindGate(t, kind, func(string) *auth.Guard { return guard })
			reached := 0
			for _, scope := range []string{"", "read:orders", "other"} {
				for _, method := range []string{
					"/bearward.recipes.v1.Orders/ListOrders", "/bearward.recipes.v1.Orders/WatchOrders", "/bearward.recipes.v1.Orders/watchorders", "/BEARWARD.recipes.v1.Orders/WatchOrders",
					"//bearward.recipes.v1.Orders/WatchOrders", "/bearward.recipes.v1.Orders//WatchOrders", "/bearward.recipes.v1.Orders/WatchOrders/", "/bearward.recipes.v1.Orders/./WatchOrders",
					"/x/../bearward.recipes.v1.Orders/WatchOrders", "/bearward.recipes.v1.Orders/ListOrders/../WatchOrders", "/bearward.recipes.v1.Orders/%57atchOrders", "/bearward.recipes.v1.Orders%2fWatchOrders",
					"/bearward.recipes.v1.Orders/WatchOrders%00", "/bearward.recipes.v1.Orders/WatchOrders;x", `/bearward.recipes.v1.Orders\WatchOrders`, "/bearward.recipes.v1.Orders/WatchOrders#x",
					"/bearward.recipes.v1.Orders/ListOrders?/../WatchOrders", "/bearward.recipes.v1.Orders/", "/bearward.recipes.v1.Orders", "/", "/other.Service/ListOrders", "/bearward", "/bearward?x",
				} {
					var fields []string
					if scope != "" {
						fields = []string{"authorization", "Bearer " + issuer.Token(scope)}
					}
					err := b.conn.Invoke(called(t, fields...), method, &orderspb.ListOrdersRequest{}, &orderspb.ListOrdersAnswer{})
					if code := status.Code(err); code == codes.DeadlineExceeded {
						t.Errorf("%s with %q: %v", method, scope, err)
					}
					for _, c := range b.orders.take() {
						reached++
						u, err := url.ParseRequestURI(c.method)
						if err != nil {
							t.Errorf("%s reached the server as %s: %v", method, c.method, err)
							continue
						}
						for _, read := range []string{u.Path, laxPath(u.EscapedPath())} {
							if scope != "read:orders" || !strings.EqualFold(read, "/bearward.recipes.v1.Orders/ListOrders") {
								t.Errorf("%s with %q reached the server as %s", method, scope, c.method)
							}
						}
					}
				}
			}
			if reached == 0 {
				t.Error("nothing reached the server")
			}
			for _, authority := range []string{"evil.example", "localhost", "127.0.0.1"} {
				conn, err := grpc.NewClient(b.address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority(authority))
				if err != nil {
					t.Fatal(err)
				}
				_, err = orderspb.NewOrdersClient(conn).ListOrders(called(t, "authorization", "Bearer "+issuer.Token("read:orders")), &orderspb.ListOrdersRequest{})
				_ = conn.Close()
				if err == nil || len(b.orders.take()) > 0 {
					t.Errorf("to %s: got %v", authority, err)
				}
			}
		})
	}
}

// Metadata of the client's gives it no other identity.
func TestW18_GatewaysCarryNoIdentityOfAGRPCClient(t *testing.T) {
	for kind := range grpcGateways {
		t.Run(kind, func(t *testing.T) {
			issuer, guard := newGuard(t, nil)
			b := startGRPCBehindGate(t, kind, func(string) *auth.Guard { return guard })
			reached := 0
			for _, fields := range [][]string{
				{"x-auth-subject", "root"}, {"x_auth_subject", "root"}, {"x-auth-scopes", "admin:all"}, {"x.auth.subject", "root"}, {"x-auth-subject", "root", "x-auth-subject", "admin"},
				{"x-forwarded-uri", "/bearward.recipes.v1.Orders/ListOrders"}, {"x-forwarded-method", "POST"}, {"x-original-url", "/x"}, {"x-http-method-override", "GET"}, {"forwarded", "host=evil.example"},
			} {
				ctx := called(t, append(fields, "authorization", "Bearer "+issuer.Token("read:orders"))...)
				_, _ = orderspb.NewOrdersClient(b.conn).ListOrders(ctx, &orderspb.ListOrdersRequest{})
				for _, c := range b.orders.take() {
					reached++
					for name, values := range c.fields {
						if spelled := strings.NewReplacer("_", "-", ".", "-").Replace(name); spelled == "x-auth-subject" && strings.Join(values, "|") != "alice" || spelled == "x-auth-scopes" && strings.Join(values, "|") != "read:orders" {
							t.Errorf("%q: the server was told %s: %q", fields, name, values)
						}
					}
				}
				if err := b.talk(ctx, "/bearward.recipes.v1.Orders/WatchOrders"); err == nil || len(b.orders.take()) > 0 {
					t.Errorf("%q: WatchOrders: got %v", fields, err)
				}
			}
			if reached == 0 {
				t.Error("nothing reached the server: fields of other meanings must not be refused")
			}
		})
	}
}

// A proof is for the method's URL, and used up by one call.
func TestGatewaysAskAboutAProofOfACallOnce(t *testing.T) {
	for kind := range grpcGateways {
		t.Run(kind, func(t *testing.T) {
			issuer := authtest.NewIssuer(t, nil)
			b := startGRPCBehindGate(t, kind, func(origin string) *auth.Guard { return guardWithNonces(t, issuer, origin) })
			prover := authtest.NewProver(t, auth.ES256)
			token := issuer.Token("read:orders", prover.Confirmation())
			url := "http://" + b.address + "/bearward.recipes.v1.Orders/ListOrders"
			list := func(proof string, opts ...grpc.CallOption) error {
				_, err := orderspb.NewOrdersClient(b.conn).ListOrders(called(t, "authorization", "DPoP "+token, "dpop", proof), &orderspb.ListOrdersRequest{}, opts...)
				return err
			}
			var told metadata.MD
			if err := list(prover.Proof("POST", url, token), grpc.Trailer(&told)); status.Code(err) != codes.Unauthenticated || len(told.Get("dpop-nonce")) != 1 || len(told.Get("www-authenticate")) == 0 {
				t.Fatalf("without a nonce: got %v %v", err, told)
			}
			nonce := authtest.Claims{"nonce": told.Get("dpop-nonce")[0]}
			proof := prover.Proof("POST", url, token, nonce)
			for i, c := range []struct {
				proof string
				want  codes.Code
			}{
				{proof, codes.OK}, {proof, codes.Unauthenticated}, {prover.Proof("GET", url, token, nonce), codes.Unauthenticated},
				{prover.Proof("POST", "http://"+b.address+"/", token, nonce), codes.Unauthenticated},
			} {
				if err := list(c.proof); status.Code(err) != c.want || len(b.orders.take()) != btoi(c.want == codes.OK) {
					t.Errorf("%d: got %v, want %v", i+1, err, c.want)
				}
			}
		})
	}
}

// An identity may be three times as large as the token.
func TestGatewaysTellALargeIdentityToAGRPCServer(t *testing.T) {
	client := strings.Repeat("ä", 5<<10)
	for kind := range grpcGateways {
		t.Run(kind, func(t *testing.T) {
			issuer, guard := newGuard(t, nil)
			b := startGRPCBehindGate(t, kind, func(string) *auth.Guard { return guard })
			_, err := orderspb.NewOrdersClient(b.conn).ListOrders(called(t, "authorization", "Bearer "+issuer.Token("read:orders", authtest.Claims{"client_id": client})), &orderspb.ListOrdersRequest{})
			calls := b.orders.take()
			if err != nil || len(calls) != 1 || strings.Join(calls[0].fields.Get("x-auth-client"), "|") != strings.ReplaceAll(client, "ä", "%C3%A4") {
				t.Errorf("got %v, %d calls", err, len(calls))
			}
		})
	}
}
