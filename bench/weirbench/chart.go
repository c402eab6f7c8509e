package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// chart is a line chart over a few points that all series share.
type chart struct {
	title, x, y string
	points      []string // names of the points on the x axis
	series      []series
}

// series is a line. A value of 0 is a point that was not measured.
type series struct {
	name   string
	colour string
	dashed bool
	values []float64
}

const (
	chartWidth, chartHeight         = 760, 420
	marginLeft, marginRight         = 64, 150
	marginTop, marginBottom         = 44, 56
	plotWidth                       = chartWidth - marginLeft - marginRight
	plotHeight                      = chartHeight - marginTop - marginBottom
	labelSpace              float64 = 15 // between two labels
)

// svg draws it.
func (c *chart) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img">`+"\n",
		chartWidth, chartHeight)
	fmt.Fprintf(&b, "<title>%s</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", html.EscapeString(c.title), chartWidth, chartHeight)
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="15" font-weight="bold">%s</text>`+"\n", marginLeft, html.EscapeString(c.title))
	top := c.axes(&b)
	at := c.labelHeights(top)
	for i, s := range c.series {
		c.line(&b, s, top, at[i])
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// axes draws the frame and its scale, and returns the value at the upper end.
func (c *chart) axes(b *strings.Builder) (top float64) {
	step := niceStep(c.largest())
	top = step * math.Ceil(c.largest()/step*1.0001)
	for v := 0.0; v <= top*1.0001; v += step {
		y := height(v, top)
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/>`, marginLeft, marginLeft+plotWidth, y, y)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end" fill="#555">%g</text>`+"\n", marginLeft-8, y+4, math.Round(v*100)/100)
	}
	for i, name := range c.points {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555">%s</text>`+"\n", c.across(i), marginTop+plotHeight+20, html.EscapeString(name))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", marginLeft+plotWidth/2, chartHeight-14, html.EscapeString(c.x))
	fmt.Fprintf(b, `<text transform="translate(18 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", marginTop+plotHeight/2, html.EscapeString(c.y))
	return top
}

func (c *chart) largest() (most float64) {
	for _, s := range c.series {
		for _, v := range s.values {
			most = max(most, v)
		}
	}
	if most <= 0 {
		return 1
	}
	return most
}

// niceStep divides a range into four to eight parts of a round size.
func niceStep(most float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(most)))
	for _, part := range []float64{0.2, 0.5, 1} {
		if most/(unit*part) <= 8 {
			return unit * part
		}
	}
	return 2 * unit
}

func height(v, top float64) float64 { return marginTop + plotHeight*(1-v/top) }

// across is where the i-th point is; a single one is in the middle.
func (c *chart) across(i int) float64 {
	return marginLeft + plotWidth*(float64(i)+0.5)/float64(max(len(c.points), 1))
}

// labelHeights is where the names at the lines' ends go, so that none covers another.
func (c *chart) labelHeights(top float64) []float64 {
	at := make([]float64, len(c.series))
	for i, s := range c.series {
		at[i] = height(s.last(), top)
	}
	for range len(at) * len(at) {
		moved := false
		for i := range at {
			for j := range at {
				if i != j && at[i] <= at[j] && at[j]-at[i] < labelSpace-0.01 && (at[i] != at[j] || i < j) {
					at[j] = at[i] + labelSpace
					moved = true
				}
			}
		}
		if !moved {
			break
		}
	}
	return at
}

// last is the last value that was measured.
func (s series) last() float64 {
	for i := len(s.values) - 1; i >= 0; i-- {
		if s.values[i] > 0 {
			return s.values[i]
		}
	}
	return 0
}

func (c *chart) line(b *strings.Builder, s series, top, labelAt float64) {
	var path []string
	dash := ""
	if s.dashed {
		dash = ` stroke-dasharray="6 4"`
	}
	var x float64
	for i, v := range s.values {
		if v <= 0 {
			continue
		}
		x = c.across(i)
		path = append(path, fmt.Sprintf("%.1f,%.1f", x, height(v, top)))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, x, height(v, top), s.colour)
	}
	if len(path) == 0 {
		return
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", strings.Join(path, " "), s.colour, dash)
	fmt.Fprintf(b, `<path d="M%.1f %.1fL%d %.1f" stroke="%s" stroke-width="0.5" fill="none"/>`, x, height(s.last(), top), marginLeft+plotWidth+8, labelAt, s.colour)
	fmt.Fprintf(b, `<text x="%d" y="%.1f" fill="%s">%s</text>`+"\n", marginLeft+plotWidth+12, labelAt+4, s.colour, html.EscapeString(s.name))
}
