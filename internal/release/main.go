// Command release rehearses the next release: it zips every module that is published, as the module
// proxy would from a clone tagged with the version to come. Then it builds each one as a consumer
// gets it, without replace. .ci/release calls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	repo := flag.String("repo", "../..", "the repository; what is committed counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := rehearse(ctx, *repo, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// rehearse does all of it, and tells each step.
func rehearse(ctx context.Context, repo string, out io.Writer) (err error) {
	r, err := open(ctx, repo)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s of %s\n", r.version, r.commit)
	dir, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := r.forget(ctx); err != nil { // of a rehearsal that was cut off
		return err
	}
	defer func() { err = errors.Join(err, r.forget(context.WithoutCancel(ctx))) }()
	for _, step := range []struct {
		name string
		do   func(ctx context.Context, dir string) (string, error)
	}{
		{"every go.mod names the version", r.checkRequirements},
		{"what is gone from the API is told", r.checkChanges},
		{"zip the modules", r.zip},
		{"build each one as a consumer", r.buildAll},
		{"install the command", r.install},
		{"use package middleware alone", r.middlewareAlone},
	} {
		began := time.Now()
		said, err := step.do(ctx, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(out, "%6.1f s  %-36s %s\n", time.Since(began).Seconds(), step.name, said)
	}
	return nil
}
