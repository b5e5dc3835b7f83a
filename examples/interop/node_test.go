package interop_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/bearward/bearward/examples/internal/nodetest"
)

// A client is a process that runs one of the OAuth clients in folder "clients".
type client struct {
	library  string
	settings settings
	in       io.Writer
	out      *bufio.Scanner
}

// told is what a client tells of what it did.
type told struct {
	Error  string
	URL    string // of the authorization endpoint
	Status int    // of a call
	Body   string
	Token  string // the access token that it has now
	Trail  []sent // what it sent
}

// sent is a request of a client.
type sent struct {
	Method, URL string
	Headers     map[string]string // lower-case names
	Status      int               // of the answer
}

// statuses are those of the answers to what the client sent, but for the documents of servers.
func (d told) statuses() []int {
	all := []int{}
	for _, s := range d.Trail {
		if !strings.Contains(s.URL, "/.well-known/") {
			all = append(all, s.Status)
		}
	}
	return all
}

// last returns the last request that the client sent.
func (d told) last(t *testing.T) sent {
	t.Helper()
	if len(d.Trail) == 0 {
		t.Fatal("the client sent nothing")
	}
	return d.Trail[len(d.Trail)-1]
}

// startClient starts a library with its settings.
func startClient(t *testing.T, library string, settings settings) *client {
	t.Helper()
	cmd := nodetest.Command(t, "clients", library+".mjs")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
		if t.Failed() && stderr.Len() > 0 {
			t.Logf("%s: %s", library, stderr.Bytes())
		}
	})
	c := &client{library, settings, in, bufio.NewScanner(out)}
	c.out.Buffer(nil, 1<<20)
	c.do(t, "start", settings)
	return c
}

// do has the client do something, which must not fail.
func (c *client) do(t *testing.T, what string, args map[string]any) told {
	t.Helper()
	done := c.attempt(t, what, args)
	if done.Error != "" {
		t.Fatalf("%s: %s: %s %v", c.library, what, done.Error, done.statuses())
	}
	return done
}

// attempt has the client do something.
func (c *client) attempt(t *testing.T, what string, args map[string]any) told {
	t.Helper()
	line := map[string]any{"do": what}
	for name, value := range args {
		line[name] = value
	}
	question, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.in.Write(append(question, '\n')); err != nil {
		t.Fatalf("%s: %s: %v", c.library, what, err)
	}
	if !c.out.Scan() {
		t.Fatalf("%s ended: %s: %v", c.library, what, c.out.Err())
	}
	var done told
	if err := json.Unmarshal(c.out.Bytes(), &done); err != nil {
		t.Fatalf("%s: %s: %v: %s", c.library, what, err, c.out.Bytes())
	}
	return done
}
