package monitoring

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A server is a real Prometheus on loopback.
type server struct {
	t   testing.TB
	url string
}

var listening = regexp.MustCompile(`msg="Listening on" .*\baddress=(\S+)`)

// startPrometheus runs Prometheus under the configuration of this folder, but
// for the target, and for an interval that suits a test. It ends with the test.
func startPrometheus(t *testing.T, target string) *server {
	t.Helper()
	path := program(t, "prometheus")
	folder := t.TempDir()
	config := mustRead(t, "prometheus.yml")
	for old, text := range map[string]string{"127.0.0.1:9091": target, "_interval: 15s": "_interval: 1s"} {
		if !strings.Contains(config, old) {
			t.Fatalf("prometheus.yml does not say %s", old)
		}
		config = strings.ReplaceAll(config, old, text)
	}
	for name, text := range map[string]string{"prometheus.yml": config, "alerts.yml": mustRead(t, "alerts.yml")} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "--config.file="+filepath.Join(folder, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address=127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second // then it is killed
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, ended := make(chan string, 1), make(chan struct{})
	var log strings.Builder // of the goroutine until ended
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			log.WriteString(lines.Text() + "\n")
			if m := listening.FindStringSubmatch(lines.Text()); m != nil && len(address) == 0 {
				address <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		_ = cmd.Wait() // ended by our signal
	})
	select {
	case addr := <-address:
		return &server{t, "http://" + addr}
	case <-ended:
		t.Fatalf("prometheus ended:\n%s", log.String())
	case <-time.After(20 * time.Second):
		t.Fatal("prometheus does not listen after 20 s")
	}
	return nil
}

// ask fills answer with the data of a call of the HTTP API.
func (s *server) ask(path string, query url.Values, answer any) error {
	resp, err := http.Get(s.url + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var got struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &got); err != nil || got.Status != "success" {
		return fmt.Errorf("%s: %s %s: %v", path, resp.Status, got.Error, err)
	}
	return json.Unmarshal(got.Data, answer)
}

// values returns what a query for one moment gives, NaN left out.
func (s *server) values(query string) ([]float64, error) {
	var answer struct {
		ResultType string
		Result     []struct{ Value [2]any }
	}
	if err := s.ask("query", url.Values{"query": {query}}, &answer); err != nil {
		return nil, err
	}
	if answer.ResultType != "vector" {
		return nil, fmt.Errorf("the result is a %s", answer.ResultType)
	}
	var all []float64
	for _, r := range answer.Result {
		text, _ := r.Value[1].(string)
		if v, err := strconv.ParseFloat(text, 64); err == nil && v == v {
			all = append(all, v)
		}
	}
	return all, nil
}

// hasData returns nil when the query gives a value.
func (s *server) hasData(query string) error {
	values, err := s.values(query)
	if err == nil && len(values) == 0 {
		err = fmt.Errorf("no data")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}

// A rule is an alert as Prometheus has read it.
type rule struct{ Name, Query, State string }

// rules returns the alerts.
func (s *server) rules() (all []rule, err error) {
	var answer struct{ Groups []struct{ Rules []rule } }
	err = s.ask("rules", nil, &answer)
	for _, g := range answer.Groups {
		all = append(all, g.Rules...)
	}
	return all, err
}

// comparison is one at the top of an expression.
var comparison = regexp.MustCompile(`^ (?:==|!=|<=|>=|<|>) `)

// sides returns what an alert's expression compares, constants left out: while
// the comparison is false, that alone gives data.
func sides(expr string) (both []string) {
	depth, quoted := 0, false
	for i, r := range expr {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case strings.ContainsRune("({[", r):
			depth++
		case strings.ContainsRune(")}]", r):
			depth--
		case depth == 0 && comparison.MatchString(expr[i:]):
			right := expr[i+len(comparison.FindString(expr[i:])):]
			both = []string{expr[:i]}
			if _, err := strconv.ParseFloat(right, 64); err != nil {
				both = append(both, right)
			}
			return both
		}
	}
	return nil
}

func TestSides(t *testing.T) {
	for expr, want := range map[string]string{
		`up{job="a"} == 0`:     `up{job="a"}`,
		`a{b=" > "} > 0.5 * c`: `a{b=" > "}|0.5 * c`,
		`sum(a > 1) / b < 2`:   `sum(a > 1) / b`,
		`sum(a > 1)`:           ``,
	} {
		if got := strings.Join(sides(expr), "|"); got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}
