package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"
)

// cable is a serial line between two ends: bytes take their time, and some are
// damaged or lost.
type cable struct {
	lock   sync.Mutex
	r      *rand.Rand
	damage float64 // of frames: half are dropped, half have a bit flipped
	baud   int
	both   bool // half duplex: what both say at a time is damaged
	held   bool
	busy   [2]time.Time
	due    [2]time.Time // when all that was written has gone
	bytes  [2]int       // that were written
	clash  int
}

// end is one end of a cable.
type end struct {
	c    *cable
	side int
	in   *pipe
	out  *pipe
}

// pipe holds bytes on their way.
type pipe struct {
	lock sync.Mutex
	b    bytes.Buffer
	more chan struct{}
	done chan struct{}
	once sync.Once
}

func newPipe() *pipe { return &pipe{more: make(chan struct{}, 1), done: make(chan struct{})} }

func (p *pipe) put(b []byte) {
	p.lock.Lock()
	p.b.Write(b)
	p.lock.Unlock()
	select {
	case p.more <- struct{}{}:
	default:
	}
}

func newCable(baud int, damage float64) (c *cable, a, b *end) {
	c = &cable{r: rand.New(rand.NewPCG(5, 6)), damage: damage, baud: baud}
	x, y := newPipe(), newPipe()
	return c, &end{c, 0, x, y}, &end{c, 1, y, x}
}

func (e *end) Read(p []byte) (int, error) {
	for {
		e.in.lock.Lock()
		n, _ := e.in.b.Read(p)
		e.in.lock.Unlock()
		if n > 0 {
			return n, nil
		}
		select {
		case <-e.in.more:
		case <-e.in.done:
			return 0, io.EOF
		}
	}
}

// Write takes as long as the bytes do.
func (e *end) Write(p []byte) (int, error) {
	c := e.c
	takes := time.Duration(len(p)) * 10 * time.Second / time.Duration(c.baud)
	c.lock.Lock()
	b := append([]byte(nil), p...)
	if c.both && time.Now().Before(c.busy[1-e.side]) {
		c.clash++
		b = nil
	}
	now := time.Now()
	if c.due[e.side].Before(now.Add(-25 * time.Millisecond)) { // the driver's memory keeps the line busy for so long
		c.due[e.side] = now
	}
	c.due[e.side] = c.due[e.side].Add(takes)
	c.busy[e.side] = c.due[e.side]
	c.bytes[e.side] += len(p)
	left := c.due[e.side].Sub(now)
	if c.r.Float64() < c.damage {
		if c.r.IntN(2) == 0 {
			b = nil
		} else {
			b[c.r.IntN(len(b))] ^= 1 << c.r.IntN(8)
		}
	}
	held := c.held
	c.lock.Unlock()
	select {
	case <-time.After(left):
	case <-e.out.done:
		return 0, io.ErrClosedPipe
	}
	if !held {
		e.out.put(b)
	}
	return len(p), nil
}

func (e *end) Close() error {
	for _, p := range []*pipe{e.in, e.out} {
		p.once.Do(func() { close(p.done) })
	}
	return nil
}

// onLine runs a logger and a probe on a line.
func onLine(t *testing.T, baud int, damage float64, half bool) (*link, *cable, *numbers, *Client) {
	t.Helper()
	l := newLink(t, nil)
	c, a, b := newCable(baud, damage)
	c.both = half
	at := NewLine(a, LineOptions{Name: "line", Baud: baud, HalfDuplex: half, Master: true})
	l.background(func(ctx context.Context) { _ = l.server.ListenLine(ctx, at) })
	source := newNumbers()
	client := NewLineClient(NewLine(b, LineOptions{Name: "line", Baud: baud, HalfDuplex: half}), ClientOptions{Identity: l.fleet.probe(t, "roof"), Logger: "logger"})
	l.background(func(ctx context.Context) { _ = client.Run(ctx, source) })
	return l, c, source, client
}

func TestAProbeOnALine(t *testing.T) {
	for name, row := range map[string]struct {
		baud   int
		damage float64
		half   bool
	}{
		"921600":                   {921_600, 0, false},
		"921600, 5 % damaged":      {921_600, 0.05, false},
		"half duplex":              {921_600, 0, true},
		"half duplex, 2 % damaged": {921_600, 0.02, true},
		"115200, 1 % damaged":      {115_200, 0.01, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, c, source, _ := onLine(t, row.baud, row.damage, row.half)
			n := 2000
			if row.baud < 900_000 {
				n = 500
			}
			source.give(uint32(n))
			within(t, "all frames", func() bool { return l.ears.at() >= n })
			l.ears.good(t)
			if s := l.status(); s.Lost != 0 || s.ClockError < 0 {
				t.Errorf("%+v", s)
			}
			c.lock.Lock()
			defer c.lock.Unlock()
			if c.clash > 3 { // a machine that is busy elsewhere for longer than the master's patience makes one
				t.Errorf("both ends spoke at a time, %d times", c.clash)
			}
		})
	}
}

// A line that is pulled and put back carries on; what the ring cannot keep is a
// gap.
func TestALineThatIsPulled(t *testing.T) {
	l, c, source, _ := onLine(t, 921_600, 0, false)
	source.give(200)
	within(t, "the first frames", func() bool { return l.ears.at() >= 200 })
	c.lock.Lock()
	c.held = true
	c.lock.Unlock()
	source.give(500)
	within(t, "it is stale", func() bool { return l.status().State != "up" })
	c.lock.Lock()
	c.held = false
	c.lock.Unlock()
	within(t, "all frames", func() bool { return l.ears.at() >= 700 })
	l.ears.good(t)
	if s := l.status(); s.Lost != 0 || s.Late == 0 {
		t.Errorf("%+v", s)
	}
}

func TestGarbageOnTheLineIsCounted(t *testing.T) {
	_, a, b := newCable(921_600, 0)
	line := NewLine(a, LineOptions{Name: "line", Baud: 921_600})
	defer line.Close()
	for _, noise := range [][]byte{{1, 2, 3, 0}, bytes.Repeat([]byte{7}, 10_000), {0, 0, 0}, appendFrame(nil, []byte("a datagram"))} {
		if _, err := b.Write(noise); err != nil {
			t.Fatal(err)
		}
	}
	p := make([]byte, 100)
	if n, from, err := line.ReadFrom(p); err != nil || string(p[:n]) != "a datagram" || from.Network() != "serial" {
		t.Errorf("%q from %v (%v)", p[:n], from, err)
	}
	if line.Damaged() != 2 {
		t.Errorf("%d frames counted as damaged", line.Damaged())
	}
	if err := line.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := line.ReadFrom(p); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline that has passed: %v", err)
	}
}

// A port that is pulled out ends the probe with an error, so that whoever runs
// it starts it again.
func TestAPortThatIsPulledOutIsTold(t *testing.T) {
	l := newLink(t, nil)
	_, _, b := newCable(921_600, 0)
	client := NewLineClient(NewLine(b, LineOptions{Name: "line", Baud: 921_600}), ClientOptions{Identity: l.fleet.probe(t, "roof"), Logger: "logger"})
	ended := make(chan error, 1)
	go func() { ended <- client.Run(t.Context(), newNumbers()) }()
	b.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it ends as if it had been told to")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it goes on")
	}
}
