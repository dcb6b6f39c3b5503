package plot

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Options bound a page.
type Options struct {
	Title  string
	Points int // of all series together; 0: 262,144, of which a page has about 4 MB
	Series int // most; 0: 256
}

// Page collects what it will show. One goroutine uses it.
type Page struct {
	o         Options
	about     []string
	axes      []*Axis
	series    int
	forgotten Colour   // Plain: none
	LeftOut   []string // series beyond Options.Series, the first 1000
	More      int      // how many series were left out
}

const (
	leastPoints = 256 // of a series
	mostLeftOut = 1000
	mostNotes   = 1000
)

// New makes an empty page.
func New(o Options) *Page {
	if o.Points <= 0 {
		o.Points = 1 << 18
	}
	if o.Series <= 0 {
		o.Series = 256
	}
	return &Page{o: o}
}

// share is how many points a series may have; a multiple of eight.
func (p *Page) share() int { return max(leastPoints, p.o.Points/max(1, p.series)) &^ 7 }

// Note adds a line of text on top of the page.
func (p *Page) Note(format string, args ...any) {
	if len(p.about) < mostNotes {
		p.about = append(p.about, cut(fmt.Sprintf(format, args...), 1000))
	}
}

// Forget leaves out what has a colour.
func (p *Page) Forget(c Colour) { p.forgotten = c }

// Series returns how many series there are.
func (p *Page) Series() int { return p.series }

// Axis is a time axis and what lies along it.
type Axis struct {
	page    *Page
	name    string
	unknown bool
	lanes   []*Lane
	shades  [256]stretches // by bus; 0: of all

	any         bool
	first, last int64
}

// Axis adds a time axis. Unknown says that nobody knows when it was: it then
// counts from its begin.
func (p *Page) Axis(name string, unknown bool) *Axis {
	a := &Axis{page: p, name: cut(name, mostText), unknown: unknown}
	p.axes = append(p.axes, a)
	return a
}

// Shade shades a stretch in all lanes of a bus; 0: of all.
func (a *Axis) Shade(bus uint8, s Stretch) { a.shades[bus].add(s) }

// Span returns the times of the first and the last row; false: there is none.
func (a *Axis) Span() (first, last int64, any bool) { return a.first, a.last, a.any }

// Lane is the signals of one message.
type Lane struct {
	axis   *Axis
	name   string
	bus    uint8
	about  string
	series []*Series
	shades stretches
	marker marker
	hidden marker
}

// Lane adds a lane for a message of a bus.
func (a *Axis) Lane(name string, bus uint8) *Lane {
	l := &Lane{axis: a, name: cut(name, mostText), bus: bus}
	a.lanes = append(a.lanes, l)
	return l
}

// About says something below the name of the lane.
func (l *Lane) About(text string) { l.about = cut(text, 1000) }

// Row notes what holds at the time of a row: rows in a row with the same text
// are one stretch.
func (l *Lane) Row(t int64, c Colour, text string) {
	a := l.axis
	if !a.any {
		a.any, a.first, a.last = true, t, t
	}
	a.first, a.last = min(a.first, t), max(a.last, t)
	l.marker.mark(&l.shades, t, c, text)
}

// Hidden notes whether values of a row are ciphertext.
func (l *Lane) Hidden(t int64, is bool) {
	if is {
		l.hidden.mark(&l.shades, t, Encrypted, "encrypted")
	} else {
		l.hidden.end(&l.shades)
	}
}

// Series adds a series; nil if there are too many.
func (l *Lane) Series(about Signal) *Series {
	p := l.axis.page
	about.Name, about.Unit, about.Comment = cut(about.Name, mostText), cut(about.Unit, mostText), cut(about.Comment, 1000)
	if p.series == p.o.Series {
		if p.More++; len(p.LeftOut) < mostLeftOut {
			p.LeftOut = append(p.LeftOut, l.name+" "+about.Name)
		}
		return nil
	}
	p.series++
	s := &Series{about: about, page: p}
	l.series = append(l.series, s)
	return s
}

const mostText = 200 // bytes

// cut shortens a text to so many bytes, and makes it valid.
func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "..."
}
