package openssl

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// Conn is a connection through a child. Close ends the child.
type Conn struct {
	raw  net.Conn // to the server
	h    Handshake
	free chan struct{}

	dir    string
	socket *net.UnixListener
	inner  net.Conn // to the child, once it has come
	in     *os.File // its standard input
	out    *os.File // its standard output
	errors *os.File // its standard error
	cmd    *exec.Cmd

	mu     sync.Mutex
	closed bool
	err    error         // the first failure
	failed chan struct{} // closed with err
	stands chan struct{} // closed when the handshake is done
	flight *Flight
	ended  chan struct{} // closed when the relay has ended; nil: it never began
	end    sync.Once
}

// Flight is what the server said, as Judge saw it.
func (c *Conn) Flight() Flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *c.flight
}

// note keeps a flight that was found good.
func (c *Conn) note(f *Flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flight = f
}

func (c *Conn) judged() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flight != nil
}

func (c *Conn) Read(p []byte) (int, error)         { return c.out.Read(p) }
func (c *Conn) Write(p []byte) (int, error)        { return c.in.Write(p) }
func (c *Conn) LocalAddr() net.Addr                { return c.raw.LocalAddr() }
func (c *Conn) RemoteAddr() net.Addr               { return c.raw.RemoteAddr() }
func (c *Conn) SetReadDeadline(t time.Time) error  { return c.out.SetReadDeadline(t) }
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.in.SetWriteDeadline(t) }

// SetDeadline is for both directions.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// fail notes the first failure of the handshake.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		close(c.failed)
	}
}

// start makes the socket, the pipes and the child.
func (c *Conn) start(program string) (err error) {
	files, err := c.h.files()
	if err != nil {
		return err
	}
	if c.dir, err = os.MkdirTemp("", "canseal-"); err != nil { // mode 0700
		return err
	}
	path := filepath.Join(c.dir, "s")
	if c.socket, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}); err != nil {
		return err
	}
	c.cmd = exec.Command(program, c.h.arguments(path)...)
	c.cmd.Env, c.cmd.Dir = environment(), "/"
	var theirs []*os.File
	defer func() { closeAll(theirs...) }()
	pipe := func(ours **os.File, reads bool) (*os.File, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		if reads {
			r, w = w, r // ours is the end that reads
		}
		*ours, theirs = w, append(theirs, r)
		return r, nil
	}
	if c.cmd.Stdin, err = pipe(&c.in, false); err != nil {
		return err
	}
	if c.cmd.Stdout, err = pipe(&c.out, true); err != nil {
		return err
	}
	if c.cmd.Stderr, err = pipe(&c.errors, true); err != nil {
		return err
	}
	var feeds []*os.File
	for range files {
		var ours *os.File
		r, err := pipe(&ours, false)
		if err != nil {
			closeAll(feeds...)
			return err
		}
		feeds, c.cmd.ExtraFiles = append(feeds, ours), append(c.cmd.ExtraFiles, r)
	}
	if err := c.cmd.Start(); err != nil {
		c.cmd = nil
		closeAll(feeds...)
		return err
	}
	for i, f := range feeds {
		go feed(f, files[i])
	}
	return nil
}

// feed writes one file into its pipe. A child that has ended reads no more.
func feed(f *os.File, content []byte) {
	defer f.Close()
	f.SetWriteDeadline(time.Now().Add(feedTime))
	f.Write(content)
}

const feedTime = 30 * time.Second

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// adopt keeps the child's connection; false when all is over already.
func (c *Conn) adopt(inner net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		inner.Close()
		return false
	}
	c.inner = inner
	return true
}

// Close ends the child and the connection to the server; Judge is not at work when
// it returns.
func (c *Conn) Close() error {
	c.end.Do(func() {
		c.mu.Lock()
		c.closed = true
		inner := c.inner
		c.mu.Unlock()
		c.raw.Close()
		if inner != nil {
			inner.Close()
		}
		if c.socket != nil {
			c.socket.Close()
		}
		if c.cmd != nil {
			c.cmd.Process.Kill()
			c.cmd.Wait()
		}
		closeAll(c.in, c.out, c.errors)
		if c.ended != nil {
			<-c.ended
		}
		if c.dir != "" {
			os.RemoveAll(c.dir)
		}
		<-c.free
	})
	return nil
}
