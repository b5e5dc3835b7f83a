package recipes

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Debian has no Traefik, and so CI does not ask one. Where one is on the PATH, it is a gateway like
// the others.
func init() {
	if _, err := exec.LookPath("traefik"); err != nil {
		return
	}
	one := gateways["nginx"]
	one.file, one.start = "traefik/forward_auth.yaml", startTraefik
	gateways["traefik"] = one
}

// startTraefik runs the machine's Traefik, for every host, and returns when it has read the file.
func startTraefik(t *testing.T, file string, addresses map[string]string) {
	t.Helper()
	address, dir := addresses["127.0.0.1:8080"], t.TempDir()
	delete(addresses, "127.0.0.1:8080") // which stands in the other file
	const host = "Host(`api.example.com`)"
	addresses[host] = "PathPrefix(`/`)"
	dynamic, static := filepath.Join(dir, "dynamic.yaml"), filepath.Join(dir, "traefik.yaml")
	for name, text := range map[string]string{
		dynamic: configure(t, file, addresses),
		static:  "entryPoints: {web: {address: '" + address + "'}}\nproviders: {file: {filename: " + dynamic + "}}\nglobal: {checkNewVersion: false, sendAnonymousUsage: false}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, address, exec.Command(program(t, "traefik"), "--configFile="+static))
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get("http://" + address + "/orders")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			return
		}
		if time.Now().After(limit) {
			t.Fatal("traefik has not read its file after 20 s")
		}
	}
}
