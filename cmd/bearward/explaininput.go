package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bearward/bearward/jwks"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/mtls"
	"github.com/bearward/bearward/middleware/provider"
)

var flagName = regexp.MustCompile(`^flag provided but not defined: (-[a-z-]{1,16})$`)

// tellFlag says what is wrong with the flags, without a value that may be a token.
func tellFlag(err error) error {
	if m := flagName.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("there is no flag %s", m[1])
	}
	return errors.New("a flag is unknown, lacks its value or has a wrong one")
}

func parseAt(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if sec, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(sec, 0), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, errors.New("-at is neither a time as 2026-03-01T12:00:00Z nor seconds since the epoch")
	}
	return at, nil
}

// explainGuard makes the Guard that the flags describe.
func explainGuard(f explainFlags) (*auth.Guard, func(), error) {
	opts := auth.GuardOptions{OnDecision: func(context.Context, auth.Decision) {}} // as rules that are only reported on need
	var err error
	if opts.Bindings, err = explainBindings(f); err != nil {
		return nil, nil, err
	}
	if f.issuer == "" && len(f.audiences) == 0 && f.preset == "" && f.keys == "" && os.Getenv("BEARWARD_ISSUER") != "" {
		opts.Keys = explainKeyOptions(f)
		g, err := provider.FromEnv(&opts)
		if err != nil {
			return nil, nil, err
		}
		return g, func() { g.Close() }, nil
	}
	p := provider.Preset{Config: auth.Config{Issuer: f.issuer, Audiences: f.audiences}}
	switch {
	case f.issuer == "":
		return nil, nil, errors.New("-issuer is required")
	case f.preset == "" && len(f.audiences) == 0:
		return nil, nil, errors.New("-audience is required")
	case f.preset == "" && len(f.callers) > 0:
		return nil, nil, errors.New("-caller goes with -preset")
	case f.preset != "":
		first, more := "", f.audiences
		if len(more) > 0 {
			first, more = more[0], more[1:]
		}
		if p, err = provider.Named(f.preset, f.issuer, first, f.callers...); err != nil {
			return nil, nil, err
		}
		if len(p.Config.Clients) > 0 {
			p.Config.Clients = append(p.Config.Clients, more...)
		} else {
			p.Config.Audiences = append(p.Config.Audiences, more...)
		}
	}
	keys, stop, err := explainKeys(f, p)
	if err != nil {
		return nil, nil, err
	}
	v, err := p.Verifier(keys)
	if err != nil {
		stop()
		return nil, nil, err
	}
	g, err := auth.NewGuard(v, &opts)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return g, stop, nil
}

// explainBindings returns the Bindings of the API, to tell which members of cnf they check. They
// see no proof, so the origin makes no difference.
func explainBindings(f explainFlags) (all []auth.Binding, err error) {
	if f.dpop {
		b, err := dpop.New([]string{"https://api.example"}, dpop.NewMemory(1), nil)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	if f.mtls {
		b, err := mtls.New(nil)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// explainKeyOptions are those of the key cache. What it logs is told as a fault.
func explainKeyOptions(f explainFlags) *jwks.Options {
	return &jwks.Options{InsecureAllowHTTP: f.allowHTTP, Logger: slog.New(slog.DiscardHandler)}
}

// explainKeys returns the keys to verify with.
func explainKeys(f explainFlags, p provider.Preset) (jwks.Source, func(), error) {
	if f.keys == "" {
		cache, err := p.Source(explainKeyOptions(f))
		if err != nil {
			return nil, nil, err
		}
		return cache, func() { cache.Close() }, nil
	}
	doc, err := os.ReadFile(f.keys)
	if err != nil {
		return nil, nil, fmt.Errorf("-keys: %w", err)
	}
	keys, err := jwks.Parse(doc)
	if err != nil {
		return nil, nil, fmt.Errorf("-keys %s: %w", f.keys, err)
	}
	return keys, func() {}, nil
}

// maxTokenRead bounds what is read as a token: twice the longest that any Guard looks at.
const maxTokenRead = 2 << 20

// readToken reads the token from a file, or from standard input for "", and leaves out what people
// copy along with it. The error does not name the file: it may be the token itself.
func readToken(t terminal, name string) (token string, tidied []string, err error) {
	in := t.in
	if name != "" && name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", nil, errors.New("-token: the file cannot be opened: it takes the name of a file, and never the token itself")
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxTokenRead+1))
	switch {
	case err != nil:
		return "", nil, errors.New("the token cannot be read")
	case len(text) > maxTokenRead:
		return "", nil, fmt.Errorf("what was given as the token has more than %d MiB", maxTokenRead>>20)
	}
	token = strings.TrimSpace(string(text))
	for _, prefix := range []string{"Authorization:", "Bearer ", "DPoP "} {
		if len(token) > len(prefix) && strings.EqualFold(token[:len(prefix)], prefix) {
			token = strings.TrimSpace(token[len(prefix):])
			tidied = append(tidied, strings.TrimSpace(prefix))
		}
	}
	if token == "" {
		return "", nil, errors.New("no token was given: it comes from standard input or the file of -token")
	}
	return token, tidied, nil
}
