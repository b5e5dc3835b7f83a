package grpcauth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/bearward/bearward/adapters/grpcauth"
	"github.com/bearward/bearward/internal/rpctest"
	auth "github.com/bearward/bearward/middleware"
)

// spendable is a Binding whose proof is good once.
type spendable struct{ spent bool }

func (*spendable) Member() string       { return "jkt" }
func (*spendable) Fields() []string     { return []string{"proof"} }
func (*spendable) Scheme() string       { return "DPoP" }
func (*spendable) Algorithms() []string { return nil }

func (b *spendable) Check(_ context.Context, _ string, c *auth.Credentials, _ *auth.Principal, _ []byte) error {
	if b.spent || c.Header.Get("Proof") != "1" || c.Method != "POST" || c.Target != rpctest.Bidi {
		return &auth.Error{Reason: auth.ReasonProofReplayed}
	}
	b.spent = true
	c.Answer.Set("DPoP-Nonce", "next")
	return nil
}

// renewed accepts a token for a minute more each time that it is asked.
type renewed struct{ asked int }

func (v *renewed) VerifyToken(context.Context, string) (*auth.Principal, error) {
	v.asked++
	return auth.NewPrincipal(fmt.Appendf(nil, `{"sub":"alice","exp":%d,"cnf":{"jkt":"x"}}`, time.Now().Add(time.Minute).Unix()))
}

// An open stream is rechecked with a token whose proof is spent, and Revoked is asked.
func TestW01_W04_AnOpenStreamIsRecheckedWithoutItsProof(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func() (bool, error)
		want   codes.Code
	}{
		{"revoked", func() (bool, error) { return true, nil }, codes.Unauthenticated},
		{"not judged", func() (bool, error) { return false, errors.New("down") }, codes.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, verifier := time.Now(), new(renewed)
				guard := must(auth.NewGuard(verifier, &auth.GuardOptions{
					Bindings: []auth.Binding{new(spendable)},
					Revoked: func(context.Context, *auth.Principal) (bool, error) {
						if time.Since(began) < 3*time.Minute {
							return false, nil
						}
						return tt.answer()
					},
				}))
				conn := start(t, grpcauth.ServerOptions(guard, auth.Rules{rpctest.Bidi: auth.AnyToken()}), talk(&rpctest.Talk{}))
				ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "DPoP opaque", "proof", "1")
				cs, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, rpctest.Bidi)
				if err != nil {
					t.Fatal(err)
				}
				err = cs.RecvMsg(new(rpctest.Message))
				if took := time.Since(began); status.Code(err) != tt.want || took < 3*time.Minute || took > 5*time.Minute || verifier.asked < 3 {
					t.Errorf("ended with %v after %v and %d verifications", err, took, verifier.asked)
				}
			})
		})
	}
}
