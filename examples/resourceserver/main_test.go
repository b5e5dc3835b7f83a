package main

import (
	"context"
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrongCommandLinesAreSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	good32, short := filepath.Join(t.TempDir(), "good"), filepath.Join(t.TempDir(), "short")
	for file, n := range map[string]int{good32: 32, short: 31} {
		if err := os.WriteFile(file, []byte(base64.RawURLEncoding.EncodeToString(make([]byte, n))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := []string{"-issuer", "http://127.0.0.1:1", "-audience", "a", "-addr", "127.0.0.1:0"}
	for name, c := range map[string]struct {
		args []string // after the good ones; the last value of a flag counts
		code int
		want string
	}{
		"an unknown flag":                {[]string{"-nonsense"}, exitUsage, "-nonsense"},
		"an argument":                    {[]string{"extra"}, exitUsage, `"extra"`},
		"no issuer":                      {[]string{"-issuer", ""}, exitUsage, "-issuer is required"},
		"no audience":                    {[]string{"-audience", ""}, exitUsage, "-audience is required"},
		"an unknown adapter":             {[]string{"-adapter", "gin"}, exitUsage, `"gin"`},
		"guarded health without gRPC":    {[]string{"-guard-health"}, exitUsage, "-guard-health"},
		"a negative refresh":             {[]string{"-refresh", "-1s"}, exitUsage, "-refresh"},
		"a refresh below the bound":      {[]string{"-refresh", "1ms"}, exitUsage, "RefreshEvery"},
		"a max-stale below the bound":    {[]string{"-max-stale", "1ms"}, exitUsage, "MaxStale"},
		"an issuer twice":                {[]string{"-issuer", "http://127.0.0.1:1"}, exitUsage, "-issuer is given twice"},
		"JWTs of two issuers":            {[]string{"-issuer", "http://127.0.0.1:2", "-introspect", "auto", "-introspect-jwts"}, exitUsage, "-introspect-jwts asks the first issuer alone, and -issuer is given 2 times"},
		"an http issuer beyond loopback": {[]string{"-issuer", "http://issuer.example"}, exitUsage, "https"},
		"an address without port":        {[]string{"-addr", "nowhere"}, exitFailed, "missing port"},
		"metrics on the API's address":   {[]string{"-addr", "127.0.0.1:9", "-metrics", "127.0.0.1:9"}, exitUsage, "Config.Metrics"},
		"metrics on a taken port":        {[]string{"-metrics", taken}, exitFailed, "taken by another program"},
		"a port beyond the last":         {[]string{"-addr", ":99999"}, exitFailed, "invalid port"},
		"a taken port":                   {[]string{"-addr", taken}, exitFailed, "taken by another program"},
		"an unknown DPoP mode":           {[]string{"-dpop", "on"}, exitUsage, `-dpop "on"`},
		"an unknown nonce mode":          {[]string{"-dpop", "allow", "-dpop-nonce", "allow"}, exitUsage, `-dpop-nonce "allow"`},
		"a nonce without DPoP":           {[]string{"-dpop-nonce", "require"}, exitUsage, "-dpop-nonce need"},
		"an origin without DPoP":         {[]string{"-dpop-origin", "https://api.example"}, exitUsage, "-dpop-origin and"},
		"a nonce key without nonces":     {[]string{"-dpop", "allow", "-dpop-nonce-key", good32}, exitUsage, "-dpop-nonce-key needs"},
		"a lifetime without nonces":      {[]string{"-dpop", "allow", "-dpop-nonce-lifetime", "1m"}, exitUsage, "-dpop-nonce-lifetime needs"},
		"a nonce that lives too long":    {[]string{"-dpop", "allow", "-dpop-nonce", "require", "-dpop-nonce-lifetime", "2h"}, exitUsage, "-dpop-nonce-lifetime 2h"},
		"a nonce that lives not at all":  {[]string{"-dpop", "allow", "-dpop-nonce", "require", "-dpop-nonce-lifetime", "0"}, exitUsage, "-dpop-nonce-lifetime 0"},
		"no file of a nonce key":         {[]string{"-dpop", "allow", "-dpop-nonce", "require", "-dpop-nonce-key", "nowhere"}, exitUsage, "-dpop-nonce-key: open"},
		"a short nonce key":              {[]string{"-dpop", "allow", "-dpop-nonce", "require", "-dpop-nonce-key", short}, exitUsage, "32 bytes"},
		"an empty file of nonce keys":    {[]string{"-dpop", "allow", "-dpop-nonce", "require", "-dpop-nonce-key", os.DevNull}, exitUsage, "has 0 lines"},
		"an origin that is none":         {[]string{"-dpop", "allow", "-dpop-origin", "api.example"}, exitUsage, "api.example"},
		"no host and no origin":          {[]string{"-dpop", "allow", "-addr", ":0"}, exitUsage, "-dpop-origin is required"},
		"every host and no origin":       {[]string{"-dpop", "allow", "-addr", "0.0.0.0:0"}, exitUsage, "-dpop-origin is required"},
		"a secret without introspection": {[]string{"-introspect-client-secret-file", good32}, exitUsage, "-introspect-client-secret-file needs -introspect"},
		"a TTL without introspection":    {[]string{"-introspect-ttl", "30s"}, exitUsage, "-introspect-ttl needs -introspect"},
		"JWTs without introspection":     {[]string{"-introspect-jwts"}, exitUsage, "-introspect-jwts needs -introspect"},
		"signed without introspection":   {[]string{"-introspect-signed"}, exitUsage, "-introspect-signed needs -introspect"},
		"an ID without introspection":    {[]string{"-introspect-client-id", "x"}, exitUsage, "-introspect-client-id needs -introspect"},
		"an ID without a secret":         {[]string{"-introspect", "auto", "-introspect-client-id", "x"}, exitUsage, "-introspect-client-id and -introspect-client-secret-file need each other"},
		"a secret without an ID":         {[]string{"-introspect", "auto", "-introspect-client-secret-file", good32}, exitUsage, "-introspect-client-id and -introspect-client-secret-file need each other"},
		"no file of a secret":            {[]string{"-introspect", "auto", "-introspect-client-id", "x", "-introspect-client-secret-file", "nowhere"}, exitUsage, "-introspect-client-secret-file: stat"},
		"a negative TTL":                 {[]string{"-introspect", "auto", "-introspect-ttl", "-1s"}, exitUsage, "-introspect-ttl -1s"},
		"a TTL beyond the bound":         {[]string{"-introspect", "auto", "-introspect-ttl", "11m"}, exitUsage, "-introspect-ttl 11m"},
		"an endpoint in clear":           {[]string{"-introspect", "http://issuer.example/introspect"}, exitUsage, "-introspect "},
		"an endpoint that is no URL":     {[]string{"-introspect", "yes"}, exitUsage, "-introspect "},
		"help":                           {[]string{"-h"}, 0, "-issuer"},
	} {
		var errs strings.Builder
		code := run(t.Context(), append(good[:len(good):len(good)], c.args...), &errs)
		if code != c.code || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit code %d, %q; want %d and %q", name, code, errs.String(), c.code, c.want)
		}
		if strings.Contains(errs.String(), "closed") {
			t.Errorf("%s: the program speaks of what it closed itself: %q", name, errs.String())
		}
	}
}

func TestServesUntilStopped(t *testing.T) {
	for _, adapter := range []string{"nethttp", "chi", "echo", "grpc"} {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		var errs strings.Builder
		code := run(ctx, []string{"-issuer", "http://127.0.0.1:1", "-audience", "a", "-addr", "127.0.0.1:0", "-adapter", adapter, "-metrics", "127.0.0.1:0"}, &errs)
		if code != 0 || !strings.Contains(errs.String(), "serving") || !strings.Contains(errs.String(), "/metrics") {
			t.Errorf("%s: exit code %d, %q", adapter, code, errs.String())
		}
	}
}
