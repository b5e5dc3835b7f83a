package grpcauth_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// told keeps what a Guard's hook was told.
type told struct {
	mu  sync.Mutex
	all []string
}

func (d *told) hook(_ context.Context, decision auth.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, fmt.Sprintf("%s %v report-only %v", decision.Operation, decision.Err, decision.ReportOnly))
}

func (d *told) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.all, "\n")
}

// bidi begins a stream of both directions, which ends with the test.
func bidi(t *testing.T, guard *auth.Guard, token string) grpc.ClientStream {
	t.Helper()
	conn := start(t, grpcauth.ServerOptions(guard, auth.Rules{rpctest.Bidi: auth.AnyToken()}), talk(&rpctest.Talk{}))
	cs, err := conn.NewStream(with(t.Context(), token), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi)
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

func TestHooksAreToldThatAStreamEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		var decisions told
		cs := bidi(t, issuer.Guard(&auth.GuardOptions{OnDecision: decisions.hook}), issuer.Token("read"))
		err := cs.RecvMsg(new(rpctest.Message))
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("ended with %v", err)
		}
		want := rpctest.Bidi + " <nil> report-only false\n" + rpctest.Bidi + " middleware: request refused: TOKEN_EXPIRED report-only false"
		if got := decisions.String(); got != want {
			t.Errorf("told\n%s\nwant\n%s", got, want)
		}
	})
}

func TestAStreamThatIsOnlyReportedOnOutlivesItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		var decisions told
		cs := bidi(t, issuer.Guard(&auth.GuardOptions{OnDecision: decisions.hook, ReportOnly: []string{rpctest.Bidi}}), issuer.Token("read"))
		time.Sleep(24 * time.Hour)
		_ = cs.CloseSend()
		if err := cs.RecvMsg(new(rpctest.Message)); err != nil {
			t.Errorf("after a day: %v", err)
		}
		want := rpctest.Bidi + " <nil> report-only false\n" + rpctest.Bidi + " middleware: request refused: TOKEN_EXPIRED report-only true"
		if got := decisions.String(); got != want {
			t.Errorf("told\n%s\nwant\n%s", got, want)
		}
	})
}

// prolonged is a TokenVerifier that prolongs what it is asked for, a few times.
type prolonged struct{ times int }

func (v *prolonged) VerifyToken(context.Context, string) (*auth.Principal, error) {
	if v.times--; v.times < 0 {
		return nil, &auth.Error{Reason: auth.ReasonExpired}
	}
	return auth.NewPrincipal(fmt.Appendf(nil, `{"sub":"alice","exp":%d}`, time.Now().Add(time.Minute).Unix()))
}

func TestAStreamGoesOnWhileItsTokenIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		cs := bidi(t, auth.NewGuard(&prolonged{times: 3}, nil), "opaque")
		err := cs.RecvMsg(new(rpctest.Message))
		if took := time.Since(began); status.Code(err) != codes.Unauthenticated || took != 3*time.Minute {
			t.Errorf("ended with %v after %v, want UNAUTHENTICATED after three times a minute", err, took)
		}
	})
}

// generous is a TokenVerifier that accepts what ran out, for five minutes.
type generous struct {
	exp   time.Time
	asked int
}

func (v *generous) VerifyToken(context.Context, string) (*auth.Principal, error) {
	v.asked++
	if time.Since(v.exp) >= 5*time.Minute {
		return nil, &auth.Error{Reason: auth.ReasonExpired}
	}
	return auth.NewPrincipal(fmt.Appendf(nil, `{"sub":"alice","exp":%d}`, v.exp.Unix()))
}

// A stream whose token ran out and is accepted all the same does not ask its verifier without end.
func TestAStreamPastItsTokensEndAsksSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &generous{exp: time.Now().Truncate(time.Second).Add(time.Minute)}
		cs := bidi(t, auth.NewGuard(v, nil), "opaque")
		err := cs.RecvMsg(new(rpctest.Message))
		if late := time.Since(v.exp) - 5*time.Minute; status.Code(err) != codes.Unauthenticated || late < 0 || late > 5*time.Second {
			t.Errorf("ended with %v, %v after its time; want UNAUTHENTICATED within 5 s", err, late)
		}
		if v.asked > 80 {
			t.Errorf("the verifier was asked %d times in 5 min", v.asked)
		}
	})
}
