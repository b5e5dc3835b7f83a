// Gateway puts a gateway in front of an API in Python, and has it ask adapters/forwardauth who may
// call.
//
//	go run -C examples ./gateway           stays up, and prints what to try
//	go run -C examples ./gateway -check    makes the same calls and checks every answer
//
// It needs python3 and one of nginx and caddy: Debian's packages have these names.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run does what args say. The exit code is 0, 1 when an answer is not as promised or a part cannot
// run, and 2 for a mistake on the command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c config
	fs := flag.NewFlagSet("gateway", flag.ContinueOnError)
	fs.SetOutput(stderr)
	once := fs.Bool("check", false, "make every call once, print what came back, exit 0 only if all is as promised")
	fs.StringVar(&c.gateway, "gateway", "", "`NAME` of the gateway, nginx or caddy (default: the first that is installed)")
	fs.StringVar(&c.addr, "addr", "127.0.0.1:8080", "loopback `address` that the gateway listens on")
	fs.StringVar(&c.shared, "shared", "", "`URL` of the Redis that two replicas of the gate share, such as redis://127.0.0.1:6379/0 (default: one, with its own memory)")
	fs.StringVar(&c.recipes, "recipes", "recipes", "`folder` of the gateways' configurations")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case fs.NArg() > 0:
		fmt.Fprintf(stderr, "gateway: unexpected argument %q\n", fs.Arg(0))
		return 2
	}
	if a, err := netip.ParseAddrPort(c.addr); err != nil || !a.Addr().Is4() || !a.Addr().IsLoopback() {
		fmt.Fprintf(stderr, "gateway: -addr %q is no loopback address with a port, such as 127.0.0.1:8080\n", c.addr)
		return 2
	}
	w, err := start(ctx, c)
	if err == nil {
		if *once {
			err = w.check(ctx, stdout)
		} else {
			err = w.stay(ctx, stdout)
		}
		err = errors.Join(err, w.close())
	}
	if err != nil {
		fmt.Fprintln(stderr, "gateway:", err)
		return 1
	}
	return 0
}

// stay prints what to try, and waits until it is interrupted or a part has ended.
func (w *world) stay(ctx context.Context, out io.Writer) error {
	w.tell(out)
	good, err := w.token("read:orders", nil)
	if err != nil {
		return err
	}
	poor, err := w.token("read:nothing", nil)
	if err != nil {
		return err
	}
	revoked, err := w.revokedToken(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nGOOD=%s\nPOOR=%s\nREVOKED=%s\n\n", good, poor, revoked)
	for _, c := range []struct{ want, path, how string }{
		{"401, no token", "/orders", ""},
		{"200, and what the API got", "/orders", `-H "Authorization: Bearer $GOOD"`},
		{"403, a scope is missing", "/orders", `-H "Authorization: Bearer $POOR"`},
		{"400, an identity of the client's own", "/orders", `-H "Authorization: Bearer $GOOD" -H "X-Auth-Subject: root"`},
		{"400, a path that can be read in two ways", trick, `-H "Authorization: Bearer $GOOD" --path-as-is`},
		{"401, a revoked token", "/orders", `-H "Authorization: Bearer $REVOKED"`},
	} {
		fmt.Fprintf(out, "curl -i %s%s %s   # %s\n", w.origin, c.path, c.how, c.want)
	}
	fmt.Fprintln(out, "\nTokens are good for an hour. Interrupt it (Ctrl-C) to end all of it.")
	select {
	case <-ctx.Done():
		return nil
	case err := <-w.ended:
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
}
