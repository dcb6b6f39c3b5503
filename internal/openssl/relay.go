package openssl

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// relay carries the bytes between openssl and the server until one of them ends.
func (c *Conn) relay() {
	defer close(c.ended)
	c.socket.SetDeadline(time.Now().Add(feedTime))
	go c.watch()
	inner, err := c.socket.Accept()
	if err != nil {
		c.fail(&RefusedError{})
		return
	}
	c.socket.Close() // one connection is all
	os.RemoveAll(c.dir)
	if !c.adopt(inner) {
		return
	}
	go c.up(inner)
	c.down(inner)
	inner.Close() // openssl gives out what it has, and ends
}

// up carries openssl's records to the server, and notes its alert.
func (c *Conn) up(inner net.Conn) {
	in := bufio.NewReader(inner)
	err := c.carry(in, c.raw, func(n Alert) error { return &RefusedError{n} })
	if err == nil {
		_, err = io.Copy(c.raw, in)
	}
	var lost *net.OpError
	if !errors.As(err, &lost) || lost.Op != "write" {
		err = &RefusedError{} // it has gone
	}
	c.fail(err)
	c.raw.Close()
}

// down has the server's first flight judged, gives it to openssl, and then all
// that follows.
func (c *Conn) down(inner net.Conn) {
	in := bufio.NewReaderSize(c.raw, maxRecord+5)
	flight, wire, err := readFlight(in, c.h.Offered)
	if err == nil {
		if err = c.h.Judge(*flight); err == nil {
			c.note(flight)
			_, err = inner.Write(wire)
		}
	}
	if err == nil {
		err = c.carry(in, inner, func(n Alert) error { return &net.OpError{Op: "remote error", Err: n} })
	}
	if err == nil {
		_, err = io.Copy(inner, in)
	}
	if err == nil {
		err = io.EOF
	}
	c.fail(err)
}

// carry copies records up to ChangeCipherSpec, and with it; until then an alert
// can be read. The error of a fatal one is noted before it is passed on.
func (c *Conn) carry(in io.Reader, out io.Writer, refused func(Alert) error) error {
	for range maxRecords {
		record, err := readRecord(in, maxRecord)
		if err != nil {
			return err
		}
		if len(record) == 7 && record[0] == recordAlert && record[5] == 2 {
			c.fail(refused(Alert(record[6])))
		}
		if _, err := out.Write(record); err != nil {
			return err
		}
		if record[0] == recordSpec {
			return nil
		}
	}
	return errors.New("a handshake that does not end")
}

const (
	maxRecords = 64
	maxLines   = 200 // of openssl's standard error that are looked at
)

// watch reads what openssl says of the handshake, and then throws away the rest. A
// child that ends says so by its socket; one that ends before it has come is told
// here.
func (c *Conn) watch() {
	lines := bufio.NewScanner(io.LimitReader(c.errors, maxFlight))
	missing := c.signs()
	for n := 0; n < maxLines && len(missing) > 0 && lines.Scan(); n++ {
		missing = slices.DeleteFunc(missing, func(s sign) bool { return s.stands(lines.Text()) })
	}
	if len(missing) == 0 && c.judged() {
		close(c.stands)
	}
	io.Copy(io.Discard, c.errors)
	c.socket.Close()
}

// sign is a line of `-brief` that must be there, by its first words and the rest.
type sign struct {
	words string
	rest  func(string) bool
}

func (s sign) stands(line string) bool {
	rest, ok := strings.CutPrefix(line, s.words)
	return ok && s.rest(rest)
}

func (c *Conn) signs() []sign {
	is := func(want string) func(string) bool { return func(s string) bool { return s == want } }
	list := []sign{
		{"CONNECTION ESTABLISHED", is("")}, {"Protocol version: ", is("TLSv1.2")}, {"Verification: ", is("OK")},
		{"Ciphersuite: ", func(s string) bool { return slices.Contains(strings.Split(c.h.Suites, ":"), s) }},
	}
	if _, err := netip.ParseAddr(c.h.ServerName); err != nil {
		list = append(list, sign{"Verified peername: ", func(string) bool { return true }})
	}
	return list
}
