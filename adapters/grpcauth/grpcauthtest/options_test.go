package grpcauthtest_test

import (
	"crypto/x509"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/adapters/grpcauth/grpcauthtest"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A server with TLS is asked over TLS, outside a bubble too.
func TestDialOptions(t *testing.T) {
	https := httptest.NewTLSServer(nil) // for its certificate
	defer https.Close()
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())

	issuer := authtest.NewIssuer(t, nil)
	tls := grpc.Creds(credentials.NewServerTLSFromCert(&https.TLS.Certificates[0]))
	server := newServer(append(grpcauth.ServerOptions(issuer.Guard(nil), talk()), tls))
	defer server.Stop()
	grpcauthtest.AssertGuarded(t, issuer, server, talk(), &grpcauthtest.Options{
		DialOptions: []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(roots, "example.com"))},
	})
}

func TestMessagesAndMetadataAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		message, err := proto.Marshal(wrapperspb.String("an order"))
		if err != nil {
			t.Fatal(err)
		}
		issuer := authtest.NewIssuer(t, nil)
		server := grpc.NewServer(grpcauth.ServerOptions(issuer.Guard(nil), auth.Rules{serviceRule: auth.AnyToken()})...)
		defer server.Stop()
		got := map[string]int{}
		rpctest.Register(server, &rpctest.Talk{OnStream: func(ss grpc.ServerStream) error {
			md, _ := metadata.FromIncomingContext(ss.Context())
			var m rpctest.Message
			err := ss.RecvMsg(&m)
			got[m.Value+" of "+strings.Join(md["tenant"], ",")]++
			return err
		}})
		grpcauthtest.AssertGuarded(t, issuer, server, auth.Rules{serviceRule: auth.AnyToken()}, &grpcauthtest.Options{
			Messages: map[string][]byte{rpctest.Client: message, rpctest.Server: message, rpctest.Bidi: message},
			Metadata: metadata.Pairs("tenant", "acme"),
			Skip:     []string{rpctest.Server},
		})
		if got["an order of acme"] < 2 || len(got) != 1 {
			t.Errorf("the handlers of two streams got %v", got)
		}
	})
}

// A handler that says nothing was reached: the guard's refusals do not wait.
func TestSilentHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		rules := auth.Rules{serviceRule: auth.Scopes("read")}
		silent := &rpctest.Talk{OnStream: func(ss grpc.ServerStream) error {
			<-ss.Context().Done()
			return ss.Context().Err()
		}}
		server := grpc.NewServer(grpcauth.ServerOptions(issuer.Guard(nil), rules)...)
		defer server.Stop()
		rpctest.Register(server, silent)
		grpcauthtest.AssertGuarded(t, issuer, server, rules, &grpcauthtest.Options{StreamsEnd: true})

		open := grpc.NewServer(grpcauth.ServerOptions(issuer.Guard(nil), auth.Rules{serviceRule: auth.Public()})...)
		defer open.Stop()
		rpctest.Register(open, silent)
		r := &recorder{TB: t}
		grpcauthtest.AssertGuarded(r, issuer, open, rules, &grpcauthtest.Options{Skip: []string{rpctest.Unary}})
		want := serviceRule + ": RFC 6750 §3 (B-13): Bidi, no token: got silence, want UNAUTHENTICATED"
		if len(r.errors) == 0 || !strings.HasPrefix(r.errors[0], want) {
			t.Errorf("got %q, want %q first", r.errors, want)
		}
	})
}

// fatalT records the text with which a test is ended.
type fatalT struct {
	testing.TB
	text string
}

func (t *fatalT) Helper()                           {}
func (t *fatalT) Fatal(args ...any)                 { t.Fatalf("%s", fmt.Sprint(args...)) }
func (t *fatalT) Fatalf(format string, args ...any) { t.text = fmt.Sprintf(format, args...); panic(t) }

func TestMisuseEndsTheTestWithClearText(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for _, tt := range []struct {
		name  string
		rules auth.Rules
		opts  *grpcauthtest.Options
		want  string
	}{
		{"a zero requirement", auth.Rules{rpctest.Unary: {}}, nil, "grpcauthtest: AssertGuarded: auth: "},
		{"rules that ask for nothing", auth.Rules{serviceRule: auth.Public()}, nil, "grpcauthtest: AssertGuarded: no rule asks for a token"},
		{"a skipped rule that is none", talk(), &grpcauthtest.Options{Skip: []string{"/a.B/C"}},
			`grpcauthtest: AssertGuarded: the options name "/a.B/C", which is neither a rule nor a registered method`},
		{"a message of no method", talk(), &grpcauthtest.Options{Messages: map[string][]byte{"Unary": nil}},
			`grpcauthtest: AssertGuarded: the options name "Unary", which is neither a rule nor a registered method`},
		{"no transport security", talk(), &grpcauthtest.Options{DialOptions: []grpc.DialOption{grpc.WithTransportCredentials(nil)}},
			"grpcauthtest: AssertGuarded: grpc: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := grpc.NewServer()
			defer server.Stop()
			rpctest.Register(server, &rpctest.Talk{})
			tb := &fatalT{TB: t}
			func() {
				defer func() { _ = recover() }()
				grpcauthtest.AssertGuarded(recorded{tb}, issuer, server, tt.rules, tt.opts)
			}()
			if !strings.HasPrefix(tb.text, tt.want) {
				t.Errorf("got  %s\nwant %s", tb.text, tt.want)
			}
		})
	}
}

// recorded drops failures that do not end the test.
type recorded struct{ *fatalT }

func (recorded) Errorf(string, ...any) {}
