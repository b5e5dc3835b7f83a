package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/bearward/bearward/examples/internal/api"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/introspect"
)

// longestTTL is the longest age of an answer that introspect takes.
const longestTTL = 10 * time.Minute

// introspectFlags are those of tokens that only their issuer can read (RFC 7662).
type introspectFlags struct {
	endpoint             string
	clientID, secretFile string
	ttl                  time.Duration
	jwts, signed         bool
}

func (i *introspectFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&i.endpoint, "introspect", "", "`URL` at which the issuer is asked about opaque tokens, or auto: the one of its metadata (default: only JWTs are accepted)")
	fs.StringVar(&i.clientID, "introspect-client-id", "", "this API's `name` at the endpoint of -introspect (default: it is asked without one)")
	fs.StringVar(&i.secretFile, "introspect-client-secret-file", "", "`file` with the secret of -introspect-client-id; read anew for each request")
	fs.DurationVar(&i.ttl, "introspect-ttl", 30*time.Second, "`time` for which an answer is used, at most 10m; 0: nothing is remembered, refusals neither")
	fs.BoolVar(&i.jwts, "introspect-jwts", false, "ask about JWTs too, which can then be taken back")
	fs.BoolVar(&i.signed, "introspect-signed", false, "accept only answers that the issuer signed (RFC 9701)")
}

// apply sets cfg.Introspection. Flags that would have no effect are an error.
func (i *introspectFlags) apply(fs *flag.FlagSet, cfg *api.Config) error {
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if i.endpoint == "" {
		for _, name := range []string{"introspect-client-id", "introspect-client-secret-file", "introspect-ttl", "introspect-jwts", "introspect-signed"} {
			if given[name] {
				return fmt.Errorf("-%s needs -introspect", name)
			}
		}
		return nil
	}
	switch {
	case (i.clientID == "") != (i.secretFile == ""):
		return errors.New("-introspect-client-id and -introspect-client-secret-file need each other")
	case i.ttl < 0 || i.ttl > longestTTL:
		return fmt.Errorf("-introspect-ttl %v: want 0 to %v", i.ttl, longestTTL)
	}
	cfg.Introspection = api.Introspection{Endpoint: i.endpoint, Client: introspect.NoClientAuth(), TTL: i.ttl, JWTs: i.jwts, Signed: i.signed}
	if i.endpoint == "auto" {
		cfg.Introspection.Endpoint = introspect.FromMetadata
	} else if err := checkEndpoint(i.endpoint); err != nil {
		return fmt.Errorf("-introspect %s: %w", i.endpoint, err)
	}
	if i.ttl == 0 {
		cfg.Introspection.TTL = -1
	}
	if i.clientID == "" {
		return nil
	}
	secret := introspect.SecretFile(i.secretFile)
	if _, err := os.Stat(i.secretFile); err != nil {
		return fmt.Errorf("-introspect-client-secret-file: %w", err)
	}
	cfg.Introspection.Client = introspect.Basic(i.clientID, secret)
	return nil
}

// checkEndpoint says what is wrong with the URL of an endpoint.
func checkEndpoint(url string) error {
	asked, err := introspect.New(url, introspect.NoClientAuth(), introspect.Config{Claims: auth.Config{Issuer: "any", Audiences: []string{"any"}}})
	if err != nil {
		return err
	}
	return asked.Close()
}
