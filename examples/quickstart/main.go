// Quickstart shows the whole way on one machine: an authorization server, an
// application that gets tokens from it, the same API behind net/http, chi,
// Echo and gRPC, and an MCP server.
//
//	go run -C examples ./quickstart -check    walks the way once and checks every answer
//	go run -C examples ./quickstart           stays up, and prints what to try
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run does what args say and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	fs.SetOutput(stderr)
	once := fs.Bool("check", false, "walk the way once without a person, print what came back, exit 0 only if all is as promised")
	port := fs.Int("port", defaultPort, "first of six consecutive `ports` to use while staying up")
	wanted := fs.String("token", "", "log alice in at the quickstart that is up, and print an access token with these `scopes`")
	secure := fs.Bool("tls", false, "speak HTTPS everywhere, with a throw-away certificate authority")
	caFile := fs.String("ca-file", "quickstart-ca.pem", "with -tls: `file` for the authority's certificate; -token reads it")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return exitUsage
	}
	var err error
	switch {
	case fs.NArg() > 0:
		err = usageError(fmt.Sprintf("unexpected argument %q", fs.Arg(0)))
	case *port < 1 || *port > 65535-lastPort:
		err = usageError(fmt.Sprintf("-port %d is not from 1 to %d", *port, 65535-lastPort))
	case *once && (*wanted != "" || *secure):
		err = usageError("-check goes with neither -token nor -tls")
	case unknownScope(*wanted) != "":
		err = usageError(fmt.Sprintf("-token: there is no scope %q; there are %s", unknownScope(*wanted), strings.Join(scopeNames(), ", ")))
	case *once:
		err = check(ctx, stdout)
	default:
		err = upOrToken(ctx, stdout, stderr, ports{*port}, *secure, *caFile, *wanted)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "quickstart:", err)
	var usage usageError
	if errors.As(err, &usage) {
		fs.Usage()
		return exitUsage
	}
	return exitFailed
}

// upOrToken stays up or, when scopes are wanted, gets a token from the
// quickstart that is up.
func upOrToken(ctx context.Context, stdout, stderr io.Writer, p ports, secure bool, caFile, wanted string) error {
	var l link
	var err error
	switch {
	case secure && wanted != "":
		l, err = trust(caFile)
	case secure:
		l, err = tlsLink()
	}
	if err != nil {
		return err
	}
	if wanted != "" {
		return printToken(ctx, stdout, p, l, wanted)
	}
	return stay(ctx, stdout, stderr, p, l, caFile)
}

// usageError is a mistake on the command line.
type usageError string

func (e usageError) Error() string { return string(e) }
