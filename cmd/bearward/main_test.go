package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// bearward runs the command line and returns what it wrote and its exit code.
func bearward(t *testing.T, in string, args ...string) (out, err string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), terminal{in: strings.NewReader(in), out: &stdout, err: &stderr}, args)
	return stdout.String(), stderr.String(), code
}

func TestHelpListsTheCommands(t *testing.T) {
	out, err, code := bearward(t, "", "help")
	if code != exitGood || err != "" {
		t.Fatalf("exit code %d, %q", code, err)
	}
	for _, c := range commands {
		if !strings.Contains(out, "bearward "+c.name) || !strings.Contains(out, c.summary) {
			t.Errorf("%s is not listed:\n%s", c.name, out)
		}
	}
}

func TestAWrongCommandIsWrongUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"explian"}, {"-v"}} {
		if out, err, code := bearward(t, "", args...); code != exitUsage || out != "" || !strings.Contains(err, "bearward") {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out, err)
		}
	}
}

func TestColoursAreForTerminals(t *testing.T) {
	none := func(string) string { return "" }
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if colours(file, none) {
		t.Error("colours in a file")
	}
	null, err := os.Open(os.DevNull) // a character device, as terminals are
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if !colours(null, none) {
		t.Error("no colours on a device")
	}
	if colours(null, func(name string) string { return map[string]string{"NO_COLOR": "1"}[name] }) {
		t.Error("colours with NO_COLOR")
	}
}
