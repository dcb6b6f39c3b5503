package probe

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// lineAddr is the address of what is at the other end of a line.
type lineAddr string

func (lineAddr) Network() string  { return "serial" }
func (a lineAddr) String() string { return string(a) }

// Line carries datagrams over a serial line: a net.PacketConn with one peer.
//
// With half duplex two ends take turns, by frames that end with a byte of their
// own. The logger is the master:
//
//	master  data ... poll(credit)    slave  data ... (at most so many bytes) done
//
// A slave that is silent for 60 ms and the time of two datagrams loses its turn. Turns are not authenticated: who can write to a
// line can always disturb it.
type Line struct {
	port io.ReadWriteCloser
	o    LineOptions
	in   chan []byte
	out  chan []byte
	done chan struct{}
	stop sync.Once

	free     time.Time     // when the line will have carried what was written; of the writer
	turn     chan turn     // to a slave
	finished chan struct{} // to a master
	heard    chan struct{} // to a master: a frame, whole or not
	damaged  atomic.Uint64
	deadline *deadline
}

// LineOptions describe a line.
type LineOptions struct {
	Name       string
	Baud       int
	HalfDuplex bool
	Master     bool // half duplex: this end polls
}

// turn is a slave's: so many bytes, from then on.
type turn struct {
	credit int
	at     time.Time
}

// Kinds of frames on a line of half duplex, their last byte.
const (
	frameData = iota
	framePoll // credit, 2 bytes before it
	frameDone
)

const (
	lineQueue   = 64                    // datagrams that came and are not read
	lineLead    = 10 * time.Millisecond // that writes are ahead of the line
	turnaround  = 20 * time.Millisecond // for a slave to begin
	pollPause   = 5 * time.Millisecond  // where nobody has anything to say
	leastCredit = 1024
)

// NewLine carries datagrams over an open port. Few of them wait to be written: an
// answer that stood behind a long queue would come late, and with half duplex
// a turn's worth must be at hand.
func NewLine(port io.ReadWriteCloser, o LineOptions) *Line {
	l := &Line{
		port: port, o: o, in: make(chan []byte, lineQueue), done: make(chan struct{}),
		turn: make(chan turn, 1), finished: make(chan struct{}, 1), heard: make(chan struct{}, 1), deadline: newDeadline(),
	}
	l.out = make(chan []byte, 1)
	if o.HalfDuplex {
		l.out = make(chan []byte, l.credit()/mtuSerial+1)
	}
	go l.read()
	go l.write()
	return l
}

// Damaged is how many frames the line has damaged.
func (l *Line) Damaged() uint64 { return l.damaged.Load() }

func (l *Line) fail() {
	l.stop.Do(func() {
		close(l.done)
		l.port.Close()
	})
}

func (l *Line) read() {
	defer l.fail()
	in := bufio.NewReaderSize(l.port, 2*mostFrame)
	var frame []byte
	for tooLong := false; ; {
		b, err := in.ReadByte()
		switch {
		case err != nil:
			return
		case b != 0 && len(frame) < mostFrame+mostFrame/254+3:
			frame = append(frame, b)
		case b != 0:
			tooLong = true
		default:
			if len(frame) > 0 {
				l.frame(frame, tooLong)
			}
			frame, tooLong = frame[:0], false
		}
	}
}

// frame takes what stood between two zeros.
func (l *Line) frame(frame []byte, tooLong bool) {
	replace(l.heard, struct{}{})
	b, err := parseFrame(frame)
	if err != nil || tooLong || l.o.HalfDuplex && len(b) == 0 {
		l.damaged.Add(1)
		return
	}
	if !l.o.HalfDuplex {
		l.deliver(b)
		return
	}
	kind := b[len(b)-1]
	b = b[:len(b)-1]
	switch {
	case kind == frameData:
		l.deliver(b)
	case kind == framePoll && !l.o.Master && len(b) == 2:
		replace(l.turn, turn{int(b[0])<<8 | int(b[1]), time.Now()})
	case kind == frameDone && l.o.Master:
		replace(l.finished, struct{}{})
	}
}

// replace puts a value into a channel of one, in the place of an older one.
func replace[T any](c chan T, v T) {
	select {
	case <-c:
	default:
	}
	c <- v
}

// deliver hands a datagram over; if nobody reads, the newest go.
func (l *Line) deliver(b []byte) {
	select {
	case l.in <- append([]byte(nil), b...):
	default:
	}
}

func (l *Line) write() {
	defer l.fail()
	var err error
	for err == nil {
		switch {
		case !l.o.HalfDuplex:
			err = l.next()
		case l.o.Master:
			err = l.poll()
		default:
			err = l.answer()
		}
	}
}

// next writes a datagram, full duplex.
func (l *Line) next() error {
	select {
	case b := <-l.out:
		frame := appendFrame(nil, b)
		if now := time.Now(); l.free.Before(now) {
			l.free = now
		}
		l.free = l.free.Add(l.takes(len(frame)))
		if _, err := l.port.Write(frame); err != nil {
			return err
		}
		return l.rest(time.Until(l.free) - lineLead)
	case <-l.done:
		return net.ErrClosed
	}
}

// rest waits while the port still has something to send: its own memory, some
// KiB, would make answers late.
func (l *Line) rest(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	pause := time.NewTimer(d)
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-l.done:
		return net.ErrClosed
	}
}

// some writes the datagrams that wait, at most so many bytes and one datagram,
// and none when the time has come for the other end.
func (l *Line) some(credit int, until time.Time) error {
	for credit > 0 && time.Now().Before(until) {
		select {
		case b := <-l.out:
			frame := appendFrame(nil, append(b, frameData))
			if _, err := l.port.Write(frame); err != nil {
				return err
			}
			credit -= len(frame)
		case <-l.done:
			return net.ErrClosed
		default:
			return nil
		}
	}
	return nil
}

// credit is for how many bytes a turn is: a tenth of a second.
func (l *Line) credit() int { return max(leastCredit, l.o.Baud/100) }

// takes is how long bytes are on the line.
func (l *Line) takes(n int) time.Duration {
	return time.Duration(n) * 10 * time.Second / time.Duration(max(1, l.o.Baud))
}

// poll is one turn of the master.
func (l *Line) poll() error {
	if err := l.some(l.credit(), time.Now().Add(time.Minute)); err != nil {
		return err
	}
	for _, old := range []chan struct{}{l.finished, l.heard} {
		select {
		case <-old:
		default:
		}
	}
	credit := l.credit()
	if _, err := l.port.Write(appendFrame(nil, []byte{byte(credit >> 8), byte(credit), framePoll})); err != nil {
		return err
	}
	return l.listen(credit)
}

// listen waits until the slave gives the line back, or is silent, or has had
// more than its turn.
func (l *Line) listen(credit int) error {
	began := time.Now()
	over := began.Add(turnaround + 3*l.takes(credit+mostFrame))
	patience := 3*turnaround + l.takes(2*recordSerial)
	quiet := time.NewTimer(patience)
	defer quiet.Stop()
	for {
		select {
		case <-l.finished:
			if time.Since(began) < turnaround { // an idle line need not be busy
				return l.rest(pollPause)
			}
			return nil
		case <-l.heard:
			quiet.Reset(min(patience, time.Until(over)))
		case <-quiet.C:
			return nil
		case <-l.done:
			return net.ErrClosed
		}
	}
}

// answer is one turn of a slave. One that comes too late to it lets it pass: the
// master may be speaking by now.
func (l *Line) answer() error {
	select {
	case t := <-l.turn:
		over := t.at.Add(turnaround + l.takes(t.credit))
		if time.Since(t.at) > turnaround {
			return nil
		}
		if err := l.some(t.credit, over); err != nil || time.Now().After(over.Add(l.takes(mostFrame))) {
			return err
		}
		_, err := l.port.Write(appendFrame(nil, []byte{frameDone}))
		return err
	case <-l.done:
		return net.ErrClosed
	}
}

// ReadFrom reads a datagram.
func (l *Line) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case b := <-l.in:
		return copy(p, b), l.LocalAddr(), nil
	case <-l.deadline.passed():
		return 0, nil, os.ErrDeadlineExceeded
	case <-l.done:
		return 0, nil, net.ErrClosed
	}
}

// errTooLarge is a datagram for which a line has no frame.
var errTooLarge = errors.New("a datagram of more than 2 KiB")

// WriteTo writes a datagram, and waits while the line is busy.
func (l *Line) WriteTo(p []byte, _ net.Addr) (int, error) {
	if len(p) > mostFrame-8 {
		return 0, errTooLarge
	}
	select {
	case l.out <- append(make([]byte, 0, len(p)+1), p...):
		return len(p), nil
	case <-l.done:
		return 0, net.ErrClosed
	}
}

// Close closes the port.
func (l *Line) Close() error {
	l.fail()
	return nil
}

func (l *Line) LocalAddr() net.Addr               { return lineAddr(l.o.Name) }
func (l *Line) SetDeadline(t time.Time) error     { return l.SetReadDeadline(t) }
func (l *Line) SetReadDeadline(t time.Time) error { l.deadline.set(t); return nil }
func (l *Line) SetWriteDeadline(time.Time) error  { return nil }
