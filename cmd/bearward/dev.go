package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bearward/bearward/cmd/bearward/internal/dev"
)

const devHelp = `bearward dev is an issuer for DEVELOPMENT ONLY: every program on this machine gets any token from
it. It listens on a loopback address alone. No API that others reach may trust it.

  bearward dev [flags]              start it, and print what an API and curl need
  bearward dev token [flags]        have it make a token; the token alone is written
  bearward dev rotate [-issuer URL] have it make a new key, and sign with that

  bearward dev -scopes "read:orders write:orders" -roles admin
  bearward dev -preset keycloak
  curl -H "Authorization: Bearer $(bearward dev token -scopes read:orders)" http://127.0.0.1:8080/orders
  bearward dev token -ttl -1m             one that has expired
  bearward dev token -aud https://other.example
  bearward dev token -claims '{"acr": "urn:example:mfa", "auth_time": 1700000000}'

What "token" does not say is as "dev" was told. Keys are new at each start, and in memory alone,
unless -keys says where the one that signs is kept; those of rotations never are. Interrupt it
(Ctrl-C) to end it.

Exit codes: 0 good, 2 wrong usage or an address that is not free, 3 no issuer answers.

`

const (
	devAddr     = "127.0.0.1:9000"
	devAudience = "https://orders.example" // as the examples have it
	devScopes   = "read:orders"
)

// runDev is `bearward dev`.
func runDev(ctx context.Context, t terminal, args []string) int {
	var err error
	switch {
	case len(args) > 0 && args[0] == "token":
		err = devToken(ctx, t, args[1:])
	case len(args) > 0 && args[0] == "rotate":
		err = devRotate(ctx, t, args[1:])
	default:
		err = devServe(ctx, t, args)
	}
	var silent dev.NoServerError
	switch {
	case err == nil:
		return exitGood
	case errors.Is(err, flag.ErrHelp):
		return devUsage(t)
	case errors.As(err, &silent):
		fmt.Fprintf(t.err, "bearward dev: %v\nIs `bearward dev` running? -issuer is the URL that it prints.\n", err)
		return exitOpen
	}
	fmt.Fprintf(t.err, "bearward dev: %v\n`bearward help dev` tells how it is called.\n", err)
	return exitUsage
}

func devUsage(t terminal) int {
	io.WriteString(t.out, devHelp)
	flags := devFlags(new(dev.Options))
	flags.SetOutput(t.out)
	flags.PrintDefaults()
	io.WriteString(t.out, "\n\"token\" takes -issuer, -scopes, -roles, -groups, -permissions, -sub, -client, -aud, -ttl and -claims.\n")
	return exitGood
}

// devFlags are those of dev itself, without those of its tokens.
func devFlags(o *dev.Options) *flag.FlagSet {
	flags := tokenFlags("bearward dev", &o.Token)
	flags.StringVar(&o.Addr, "addr", devAddr, "the loopback address and port (`HOST:PORT`) to listen on")
	flags.StringVar(&o.Preset, "preset", "", "the `NAME` of a provider, whose form tokens get: "+strings.Join(dev.Presets(), ", "))
	flags.StringVar(&o.KeyFile, "keys", "", "the `FILE` that keeps the key that signs; it is made where there is none")
	flags.DurationVar(&o.Rotate, "rotate", 0, "make a new key each time this has gone by, 1s or more (default never); an API fetches unknown keys twice at once, and then every 30s")
	return flags
}

// tokenFlags are what a token can be told to have.
func tokenFlags(name string, want *dev.Token) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	list := func(name, usage string, separators string, to *[]string) {
		flags.Func(name, usage, func(s string) error {
			*to = append([]string{}, strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(separators, r) })...)
			return nil
		})
	}
	list("scopes", "`SCOPES`, with spaces or commas between (default \""+devScopes+"\"; \"\" for none)", " ,", &want.Scopes)
	list("roles", "`ROLES`, with commas between", ",", &want.Roles)
	list("groups", "`GROUPS`, with commas between", ",", &want.Groups)
	list("permissions", "`PERMISSIONS`, with commas between", ",", &want.Permissions)
	flags.StringVar(&want.Subject, "sub", "", "the `USER` (default \"alice\")")
	flags.StringVar(&want.Client, "client", "", "the `ID` of the client (default \"client\")")
	flags.StringVar(&want.Audience, "aud", "", "the API's `NAME` (default \""+devAudience+"\")")
	flags.Func("ttl", "how `LONG` it is good, 720h at most (default 1h); below 0 it has expired", func(s string) error {
		d, err := time.ParseDuration(s)
		switch {
		case err != nil:
			return err
		case d == 0 || d.Abs() > dev.MaxLifetime:
			return fmt.Errorf("0, or above %v", dev.MaxLifetime)
		}
		want.Lifetime = dev.Duration(d)
		return nil
	})
	flags.Func("claims", "a `JSON` object of claims that take the place of others", func(s string) error {
		return json.Unmarshal([]byte(s), &want.Claims)
	})
	return flags
}

// parseAll parses flags, and refuses arguments.
func parseAll(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is neither a flag nor one of token and rotate", flags.Arg(0))
	}
	return nil
}

func devToken(ctx context.Context, t terminal, args []string) error {
	var want dev.Token
	flags := tokenFlags("token", &want)
	at := flags.String("issuer", "http://"+devAddr, "the `URL` that `bearward dev` prints")
	if err := parseAll(flags, args); err != nil {
		return err
	}
	token, err := dev.Ask(ctx, *at, want)
	if err == nil {
		_, err = fmt.Fprintln(t.out, token)
	}
	return err
}

func devRotate(ctx context.Context, t terminal, args []string) error {
	flags := flag.NewFlagSet("rotate", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	at := flags.String("issuer", "http://"+devAddr, "")
	if err := parseAll(flags, args); err != nil {
		return err
	}
	id, err := dev.AskRotate(ctx, *at)
	if err == nil {
		_, err = fmt.Fprintf(t.out, "tokens are signed by key %s from now on\n", id)
	}
	return err
}

func devServe(ctx context.Context, t terminal, args []string) error {
	var o dev.Options
	if err := parseAll(devFlags(&o), args); err != nil {
		return err
	}
	if o.Token.Scopes == nil {
		o.Token.Scopes = []string{devScopes}
	}
	if o.Audience = o.Token.Audience; o.Audience == "" {
		o.Audience = devAudience
	}
	o.Token.Audience = "" // the issuer's own, in the form of its preset
	o.Rotated = func(id string) { fmt.Fprintf(t.out, "tokens are signed by key %s from now on\n", id) }
	server, err := dev.New(ctx, o)
	if err != nil {
		return err
	}
	token, err := server.Issue(dev.Token{})
	if err != nil {
		return err
	}
	fmt.Fprint(t.err, terminal{colour: t.errColour}.paint("1;31", "DEVELOPMENT ONLY: every program on this machine gets any token from this issuer.\n"+
		"No API that others reach may trust it.")+"\n\n")
	io.WriteString(t.out, devText(t, o, server, token))
	return server.Serve(ctx)
}

// devText is what people need to go on.
func devText(t terminal, o dev.Options, server *dev.Server, token string) string {
	var b strings.Builder
	title := func(s string) { b.WriteString(t.paint("1", s) + "\n") }
	title("The guard of your API:")
	if o.Preset == "" {
		fmt.Fprintf(&b, "  guard, err := auth.New(%q, %q, nil)\n", server.URL(), o.Audience)
	} else {
		fmt.Fprintf(&b, "  preset, err := provider.Named(%q, %q, %q)\n  guard, err := preset.Guard(nil)\n", o.Preset, server.URL(), o.Audience)
	}
	title("Or provider.FromEnv(nil), and:")
	fmt.Fprintf(&b, "  export BEARWARD_ISSUER=%s BEARWARD_AUDIENCE=%s", server.URL(), shellWord(o.Audience))
	if o.Preset != "" {
		fmt.Fprintf(&b, " BEARWARD_PRESET=%s", o.Preset)
	}
	b.WriteString("\n")
	title("A token for it:")
	fmt.Fprintf(&b, "  TOKEN=%s\n", token)
	fmt.Fprintf(&b, "  curl -i -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/orders\n")
	title("Others, from a second terminal:")
	at := ""
	if server.Base() != "http://"+devAddr {
		at = " -issuer " + server.Base()
	}
	exe, _ := os.Executable()
	fmt.Fprintf(&b, "  %s dev token%s -scopes %s\n", commandOf(exe), at, shellWord(strings.Join(o.Token.Scopes, " ")))
	fmt.Fprintf(&b, "\nIt serves %s until it is interrupted (Ctrl-C).\n", server.URL())
	return b.String()
}

// commandOf returns how this program is called: by `go run` it is in a folder of the compiler's,
// and no shell finds it.
func commandOf(exe string) string {
	if name := filepath.Base(exe); strings.Contains(exe, "go-build") && strings.TrimSuffix(name, ".exe") == "bearward" {
		return "go run ./cmd/bearward"
	}
	return "bearward"
}

// shellWord quotes text for a POSIX shell, where it must be.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~:/@%+=,", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
