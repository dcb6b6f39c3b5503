package input

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"canseal/can"
	"canseal/mdf"
	"canseal/mdf/buslog"
)

const maxLine = 1 << 16 // bytes

// candump reads a log of candump -l. A line that is none costs that line.
type candump struct {
	lines  *bufio.Reader
	buses  buses
	report *buslog.Report
	line   uint64
	last   [256]int64 // by bus: time of the last frame
	item   buslog.Item
}

// next reads an item; io.EOF behind the last.
func (c *candump) next() (*buslog.Item, error) {
	for {
		line, err := c.lines.ReadSlice('\n')
		c.line++
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			c.long()
			continue
		case err != nil && err != io.EOF:
			return nil, err
		case len(line) == 0 && err == io.EOF:
			return nil, io.EOF
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			continue
		}
		if item := c.parse(line); item != nil {
			return item, nil
		}
	}
}

// long passes over a line that is too long.
func (c *candump) long() {
	c.bad(fmt.Errorf("a line of more than %d bytes", maxLine))
	for {
		if _, err := c.lines.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (c *candump) bad(err error) {
	c.report.Bad++
	if c.report.Bad == 1 {
		c.report.Damages = append(c.report.Damages, buslog.Damage{Err: fmt.Errorf("line %d: %w", c.line, err)})
		c.report.Damaged++
	}
}

// parse makes an item of a line; nil if it is none.
func (c *candump) parse(line []byte) *buslog.Item {
	if bytes.HasPrefix(line, []byte("DROPCOUNT:")) {
		return c.drops(line)
	}
	name, err := can.ParseCandump(line, &c.item.Event)
	if err != nil {
		c.bad(err)
		return nil
	}
	bus, ok := c.buses.of(name)
	if !ok {
		c.bad(fmt.Errorf("interface %q has no bus number", name))
		return nil
	}
	c.item.Bus, c.item.Type, c.item.Side = bus, buslog.Frame, nil
	c.last[bus] = c.item.Time
	c.report.Frames++
	return &c.item
}

// drops makes a gap of a line of candump -d: "DROPCOUNT: dropped 5 CAN frames
// on 'can0' socket (total drops 7)".
func (c *candump) drops(line []byte) *buslog.Item {
	word := bytes.Fields(line)
	if len(word) < 7 {
		c.bad(errors.New("a count of dropped frames that cannot be read"))
		return nil
	}
	count, err := strconv.ParseUint(string(word[2]), 10, 32)
	bus, ok := c.buses.of(bytes.Trim(word[6], "'"))
	if err != nil || !ok {
		c.bad(errors.New("a count of dropped frames that cannot be read"))
		return nil
	}
	at := c.last[bus]
	c.item.Type, c.item.Time = buslog.Side, at
	c.item.Side = mdf.Gap{Time: at, From: at, To: at, Count: count, Bus: bus, Reason: can.LostSocket}
	c.report.Side++
	return &c.item
}

// buses numbers the interfaces of a log: canN and vcanN are N+1, others and
// taken ones the lowest free number.
type buses struct {
	fixed bool
	known map[string]uint8
	taken [256]bool
}

func newBuses(fixed map[string]uint8) buses {
	return buses{fixed: fixed != nil, known: fixed}
}

func (b *buses) of(name []byte) (bus uint8, ok bool) {
	if bus, ok = b.known[string(name)]; ok || b.fixed {
		return bus, ok
	}
	if b.known == nil {
		b.known = map[string]uint8{}
	}
	if bus = b.choose(string(name)); bus == 0 {
		return 0, false
	}
	b.known[string(name)], b.taken[bus] = bus, true
	return bus, true
}

func (b *buses) choose(name string) uint8 {
	digits, is := strings.CutPrefix(strings.TrimPrefix(name, "v"), "can")
	if n, err := strconv.ParseUint(digits, 10, 8); is && err == nil && n < 255 && !b.taken[n+1] {
		return uint8(n + 1)
	}
	for bus := 1; bus < 256; bus++ {
		if !b.taken[bus] {
			return uint8(bus)
		}
	}
	return 0
}
