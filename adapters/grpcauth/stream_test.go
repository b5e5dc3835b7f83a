package grpcauth_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
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
	return bidiOf(t, guard, auth.AnyToken(), token)
}

func bidiOf(t *testing.T, guard *auth.Guard, need auth.Requirement, token string) grpc.ClientStream {
	t.Helper()
	conn := start(t, grpcauth.ServerOptions(guard, auth.Rules{rpctest.Bidi: need}), talk(&rpctest.Talk{}))
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
		want := rpctest.Bidi + " <nil> report-only false\n" + rpctest.Bidi + " auth: request refused: TOKEN_EXPIRED report-only false"
		if got := decisions.String(); got != want {
			t.Errorf("told\n%s\nwant\n%s", got, want)
		}
	})
}

func TestAStreamThatIsOnlyReportedOnOutlivesItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := authtest.NewIssuer(t, nil)
		var decisions told
		cs := bidiOf(t, issuer.Guard(&auth.GuardOptions{OnDecision: decisions.hook}), auth.AnyToken().ReportOnly(), issuer.Token("read"))
		time.Sleep(24 * time.Hour)
		_ = cs.CloseSend()
		if err := cs.RecvMsg(new(rpctest.Message)); err != nil {
			t.Errorf("after a day: %v", err)
		}
		want := rpctest.Bidi + " <nil> report-only false\n" + rpctest.Bidi + " auth: request refused: TOKEN_EXPIRED report-only true"
		if got := decisions.String(); got != want {
			t.Errorf("told\n%s\nwant\n%s", got, want)
		}
	})
}

// prolonged is a TokenVerifier that prolongs what it is asked for, a few times.
type prolonged struct{ times int }

func (v *prolonged) VerifyToken(context.Context, string) (*auth.Principal, error) {
	if v.times--; v.times < 0 {
		return nil, &auth.Error{Reason: auth.ReasonTokenExpired}
	}
	return auth.NewPrincipal(fmt.Appendf(nil, `{"sub":"alice","exp":%d}`, time.Now().Add(time.Minute).Unix()))
}

func TestAStreamGoesOnWhileItsTokenIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		cs := bidi(t, must(auth.NewGuard(&prolonged{times: 3}, nil)), "opaque")
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
		return nil, &auth.Error{Reason: auth.ReasonTokenExpired}
	}
	return auth.NewPrincipal(fmt.Appendf(nil, `{"sub":"alice","exp":%d}`, v.exp.Unix()))
}

// A stream whose token ran out and is accepted all the same does not ask its verifier without end.
func TestAStreamPastItsTokensEndAsksSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &generous{exp: time.Now().Truncate(time.Second).Add(time.Minute)}
		cs := bidi(t, must(auth.NewGuard(v, nil)), "opaque")
		err := cs.RecvMsg(new(rpctest.Message))
		if late := time.Since(v.exp) - 5*time.Minute; status.Code(err) != codes.Unauthenticated || late < 0 || late > 5*time.Second {
			t.Errorf("ended with %v, %v after its time; want UNAUTHENTICATED within 5 s", err, late)
		}
		if v.asked > 80 {
			t.Errorf("the verifier was asked %d times in 5 min", v.asked)
		}
	})
}

// A judge is a TokenVerifier that accepts once, for a minute, and then does something else.
type judge struct {
	asked atomic.Int32
	then  func(context.Context) (*auth.Principal, error)
}

func (j *judge) VerifyToken(ctx context.Context, _ string) (*auth.Principal, error) {
	if j.asked.Add(1) > 1 {
		return j.then(ctx)
	}
	return good(time.Now().Add(time.Minute))
}

func good(until time.Time) (*auth.Principal, error) {
	return auth.NewPrincipal(fmt.Appendf(nil, `{"sub":"alice","exp":%d}`, until.Unix()))
}

func hang(ctx context.Context) (*auth.Principal, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// judged opens a stream under a judge, and returns how many messages came, and after how long what
// ended it.
func judged(t *testing.T, j *judge, handler func(grpc.ServerStream) error, outside ...grpc.ServerOption) (messages int, took time.Duration, end error) {
	t.Helper()
	options := append(outside, grpcauth.ServerOptions(must(auth.NewGuard(j, nil)), auth.Rules{rpctest.Bidi: auth.AnyToken()})...)
	conn := start(t, options, talk(&rpctest.Talk{OnStream: handler}))
	began := time.Now()
	cs, err := conn.NewStream(with(t.Context(), "opaque"), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if err := cs.RecvMsg(new(rpctest.Message)); err != nil {
			took = time.Since(began)
			time.Sleep(2 * time.Second) // for the handler to notice
			return messages, took, err
		}
		messages++
	}
}

// everySecond sends a message each second, from half a second on, and returns the stream's own end.
func everySecond(ss grpc.ServerStream) error {
	for time.Sleep(time.Second / 2); ; time.Sleep(time.Second) {
		if err := ss.SendMsg(new(rpctest.Message)); err != nil {
			return err
		}
	}
}

func TestNothingPassesWhileAStreamIsJudgedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages, took, err := judged(t, &judge{then: hang}, everySecond)
		if status.Code(err) != codes.Unavailable || took != 65*time.Second {
			t.Errorf("ended with %v after %v, want UNAVAILABLE five seconds after the token", err, took)
		}
		if messages != 60 {
			t.Errorf("got %d messages, want those of the minute in which the token was good", messages)
		}
	})
}

func TestAHandlerIsNotHeldByTheJudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, took, err := judged(t, &judge{then: hang}, func(grpc.ServerStream) error {
			time.Sleep(61 * time.Second)
			return nil
		})
		if err != io.EOF || took != 61*time.Second {
			t.Errorf("ended with %v after %v, want the handler's own end", err, took)
		}
	})
}

func TestAJudgeThatPanicsEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recovering := grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
			defer func() {
				if p := recover(); p != nil {
					time.Sleep(5 * time.Second) // in which the handler goes on
					err = status.Errorf(codes.Internal, "recovered: %v", p)
				}
			}()
			return handler(srv, ss)
		})
		j := &judge{then: func(context.Context) (*auth.Principal, error) { panic("judge") }}
		messages, _, err := judged(t, j, everySecond, recovering)
		if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "recovered: judge") || messages != 60 {
			t.Errorf("ended with %v after %d messages", err, messages)
		}
	})
}

// What a stream is judged by when its token runs out are the rules of the time, for whoever opened
// it by those before.
func TestAStreamIsJudgedAnewByTheRulesOfTheTime(t *testing.T) {
	for name, c := range map[string]struct {
		after auth.Requirement
		want  codes.Code
	}{
		"the same": {auth.AnyToken(), codes.Unauthenticated}, "a scope": {auth.Scopes("admin"), codes.Unauthenticated},
		"optional": {auth.Optional(), codes.Unauthenticated}, "public": {auth.Public(), codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				live, err := auth.NewLiveRules(auth.Rules{rpctest.Bidi: auth.AnyToken()})
				if err != nil {
					t.Fatal(err)
				}
				issuer := authtest.NewIssuer(t, nil)
				conn := start(t, grpcauth.ServerOptions(issuer.Guard(nil), live.Rules()), talk(&rpctest.Talk{}))
				cs, err := conn.NewStream(with(t.Context(), issuer.Token("read")), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				if err := live.Swap(auth.Rules{rpctest.Bidi: c.after}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(24 * time.Hour)
				_ = cs.CloseSend()
				if err := cs.RecvMsg(new(rpctest.Message)); status.Code(err) != c.want {
					t.Errorf("ended with %v, want %v", err, c.want)
				}
			})
		})
	}
}
