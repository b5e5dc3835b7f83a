package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// sans is the typeface of all text: its widths are those of Arial and Helvetica, one of which every
// machine has.
var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

// newPlot returns an empty plot with a title.
func newPlot(title string) *plot.Plot {
	plot.DefaultFont, plotter.DefaultFont = sans, sans
	p := plot.New()
	p.Title.Text, p.Title.Padding = title, vg.Points(10)
	p.BackgroundColor = color.White
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, vg.Points(3)
	return p
}

// save writes the plot as SVG, with a margin: the label of a tick at the end of an axis reaches
// beyond it.
func (f figure) save(name string) error {
	c := &canvas{Canvas: vgsvg.New(width, f.height)}
	f.plot.Draw(draw.Crop(draw.New(c), vg.Points(4), vg.Points(-18), vg.Points(4), vg.Points(-4)))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return err
	}
	return os.WriteFile(name, c.withWidths(b.Bytes()), 0o644)
}

// A canvas takes note of how wide each text is meant to be. What shows an SVG may not have its
// typeface, and another's letters would run into the bars.
type canvas struct {
	*vgsvg.Canvas
	widths []vg.Length
}

// FillString implements vg.Canvas.
func (c *canvas) FillString(f font.Face, at vg.Point, text string) {
	c.widths = append(c.widths, f.Width(text))
	c.Canvas.FillString(f, at, text)
}

// withWidths returns the SVG with the width of each text in it.
func (c *canvas) withWidths(svg []byte) []byte {
	parts := bytes.Split(svg, []byte("<text "))
	for i, width := range c.widths[:min(len(c.widths), len(parts)-1)] {
		parts[i+1] = fmt.Appendf(nil, `textLength="%.4g" lengthAdjust="spacingAndGlyphs" %s`, width.Points(), parts[i+1])
	}
	svg = bytes.Join(parts, []byte("<text "))
	return bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif"))
}

// short writes the labels of ticks as people do.
type short struct{ plot.Ticker }

// Ticks implements plot.Ticker.
func (s short) Ticks(lowest, highest float64) []plot.Tick {
	ticks := s.Ticker.Ticks(lowest, highest)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = shortly(t.Value)
		}
	}
	return ticks
}

// shortly writes x with three digits, thousands as k and millions as M.
func shortly(x float64) string {
	unit := ""
	switch {
	case x >= 1e6:
		x, unit = x/1e6, "M"
	case x >= 1e3:
		x, unit = x/1e3, "k"
	}
	return strconv.FormatFloat(x, 'g', 3, 64) + unit
}
