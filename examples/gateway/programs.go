package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed api.py
var apiSource string

// patience is how long a part may take to be there.
const patience = 20 * time.Second

// program returns the path of a program, or what to install.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	if path, err := exec.LookPath(filepath.Join("/usr/sbin", name)); err == nil { // which is not in everybody's PATH
		return path, nil
	}
	return "", fmt.Errorf("no %[1]s on this machine: install the Debian package %[1]s", name)
}

// run starts a program, which is ended with the world. What it says is in the error of its end.
func (w *world) run(cmd *exec.Cmd) error {
	var said bytes.Buffer // read after the end alone
	cmd.Stderr = &said
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second // and then it is killed
	if err := cmd.Start(); err != nil {
		return err
	}
	w.parts.Go(func() {
		err := cmd.Wait()
		w.ended <- fmt.Errorf("%s ended (%v): %s", filepath.Base(cmd.Path), err, strings.TrimSpace(said.String()))
	})
	return nil
}

// startAPI starts the API in Python, which tells its address in its first line.
func (w *world) startAPI() error {
	python, err := program("python3")
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	cmd := exec.CommandContext(w.ctx, python, "-c", apiSource)
	cmd.Stdout = write
	err = errors.Join(w.run(cmd), write.Close(), read.SetReadDeadline(time.Now().Add(patience)))
	if err != nil {
		return err
	}
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the API in Python tells no address: %w", err)
	}
	w.api = "http://" + strings.TrimSpace(line)
	return nil
}

// startGateway starts the gateway, and returns when it listens.
func (w *world) startGateway(ctx context.Context) error {
	names := []string{"nginx", "caddy"}
	switch w.gateway {
	case "":
	case "nginx", "caddy":
		names = []string{w.gateway}
	default:
		return fmt.Errorf("-gateway %q is neither nginx nor caddy", w.gateway)
	}
	var missing error
	for _, name := range names {
		path, err := program(name)
		if err != nil {
			missing = errors.Join(missing, err)
			continue
		}
		w.gateway = name
		cmd, err := w.configured(name, path)
		if err == nil {
			err = w.run(cmd)
		}
		if err != nil {
			return err
		}
		return w.listens(ctx)
	}
	return missing
}

// configured returns the gateway's command, under the configuration of the recipe.
func (w *world) configured(name, path string) (*exec.Cmd, error) {
	file, between := "nginx/forward_auth.conf", "; server "
	if name == "caddy" {
		file, between = "caddy/forward_auth.Caddyfile", " "
	}
	text, err := os.ReadFile(filepath.Join(w.recipes, file))
	if err != nil {
		return nil, fmt.Errorf("-recipes: %w", err)
	}
	var gates []string
	for _, g := range w.gates {
		gates = append(gates, g.addr)
	}
	conf := strings.NewReplacer("127.0.0.1:8080", w.addr, "127.0.0.1:9001", strings.Join(gates, between),
		"127.0.0.1:9002", strings.TrimPrefix(w.api, "http://")).Replace(string(text))
	dir, err := os.MkdirTemp("", "gateway")
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, func() error { return os.RemoveAll(dir) })
	file = filepath.Join(dir, "gateway.conf")
	cmd := exec.CommandContext(w.ctx, path, "run", "--config", file, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	if name == "nginx" { // the recipe is a file such as those of /etc/nginx/conf.d
		conf = fmt.Sprintf("daemon off; master_process off; pid %[1]s/pid; error_log stderr;\nevents {}\nhttp {\n"+
			"access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;\n%[2]s}\n", dir, conf)
		cmd = exec.CommandContext(w.ctx, path, "-e", "stderr", "-p", dir, "-c", file)
	}
	return cmd, os.WriteFile(file, []byte(conf), 0o600)
}

// listens returns when somebody listens at the gateway's address.
func (w *world) listens(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if conn, err := net.Dial("tcp", w.addr); err == nil {
			return conn.Close()
		}
		select {
		case err := <-w.ended:
			return err
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen at %s: %w", w.gateway, w.addr, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
