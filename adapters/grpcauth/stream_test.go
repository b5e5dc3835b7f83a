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
		accepted, refused := rpctest.Bidi+" <nil> report-only false\n", rpctest.Bidi+" auth: request refused: TOKEN_EXPIRED report-only false"
		if got := decisions.String(); strings.ReplaceAll(got, accepted, "") != refused || strings.Count(got, accepted) < 2 {
			t.Errorf("told\n%s\nwant that it was accepted, each minute, and then refused", got)
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
		accepted, reported := rpctest.Bidi+" <nil> report-only false\n", rpctest.Bidi+" auth: request refused: TOKEN_EXPIRED report-only true\n"
		got := decisions.String() + "\n"
		if strings.ReplaceAll(strings.ReplaceAll(got, accepted, ""), reported, "") != "" || !strings.HasSuffix(got, reported) {
			t.Errorf("told\n%s\nwant that it was accepted, and then that it would be refused", got)
		}
	})
}

// prolonged is a TokenVerifier that prolongs what it is asked for by a minute, until a time.
type prolonged struct{ until time.Time }

func (v *prolonged) VerifyToken(context.Context, string) (*auth.Principal, error) {
	if !time.Now().Before(v.until) {
		return nil, &auth.Error{Reason: auth.ReasonTokenExpired}
	}
	return good(time.Now().Add(time.Minute))
}

func TestAStreamGoesOnWhileItsTokenIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		cs := bidi(t, must(auth.NewGuard(&prolonged{began.Add(10 * time.Minute)}, nil)), "opaque")
		err := cs.RecvMsg(new(rpctest.Message))
		if took := time.Since(began); status.Code(err) != codes.Unauthenticated || took < 10*time.Minute || took > 11*time.Minute {
			t.Errorf("ended with %v after %v, want UNAUTHENTICATED within a minute of its time", err, took)
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

// A scriptedVerifier is a TokenVerifier that accepts a token for a minute from the first time on,
// and then does something else.
type scriptedVerifier struct {
	asked atomic.Int32
	until time.Time
	then  func(context.Context) (*auth.Principal, error)
}

func (j *scriptedVerifier) VerifyToken(ctx context.Context, _ string) (*auth.Principal, error) {
	if j.asked.Add(1) == 1 {
		j.until = time.Now().Add(time.Minute)
	}
	if !time.Now().Before(j.until) {
		return j.then(ctx)
	}
	return good(j.until)
}

// A shortVerifier accepts what another one does for a second or two from the first time on, however
// late that comes.
type shortVerifier struct {
	auth.TokenVerifier
	once  sync.Once
	until time.Time
}

func (v *shortVerifier) VerifyToken(ctx context.Context, token string) (*auth.Principal, error) {
	if _, err := v.TokenVerifier.VerifyToken(ctx, token); err != nil {
		return nil, err
	}
	v.once.Do(func() { v.until = time.Now().Truncate(time.Second).Add(2 * time.Second) })
	if !time.Now().Before(v.until) {
		return nil, &auth.Error{Reason: auth.ReasonTokenExpired}
	}
	return good(v.until)
}

func good(until time.Time) (*auth.Principal, error) {
	return auth.NewPrincipal(fmt.Appendf(nil, `{"sub":"alice","exp":%d}`, until.Unix()))
}

func hang(ctx context.Context) (*auth.Principal, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// runStream opens a stream under a scripted verifier, and returns how many messages came, and after
// how long what ended it.
func runStream(t *testing.T, j auth.TokenVerifier, handler func(grpc.ServerStream) error, outside ...grpc.ServerOption) (messages int, took time.Duration, end error) {
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

func TestNothingPassesWhileAStreamIsRechecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages, took, err := runStream(t, &scriptedVerifier{then: hang}, everySecond)
		if status.Code(err) != codes.Unavailable || took != 65*time.Second {
			t.Errorf("ended with %v after %v, want UNAVAILABLE five seconds after the token", err, took)
		}
		if messages != 60 {
			t.Errorf("got %d messages, want those of the minute in which the token was good", messages)
		}
	})
}

// A hanging verifies a token once, for a minute, and then hangs.
type hanging struct{ asked atomic.Int32 }

func (h *hanging) VerifyToken(ctx context.Context, _ string) (*auth.Principal, error) {
	if h.asked.Add(1) == 1 {
		return good(time.Now().Add(time.Minute))
	}
	return hang(ctx)
}

// A recheck that hangs must not let messages pass beyond the token's end. Rechecks come at random:
// of a dozen streams, half have one shortly before that end.
func TestARecheckIsOverByTheTokensEnd(t *testing.T) {
	for range 12 {
		synctest.Test(t, func(t *testing.T) {
			messages, took, err := runStream(t, new(hanging), everySecond)
			if status.Code(err) != codes.Unavailable || messages != 60 || took > 66*time.Second {
				t.Errorf("ended with %v after %d messages and %v, want UNAVAILABLE after 60 and 65 s", err, messages, took)
			}
		})
	}
}

// What stands in front of the guard, such as a log, is told how the stream ended, whatever its
// handler makes of it.
func TestInterceptorsInFrontAreToldTheRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan error, 1)
		front := grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			err := handler(srv, ss)
			told <- err
			return err
		})
		expired := func(context.Context) (*auth.Principal, error) {
			return nil, &auth.Error{Reason: auth.ReasonTokenExpired}
		}
		forgetful := func(ss grpc.ServerStream) error { _ = everySecond(ss); return nil }
		if _, _, err := runStream(t, &scriptedVerifier{then: expired}, forgetful, front); status.Code(err) != codes.Unauthenticated {
			t.Errorf("the caller has %v", err)
		}
		if err := <-told; status.Code(err) != codes.Unauthenticated {
			t.Errorf("the interceptor in front has %v", err)
		}
	})
}

func TestAHandlerEndsWhileARecheckHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, took, err := runStream(t, &scriptedVerifier{then: hang}, func(grpc.ServerStream) error {
			time.Sleep(61 * time.Second)
			return nil
		})
		if err != io.EOF || took != 61*time.Second {
			t.Errorf("ended with %v after %v, want the handler's own end", err, took)
		}
	})
}

func TestARecheckThatPanicsEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan string, 1) // after the caller has its status
		recovering := grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
			defer func() { told <- fmt.Sprint(recover()) }()
			return handler(srv, ss)
		})
		j := &scriptedVerifier{then: func(context.Context) (*auth.Principal, error) { panic("verifier") }}
		messages, _, err := runStream(t, j, everySecond, recovering)
		if status.Code(err) != codes.Internal || messages != 60 {
			t.Errorf("ended with %v after %d messages", err, messages)
		}
		recovered := <-told
		if !strings.HasPrefix(recovered, "verifier") || !strings.Contains(recovered, "TestARecheckThatPanics") {
			t.Errorf("recovered %q, want what was panicked with, and where", recovered)
		}
	})
}

// A stream whose token runs out is rechecked by the rules of that time. Those it was opened by
// count no more.
func TestAStreamIsRecheckedByTheRulesOfTheTime(t *testing.T) {
	for name, c := range map[string]struct {
		after auth.Requirement
		want  codes.Code
	}{
		"the same": {auth.AnyToken(), codes.Unauthenticated}, "a scope": {auth.Scopes("admin"), codes.PermissionDenied},
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
