package main

import (
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/bearward/bearward/bench/measure"
)

// The size of a plot. One of many bars is higher.
const (
	width     = 8 * vg.Inch
	height    = 4.5 * vg.Inch
	barHeight = 0.25 * vg.Inch
)

// palette are colours that people with any colour vision can tell apart (Okabe and Ito).
var palette = []color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255}, color.RGBA{204, 121, 167, 255},
	color.RGBA{230, 159, 0, 255}, color.RGBA{86, 180, 233, 255},
}

// A bar is one value of a bar chart with its interval.
type bar struct {
	name  string
	value measure.Ratio
}

// bars adds a chart of horizontal bars, the first at the top, with the value at the end of each.
// Bearward's own stand out.
func (r *report) bars(file, title, axis string, all []bar) error {
	p := newPlot(title)
	p.X.Label.Text, p.X.Min, p.X.Tick.Marker = axis, 0, short{plot.DefaultTicks{}}
	ours, others := make(plotter.Values, len(all)), make(plotter.Values, len(all))
	names := make([]string, len(all))
	var ends intervals
	var figures plotter.XYLabels
	for i := range all {
		b := all[len(all)-1-i] // a plot's first bar is its lowest
		names[i] = b.name
		if strings.HasPrefix(b.name, "Bearward") {
			ours[i] = b.value.Median
		} else {
			others[i] = b.value.Median
		}
		ends.XYs = append(ends.XYs, plotter.XY{X: b.value.Median, Y: float64(i)})
		ends.XErrors = append(ends.XErrors, struct{ Low, High float64 }{b.value.Median - b.value.Lower, b.value.Upper - b.value.Median})
		figures.XYs = append(figures.XYs, plotter.XY{X: b.value.Upper, Y: float64(i)})
		figures.Labels = append(figures.Labels, shortly(b.value.Median))
		p.X.Max = max(p.X.Max, 1.1*b.value.Upper)
	}
	p.Add(plotter.NewGrid())
	for i, values := range []plotter.Values{ours, others} {
		chart, err := plotter.NewBarChart(values, vg.Points(12))
		if err != nil {
			return err
		}
		chart.Horizontal, chart.Color, chart.LineStyle.Width = true, palette[1+4*i], 0
		p.Add(chart)
	}
	whiskers, err := plotter.NewXErrorBars(ends)
	if err != nil {
		return err
	}
	labels, err := plotter.NewLabels(figures)
	if err != nil {
		return err
	}
	labels.Offset = vg.Point{X: vg.Points(4), Y: vg.Points(-3)}
	p.Add(whiskers, labels)
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -0.6, float64(len(all))-0.4
	r.plots = append(r.plots, figure{file, title, p, max(height, barHeight*vg.Length(len(all)+4))})
	return nil
}

// A group is one value for each of the same contestants.
type group struct {
	name string
	bars []bar
}

// dots adds a plot with a logarithmic axis: a column for each contestant, and in it a dot with its
// interval for each group.
func (r *report) dots(file, title, axis string, groups []group) error {
	p := newPlot(title)
	p.Y.Label.Text = axis
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, short{plot.LogTicks{Prec: -1}}
	p.Add(plotter.NewGrid())
	const least = 0.01 // the axis has no zero
	var names []string
	lowest, highest := math.Inf(1), 0.0
	for i, g := range groups {
		var all heights
		names = names[:0]
		for n, b := range g.bars {
			low, mid, high := max(b.value.Lower, least), max(b.value.Median, least), max(b.value.Upper, least)
			all.XYs = append(all.XYs, plotter.XY{X: float64(n), Y: mid})
			all.YErrors = append(all.YErrors, struct{ Low, High float64 }{mid - low, high - mid})
			names = append(names, b.name)
			lowest, highest = min(lowest, low), max(highest, high)
		}
		points, err := plotter.NewScatter(all)
		if err != nil {
			return err
		}
		whiskers, err := plotter.NewYErrorBars(all)
		if err != nil {
			return err
		}
		points.Color, points.Radius, points.Shape = palette[i%len(palette)], vg.Points(4), draw.CircleGlyph{}
		whiskers.Color = palette[i%len(palette)]
		p.Add(whiskers, points)
		p.Legend.Add(g.name, points)
	}
	p.NominalX(names...)
	p.X.Min, p.X.Max = -0.5, float64(len(names))-0.5
	p.Y.Min, p.Y.Max = lowest/2, 8*highest // room for the legend
	r.plots = append(r.plots, figure{file, title, p, height})
	return nil
}

// heights are points with an interval in Y.
type heights struct {
	plotter.XYs
	plotter.YErrors
}

// intervals are points with an interval in X.
type intervals struct {
	plotter.XYs
	plotter.XErrors
}

// A curve is one line of a plot.
type curve struct {
	name   string
	points plotter.XYs
}

// curves adds a plot of lines. The x axis is logarithmic, and so is y when logY.
func (r *report) curves(file, title, x, y string, logY bool, all ...curve) error {
	p := newPlot(title)
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, short{plot.LogTicks{Prec: -1}}
	p.Add(plotter.NewGrid())
	highest := 0.0
	for i, c := range all {
		line, points, err := plotter.NewLinePoints(c.points)
		if err != nil {
			return err
		}
		line.Color, points.Color = palette[i%len(palette)], palette[i%len(palette)]
		line.Width = vg.Points(1.5)
		p.Add(line, points)
		p.Legend.Add(c.name, line, points)
		for _, xy := range c.points {
			highest = max(highest, xy.Y)
		}
	}
	if logY {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, short{plot.LogTicks{Prec: -1}}
		p.Y.Max = 8 * highest // room for the legend
	} else {
		p.Y.Min, p.Y.Max = 0, 1.3*highest
	}
	r.plots = append(r.plots, figure{file, title, p, height})
	return nil
}
