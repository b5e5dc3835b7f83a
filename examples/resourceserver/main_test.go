package main

import (
	"context"
	"net"
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
		"an http issuer beyond loopback": {[]string{"-issuer", "http://issuer.example"}, exitUsage, "https"},
		"an address without port":        {[]string{"-addr", "nowhere"}, exitFailed, "missing port"},
		"metrics on the API's address":   {[]string{"-addr", "127.0.0.1:9", "-metrics", "127.0.0.1:9"}, exitUsage, "Config.Metrics"},
		"metrics on a taken port":        {[]string{"-metrics", taken}, exitFailed, "taken by another program"},
		"a port beyond the last":         {[]string{"-addr", ":99999"}, exitFailed, "invalid port"},
		"a taken port":                   {[]string{"-addr", taken}, exitFailed, "taken by another program"},
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
