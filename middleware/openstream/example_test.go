package openstream_test

import (
	"context"
	"fmt"
	"time"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/openstream"
)

// ended is a verifier of tokens that have all run out.
type ended struct{}

func (ended) VerifyToken(context.Context, string) (*auth.Principal, error) {
	return nil, &auth.Error{Reason: auth.ReasonTokenExpired}
}

// A handler of a stream learns of the end by its context, and by the next message.
func ExampleServe() {
	guard, err := auth.NewGuard(ended{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := auth.NewPrincipal(fmt.Appendf(nil, `{"sub":"alice","exp":%d}`, time.Now().Add(-time.Second).Unix()))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := auth.WithPrincipal(context.Background(), p) // as a Guard does when the stream is opened
	var next error
	err = openstream.Serve(ctx, openstream.Config{
		Recheck: func(ctx context.Context) (context.Context, error) {
			presented := auth.Credentials{Operation: "/shop.Orders/Watch", Authorization: []string{"Bearer a.b.c"}}
			return guard.Recheck(ctx, presented, auth.AnyToken())
		},
		Refused: func(err error) error { return fmt.Errorf("closed: %w", err) },
		Ended:   func(refused error) { fmt.Println("the caller is told:", refused) },
	}, func(ctx context.Context, s *openstream.Stream) error {
		<-ctx.Done()
		next = s.Ended()
		return ctx.Err()
	})
	fmt.Println("the next message fails:", next)
	fmt.Println(err)
	// Output:
	// the caller is told: closed: auth: request refused: TOKEN_EXPIRED
	// the next message fails: closed: auth: request refused: TOKEN_EXPIRED
	// closed: auth: request refused: TOKEN_EXPIRED
}
