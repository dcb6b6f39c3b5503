package s3

import (
	"context"
	"net"
	"sync"
	"time"
)

// pace shares a number of bytes per second among all connections of a client.
// It counts what is written to the wire, with all that TLS and HTTP add.
type pace struct {
	rate int64 // bytes per second

	mu   sync.Mutex
	free time.Time // when the line is free again
}

// burst is the time for which bytes are sent at once: short enough for a
// connection never to seem dead, and long enough to cost nothing.
const burst = 100 * time.Millisecond

// take reserves the line for up to n bytes; it returns how many may be sent,
// and after what time.
func (p *pace) take(n int, now time.Time) (allowed int, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	allowed = min(n, max(1, int(p.rate*int64(burst)/int64(time.Second))))
	if p.free.Before(now) {
		p.free = now
	}
	wait = p.free.Sub(now)
	p.free = p.free.Add(time.Duration(int64(allowed) * int64(time.Second) / p.rate))
	return allowed, wait
}

// paced writes no faster than its pace. Close ends a Write that waits.
type paced struct {
	net.Conn
	pace   *pace
	closed context.Context
	end    func()
}

func newPaced(c net.Conn, p *pace) net.Conn {
	if p == nil {
		return c
	}
	closed, end := context.WithCancel(context.Background())
	return &paced{c, p, closed, end}
}

func (c *paced) Write(b []byte) (total int, err error) {
	for total < len(b) {
		n, wait := c.pace.take(len(b)-total, time.Now())
		if !c.sleep(wait) {
			return total, net.ErrClosed
		}
		written, err := c.Conn.Write(b[total : total+n])
		total += written
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (c *paced) sleep(wait time.Duration) bool {
	if wait <= 0 {
		return c.closed.Err() == nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.closed.Done():
		return false
	}
}

func (c *paced) Close() error {
	c.end()
	return c.Conn.Close()
}
