// Command bearward is what the people who run a guarded API use at a terminal. `bearward help`
// lists what it can do.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// The exit codes of every command.
const (
	exitGood  = 0 // what was asked about is as it should be
	exitBad   = 1 // it is not: a token is refused, an issuer has faults, rules differ
	exitUsage = 2 // the command line or a file that it names is wrong
	exitOpen  = 3 // it could not be told: an issuer did not answer
)

// A command is one of bearward's: `bearward NAME …`.
type command struct {
	name    string
	summary string // one line, for `bearward help`
	run     func(ctx context.Context, t terminal, args []string) int
}

// commands are what `bearward help` lists, in its order.
var commands = []command{
	{"doctor", "look at an issuer or an API, and say what to mend", runDoctor},
	{"explain", "tell why a token is refused, and what to change", runExplain},
	{"rules", "show, compare and check rules: who may call what", runRules},
	{"forward", "answer gateways that ask who may call an API", runForward},
	{"dev", "run an issuer on this machine that gives tokens, for development", runDev},
}

// A terminal is what a command reads and writes. Tests give one of their own.
type terminal struct {
	in     io.Reader
	out    io.Writer
	err    io.Writer
	colour bool // out is a terminal, and NO_COLOR is not set
	// errColour is the same of err.
	errColour bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, terminal{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, colour: colours(os.Stdout, os.Getenv), errColour: colours(os.Stderr, os.Getenv),
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

// colours reports whether out is a terminal whose user has not asked for plain text
// (https://no-color.org: NO_COLOR with any value that is not empty).
func colours(out *os.File, env func(string) string) bool {
	info, err := out.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && env("NO_COLOR") == "" && env("TERM") != "dumb"
}

// run does what the command line says, and returns the exit code.
func run(ctx context.Context, t terminal, args []string) int {
	if len(args) == 0 {
		usage(t.err)
		return exitUsage
	}
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		if len(args) > 1 {
			return run(ctx, t, []string{args[1], "-h"})
		}
		usage(t.out)
		return exitGood
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		fmt.Fprintf(t.err, "bearward: no command %q. `bearward help` lists them.\n", args[0])
		return exitUsage
	}
	return commands[i].run(ctx, t, args[1:])
}

// usage lists the commands.
func usage(w io.Writer) {
	fmt.Fprint(w, "bearward helps with APIs that take bearer tokens.\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  bearward %-8s  %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\n`bearward help NAME` tells about one. Exit codes: 0 good, 1 not good, 2 wrong usage, 3 could not be told.\n")
}
