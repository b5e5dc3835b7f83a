package main_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
	"github.com/bearward/bearward/middleware/revocation"
)

// answers is an issuer's endpoint in simulated time: what it answers about every token. "" is no
// connection.
type answers struct{ body atomic.Pointer[string] }

func (a *answers) set(body string) { a.body.Store(&body) }

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	body := *a.body.Load()
	if body == "" {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.WriteString(body)
	return w.Result(), nil
}

const (
	activeAnswer   = `{"active":true,"iss":"` + opaqueIssuer + `","aud":"` + opaqueAPI + `","sub":"user","jti":"1","client_id":"app","scope":"read:orders"}`
	inactiveAnswer = `{"active":false}`
)

// TestAnOpenStreamOfAnOpaqueToken ends streams, in simulated time, when their opaque token is
// taken back: at its issuer, or in a store of this API. One that cannot be judged goes on for five
// minutes, so that a short outage of the issuer ends none.
func TestAnOpenStreamOfAnOpaqueToken(t *testing.T) {
	const (
		clock  = time.Minute // of rechecks, with its jitter
		maxAge = 30 * time.Second
	)
	for name, tt := range map[string]struct {
		change        func(*answers, *revocation.Memory) // three minutes after the stream has begun
		then          func(*answers)                     // three minutes after that
		want          codes.Code
		after, within time.Duration // of the change
	}{
		"revoked at the issuer": {func(a *answers, _ *revocation.Memory) { a.set(inactiveAnswer) }, nil, codes.Unauthenticated, 0, 2*clock + maxAge + time.Second},
		"of another scope": {func(a *answers, _ *revocation.Memory) {
			a.set(strings.ReplaceAll(activeAnswer, "read:orders", "other"))
		}, nil, codes.PermissionDenied, 0, 2*clock + maxAge + time.Second},
		"revoked in our store":    {revokeInStore, nil, codes.Unauthenticated, 0, 2 * clock},
		"the issuer down":         {func(a *answers, _ *revocation.Memory) { a.set("") }, nil, codes.Unavailable, 5 * time.Minute, 5*time.Minute + 3*clock + maxAge},
		"the issuer down a while": {func(a *answers, _ *revocation.Memory) { a.set("") }, func(a *answers) { a.set(activeAnswer) }, codes.DeadlineExceeded, 0, time.Hour},
	} {
		t.Run("W-04/grpc-bidi/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer, store := new(answers), revocation.NewMemory(0)
				issuer.set(activeAnswer)
				tokens := must(introspect.New("https://opaque.example/introspect", introspect.NoClientAuth(), introspect.Config{
					Claims: auth.Config{Issuer: opaqueIssuer, Audiences: []string{opaqueAPI}},
					Client: &http.Client{Transport: issuer}, Logger: slog.New(slog.DiscardHandler), MaxAge: maxAge,
				}))
				defer tokens.Close()
				guard := must(auth.NewGuard(tokens, &auth.GuardOptions{Revoked: store.Revoked}))
				stream := openStream(t, guard)

				time.Sleep(3 * clock)
				changed := time.Now()
				tt.change(issuer, store)
				if tt.then != nil {
					time.AfterFunc(3*clock, func() { tt.then(issuer) })
				}
				err := stream.RecvMsg(new(rpctest.Message))
				if took := time.Since(changed); status.Code(err) != tt.want || took < tt.after || took > tt.within {
					t.Errorf("ended with %v after %v; want %v after %v to %v", err, took, tt.want, tt.after, tt.within)
				}
			})
		})
	}
}

func revokeInStore(_ *answers, store *revocation.Memory) {
	err := store.Revoke(context.Background(), revocation.Entry{Issuer: opaqueIssuer, TokenID: "1", Until: time.Now().Add(time.Hour)})
	if err != nil {
		panic(err)
	}
}

// openStream opens a stream of an hour, over memory.
func openStream(t *testing.T, guard *auth.Guard) grpc.ClientStream {
	t.Helper()
	server := grpc.NewServer(grpcauth.ServerOptions(guard, auth.Rules{rpctest.Bidi: auth.Scopes("read:orders")})...)
	rpctest.Register(server, &rpctest.Talk{})
	listener := bufconn.Listen(1 << 16)
	go server.Serve(listener)
	conn := must(grpc.NewClient("passthrough:test", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) })))
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
	})
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer opaque"), time.Hour)
	t.Cleanup(cancel)
	return must(conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi))
}
