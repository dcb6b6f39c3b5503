package can

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"sync/atomic"
)

// ReplayOptions say how a candump log becomes a bus again.
type ReplayOptions struct {
	// Pace is the speed: 1 original, 2 twice as fast. 0 or less: flat out.
	Pace float64
	// Buses numbers the interfaces of the log, 1-8; frames of an interface
	// with the number 0 are left out, and one that is not named is an error.
	// nil: can0 is 1 up to can7, which is 8; other names, and a canN whose
	// number is taken, get the lowest free number in order of appearance.
	Buses map[string]uint8
	// Shift moves the stamps so that the log begins with the first Read.
	Shift bool
}

// Replay is a Source that reads a candump log, a block of text at a time.
//
// Empty lines are skipped. A line of candump -d about dropped frames becomes a
// KindLost event, delivered before the next frame. Any other line that is not
// a frame ends the replay with a *ParseError that names the line, once the
// events before it are delivered.
type Replay struct{ Source }

// NewReplay replays the log that r holds. Close closes r too where it is an
// io.Closer: for a pipe, that is what ends a Read that waits for text.
func NewReplay(r io.Reader, o ReplayOptions) *Replay {
	text := &log{r: r, block: make([]byte, blockSize), buses: newNumbers(o.Buses)}
	if o.Pace <= 0 && !o.Shift {
		return &Replay{text}
	}
	return &Replay{NewPaced(text, PaceOptions{Factor: o.Pace, Rebase: o.Shift})}
}

// blockSize is the most text held, and one more than the longest line.
const blockSize = 64 << 10

// log is the source of the events of a log, flat out.
type log struct {
	r      io.Reader
	block  []byte
	text   []byte // the part of block that is read and not parsed yet
	line   int    // how many lines were taken
	err    error  // what comes behind text
	buses  numbers
	last   [9]int64  // by bus: stamp of the last frame
	lost   [9]uint64 // by bus: frames dropped before the next frame
	gaps   bool      // some of lost[1:] are not 0
	closed atomic.Bool
}

// Read parses as many lines as buf takes and text holds. It asks r for more
// only while it has no event, for r may be a pipe with a slow bus behind it.
func (l *log) Read(buf []Event) (n int, err error) {
	for n < len(buf) && !l.closed.Load() {
		line, size := l.peek()
		switch {
		case size > 0:
			n += l.parse(line, size, &buf[n])
		case n > 0:
			return n, nil
		case l.err == nil:
			l.fill()
		case l.gaps:
			l.takeLost(&buf[n], 0)
			return 1, nil
		default:
			return 0, l.err
		}
	}
	if n == 0 && len(buf) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close closes r too where it can be closed.
func (l *log) Close() error {
	if c, ok := l.r.(io.Closer); ok && !l.closed.Swap(true) {
		return c.Close()
	}
	l.closed.Store(true)
	return nil
}

// peek returns the next line and its size with the line end; 0: there is none
// in text.
func (l *log) peek() (line []byte, size int) {
	end := bytes.IndexByte(l.text, '\n')
	size = end + 1
	if end < 0 && l.err != nil {
		end, size = len(l.text), len(l.text) // the last line may lack its end
	}
	if end > 0 && l.text[end-1] == '\r' {
		end--
	}
	return l.text[:max(end, 0)], size
}

// fill reads one more piece of the log behind text, or sets err.
func (l *log) fill() {
	if len(l.text) == len(l.block) {
		l.fail(&ParseError{Column: blockSize, Want: "the end of the line", Got: "more text"})
		return
	}
	held := copy(l.block, l.text)
	n, err := l.r.Read(l.block[held:])
	l.text, l.err = l.block[:held+n], err
	if err != nil && err != io.EOF {
		l.text = l.text[:bytes.LastIndexByte(l.text, '\n')+1] // a line cut short is none
	}
}

// parse takes a line and returns how many events it gave, 0 or 1. A frame with
// dropped ones before it gives those first, and its line comes again.
func (l *log) parse(line []byte, size int, e *Event) int {
	bus, err := l.parseLine(line, e)
	switch {
	case err != nil:
		l.fail(err)
		return 0
	case bus > 0 && l.gaps:
		l.takeLost(e, e.Time)
		return 1
	}
	l.text = l.text[size:]
	l.line++
	if bus == 0 {
		return 0
	}
	e.Bus = bus
	l.last[bus] = e.Time
	return 1
}

// parseLine returns the bus of the frame in the line; 0: none to deliver.
func (l *log) parseLine(line []byte, e *Event) (bus uint8, err error) {
	if len(line) == 0 {
		return 0, nil
	}
	if line[0] == 'D' {
		return 0, l.parseDrops(line)
	}
	name, err := ParseCandump(line, e)
	if err != nil {
		return 0, err
	}
	bus, ok := l.buses.of(name)
	if !ok {
		return 0, unexpected(line, skipSpaces(line, bytes.IndexByte(line, ' ')), l.buses.want())
	}
	return bus, nil
}

// parseDrops takes what candump -d writes before a frame when the kernel's
// queue had been full:
// "DROPCOUNT: dropped 5 CAN frames on 'can0' socket (total drops 7)".
func (l *log) parseDrops(line []byte) error {
	word := bytes.Fields(line)
	if len(word) < 7 || string(word[0]) != "DROPCOUNT:" || string(word[1]) != "dropped" {
		return unexpected(line, 0, "a frame or a count of dropped frames")
	}
	count, err := strconv.ParseUint(string(word[2]), 10, 32)
	if err != nil {
		return unexpected(line, bytes.Index(line, word[2]), "a number of 32 bits")
	}
	bus, ok := l.buses.of(bytes.Trim(word[6], "'"))
	if !ok {
		return unexpected(line, bytes.LastIndex(line, word[6]), l.buses.want())
	}
	l.lost[bus] += count
	l.gaps = l.gaps || bus > 0 && count > 0
	return nil
}

// takeLost makes the event of the first bus that lost frames up to until.
func (l *log) takeLost(e *Event, until int64) {
	for bus := 1; bus < len(l.lost); bus++ {
		if l.lost[bus] == 0 {
			continue
		}
		from := l.last[bus]
		if from == 0 {
			from = until
		}
		*e = Event{Kind: KindLost, Reason: LostSocket, Bus: uint8(bus), Lost: l.lost[bus], From: from, Time: max(from, until)}
		l.lost[bus] = 0
		break
	}
	l.gaps = slices.ContainsFunc(l.lost[1:], func(n uint64) bool { return n > 0 })
}

// fail ends the log in the line that was not taken.
func (l *log) fail(err error) {
	if p, ok := err.(*ParseError); ok {
		p.Line = l.line + 1
	}
	l.text, l.err = nil, err
}
