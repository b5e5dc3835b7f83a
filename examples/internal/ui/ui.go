// Package ui holds what every page of the examples is drawn with: one stylesheet, one small script,
// and the icons.
package ui

import (
	_ "embed"
	"html/template"
	"net/http"
)

var (
	//go:embed style.css
	style []byte
	//go:embed ui.js
	script []byte
	//go:embed favicon.svg
	favicon []byte
)

// Policy is the Content-Security-Policy of pages that load this package's files and nothing else. A
// directive form-action may be added.
const Policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

var files = map[string]struct {
	kind string
	body []byte
}{
	"/style.css":   {"text/css; charset=utf-8", style},
	"/ui.js":       {"text/javascript; charset=utf-8", script},
	"/favicon.svg": {"image/svg+xml", favicon},
	"/favicon.ico": {"image/svg+xml", favicon}, // asked for where no page names one
}

// Serve answers a GET for one of the files. It returns false, and does nothing, for anything else.
func Serve(w http.ResponseWriter, r *http.Request) bool {
	file, ok := files[r.URL.Path]
	if !ok || r.Method != http.MethodGet {
		return false
	}
	w.Header().Set("Content-Type", file.kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(file.body)
	return true
}

// icons are strokes on a field of 24 by 24.
var icons = map[string]string{
	"read":        `<path d="M4 6h16M4 12h16M4 18h10"/>`,
	"place":       `<path d="M12 5v14M5 12h14"/>`,
	"stats":       `<path d="M5 20v-8M12 20V5M19 20v-5"/>`,
	"more":        `<path d="M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM12 8.5v6M9 11.500h6"/>`,
	"expire":      `<circle cx="12" cy="12" r="8.500"/><path d="M12 7v5l3.500 2"/>`,
	"replay":      `<path d="M4.500 13a8 8 0 1 0 2.300-7L4 8.700M4 3.700v5h5"/>`,
	"rotate":      `<circle cx="8" cy="16" r="4"/><path d="M11 13l9-9M16.500 7.500l3 3"/>`,
	"down":        `<path d="M12 3v9M6.500 6.500a8 8 0 1 0 11 0"/>`,
	"up":          `<path d="M12 3v9M6.500 6.500a8 8 0 1 0 11 0"/>`,
	"bind":        `<circle cx="8" cy="16" r="4"/><path d="M11 13l9-9M16.500 7.500l3 3"/>`,
	"prove":       `<path d="M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM8.500 11.500l2.500 2.500 4.500-4.500"/>`,
	"steal":       `<circle cx="12" cy="12" r="8.500"/><path d="M6 18L18 6"/>`,
	"foreign":     `<circle cx="8" cy="16" r="4"/><path d="M11 13l9-9M4 4l5 5M9 4L4 9"/>`,
	"reuse":       `<path d="M4.500 13a8 8 0 1 0 2.300-7L4 8.700M4 3.700v5h5"/>`,
	"certify":     `<path d="M5 4h14v11H5zM8 8h8M8 11h4"/><path d="M13.500 15v5.500l2-1.500 2 1.500V15"/>`,
	"present":     `<path d="M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM8.500 11.500l2.500 2.500 4.500-4.500"/>`,
	"bare":        `<circle cx="12" cy="12" r="8.500"/><path d="M6 18L18 6"/>`,
	"forge":       `<path d="M5 4h14v11H5zM8 8h8M8 11h4"/><path d="M14 17.500l4 4M18 17.500l-4 4"/>`,
	"opaque":      `<path d="M3 12s3.500-6 9-6 9 6 9 6-3.500 6-9 6-9-6-9-6zM4.500 19.500l15-15"/>`,
	"call":        `<path d="M4 6h16M4 12h16M4 18h10"/>`,
	"revoke":      `<path d="M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13M10.500 11v5M13.500 11v5"/>`,
	"outage":      `<path d="M12 3v9M6.500 6.500a8 8 0 1 0 11 0"/>`,
	"restore":     `<path d="M12 3v9M6.500 6.500a8 8 0 1 0 11 0"/>`,
	"tool-list":   `<path d="M4 6h16M4 12h16M4 18h10"/>`,
	"tool-place":  `<path d="M12 5v14M5 12h14"/>`,
	"tool-login":  `<circle cx="12" cy="8" r="4"/><path d="M4.500 20c1-4 4-5.500 7.500-5.500s6.500 1.500 7.500 5.500"/>`,
	"tool-forget": `<path d="M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13M10.500 11v5M13.500 11v5"/>`,
	"yes":         `<path d="M5 12.500l4.500 4.500L19 7"/>`,
	"no":          `<path d="M6 6l12 12M18 6L6 18"/>`,
	"pause":       `<path d="M9 6v12M15 6v12"/>`,
}

// Icon returns an icon that says nothing to a screen reader: the text beside it does.
func Icon(name string) template.HTML {
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">` + icons[name] + `</svg>`)
}
