// Package ui holds the one stylesheet that every page of the examples uses.
package ui

import (
	_ "embed"
	"net/http"
)

//go:embed style.css
var style []byte

// StylePath is where pages look for the stylesheet.
const StylePath = "/style.css"

// ServeStyle answers with the stylesheet.
func ServeStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(style)
}
