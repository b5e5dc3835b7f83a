package mtls_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/bearward/bearward/internal/freeport"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
	"github.com/bearward/bearward/middleware/mtls"
)

const nginxConf = `
daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		listen %[2]s ssl;
		ssl_certificate %[1]s/server.pem;
		ssl_certificate_key %[1]s/server.key;
		ssl_verify_client optional_no_ca;
		location / {
			proxy_pass http://%[3]s;
			proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
		}
		location /socket/ {
			proxy_pass http://unix:%[1]s/api.sock:/;
			proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
		}
	}
}
`

// TestM07_NginxTellsTheCertificate runs Debian's nginx, which ends TLS and tells of the client's
// certificate, over TCP and by a Unix socket.
func TestM07_NginxTellsTheCertificate(t *testing.T) {
	program := nginx(t)
	dir := t.TempDir()
	socket := filepath.Join(dir, "api.sock")
	a := newAPI(t, &mtls.Options{From: []mtls.Proxy{
		{Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, UnixSocket: socket, Field: "X-Client-Cert", Form: mtls.EscapedPEM},
	}})
	backend := func(l net.Listener) *httptest.Server {
		server := httptest.NewUnstartedServer(a.h)
		server.Listener.Close()
		server.Listener = l
		server.Config.ConnContext = auth.ConnContext
		server.Start()
		t.Cleanup(server.Close)
		return server
	}
	tcp := backend(must(net.Listen("tcp", "127.0.0.1:0")))
	backend(must(net.Listen("unix", socket)))

	ca := authtest.NewCA(t)
	server := ca.Certificate("127.0.0.1")
	writePEM(t, filepath.Join(dir, "server.pem"), "CERTIFICATE", server.X509().Raw)
	writePEM(t, filepath.Join(dir, "server.key"), "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(server.TLS().PrivateKey)))
	address := freeAddress()
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, address, tcp.Listener.Addr()), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, address, exec.Command(program, "-p", dir, "-c", conf))

	client, thief, member := authtest.NewCertificate(t), authtest.NewCertificate(t), ca.Certificate()
	for _, path := range []string{"", "/socket"} {
		for _, tt := range []struct {
			what   string
			c      *authtest.Certificate
			token  string
			fields []string
			status int
			detail string
		}{
			{"its client", client, a.bound(client), nil, 200, ""},
			{"a client of an authority", member, a.bound(member), nil, 200, ""},
			{"another client", thief, a.bound(client), nil, 401, "another certificate"},
			{"another client that sets the field", thief, a.bound(client), []string{"X-Client-Cert", field(mtls.EscapedPEM, client)}, 401, "another certificate"},
			{"no certificate", nil, a.bound(client), nil, 401, "tells of no client certificate"},
			{"no certificate, and the field", nil, a.bound(client), []string{"X-Client-Cert", field(mtls.EscapedPEM, client)}, 401, "tells of no client certificate"},
			{"a plain token", nil, a.issuer.Token("read:orders"), nil, 200, ""},
		} {
			trust := &tls.Config{RootCAs: ca.Pool()}
			if tt.c != nil {
				trust.Certificates = []tls.Certificate{tt.c.TLS()}
			}
			transport := &http.Transport{TLSClientConfig: trust}
			status := must(get(t, transport, "https://"+address+path, tt.token, tt.fields...))
			transport.CloseIdleConnections()
			a.want(t, path+" "+tt.what, status, tt.status, tt.detail)
		}
	}
}

// nginx returns the program's path. Without it the test is skipped, but for CI, where that is a
// fault.
func nginx(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} { // which is not in everybody's PATH
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const text = "no nginx on this machine: install the Debian package nginx"
	if os.Getenv("CI") == "true" {
		t.Fatal(text)
	}
	t.Skip(text)
	return ""
}

func writePEM(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// freeAddress returns an address of loopback where nobody listens.
func freeAddress() string { return must(freeport.Address()) }

// run runs a server until the test ends, and returns when it listens at the address.
func run(t *testing.T, address string, cmd *exec.Cmd) {
	t.Helper()
	var log bytes.Buffer // read when the program has ended
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s: %s", cmd.Path, &log)
		}
	})
	deadline, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v\n%s", cmd.Path, err, &log)
		case <-deadline.Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
