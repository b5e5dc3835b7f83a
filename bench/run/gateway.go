package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/bearward/bearward/adapters/forwardauth"
	"github.com/bearward/bearward/bench/measure"
	"github.com/bearward/bearward/bench/tokens"
	"github.com/bearward/bearward/internal/freeport"
	auth "github.com/bearward/bearward/middleware"
)

// oauth2Proxy is the folder of a module of its own, which builds oauth2-proxy.
const oauth2Proxy = "gateway/oauth2proxy"

// gateway measures forward authentication behind a real nginx: an endpoint that says yes to all,
// forwardauth, and oauth2-proxy in its bearer mode, each in a process or server of its own.
func gateway(ctx context.Context, p plan, r *report) error {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if nginx, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			r.notRun = append(r.notRun, "forward authentication: there is no nginx (Debian's package nginx)")
			return nil
		}
	}
	dir, err := os.MkdirTemp("", "gateway")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	nothing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer nothing.Close()
	ours, err := forwardServer(s)
	if err != nil {
		return err
	}
	defer ours.Close()
	asked := []string{nothing.Listener.Addr().String() + "/", ours.Listener.Addr().String() + "/"}
	names := []string{"an endpoint that says yes to all", "**Bearward** forwardauth, remembered"}
	theirs, end, err := startOAuth2Proxy(ctx, dir, s)
	switch {
	case errors.Is(err, errNotBuilt):
		r.notRun = append(r.notRun, "oauth2-proxy: "+err.Error())
	case err != nil:
		return err
	default:
		defer end()
		asked, names = append(asked, theirs+"/oauth2/auth"), append(names, "oauth2-proxy, bearer mode")
	}
	addrs, end, err := startNginx(nginx, dir, asked)
	if err != nil {
		return err
	}
	defer end()
	var cs []*measure.Contestant
	for i, addr := range addrs {
		l, err := newLoad(addr, s.token)
		if err != nil {
			return fmt.Errorf("%s: %w", names[i], err)
		}
		defer l.close()
		cs = append(cs, &measure.Contestant{Name: names[i], Run: l.run})
	}
	if err := measure.Race(p.rounds, 5*p.slice, cs...); err != nil {
		return err
	}
	r.goals = append(r.goals, goal{what: "forward authentication behind nginx, requests per second: remembered / an endpoint that does nothing", limit: 0.9, atLeast: true,
		measured: cs[0].Over(cs[1]), suite: "gateway", known: 0.8,
		reason: "a question is answered in 1.3 us; most of the rest is what net/http takes to write five fields, and nginx to read them"})
	if len(cs) > 2 {
		r.atLeast("gateway", "forward authentication behind nginx, requests per second: remembered / oauth2-proxy", 1, cs[2].Over(cs[1]))
	}
	r.compare("Forward authentication", fmt.Sprintf("One request through nginx, which asks (auth_request), over %d connections. nginx and oauth2-proxy are processes of their own on the same processors; "+
		"allocations are this process's. Ratios are of time.", connections), cs[0], cs, nil)
	return nil
}

// forwardServer is forwardauth as examples/recipes set it up.
func forwardServer(s *stand) (*httptest.Server, error) {
	v, err := s.verifier(0)
	if err != nil {
		return nil, err
	}
	guard, err := auth.NewGuard(v, nil)
	if err != nil {
		return nil, err
	}
	gate, err := forwardauth.New(guard, auth.Rules{"GET /orders": auth.Scopes("read:orders")}, forwardauth.Options{
		For: []string{tokens.Origin}, Gateways: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	})
	if err != nil {
		return nil, err
	}
	server := httptest.NewUnstartedServer(gate)
	server.Config.ConnContext = auth.ConnContext
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	return server, nil
}

var errNotBuilt = errors.New("it could not be built")

// startOAuth2Proxy builds oauth2-proxy and starts it. It returns its address.
func startOAuth2Proxy(ctx context.Context, dir string, s *stand) (addr string, end func(), err error) {
	program := filepath.Join(dir, "oauth2-proxy")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/oauth2-proxy/oauth2-proxy/v7")
	build.Dir = oauth2Proxy
	if out, err := build.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("%w: %w\n%s", errNotBuilt, err, out)
	}
	if addr, err = freeport.Address(); err != nil {
		return "", nil, err
	}
	end, err = startProgram(addr, exec.Command(program,
		"--http-address="+addr, "--provider=oidc", "--skip-oidc-discovery", "--oidc-issuer-url="+tokens.Issuer, "--oidc-jwks-url="+s.server.URL,
		"--login-url="+tokens.Issuer+"/login", "--redeem-url="+tokens.Issuer+"/token", "--client-id="+tokens.Audience, "--client-secret=unused",
		"--cookie-secret=0123456789abcdef0123456789abcdef", "--email-domain=*", "--oidc-email-claim=sub", "--insecure-oidc-allow-unverified-email",
		"--skip-jwt-bearer-tokens", "--reverse-proxy", "--upstream=static://202", "--request-logging=false", "--auth-logging=false", "--standard-logging=false"))
	return addr, end, err
}

// startNginx starts one nginx with a server for each address that it asks, and returns theirs.
func startNginx(program, dir string, asked []string) (addrs []string, end func(), err error) {
	var servers strings.Builder
	for i, endpoint := range asked {
		addr, err := freeport.Address()
		if err != nil {
			return nil, nil, err
		}
		addrs = append(addrs, addr)
		host, path, _ := strings.Cut(endpoint, "/")
		fmt.Fprintf(&servers, nginxServer, i, host, addr, dir, path)
	}
	if err := os.WriteFile(filepath.Join(dir, "orders"), []byte("ok"), 0o644); err != nil {
		return nil, nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, nil, err
	}
	file := filepath.Join(dir, "nginx.conf")
	text := strings.ReplaceAll(nginxConfig, "DIR", dir) + servers.String() + "}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, nil, err
	}
	end, err = startProgram(addrs[len(addrs)-1], exec.Command(program, "-p", dir, "-c", file))
	return addrs, end, err
}

const nginxConfig = `daemon off;
worker_processes 1;
error_log stderr crit;
pid DIR/nginx.pid;
events {}
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
`

// nginxServer needs a number, the host that is asked, its own address, the folder of the file and
// the path that is asked.
const nginxServer = `	upstream ask%[1]d { server %[2]s; keepalive 16; keepalive_requests 1000000000; }
	server {
		listen %[3]s;
		location = /orders { auth_request /ask; root %[4]s; }
		location = /ask {
			internal;
			proxy_pass http://ask%[1]d/%[5]s;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_pass_request_body off;
			proxy_set_header Content-Length "";
			proxy_set_header X-Forwarded-Method $request_method;
			proxy_set_header X-Forwarded-Proto https;
			proxy_set_header X-Forwarded-Host api.example;
			proxy_set_header X-Forwarded-Uri $request_uri;
		}
	}
`

// startProgram starts a server, and waits until it listens at addr.
func startProgram(addr string, cmd *exec.Cmd) (end func(), err error) {
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	gone := make(chan struct{})
	go func() { _ = cmd.Wait(); close(gone) }()
	end = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-gone:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-gone
		}
	}
	for range 200 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return end, conn.Close()
		}
		select {
		case <-gone:
			return nil, fmt.Errorf("%s ended: %s", cmd.Path, said.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	end()
	return nil, fmt.Errorf("%s does not listen at %s: %s", cmd.Path, addr, said.String())
}
