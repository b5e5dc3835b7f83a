package grpcauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A caller who reads nothing holds up net/http, and so gRPC's last word to it. The handler is told
// all the same that its stream is gone.
func TestACallerWhoReadsNothingUnderServeHTTP(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := must(auth.NewGuard(&shortVerifier{TokenVerifier: must(auth.NewVerifier(issuer.Keys(), issuer.Config()))}, nil))
	server := grpc.NewServer(grpcauth.ServerOptions(guard, everything)...)
	told := make(chan struct{})
	rpctest.Register(server, &rpctest.Talk{OnStream: func(ss grpc.ServerStream) error {
		go func() {
			large := wrapperspb.String(strings.Repeat("x", 1<<16))
			for ss.SendMsg(large) == nil {
			}
		}()
		<-ss.Context().Done()
		close(told)
		return ss.Context().Err()
	}})
	s := httptest.NewUnstartedServer(server)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	conn, err := grpc.NewClient(s.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	open(t, conn, issuer.Token(""))
	select {
	case <-told:
	case <-time.After(30 * time.Second):
		t.Error("the handler goes on long after the token's end")
	}
}
