package mqtt

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// ErrGuard says that a broker sent what a publisher must not hear.
var ErrGuard = errors.New("the broker sent what is no answer to a publisher")

// Types of control packets (MQTT 5.0, 2.1.2).
const (
	connack    = 2
	puback     = 4
	pingresp   = 13
	disconnect = 14
)

const (
	mostInbound = 4096             // bytes of a packet behind its fixed header
	writeWithin = 10 * time.Second // a broker that does not read is given up
)

// guard is a connection that lets through what a publisher needs. Its reader is
// one goroutine.
type guard struct {
	net.Conn
	in     *bufio.Reader
	head   []byte // of a packet, not read yet
	left   int    // bytes of its rest
	joined bool   // CONNACK has come
	broken atomic.Pointer[error]
	turn   chan struct{} // full while a packet is written
}

// Lock and Unlock make a packet whole, which the library writes in pieces.
func (g *guard) Lock()   { g.turn <- struct{}{} }
func (g *guard) Unlock() { <-g.turn }

// err is why the guard closed the connection, nil if it did not.
func (g *guard) err() error {
	if p := g.broken.Load(); p != nil && errors.Is(*p, ErrGuard) {
		return *p
	}
	return nil
}

func newGuard(c net.Conn) *guard {
	return &guard{Conn: c, in: bufio.NewReaderSize(c, mostInbound), turn: make(chan struct{}, 1)}
}

// Read gives the bytes of packets that are let through.
func (g *guard) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(g.head) == 0 && g.left == 0 {
		if err := g.next(); err != nil {
			g.broken.Store(&err)
			g.Conn.Close()
			return 0, err
		}
	}
	if len(g.head) > 0 {
		n := copy(p, g.head)
		g.head = g.head[n:]
		return n, nil
	}
	n, err := g.in.Read(p[:min(len(p), g.left)])
	g.left -= n
	return n, err
}

// next reads a fixed header.
func (g *guard) next() error {
	if p := g.broken.Load(); p != nil {
		return *p
	}
	first, err := g.in.ReadByte()
	if err != nil {
		return err
	}
	if err := g.admit(first); err != nil {
		return err
	}
	g.head = append(g.head[:0], first)
	length, shift := 0, 0
	for {
		b, err := g.in.ReadByte()
		if err != nil {
			return err
		}
		g.head = append(g.head, b)
		length |= int(b&0x7F) << shift
		if shift += 7; b < 0x80 {
			break
		}
		if shift == 28 {
			return fmt.Errorf("%w: a length of more than 4 bytes", ErrGuard)
		}
	}
	if length > mostInbound {
		return fmt.Errorf("%w: a packet of %d bytes, wanted at most %d", ErrGuard, length, mostInbound)
	}
	g.left = length
	return nil
}

// admit judges the first byte of a packet.
func (g *guard) admit(first byte) error {
	kind := first >> 4
	ok := kind == puback || kind == pingresp || kind == disconnect
	if !g.joined {
		ok = kind == connack
		g.joined = true
	}
	if !ok || first&15 != 0 {
		return fmt.Errorf("%w: a packet of type %d with flags %d", ErrGuard, kind, first&15)
	}
	return nil
}

// Write gives up after a while.
func (g *guard) Write(p []byte) (int, error) {
	if err := g.Conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return 0, err
	}
	return g.Conn.Write(p)
}
