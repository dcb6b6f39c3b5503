package socketcan

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
)

const (
	defaultPause = 5 * time.Millisecond
	lookEvery    = time.Second           // how often interfaces are asked about
	lookSoonest  = 20 * time.Millisecond // also when news come faster
	drainRounds  = 64                    // batches of each interface in one drain, so that a flood does not keep us from Close and looks
	lastRounds   = 1024                  // the same for the drain after Close
)

// Capture records CAN interfaces. It is a can.Source.
type Capture struct {
	channels []*channel
	pause    time.Duration
	now      func() int64
	log      *slog.Logger

	stop   int // eventfd: readable after Close
	closed sync.Once

	// Only the reading goroutine uses what follows.
	links    *netlink // nil: could not be opened yet
	due      time.Time
	looked   time.Time
	notes    []can.Event // to be delivered before frames
	more     bool        // a channel's batch is used up and its queue may hold more
	horizon  int64       // frames stamped later stay for the next drain
	drained  bool        // nothing is left to deliver before the next wait
	brought  bool        // this drain had something, or was woken for nothing
	stopping bool        // Close was called
	settled  bool        // and everything is counted
	rounds   int         // batches of each interface left to this drain
	ended    bool
	fds      []unix.PollFd

	mu       sync.Mutex
	snapshot []InterfaceStatus
	reading  bool
}

// Open starts to capture. Frames sent after it returns are delivered or
// counted. An interface that is missing, or a kernel without SocketCAN, is no
// error: see the package's promises.
func Open(o Options) (*Capture, error) {
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("open capture: %w", err)
	}
	c := &Capture{pause: o.Pause, now: o.Now, log: o.Log, stop: stop, more: true, rounds: drainRounds}
	if c.pause <= 0 {
		c.pause = defaultPause
	}
	if c.now == nil {
		c.now = wall
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	for _, i := range o.Interfaces {
		c.channels = append(c.channels, newChannel(i))
	}
	c.fds = make([]unix.PollFd, 2+len(c.channels))
	c.look()
	return c, nil
}

// Read implements can.Source. The goroutine that calls it is locked to its
// thread until io.EOF. The thread should do nothing that waits.
func (c *Capture) Read(buf []can.Event) (int, error) {
	if !c.begin() {
		return 0, io.EOF
	}
	for len(buf) > 0 {
		if n := c.fill(buf); n > 0 {
			c.publish()
			return n, nil
		}
		if c.settled {
			c.end()
			return 0, io.EOF
		}
		c.pass()
	}
	return 0, nil
}

// pass goes from one drain to the next. Interfaces are asked between the
// drain and the sleep, so that what they tell comes after the frames before
// it; after Close once more, for the last losses.
func (c *Capture) pass() {
	if c.stopping || !time.Now().Before(c.due) {
		c.look()
		c.settled = c.stopping
	}
	if len(c.notes) == 0 && !c.stopping {
		c.wait()
	}
	c.drained = false
}

// begin notes that there is a reader, who will release the sockets. It
// reports false when they are released.
func (c *Capture) begin() bool {
	if c.reading {
		return !c.ended
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.reading = true
	runtime.LockOSThread()
	return true
}

func (c *Capture) end() {
	c.ended = true
	c.release()
	runtime.UnlockOSThread()
}

// Close makes Read deliver what is queued, then return io.EOF. The sockets
// stay open until it has.
func (c *Capture) Close() error {
	c.closed.Do(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.reading {
			c.ended = true
			c.release()
			return
		}
		_, err := unix.Write(c.stop, []byte{1, 0, 0, 0, 0, 0, 0, 1}) // not zero in either byte order
		if err != nil {
			c.log.Error("stop capture", "error", err)
		}
	})
	return nil
}

// release frees all descriptors. The eventfd goes last and only here: Close
// writes to it at most once, before the reader gets here.
func (c *Capture) release() {
	for _, ch := range c.channels {
		ch.close()
	}
	if c.links != nil {
		c.links.close()
	}
	unix.Close(c.stop)
}

// Status returns what is known about each interface, in the order of
// Options.Interfaces.
func (c *Capture) Status() []InterfaceStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]InterfaceStatus(nil), c.snapshot...)
}

// Sent announces a frame that this process is about to send on a bus, so that
// it is delivered as Tx when the kernel hands it back within a second. Ports
// do it by themselves.
func (c *Capture) Sent(bus uint8, f can.Frame) {
	if o := c.own(bus); o != nil {
		o.add(ownFrame{frame: f, at: wall()})
	}
}

func (c *Capture) own(bus uint8) *own {
	for _, ch := range c.channels {
		if ch.Bus == bus {
			return &ch.own
		}
	}
	return nil
}

// wall returns CLOCK_REALTIME in ns since 1970 UTC: the clock of the stamps.
func wall() int64 { return time.Now().UnixNano() }

// fill delivers notes, and frames by their stamps, until buf is full or the
// drain is over: the queues are empty, or it has taken its share.
func (c *Capture) fill(buf []can.Event) (n int) {
	for n < len(buf) && !c.drained {
		if len(c.notes) > 0 {
			buf[n] = c.notes[0]
			c.notes = append(c.notes[:0], c.notes[1:]...)
			n++
			continue
		}
		ch := c.earliest()
		if ch == nil {
			c.drained = true
		} else if c.take(ch, &buf[n]) {
			n++
		}
	}
	c.brought = c.brought || n > 0
	return n
}

func (c *Capture) take(ch *channel, e *can.Event) bool {
	deliver := ch.take(e)
	c.more = c.more || !ch.waiting() && ch.full
	if e.Kind == can.KindFrame && e.Frame.Is(can.Error) {
		c.notes = ch.explain(c.notes, e)
	}
	if e.Kind == can.KindFrame && ch.hear(e) {
		c.news()
	}
	if e.Kind == can.KindFrame {
		ch.last, ch.status.LastFrame = e.Time, e.Time
	}
	return deliver
}

// earliest returns the channel whose next message has the lowest stamp, nil
// when there is none before the horizon. Queues are asked again only when a
// batch has been used up: then all that are empty, so that a busy bus does not
// overtake a quiet one.
func (c *Capture) earliest() *channel {
	for c.more && c.rounds > 0 {
		c.receive()
	}
	var first *channel
	for _, ch := range c.channels {
		if ch.waiting() && (first == nil || ch.stamp() < first.stamp()) {
			first = ch
		}
	}
	if first == nil || first.stamp() > c.horizon {
		return nil
	}
	return first
}

// receive asks every channel whose batch is used up. One is asked before the
// other: what arrives meanwhile could overtake, and lies beyond the horizon.
func (c *Capture) receive() {
	c.more = false
	c.rounds--
	now := wall()
	c.advance(now)
	for _, ch := range c.channels {
		if ch.waiting() {
			ch.full = true
			continue
		}
		ch.receive(now)
		c.more = c.more || !ch.waiting() && ch.full
		if ch.dead || ch.fell {
			c.news()
		}
	}
}

// advance moves the horizon to now, or to the newest message that has been
// held back once, for the wall clock may have been set back. The last drain
// holds nothing back.
func (c *Capture) advance(now int64) {
	c.horizon = now
	if c.stopping {
		c.horizon = math.MaxInt64
	}
	for _, ch := range c.channels {
		for i := ch.next; i < ch.have; i++ {
			c.horizon = max(c.horizon, ch.notes[i].stamp)
		}
	}
}

// holding reports whether a channel has a message beyond the horizon.
func (c *Capture) holding() bool {
	return slices.ContainsFunc(c.channels, (*channel).waiting)
}

// wait sleeps until there may be something to drain. After a drain that brought something, only Close and news of
// links end the pause; else also frames do.
func (c *Capture) wait() {
	idle := !c.brought && !c.holding()
	timeout := time.Until(c.due)
	if !idle {
		timeout = min(timeout, c.pause)
	}
	woken := c.poll(idle, timeout)
	c.brought = idle && woken
	if c.fds[0].Revents != 0 {
		c.stopping = true
	}
	if c.fds[1].Revents != 0 {
		c.links.heard()
		c.news()
	}
	c.more, c.rounds = true, drainRounds
	if c.stopping {
		c.rounds = lastRounds
	}
}

// poll sleeps on the eventfd and rtnetlink, and on the CAN sockets if asked
// to. ppoll leaves the rest of the time in its argument: it is set anew.
func (c *Capture) poll(sockets bool, timeout time.Duration) bool {
	c.fds[0] = unix.PollFd{Fd: int32(c.stop), Events: unix.POLLIN}
	c.fds[1] = unix.PollFd{Fd: -1, Events: unix.POLLIN}
	if c.links != nil {
		c.fds[1].Fd = int32(c.links.news)
	}
	for i, ch := range c.channels {
		c.fds[2+i] = unix.PollFd{Fd: -1, Events: unix.POLLIN}
		if sockets {
			c.fds[2+i].Fd = int32(ch.fd)
		}
	}
	t := unix.NsecToTimespec(max(0, timeout.Nanoseconds()))
	n, err := unix.Ppoll(c.fds, &t, nil)
	if err != nil { // EINTR: Revents are not written
		for i := range c.fds {
			c.fds[i].Revents = 0
		}
	}
	return n > 0
}

// publish makes the counters of the reading goroutine visible to Status.
func (c *Capture) publish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.snapshot = c.snapshot[:0]
	for _, ch := range c.channels {
		c.snapshot = append(c.snapshot, ch.status)
	}
}
