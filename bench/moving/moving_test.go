package moving

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/middleware/authtest"
)

// A request is one that both are asked.
type request struct {
	name          string
	authorization []string
}

func requests(issuer *authtest.Issuer) []request {
	bearer := func(scope string, changes ...authtest.Change) []string {
		return []string{"Bearer " + issuer.Token(scope, changes...)}
	}
	all := []request{
		{"a good token", bearer("read:orders")},
		{"no token", nil},
		{"a token without the scope", bearer("write:orders")},
		{"two Authorization fields", append(bearer("read:orders"), bearer("read:orders")...)},
		{"nothing after the scheme", []string{"Bearer"}},
	}
	for _, d := range []authtest.Defect{authtest.Expired, authtest.NoExpiry, authtest.WrongAudience, authtest.IssuerTrailingSlash, authtest.WrongType, authtest.NoClientID, authtest.BadSignature,
		authtest.AlgNoneSigned, authtest.HMACWithPublicKey, authtest.CritHeader, authtest.DuplicateClaim, authtest.SenderConstrained, authtest.UnknownKid, authtest.TooLarge} {
		all = append(all, request{string(d), bearer("read:orders", d)})
	}
	return all
}

func overHTTP(t *testing.T, h http.Handler) func([]string) string {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return func(authorization []string) string {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/orders", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Authorization"] = authorization
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		said := fmt.Sprint(resp.StatusCode)
		if resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.Header.Get("WWW-Authenticate") == "" {
			said += ", no challenge"
		}
		return said
	}
}

func overGRPC(t *testing.T, server *grpc.Server) func([]string) string {
	healthpb.RegisterHealthServer(server, health.NewServer())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	client := healthpb.NewHealthClient(conn)
	return func(authorization []string) string {
		_, err := client.Check(metadata.NewOutgoingContext(t.Context(), metadata.MD{"authorization": authorization}), &healthpb.HealthCheckRequest{})
		if code := status.Code(err); code != codes.OK {
			return code.String()
		}
		return "OK"
	}
}

// TestMoving asks the code before and after the same, and compares README.md with the code and the
// answers. UPDATE=1 writes them.
func TestMoving(t *testing.T) {
	issuer := authtest.NewIssuer(t, &authtest.Options{Socket: true})
	guard := issuer.Guard(nil)
	listOrders := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	must := func(h http.Handler, err error) func([]string) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return overHTTP(t, h)
	}
	key := issuer.Keys()[0].Public
	for _, k := range issuer.Keys() {
		if k.ID == issuer.KeyID() {
			key = k.Public
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	grpcServer, err := grpcBefore(ctx, issuer.KeySetURL(), issuer.URL, issuer.Audience)
	if err != nil {
		t.Fatal(err)
	}
	echoOrders := func(c echo.Context) error { return c.NoContent(http.StatusOK) }
	echoServer, echoErr := echoBefore(ctx, issuer.KeySetURL(), issuer.URL, issuer.Audience, echoOrders)
	v2, v2Err := auth0V2Before(issuer.URL, issuer.Audience, listOrders)
	v3, v3Err := auth0V3Before(issuer.URL, issuer.Audience, listOrders)
	own, ownErr := oidcBefore(ctx, issuer.URL, issuer.Audience, listOrders)
	var page strings.Builder
	for _, guide := range []struct {
		from, file    string
		before, after func([]string) string
	}{
		{"chi jwtauth", "chijwtauth.go", must(chiBefore(key, issuer.URL, issuer.Audience, listOrders), nil), must(chiAfter(guard, listOrders), nil)},
		{"echo-jwt", "echojwt.go", must(echoServer, echoErr), must(echoAfter(guard, echoOrders), nil)},
		{"auth0/go-jwt-middleware v2", "auth0v2.go", must(v2, v2Err), must(auth0V2After(guard, listOrders), nil)},
		{"auth0/go-jwt-middleware v3", "auth0v3.go", must(v3, v3Err), must(auth0V3After(guard, listOrders), nil)},
		{"go-grpc-middleware auth", "grpcmiddleware.go", overGRPC(t, grpcServer), overGRPC(t, grpcAfter(guard))},
		{"a middleware of one's own over go-oidc", "gooidc.go", must(own, ownErr), must(oidcAfter(guard, listOrders), nil)},
	} {
		fmt.Fprintf(&page, "\n## From %s\n\nBefore:\n\n```go file=bench/moving/%s region=before\n%s```\n\nAfter, with `guard, err := auth.New(issuer, audience, nil)`:\n\n```go file=bench/moving/%s region=after\n%s```\n\nWhat changes:\n\n| request | before | after |\n|---|---|---|\n",
			guide.from, guide.file, region(t, guide.file, "before"), guide.file, region(t, guide.file, "after"))
		same, all := 0, requests(issuer)
		for _, r := range all {
			before, after := guide.before(r.authorization), guide.after(r.authorization)
			if r.name == "a good token" && before != after {
				t.Errorf("%s: a good token: %s before, %s after", guide.from, before, after)
			}
			if before == after {
				same++
				continue
			}
			fmt.Fprintf(&page, "| %s | %s | %s |\n", r.name, before, after)
		}
		fmt.Fprintf(&page, "\n%d of the %d requests are answered alike.\n", same, len(all))
	}
	const begin, end = "<!-- measured -->\n", "<!-- end -->\n"
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(readme), begin)
	old, tail, ok := strings.Cut(rest, end)
	switch {
	case !ok:
		t.Fatal("README.md has no part for the guides")
	case old == page.String():
	case os.Getenv("UPDATE") == "":
		t.Error("README.md is not what the code and the answers say; UPDATE=1 go test -C bench ./moving")
	default:
		if err := os.WriteFile("README.md", []byte(head+begin+page.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// region returns the lines of a file between "// region: NAME" and "// endregion", moved to the
// left.
func region(t *testing.T, file, name string) string {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?s)\t// region: ` + name + `\n(.*?)\t// endregion\n`).FindSubmatch(source)
	if m == nil {
		t.Fatalf("%s has no region %q", file, name)
	}
	return strings.TrimPrefix(strings.ReplaceAll("\n"+string(m[1]), "\n\t", "\n"), "\n")
}
