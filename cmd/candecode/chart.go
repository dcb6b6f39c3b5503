package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"canseal/can"
	"canseal/decode"
	"canseal/decode/dbc"
	"canseal/decode/input"
	"canseal/decode/plot"
	"canseal/decode/table"
	"canseal/mdf"
	"canseal/mdf/buslog"
)

// chart is the sink of --plot: one page with all that was chosen.
type chart struct {
	*settings
	sum   *summary
	plans planner
	page  *plot.Page

	session *input.Session
	plans1  *plans
	decoder *decode.Decoder
	clock   input.Clock // of all rows that are held

	axes    map[string]*plot.Axis
	lanes   map[laneKey]*lane
	begun   bool // the session has a frame
	first   int64
	last    int64
	before  map[*plot.Axis]int64 // end of the session before
	judged  bool                 // some frame has another verdict than not checked
	values  table.Values
	missing table.Values
}

type laneKey struct {
	axis *plot.Axis
	messageKey
}

// lane is one message on one bus along one axis.
type lane struct {
	*plot.Lane // nil: there are too many
	table      *table.Message
	series     []*plot.Series // by column of the table, from the first signal on
	verdicts   [256]uint64
}

func newChart(s *settings, sum *summary) *chart {
	page := plot.New(plot.Options{Title: strings.TrimSuffix(filepath.Base(s.plot), filepath.Ext(s.plot))})
	return &chart{
		settings: s, sum: sum, plans: newPlanner(s), page: page,
		axes: map[string]*plot.Axis{}, lanes: map[laneKey]*lane{}, before: map[*plot.Axis]int64{},
	}
}

func (c *chart) begin(session *input.Session) (skip bool, err error) {
	c.session, c.begun = session, false
	if c.plans1, err = c.plans.of(session.Device); err != nil {
		return false, err
	}
	c.decoder = decode.New(decode.Options{
		Plan: c.plans1.wanted, Batch: c.batch, Transport: decode.TransportOptions{Off: c.noTransport, ISOTP: c.isotpIDs},
	})
	return false, nil
}

// axis returns the axis of what is decoded now: that of the device, or of the
// session alone where nobody knows when it was.
func (c *chart) axis() *plot.Axis {
	name := "device " + c.session.Device
	if c.session.Device == "" {
		name = filepath.Base(c.session.Segments[0].File.Name)
	}
	unknown := c.clock == input.Unknown
	if unknown {
		name += fmt.Sprintf(", session %08d: nobody knows when it was", c.session.Number)
	}
	key := name
	if c.session.Device == "" {
		key = c.session.Segments[0].File.Name
	}
	if c.axes[key] == nil {
		c.axes[key] = c.page.Axis(name, unknown)
	}
	return c.axes[key]
}

func (c *chart) item(it *input.Item) error {
	if it.Clock != c.clock {
		if err := c.decoder.HandOver(); err != nil {
			return err
		}
		c.rest()
		c.clock = it.Clock
	}
	switch it.Type {
	case buslog.Frame:
		return c.frame(it)
	case buslog.Side:
		if gap, is := it.Side.(mdf.Gap); is {
			c.axis().Shade(gap.Bus, plot.Stretch{From: gap.From, To: gap.To, Colour: plot.Gap, Text: "frames missing: " + gap.Reason.String()})
		}
	}
	return nil
}

func (c *chart) frame(it *input.Item) error {
	if !c.begun {
		c.begun, c.first, c.last = true, it.Time, it.Time
	}
	c.first, c.last = min(c.first, it.Time), max(c.last, it.Time)
	f := frameOf(it)
	fate, err := c.decoder.Add(&f)
	switch {
	case err != nil || fate == decode.Decoded || fate == decode.Part:
		return err
	case c.plans1.notWanted(&f):
		c.sum.NotWanted++
	default:
		c.sum.unknown(it)
	}
	return nil
}

// rest shades the time between sessions, in which nothing was recorded.
func (c *chart) rest() {
	if !c.begun {
		return
	}
	a := c.axis()
	if end, is := c.before[a]; is && c.first > end {
		a.Shade(0, plot.Stretch{From: end, To: c.first, Colour: plot.Paused, Text: "not recorded"})
	}
	c.before[a], c.begun = max(c.before[a], c.last), false
}

func (c *chart) batch(b *decode.Batch) error {
	l := c.lane(b)
	if l.Lane == nil {
		c.sum.NotWanted += uint64(b.Len())
		return nil
	}
	b.Sort()
	c.sum.rows(b)
	rows := l.table.Rows(b, "")
	rows.Fill(l.table.Missing(), &c.missing)
	for i, v := range b.Verdict {
		l.verdicts[v]++
		c.judged = c.judged || v != can.NotChecked
		colour, text := shadeOf(v)
		l.Row(b.Time[i], colour, text)
		l.Hidden(b.Time[i], c.missing.Texts[c.missing.Codes[i]] == decode.Encrypted.String())
	}
	columns := l.table.Schema().Columns
	for i, series := range l.series {
		if column := len(columns) - len(l.series) + i; series != nil {
			rows.Fill(column, &c.values)
			add(series, b.Time, &c.values, columns[column].Type)
		}
	}
	return nil
}

// add adds the values of a column.
func add(s *plot.Series, times []int64, v *table.Values, as table.Type) {
	for i, t := range times {
		switch {
		case v.Null != nil && v.Null[i]:
		case as == table.Float:
			s.Add(t, v.Floats[i])
		case as == table.Unsigned:
			s.Add(t, float64(uint64(v.Ints[i])))
		default:
			s.Add(t, float64(v.Ints[i]))
		}
	}
}

// lane returns the lane of a batch.
func (c *chart) lane(b *decode.Batch) *lane {
	a := c.axis()
	key := laneKey{a, messageKey{b.Message, b.Bus}}
	l := c.lanes[key]
	if l != nil {
		return l
	}
	choice := table.Choice{Raw: c.raw, Signals: c.signals}
	l = &lane{table: table.NewMessage(b.Message, b.Bus, choice)}
	c.lanes[key] = l
	if l.table.Signals() == 0 {
		return l
	}
	l.draw(a.Lane(fmt.Sprintf("%s on can%d", b.Message.Name, max(0, int(b.Bus)-1)), b.Bus), b.Message, choice)
	return l
}

// draw adds the signals of a lane.
func (l *lane) draw(drawn *plot.Lane, m *decode.Message, choice table.Choice) {
	columns := l.table.Schema().Columns
	columns = columns[len(columns)-l.table.Signals():]
	for i := range m.Signals {
		signal := &m.Signals[i]
		if !choice.Wants(m.Name, signal.Name) {
			continue
		}
		about := plot.Signal{Name: signal.Name, Unit: columns[len(l.series)].Unit, Comment: signal.Comment, Texts: textsOf(signal, choice.Raw)}
		s := drawn.Series(about)
		l.series = append(l.series, s)
		if s != nil {
			l.Lane = drawn
		}
	}
}

// textsOf are the value descriptions of a signal, by the values that are drawn.
func textsOf(signal *dbc.Signal, raw bool) (texts []plot.Text) {
	for _, c := range signal.Choices {
		value := float64(c.Value)
		if !raw {
			value = float64(value*signal.Scale) + signal.Offset
		}
		texts = append(texts, plot.Text{Value: value, Text: c.Text})
	}
	return texts
}

// shadeOf says what a verdict is worth: only what was proven is not shaded.
func shadeOf(v can.Verdict) (plot.Colour, string) {
	switch v {
	case can.Authentic, can.HeartbeatOK:
		return plot.Plain, ""
	case can.NotChecked, can.NotListed:
		return plot.Unchecked, v.String()
	case can.SignatureWrong, can.Replayed, can.ReplayedSession, can.PreambleWithoutMessage, can.MessageWithoutPreamble, can.Injected, can.HeartbeatWrong:
		return plot.Refuted, v.String()
	}
	return plot.Unproven, v.String()
}

func (c *chart) end() error {
	if err := c.decoder.Flush(); err != nil {
		return err
	}
	c.rest()
	c.sum.decoded(c.decoder.Stats())
	return nil
}

// close writes the page; of a run that ends early nothing is left.
func (c *chart) close(done error) error {
	if done != nil {
		return nil
	}
	c.describe()
	f, err := os.Create(c.plot + ".new")
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	err = c.page.Write(w)
	if err == nil {
		err = w.Flush()
	}
	if info, e := f.Stat(); e == nil {
		c.sum.file(info.Size())
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", c.plot, err)
	}
	return os.Rename(f.Name(), c.plot)
}

// describe tells on the page what stands on it.
func (c *chart) describe() {
	c.sum.Signals = c.page.Series()
	for _, name := range c.page.LeftOut {
		c.sum.Dropped = append(c.sum.Dropped, note{"signal " + name, "the page is full: choose with --signals or --messages"})
	}
	if more := c.page.More - len(c.page.LeftOut); more > 0 {
		c.sum.Dropped = append(c.sum.Dropped, note{fmt.Sprintf("%d more signals", more), "the page is full"})
	}
	c.page.Note("Made by candecode %s. Times are UTC.", version)
	if c.judged {
		c.page.Note("Shaded is all that is not proven to be authentic.")
	} else {
		c.page.Forget(plot.Unchecked)
		c.page.Note("Nobody checked whether these frames are authentic.")
	}
	for line := range strings.Lines(c.sum.text()) {
		c.page.Note("%s", strings.TrimSpace(line))
	}
	for _, l := range c.lanes {
		if l.Lane != nil && c.judged {
			l.About(l.told())
		}
	}
}

// told counts the verdicts of a lane.
func (l *lane) told() string {
	var words []string
	for v, n := range l.verdicts {
		if n > 0 {
			words = append(words, fmt.Sprintf("%s %s", thousands(n), can.Verdict(v)))
		}
	}
	return "frames: " + strings.Join(words, ", ")
}
