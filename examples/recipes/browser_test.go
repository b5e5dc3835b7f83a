package recipes

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A page is an empty page of a headless Chromium, with the scripts of a folder's files in it.
type page struct {
	t      *testing.T
	ctx    context.Context
	origin string
}

func openPage(t *testing.T, scripts ...string) *page {
	t.Helper()
	path := program(t, "chromium", "chromium-browser", "google-chrome")
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
	}))
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true))
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	p := &page{t, ctx, "http://" + address}
	if err := chromedp.Do(ctx, chromedp.Navigate(p.origin)); err != nil {
		t.Fatal(err)
	}
	for _, name := range scripts {
		script, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](string(script))); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// call calls a function of JavaScript, which may be async, and returns the text that it returns.
func (p *page) call(function string, args ...any) string {
	p.t.Helper()
	values, err := json.Marshal(args)
	if err != nil {
		p.t.Fatal(err)
	}
	got, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("("+function+")(..."+string(values)+")", chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", function, err)
	}
	return got
}
