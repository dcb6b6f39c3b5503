package plot

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"slices"
)

//go:embed page.css
var style string

//go:embed page.js
var script string

// frame is the page around its data: policy, title, style, data, script.
const frame = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width">
<title>%s</title>
<style>%s</style>
</head>
<body>
<noscript>This page draws with a script of its own. It loads nothing.</noscript>
<script type="application/json" id="data">`

// Write writes the page.
func (p *Page) Write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, frame, policy(style), policy(script), html.EscapeString(cut(p.o.Title, mostText)), style); err != nil {
		return err
	}
	if err := json.NewEncoder(w).Encode(p.data()); err != nil { // escapes <, > and &
		return err
	}
	_, err := fmt.Fprintf(w, "</script>\n<script>%s</script>\n</body>\n</html>\n", script)
	return err
}

// policy names a text for the browser, which then runs no other.
func policy(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// What the script reads. Times are µs from the begin of the axis, which is µs
// since 1970. A shade is from, to and the place of its text in data.Shades.
type (
	data struct {
		Title  string      `json:"title"`
		Notes  []string    `json:"notes"`
		Shades [][2]string `json:"shades"` // colour, text
		Axes   []axisData  `json:"axes"`
	}
	axisData struct {
		Name    string     `json:"name"`
		Unknown bool       `json:"unknown"`
		Begin   int64      `json:"begin"`
		Length  int64      `json:"length"`
		Shades  [][3]int64 `json:"shades"`
		Lanes   []laneData `json:"lanes"`
	}
	laneData struct {
		Name   string       `json:"name"`
		About  string       `json:"about"`
		Shades [][3]int64   `json:"shades"`
		Series []seriesData `json:"series"`
	}
	seriesData struct {
		Name    string    `json:"name"`
		Unit    string    `json:"unit"`
		Comment string    `json:"comment"`
		Texts   []choice  `json:"texts"`
		Count   uint64    `json:"count"`
		Whole   bool      `json:"whole"` // no value was left out
		T       []int64   `json:"t"`     // each after the one before
		V       []float64 `json:"v"`
	}
	choice struct {
		Value float64 `json:"value"`
		Text  string  `json:"text"`
	}
)

// writer makes data of a page.
type writer struct {
	forgotten Colour
	shades    [][2]string
	places    map[[2]string]int64
}

func (p *Page) data() *data {
	w := &writer{forgotten: p.forgotten, shades: [][2]string{}, places: map[[2]string]int64{}}
	d := &data{Title: cut(p.o.Title, mostText), Notes: slices.Clone(p.about), Axes: []axisData{}}
	for _, a := range p.axes {
		if len(a.lanes) > 0 && a.any {
			d.Axes = append(d.Axes, w.axis(a))
		}
	}
	d.Shades = w.shades
	return d
}

func (w *writer) axis(a *Axis) axisData {
	d := axisData{Name: a.name, Unknown: a.unknown, Begin: micros(a.first), Length: max(1, micros(a.last)-micros(a.first)), Lanes: []laneData{}}
	d.Shades = w.stretches(a.shades[0], d.Begin)
	for _, l := range a.lanes {
		lane := laneData{Name: l.name, About: l.about, Shades: w.stretches(l.all(), d.Begin), Series: []seriesData{}}
		for _, s := range l.series {
			lane.Series = append(lane.Series, s.data(d.Begin))
		}
		d.Lanes = append(d.Lanes, lane)
	}
	return d
}

func (w *writer) stretches(all stretches, begin int64) [][3]int64 {
	all.sort()
	out := [][3]int64{}
	for _, s := range all {
		if s.Colour == w.forgotten {
			continue
		}
		key := [2]string{colours[s.Colour], cut(s.Text, mostText)}
		place, known := w.places[key]
		if !known {
			place = int64(len(w.shades))
			w.places[key], w.shades = place, append(w.shades, key)
		}
		out = append(out, [3]int64{micros(s.From) - begin, micros(s.To) - begin, place})
	}
	return out
}

// all are the stretches of a lane, and those of its bus.
func (l *Lane) all() stretches {
	l.marker.end(&l.shades)
	l.hidden.end(&l.shades)
	if l.bus == 0 {
		return l.shades
	}
	return slices.Concat(l.shades, l.axis.shades[l.bus])
}

func (s *Series) data(begin int64) seriesData {
	points := s.done()
	d := seriesData{
		Name: s.about.Name, Unit: s.about.Unit, Comment: s.about.Comment, Texts: s.choices(points),
		Count: s.Count, Whole: s.level == 0, T: make([]int64, len(points)), V: make([]float64, len(points)),
	}
	before := begin
	for i, p := range points {
		at := micros(p.t)
		d.T[i], d.V[i], before = at-before, p.v, at
	}
	return d
}

// mostChoices bounds the texts of a series.
const mostChoices = 256

// choices are the texts of values that the series reaches.
func (s *Series) choices(points []point) []choice {
	all := []choice{}
	if len(points) == 0 {
		return all
	}
	byValue := func(a, b point) int {
		if a.v < b.v {
			return -1
		} else if a.v > b.v {
			return 1
		}
		return 0
	}
	low, high := slices.MinFunc(points, byValue).v, slices.MaxFunc(points, byValue).v
	for _, t := range s.about.Texts {
		if low <= t.Value && t.Value <= high && len(all) < mostChoices {
			all = append(all, choice{t.Value, cut(t.Text, mostText)})
		}
	}
	return all
}

// micros cuts a time to microseconds.
func micros(ns int64) int64 { return ns / 1000 }
