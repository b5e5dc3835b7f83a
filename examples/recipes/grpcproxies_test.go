package recipes

import (
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/examples/recipes/internal/orderspb"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// grpcFronts are the proxies, each with the file that recipes.md shows.
var grpcFronts = map[string]func(t *testing.T, app string) (at string){
	"none":    func(_ *testing.T, app string) string { return app },
	"nginx":   started(startNginx, "nginx/grpc.conf"),
	"Caddy":   started(startCaddy, "caddy/grpc.Caddyfile"),
	"HAProxy": started(startHAProxy, "haproxy/grpc.cfg"),
}

func TestGRPCBehindProxies(t *testing.T) {
	for name, front := range grpcFronts {
		t.Run(name, func(t *testing.T) {
			issuer, guard := newGuard(t, nil)
			orders := orderspb.NewOrdersClient(dial(t, front(t, serveOrders(t, guard))))
			good := "Bearer " + issuer.Token("read:orders", authtest.Claims{"sub": "alice"})
			for _, c := range []struct {
				name          string
				authorization []string
				code          codes.Code
				challenge     string
				reason        string
			}{
				{"a good token", []string{good}, codes.OK, "", ""},
				{"no token", nil, codes.Unauthenticated, `Bearer realm="api"`, auth.ReasonCredentialsMissing.Code()},
				{"an expired token", []string{"Bearer " + issuer.Token("read:orders", authtest.Expired)}, codes.Unauthenticated, `Bearer realm="api", error="invalid_token"`, auth.ReasonTokenExpired.Code()},
				{"another scope", []string{"Bearer " + issuer.Token("write:orders")}, codes.PermissionDenied, `Bearer realm="api", error="insufficient_scope"`, auth.ReasonInsufficientScope.Code()},
				{"two tokens", []string{good, good}, codes.InvalidArgument, `Bearer realm="api", error="invalid_request"`, auth.ReasonInvalidRequest.Code()},
			} {
				t.Run(c.name, func(t *testing.T) {
					var trailer metadata.MD
					ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{"authorization": c.authorization})
					answer, err := orders.ListOrders(ctx, &orderspb.ListOrdersRequest{}, grpc.Trailer(&trailer))
					if name == "nginx" && len(c.authorization) > 1 { // refuses it itself, by an HTTP 400
						c.code, c.challenge, c.reason = codes.Internal, "", ""
					}
					if status.Code(err) != c.code || err == nil && answer.Of != "alice" {
						t.Errorf("got %v, %v, want %v", answer, err, c.code)
					}
					if got := strings.Join(trailer.Get("www-authenticate"), "|"); !strings.HasPrefix(got, c.challenge) || (got == "") != (c.challenge == "") {
						t.Errorf("got challenge %q, want %q", got, c.challenge)
					}
					if got := reasonOf(err); got != c.reason {
						t.Errorf("got reason %q, want %q", got, c.reason)
					}
				})
			}
			t.Run("a stream ends with its token", func(t *testing.T) {
				token := "Bearer " + issuer.Token("read:orders", endsSoon())
				stream, err := orders.WatchOrders(metadata.AppendToOutgoingContext(t.Context(), "authorization", token), &orderspb.ListOrdersRequest{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Recv(); err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Recv(); status.Code(err) != codes.Unauthenticated || err == io.EOF || reasonOf(err) != auth.ReasonTokenExpired.Code() {
					t.Errorf("got %v (%s), want UNAUTHENTICATED", err, reasonOf(err))
				}
			})
		})
	}
}

// reasonOf returns the reason of the ErrorInfo in err.
func reasonOf(err error) string {
	details := status.Convert(err).Details()
	i := slices.IndexFunc(details, func(d any) bool { _, ok := d.(*errdetails.ErrorInfo); return ok })
	if i < 0 {
		return ""
	}
	return details[i].(*errdetails.ErrorInfo).Reason
}
