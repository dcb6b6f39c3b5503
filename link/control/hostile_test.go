package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"testing"
)

func TestAnotherTokenMeetsSilence(t *testing.T) {
	l := serve(t, key(t, token))
	if _, err := Client(connect(t, l), key(t, token+"!")); !errors.Is(err, errRefused) {
		t.Errorf("%v", err)
	}
}

// silent sends bytes, and fails unless the server closes without a word.
func silent(t *testing.T, l *Listener, send ...[]byte) {
	t.Helper()
	c := connect(t, l)
	for _, b := range send {
		if _, err := c.Write(b); err != nil {
			break // closed by now
		}
	}
	if got, err := io.ReadAll(c); len(got) > 0 {
		t.Errorf("answered %x (%v)", got, err)
	}
}

// A hello of the protocol that NoCAN's tools speak gets no answer, whole or in
// the first byte.
func TestAnSSCPHelloMeetsSilence(t *testing.T) {
	b, err := os.ReadFile("testdata/sscp-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var corpus struct {
		Vectors []struct{ Name, Token, ClientHello, ClientFinalize string }
	}
	if err := json.Unmarshal(b, &corpus); err != nil || len(corpus.Vectors) == 0 {
		t.Fatal(err)
	}
	for _, v := range corpus.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			k, err := stretch(v.Token, profile) // even when both know the same token
			if err != nil {
				t.Fatal(err)
			}
			silent(t, serve(t, k), unhex(t, v.ClientHello), unhex(t, v.ClientFinalize))
		})
	}
}

func TestWhatIsNoHandshakeMeetsSilence(t *testing.T) {
	for name, b := range map[string][]byte{
		"HTTP": []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "TLS": {0x16, 3, 1, 2, 0, 1, 0, 1}, "largest length": {0xFF, 0xFF, 1, 2, 3}, "zeros": make([]byte, 50),
		"low order point": append([]byte{0, 48, 1}, make([]byte, 47)...),
	} {
		t.Run(name, func(t *testing.T) { silent(t, serve(t, key(t, token)), b) })
	}
}

// recorder remembers what a connection carried.
type recorder struct {
	net.Conn
	sent, heard bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) { r.sent.Write(b); return r.Conn.Write(b) }

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.heard.Write(b[:n])
	return n, err
}

func TestARecordedSessionPlayedAgainDoesNothing(t *testing.T) {
	k := key(t, token)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(inner, k, nil)
	defer l.Close()
	got := make(chan string, 9)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(c)
			got <- string(b)
		}
	}()
	tape := &recorder{Conn: connect(t, l)}
	c, err := Client(tape, k)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "rotate")
	c.Close()
	if first := <-got; first != "rotate" {
		t.Fatalf("%q", first)
	}
	again := connect(t, l)
	_, _ = again.Write(tape.sent.Bytes())
	answer, _ := io.ReadAll(again)
	if len(answer) > 2+handshakeSize || bytes.Equal(answer, tape.heard.Bytes()[:len(answer)]) {
		t.Errorf("answered %d bytes", len(answer))
	}
	select {
	case text := <-got:
		t.Errorf("%q reached the server again", text)
	default:
	}
	talks2 := tape.heard.Bytes() // an old second message is no answer to a new first one
	server, client := net.Pipe()
	go func() {
		_, _ = io.ReadFull(server, make([]byte, 2+handshakeSize))
		_, _ = server.Write(talks2[:2+handshakeSize])
	}()
	if _, err := Client(client, k); !errors.Is(err, errRefused) {
		t.Errorf("an old answer: %v", err)
	}
}

// pair is a connection without a network.
func pair(t testing.TB) (client, server net.Conn, wire *tampered) {
	t.Helper()
	k := key(t, token)
	a, b := net.Pipe()
	wire = &tampered{Conn: b}
	done := make(chan *conn, 1)
	go func() {
		c, err := respond(wire, k)
		if err != nil {
			t.Error(err)
		}
		done <- c
	}()
	client, err := Client(a, k)
	if err != nil {
		t.Fatal(err)
	}
	return client, <-done, wire
}

// tampered lets a test change what a side hears.
type tampered struct {
	net.Conn
	change func([]byte) []byte // of a whole Write of the other side
	left   []byte
}

func (w *tampered) Read(p []byte) (int, error) {
	if w.change == nil {
		return w.Conn.Read(p)
	}
	for len(w.left) == 0 {
		b := make([]byte, 1<<16)
		n, err := w.Conn.Read(b)
		if err != nil {
			return 0, err
		}
		w.left = w.change(b[:n])
	}
	n := copy(p, w.left)
	w.left = w.left[n:]
	return n, nil
}

func TestChangedRecordsAreNotDelivered(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"a bit of the text": func(b []byte) []byte { b[2] ^= 1; return b },
		"a bit of the tag":  func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b },
		"shortened":         func(b []byte) []byte { b[1]--; return b[:len(b)-1] },
		"empty":             func([]byte) []byte { return []byte{0, 0} },
		"over-long":         func([]byte) []byte { return append([]byte{0xFF, 0xFF}, make([]byte, 70_000)...) },
	} {
		t.Run(name, func(t *testing.T) {
			client, server, wire := pair(t)
			wire.change = change
			go func() { _, _ = io.WriteString(client, "rotate") }()
			if n, err := server.Read(make([]byte, 100)); n > 0 || err == nil || errors.Is(err, io.EOF) {
				t.Errorf("%d bytes, %v", n, err)
			}
			wire.Close()
		})
	}
}

func TestRecordsTwiceOrSentBackAreNotDelivered(t *testing.T) {
	client, server, wire := pair(t)
	wire.change = func(b []byte) []byte { return append(b, b...) }
	go func() { _, _ = io.WriteString(client, "once") }()
	got, err := io.ReadAll(server)
	if string(got) != "once" || err == nil {
		t.Errorf("%q (%v)", got, err)
	}
	wire.Close()

	a, b := net.Pipe() // what a client sends comes back to it
	k := key(t, token)
	go func() {
		c, err := respond(b, k)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(c.Conn, c.Conn)
	}()
	mirror, err := Client(a, k)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(mirror, "reflection") }()
	if n, err := mirror.Read(make([]byte, 100)); n > 0 || err == nil {
		t.Errorf("%d bytes of its own came back (%v)", n, err)
	}
	a.Close()
}

func TestSilentPeersKeepNobodyOut(t *testing.T) {
	l := serve(t, key(t, token))
	for range 64 {
		connect(t, l)
	}
	talks(t, l, key(t, token), "I am here too")
	if n := l.Counts(); n.Ignored < 64-mostHalfOpen {
		t.Errorf("%+v", n)
	}
}

// Whoever floods with wrong handshakes is not heard for a while; others are.
func TestAFloodFromElsewhereKeepsNobodyOut(t *testing.T) {
	l := serve(t, key(t, token))
	elsewhere := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	probe, err := elsewhere.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Skip("no second loopback address here; NOT RUN: floods from elsewhere")
	}
	probe.Close()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		wrong := append([]byte{0, 48}, bytes.Repeat([]byte{9}, 48)...)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if c, err := elsewhere.Dial("tcp", l.Addr().String()); err == nil {
				_, _ = c.Write(wrong)
				c.Close()
			}
		}
	}()
	for range 5 {
		talks(t, l, key(t, token), "still here")
	}
	for l.Counts().Ignored == 0 {
		talks(t, l, key(t, token), "still here")
	}
	close(stop)
	<-stopped
}

func TestConnectionsAreBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := key(t, token)
	l := NewListener(inner, k, nil)
	defer l.Close()
	var kept []net.Conn
	for range mostOpen {
		c, err := Client(connect(t, l), k)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "x")
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, s)
	}
	one, err := Client(connect(t, l), k)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(one, "x")
	if _, err := one.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("one more: %v, wanted a goodbye", err)
	}
	kept[0].Close()
	next, err := Client(connect(t, l), k)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(next, "x")
	if _, err := l.Accept(); err != nil {
		t.Error(err)
	}
}

// A write deadline of the kernel, and a peer that reads nothing: Close ends.
func TestCloseDoesNotWaitForAPeerThatDoesNotRead(t *testing.T) {
	client, _, _ := pair(t)
	stuck := make(chan struct{})
	go func() {
		defer close(stuck)
		_, _ = client.Write(make([]byte, 1<<20))
	}()
	client.Close()
	<-stuck
}
