package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/bearward/bearward/cmd/bearward/internal/forward"
)

const forwardHelp = `bearward forward answers nginx, Caddy, HAProxy, Traefik and Envoy, which ask about each request
to an API in any language. It serves until it is interrupted.

  bearward forward -config FILE           answer gateways
  bearward forward -check -config FILE    read the files, say what is wrong, and end

FILE is JSON:

  {
    "listen": "127.0.0.1:9001",
    "admin": "127.0.0.1:9090",
    "for": ["https://api.example.com"],
    "gateways": ["127.0.0.1"],
    "rules": "rules.txt",
    "dpop": "allow",
    "issuers": [{"issuer": "https://issuer.example", "audience": "https://api.example.com"}]
  }

"for" and "gateways" (or a "listen" of unix:PATH) are never guessed. An issuer may have a "preset",
"callers" and a "key_set_url". One of them may have an "introspection", by which it is asked about
its opaque tokens: "endpoint" (a URL, or metadata, the default), "auth" (basic, the default, or
post), "client_id", "client_secret_file" and "ttl" (30s by default). "form" is forwarded or direct,
with a "prefix"; "fields" names the identity fields. Rules are in the text form of auth.ParseRules.
"admin" serves /metrics and /readyz, and asks for no token: clients must not reach it.

Both files are read again when they change, within 2 s, or at SIGHUP. With a fault in them nothing
changes, and the log tells it. Only "listen" and "admin" need a restart.

POST /revocations there, as application/json, revokes tokens before they expire. It is heard from
this machine, and from the addresses in "revokers":

  {"issuer": "https://issuer.example", "token_id": "ID", "until": "2030-03-01T12:00:00Z"}

In place of "token_id" there may be "subject" or "client_id", with "issued_before". Revocations and
used proofs are remembered in this process, and are gone after a restart: run one.

Exit codes: 0 it ended, or the files are good; 2 wrong usage, or a file that is wrong; 3 it failed.

`

// runForward is `bearward forward`.
func runForward(ctx context.Context, t terminal, args []string) int {
	var file string
	var check bool
	flags := flag.NewFlagSet("bearward forward", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&file, "config", "", "")
	flags.BoolVar(&check, "check", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		io.WriteString(t.out, forwardHelp)
		return exitGood
	case err == nil && (file == "" || flags.NArg() > 0):
		err = errors.New("it takes -config FILE, and -check")
	}
	if err != nil {
		fmt.Fprintf(t.err, "bearward forward: %v\n`bearward help forward` tells how it is called.\n", err)
		return exitUsage
	}
	fail := func(code int, err error) int {
		fmt.Fprintf(t.err, "bearward forward: %v\n", err)
		return code
	}
	if check {
		if err := forward.Check(file); err != nil {
			return fail(exitUsage, err)
		}
		fmt.Fprintf(t.out, "%s: nothing found\n", file)
		return exitGood
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	server, err := forward.NewServer(forward.Options{File: file, Log: slog.New(slog.NewJSONHandler(t.err, nil)), Reload: reload})
	if err != nil {
		return fail(exitUsage, err)
	}
	if err := server.Serve(ctx); err != nil {
		return fail(exitOpen, err)
	}
	return exitGood
}
