package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// artifacts names the environment variable with the folder that keeps the pictures; without it none
// are taken.
const artifacts = "BROWSER_ARTIFACTS"

// view is one way to look at a page.
type view struct {
	name          string
	width, height int64
	scheme        string
	columns       int // of its contact sheet
	scale         float64
}

var views = []view{
	{"wide-light", 1280, 860, "light", 3, .44},
	{"wide-dark", 1280, 860, "dark", 3, .44},
	{"phone-light", 390, 844, "light", 6, .6},
	{"phone-dark", 390, 844, "dark", 6, .6},
}

// album keeps one small picture of each page and view, for the contact sheets.
type album map[string][]image.Image

// look sees that the page can be read in every view, and keeps pictures of it.
func (b *browser) look(name string) {
	b.t.Helper()
	folder := os.Getenv(artifacts)
	for _, v := range views {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}}}
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media)
		b.must(err)
		b.run(chromedp.EmulateViewport(v.width, v.height))
		b.readable(name + ", " + v.name)
		if folder == "" {
			continue
		}
		picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		b.must(err)
		b.must(os.WriteFile(filepath.Join(folder, name+"-"+v.name+".png"), picture, 0o600))
		b.run(chromedp.EmulateViewport(v.width, v.height, chromedp.EmulateScale(v.scale)))
		picture, err = chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		b.must(err)
		small, err := png.Decode(bytes.NewReader(picture))
		b.must(err)
		if b.album == nil {
			b.album = make(album)
		}
		b.album[v.name] = append(b.album[v.name], small)
	}
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
	b.must(err)
	b.run(chromedp.EmulateViewport(views[0].width, views[0].height))
}

// sheets writes one contact sheet for each view.
func (b *browser) sheets() {
	b.t.Helper()
	folder := os.Getenv(artifacts)
	if folder == "" {
		return
	}
	const gap = 16
	for _, v := range views {
		pictures := b.album[v.name]
		cell := pictures[0].Bounds().Size()
		rows := (len(pictures) + v.columns - 1) / v.columns
		sheet := image.NewRGBA(image.Rect(0, 0, v.columns*(cell.X+gap)+gap, rows*(cell.Y+gap)+gap))
		draw.Draw(sheet, sheet.Bounds(), image.NewUniform(color.Gray{0x88}), image.Point{}, draw.Src)
		for i, picture := range pictures {
			at := image.Pt(gap+i%v.columns*(cell.X+gap), gap+i/v.columns*(cell.Y+gap))
			draw.Draw(sheet, image.Rectangle{at, at.Add(cell)}, picture, picture.Bounds().Min, draw.Src)
		}
		file, err := os.Create(filepath.Join(folder, v.name+".jpg"))
		b.must(err)
		b.must(jpeg.Encode(file, sheet, &jpeg.Options{Quality: 68}))
		b.must(file.Close())
	}
}

// faults finds what makes a page hard to read or to use: text with too little contrast (WCAG 2.2,
// 1.4.3, level AA), a page wider than its window, controls without a name or outside the window,
// two elements of one ID, and what describes nothing.
const faults = `(() => {
  const found = [];
  const rgb = (text) => { const m = text.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const ground = (el) => {
    const layers = [];
    for (; el; el = el.parentElement) {
      const c = rgb(getComputedStyle(el).backgroundColor);
      layers.push(c);
      if (c[3] === 1) break;
    }
    return layers.reverse().reduce((under, c) => over(c, under), [255, 255, 255]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const el = node.parentElement, style = getComputedStyle(el);
    if (!node.textContent.trim() || !el.checkVisibility() || el.closest(".unseen, [aria-disabled=true], script") || style.clipPath !== "none") continue;
    const under = ground(el), ink = over(rgb(style.color), under);
    const [a, b] = [light(ink), light(under)];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    if (ratio < (large ? 3 : 4.5)) found.push("contrast " + ratio.toFixed(2) + ": " + node.textContent.trim().slice(0, 40));
  }
  if (document.documentElement.scrollWidth > innerWidth) {
    const wide = [...document.querySelectorAll("body *")].find((el) => el.getBoundingClientRect().right > innerWidth + 1 && !el.closest(".unseen"));
    found.push("the page is wider than its window: " + document.documentElement.scrollWidth + (wide ? " by " + wide.outerHTML.slice(0, 80) : ""));
  }
  for (const el of document.querySelectorAll("button, a, input:not([type=hidden]), summary")) {
    const name = el.getAttribute("aria-label") || (el.labels && el.labels.length ? el.labels[0].innerText : el.innerText) || el.textContent;
    if (!name.trim()) found.push("no name: " + el.outerHTML.slice(0, 80));
    for (const id of (el.getAttribute("aria-describedby") || "").split(" ")) if (id && !document.getElementById(id)) found.push("described by nothing: " + id);
    if (el.getAttribute("aria-disabled") === "true" && !el.getAttribute("aria-describedby")) found.push("off without a reason: " + name);
  }
  for (const el of document.querySelectorAll(".tries button")) {
    const box = el.getBoundingClientRect();
    if (box.top < 0 || box.bottom > innerHeight || box.height < 24) found.push("an action is not in sight: " + el.innerText);
  }
  for (const el of document.querySelectorAll(".tabs a")) {
    if (el.getBoundingClientRect().right > innerWidth) found.push("a tab is not in sight: " + el.innerText);
  }
  for (const el of document.querySelectorAll("pre, .tries button")) {
    if (el.checkVisibility() && (el.scrollWidth > el.clientWidth + 1 || el.scrollHeight > el.clientHeight + 1)) found.push("cut off: " + el.innerText.slice(0, 40));
  }
  for (const el of document.querySelectorAll(".inside *, .now *, .sheet *")) {
    const box = el.closest(".part, .token, .now, .sheet").getBoundingClientRect();
    if (el.checkVisibility() && !el.closest(".unseen") && el.getBoundingClientRect().right > box.right + 1) found.push("sticks out: " + el.outerHTML.slice(0, 60));
  }
  const ids = [...document.querySelectorAll("[id]")].map((el) => el.id);
  ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => found.push("an ID twice: " + id));
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  return found.join("\n");
})()`

func (b *browser) readable(where string) {
	b.t.Helper()
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](faults))
	b.must(err)
	if found != "" {
		b.t.Errorf("%s:\n  %s", where, strings.ReplaceAll(found, "\n", "\n  "))
	}
}

// focused is the name of what has the focus.
func (b *browser) focused() string {
	const script = `(() => { const el = document.activeElement; return el.getAttribute("aria-label") || el.innerText || el.name || el.id || el.tagName; })()`
	name, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](script))
	b.must(err)
	return strings.Join(strings.Fields(name), " ")
}

// said is what the live region reads out, once it says something that is not in before.
func (b *browser) said(before string) string {
	var text string
	err := until(b.ctx, func() error {
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.getElementById("live").textContent`))
		if text = got; err == nil && (got == "" || got == before) {
			err = fmt.Errorf("the live region says %q", got)
		}
		return err
	})
	if err != nil && b.ctx.Err() == nil {
		b.t.Error(err)
	}
	return text
}
