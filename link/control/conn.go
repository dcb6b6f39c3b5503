package control

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/flynn/noise"
)

const (
	handshakeSize = 48       // of each message: a public key, and the tag of nothing
	mostData      = 16 << 10 // bytes in a record
	tagSize       = 16
	mostRecord    = 1 + mostData + tagSize

	mostRecords = 1 << 20   // of one direction under one key
	mostAge     = time.Hour // of a key
	farewell    = time.Second
)

// Kinds of records, their first byte.
const (
	kindData = iota
	kindGoodbye
)

// ErrExpired says that a connection has come to the end of its keys.
var ErrExpired = errors.New("the keys of the connection have expired: connect again")

// errRefused is what a peer with another token or version looks like.
var errRefused = errors.New("the handshake did not verify: another token, or another version")

func handshake(k Key, initiator bool, random io.Reader) (*noise.HandshakeState, error) {
	return handshakeOf(profile, k, initiator, random)
}

// handshakeOf is a handshake with another prologue.
func handshakeOf(prologue string, k Key, initiator bool, random io.Reader) (*noise.HandshakeState, error) {
	return noise.NewHandshakeState(noise.Config{
		CipherSuite: noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256),
		Random:      random, Pattern: noise.HandshakeNN, Initiator: initiator, Prologue: []byte(prologue),
		PresharedKey: k.secret[:], PresharedKeyPlacement: 0,
	})
}

// conn is an end of a connection whose handshake is done.
type conn struct {
	net.Conn
	born time.Time

	reading  sync.Mutex
	in       *noise.CipherState
	received uint64
	frame    [2 + mostRecord]byte // that is coming in
	have     int                  // bytes of it
	rest     []byte               // data that is not read yet
	end      error                // of reading

	writing sync.Mutex
	out     *noise.CipherState
	sent    uint64
	line    []byte // memory of what is sent
	closed  bool
}

// Client makes a connection secure that was made to a server, within 5 s. The
// server must know the same key. On an error c is closed.
func Client(c net.Conn, k Key) (net.Conn, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	out, err := initiate(c, k)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("secure connection to %s: %w", c.RemoteAddr(), err)
	}
	return out, c.SetDeadline(time.Time{})
}

func initiate(c net.Conn, k Key) (*conn, error) {
	state, err := handshake(k, true, rand.Reader)
	if err != nil {
		return nil, err
	}
	first, _, _, err := state.WriteMessage(nil, nil)
	if err != nil {
		return nil, err
	}
	if _, err := c.Write(framed(nil, first)); err != nil {
		return nil, err
	}
	second, err := readHandshake(c)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, errRefused // a server that does not verify us is silent
		}
		return nil, err
	}
	_, out, in, err := state.ReadMessage(nil, second)
	if err != nil {
		return nil, errRefused
	}
	return newConn(c, in, out), nil
}

// respond is the server's half.
func respond(c net.Conn, k Key) (*conn, error) {
	first, err := readHandshake(c)
	if err != nil {
		return nil, err
	}
	state, err := handshake(k, false, rand.Reader)
	if err != nil {
		return nil, err
	}
	if _, _, _, err := state.ReadMessage(nil, first); err != nil {
		return nil, errRefused
	}
	second, in, out, err := state.WriteMessage(nil, nil)
	if err != nil {
		return nil, err
	}
	if _, err := c.Write(framed(nil, second)); err != nil {
		return nil, err
	}
	return newConn(c, in, out), nil
}

func newConn(c net.Conn, in, out *noise.CipherState) *conn {
	return &conn{Conn: c, born: time.Now(), in: in, out: out}
}

// framed is a message behind its length.
func framed(dst, message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(message))), message...)
}

// readHandshake reads a message of a handshake. What has another length is
// refused before it is read.
func readHandshake(r io.Reader) ([]byte, error) {
	var b [2 + handshakeSize]byte
	if _, err := io.ReadFull(r, b[:2]); err != nil {
		return nil, err
	}
	if n := binary.BigEndian.Uint16(b[:]); n != handshakeSize {
		return nil, fmt.Errorf("%w: found a first message of %d bytes, wanted %d", errRefused, n, handshakeSize)
	}
	_, err := io.ReadFull(r, b[2:])
	return b[2:], err
}

// unexpected makes an end in the middle of something a cut.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Read reads data. io.EOF is the peer's goodbye; an end without one is
// io.ErrUnexpectedEOF.
func (c *conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	for len(c.rest) == 0 {
		if c.end != nil {
			return 0, c.end
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// next reads a record. A deadline that passes leaves what has come for the next
// call; all other errors are final.
func (c *conn) next() error {
	message, err := c.message()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if err != nil {
		c.end = unexpected(err)
		return c.end
	}
	if c.received++; c.received > mostRecords {
		c.end = ErrExpired
		return c.end
	}
	plain, err := c.in.Decrypt(message[:0], nil, message)
	switch {
	case err != nil:
		c.end = errors.New("a record does not decrypt")
	case len(plain) > 0 && plain[0] == kindData:
		c.rest = plain[1:]
	case bytes.Equal(plain, []byte{kindGoodbye}):
		c.end = io.EOF
	default:
		c.end = errors.New("found a record of an unknown kind, wanted data or goodbye")
	}
	return c.end
}

// message reads the rest of a message, which is whole then.
func (c *conn) message() ([]byte, error) {
	if err := c.fill(2); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(c.frame[:]))
	if n > mostRecord {
		return nil, fmt.Errorf("found a record of %d bytes, wanted at most %d", n, mostRecord)
	}
	if err := c.fill(2 + n); err != nil {
		return nil, err
	}
	c.have = 0
	return c.frame[2 : 2+n], nil
}

func (c *conn) fill(n int) error {
	for c.have < n {
		k, err := c.Conn.Read(c.frame[c.have:n])
		if c.have += k; err != nil && c.have < n {
			return err
		}
	}
	return nil
}

// Write sends data, in as many records as it takes.
func (c *conn) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for first := true; len(p) > 0 || first; first = false {
		part := p[:min(len(p), mostData)]
		if err := c.send(kindData, part); err != nil {
			return n, err
		}
		n, p = n+len(part), p[len(part):]
	}
	return n, nil
}

// send sends a record; its caller holds the lock.
func (c *conn) send(kind byte, data []byte) error {
	if c.closed {
		return net.ErrClosed
	}
	if c.sent++; c.sent >= mostRecords && kind == kindData || time.Since(c.born) > mostAge && kind == kindData {
		c.goodbye()
		return ErrExpired
	}
	c.line = binary.BigEndian.AppendUint16(c.line[:0], uint16(1+len(data)+tagSize))
	plain := append([]byte{kind}, data...)
	line, err := c.out.Encrypt(c.line, nil, plain)
	if err != nil {
		return fmt.Errorf("encrypt a record: %w", err)
	}
	c.line = line
	_, err = c.Conn.Write(line)
	return err
}

// goodbye ends the connection; its caller holds the lock.
func (c *conn) goodbye() error {
	if c.closed {
		return nil
	}
	if c.Conn.SetWriteDeadline(time.Now().Add(farewell)) == nil {
		_ = c.send(kindGoodbye, nil) // a peer that does not read it sees a cut
	}
	c.closed = true
	return c.Conn.Close()
}

// Close says goodbye. It waits no longer than a second for a peer that does not
// read.
func (c *conn) Close() error {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(farewell)); err != nil {
		return c.Conn.Close()
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.goodbye()
}
