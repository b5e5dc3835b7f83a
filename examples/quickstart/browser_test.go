package main

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/bearward/bearward/examples/internal/webapp"
)

// browser is a headless Chromium in front of a quickstart that stays up.
type browser struct {
	t     *testing.T
	ctx   context.Context
	ports ports
	stack *stack
	spy   *spy
	album album

	status int64 // of the last page
}

// findChromium returns the browser's path. Without one the test is skipped,
// but for CI, where a missing browser is a fault.
func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no chromium on this machine")
	}
	t.Skip("no chromium on this machine: the browser test is skipped")
	return ""
}

func openBrowser(t *testing.T, limit time.Duration) *browser {
	t.Helper()
	path := findChromium(t)
	b := &browser{t: t, ports: freePorts(t), spy: newSpy()}
	st, err := startStack(b.ports, stackConfig{key: webapp.NewKey(), watch: b.spy.over, dial: b.spy.dial(), log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b.stack = st
	t.Cleanup(func() {
		stop, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		_ = st.shutdown(stop) // the browser may hold connections
	})
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(1280, 900))
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	b.ctx, cancel = context.WithTimeout(ctx, limit)
	t.Cleanup(cancel)
	b.watch()
	return b
}

// watch keeps everything that the browser sends and receives.
func (b *browser) watch() {
	b.must(chromedp.Listen(b.ctx, func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			b.spy.see(e.Request.URL, headerText(e.Request.Headers))
			for _, part := range e.Request.PostDataEntries {
				b.spy.see(string(part.Bytes))
			}
		case *network.EventRequestWillBeSentExtraInfo:
			b.spy.see(headerText(e.Headers))
		case *network.EventResponseReceivedExtraInfo:
			b.spy.see(headerText(e.Headers), e.HeadersText)
		}
	}))
	_, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{})
	b.must(err)
}

func headerText(headers network.Headers) string {
	var text strings.Builder
	for name, value := range headers {
		text.WriteString(name + ": ")
		if value, ok := value.(string); ok {
			text.WriteString(value + "\n")
		}
	}
	return text.String()
}

func (b *browser) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("%v\nat %s:\n%s", err, b.location(), b.text())
	}
}

func (b *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, steps...))
}

func (b *browser) location() string {
	at, _ := chromedp.Run(b.ctx, chromedp.Location())
	return at
}

// text is what the page says. What it and the browser's storage hold is kept.
func (b *browser) text() string {
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	html, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.documentElement.outerHTML`))
	storage, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])`))
	b.spy.see(html, storage)
	return text
}

// goTo opens an address and returns what the page says.
func (b *browser) goTo(address string) string {
	b.t.Helper()
	b.run(chromedp.Navigate(address))
	return b.text()
}

// press presses the button with that label, and waits for the next page.
func (b *browser) press(label string) string {
	b.t.Helper()
	const named = `[self::button or self::a][normalize-space()="LABEL" or @aria-label="LABEL"]`
	resp, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.Search(`//body//*`+strings.ReplaceAll(named, "LABEL", label))))
	if err != nil {
		b.t.Fatalf("press %q: %v\nat %s:\n%s", label, err, b.location(), b.text())
	}
	if resp != nil {
		b.status = resp.Status
		if resp.Status >= 500 {
			b.t.Errorf("press %q: status %d", label, resp.Status)
		}
	}
	return b.text()
}

func (b *browser) wants(page string, wants ...string) {
	b.t.Helper()
	for _, want := range wants {
		if !strings.Contains(page, want) {
			b.t.Fatalf("at %s: the page does not say %q:\n%s", b.location(), want, page)
		}
	}
}

// tamper changes the requests to the authorization endpoint until it is done.
func (b *browser) tamper(change func(url.Values)) (done func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	b.must(chromedp.Listen(ctx, func(event any) {
		if paused, ok := event.(*fetch.EventRequestPaused); ok {
			go b.proceed(ctx, paused, change) // a listener must not wait for a call
		}
	}))
	_, err := chromedp.Call(b.ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*/authorize?*"}}})
	b.must(err)
	return func() {
		_, err := chromedp.Call(b.ctx, fetch.Disable, struct{}{})
		cancel()
		b.must(err)
	}
}

func (b *browser) proceed(ctx context.Context, paused *fetch.EventRequestPaused, change func(url.Values)) {
	next := fetch.ContinueRequestParams{RequestID: paused.RequestID}
	if u, err := url.Parse(paused.Request.URL); err == nil {
		query := u.Query()
		change(query)
		u.RawQuery = query.Encode()
		next.URL = u.String()
	}
	_, _ = chromedp.Call(ctx, fetch.ContinueRequest, next) // the test sees what comes of it
}
