package probe

import (
	"net"
	"os"
	"sync"
	"time"
)

// lane is what an association sees of a transport: the datagrams that are for
// it. It is a net.PacketConn for the DTLS library.
type lane struct {
	net.PacketConn // for writing, and its address
	in             chan packet
	done           chan struct{}
	stop           sync.Once
	deadline       *deadline
}

type packet struct {
	b    []byte
	from net.Addr
}

const laneQueue = 128

func newLane(transport net.PacketConn) *lane {
	return &lane{PacketConn: transport, in: make(chan packet, laneQueue), done: make(chan struct{}), deadline: newDeadline()}
}

// put hands a datagram over; what there is no room for is gone, as on any
// network.
func (l *lane) put(b []byte, from net.Addr) {
	select {
	case l.in <- packet{append([]byte(nil), b...), from}:
	default:
	}
}

func (l *lane) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case x := <-l.in:
		return copy(p, x.b), x.from, nil
	case <-l.deadline.passed():
		return 0, nil, os.ErrDeadlineExceeded
	case <-l.done:
		return 0, nil, net.ErrClosed
	}
}

// Close ends the lane; the transport belongs to others.
func (l *lane) Close() error {
	l.stop.Do(func() { close(l.done) })
	return nil
}

func (l *lane) SetDeadline(t time.Time) error     { return l.SetReadDeadline(t) }
func (l *lane) SetReadDeadline(t time.Time) error { l.deadline.set(t); return nil }
func (*lane) SetWriteDeadline(time.Time) error    { return nil }

// deadline is one that readers wait for.
type deadline struct {
	lock  sync.Mutex
	timer *time.Timer
	over  chan struct{}
}

func newDeadline() *deadline { return &deadline{over: make(chan struct{})} }

// passed is closed when the deadline has passed.
func (d *deadline) passed() <-chan struct{} {
	d.lock.Lock()
	defer d.lock.Unlock()
	return d.over
}

func (d *deadline) set(t time.Time) {
	d.lock.Lock()
	defer d.lock.Unlock()
	if d.timer != nil && !d.timer.Stop() { // it has passed, or does now
		d.over = make(chan struct{})
	}
	d.timer = nil
	if over := d.over; !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), func() { close(over) })
	}
}
