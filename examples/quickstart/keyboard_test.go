package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
)

// key presses one key, and waits for the next page if leads says that it leads to one.
func (b *browser) key(key string, leads bool) {
	b.t.Helper()
	if !leads {
		b.run(chromedp.KeyEvent(key))
		return
	}
	resp, err := chromedp.RunResponse(b.ctx, chromedp.KeyEvent(key))
	b.must(err)
	if resp != nil && resp.Status >= 400 {
		b.t.Errorf("the key leads to status %d", resp.Status)
	}
}

// tabTo presses Tab until something of that name has the focus, and returns what had it on the way.
func (b *browser) tabTo(name string) (way []string) {
	b.t.Helper()
	for range 40 {
		b.key("\t", false)
		at := b.focused()
		if way = append(way, at); at == name {
			return way
		}
	}
	b.t.Fatalf("Tab does not lead to %q, but to %q", name, way)
	return nil
}

// heard is what a screen reader is told of one element.
type heard struct{ role, name, description string }

// hear returns what a screen reader is told of the page.
func (b *browser) hear() (all []heard) {
	b.t.Helper()
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	b.must(err)
	text := func(v *accessibility.Value) (s string) {
		if v != nil {
			_ = json.Unmarshal(v.Value, &s) // no string: not told
		}
		return s
	}
	for _, n := range tree.Nodes {
		if !n.Ignored {
			all = append(all, heard{text(n.Role), text(n.Name), text(n.Description)})
		}
	}
	return all
}

// The whole way without a mouse.
func TestKeyboardAndScreenReaderInABrowser(t *testing.T) {
	b := openBrowser(t, 2*time.Minute)
	b.run(chromedp.EmulateViewport(views[0].width, views[0].height))
	b.goTo("http://" + b.ports.app() + "/")
	b.tabTo("Register")
	b.key("\r", true)
	b.tabTo("Register")
	b.key("\r", true)
	b.tabTo("Log in")
	b.key("\r", true)
	b.must(until(b.ctx, func() error { // the first field gets the focus, which browsers give when they have drawn the page
		if at := b.focused(); at != "username" {
			return fmt.Errorf("the login page begins at %q", at)
		}
		return nil
	}))
	b.run(chromedp.KeyEvent(alice.Name + "\t" + alice.Password))
	b.key("\r", true)
	b.tabTo("Allow")
	b.key("\r", true)

	want := []string{
		"Skip to the content", "Bearward quickstart", "Bearer tokens", "Bound tokens", "Opaque, and revoked", "MCP", "Register another one", "Log out",
		"Read the orders", "Place an order", "Read the figures", "Ask for more scopes",
		"Let a token expire", "Replay a refresh token", "Rotate the keys", "Take the issuer down",
	}
	if way := b.tabTo("Take the issuer down"); !slices.Equal(way, want) {
		t.Errorf("Tab leads through %q, want %q", way, want)
	}
	b.goTo("http://" + b.ports.app() + "/dashboard")
	b.key("\t", false)
	b.key("\r", false)
	if at := b.focused(); !strings.HasPrefix(at, "Dashboard") {
		t.Errorf("the skip link leads to %q", at)
	}
	b.goTo("http://" + b.ports.app() + "/dashboard")
	b.tabTo("Place an order")
	b.key("\r", true)
	p := b.read()
	if said := b.said("Working …"); said != p.Headline || p.Headline != "All four placed the order." {
		t.Errorf("the live region says %q, the headline is %q", said, p.Headline)
	}
	if at := b.focused(); at != "Place an order" {
		t.Errorf("after the press the focus is on %q", at)
	}
	b.tabTo("Take the issuer down")
	b.key("\r", true)
	b.said("Working …")
	if at := b.focused(); at != "Bring the issuer up" { // which stands where the other one stood
		t.Errorf("after the issuer went down the focus is on %q", at)
	}
	b.key("\t", false)
	b.tabTo("Rotate the keys")
	before := b.location() + b.read().Headline
	b.key("\r", false) // a button that is off does nothing
	if after := b.location() + b.read().Headline; after != before {
		t.Errorf("a button that is off leads from %q to %q", before, after)
	}
	b.holdHeard()
}

// holdHeard holds what a screen reader is told of the dashboard while the issuer is down.
func (b *browser) holdHeard() {
	b.t.Helper()
	all := b.hear()
	for _, want := range []heard{
		{"navigation", "Lessons", ""},
		{"region", "Actions", ""},
		{"region", "How things stand", ""},
		{"region", "Take the issuer down", ""},
		{"button", "Read the orders", "GET /orders needs read:orders"},
		{"button", "Rotate the keys", "The issuer is down. Bring it up first."},
		{"button", "Bring the issuer up", "The APIs find it again by themselves"},
		{"heading", "By adapter", ""},
	} {
		if !slices.Contains(all, want) {
			b.t.Errorf("a screen reader is not told of %+v", want)
		}
	}
	marks := 0
	for _, h := range all {
		if h.name == "" && slices.Contains([]string{"button", "link", "textbox", "checkbox", "region", "heading"}, h.role) {
			b.t.Errorf("a screen reader is told of a %s without a name", h.role)
		}
		if h.role == "StaticText" && h.name == "as promised" {
			marks++
		}
	}
	if marks < 4 {
		b.t.Errorf("a screen reader is told %d times that something is as promised", marks)
	}
}
