package control

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

var stretched sync.Map // keys by token: each takes 75 ms

// key is that of a token.
func key(t testing.TB, token string) Key {
	t.Helper()
	if k, ok := stretched.Load(token); ok {
		return k.(Key)
	}
	k, err := NewKey(token)
	if err != nil {
		t.Fatal(err)
	}
	stretched.Store(token, k)
	return k
}

const token = "a token for tests, of 36 characters"

// serve listens on loopback and answers each connection with what it sends.
func serve(t testing.TB, k Key) *Listener {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(inner, k, nil)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l
}

func connect(t testing.TB, l *Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// talks fails the test unless an honest client is answered.
func talks(t testing.TB, l *Listener, k Key, text string) {
	t.Helper()
	c, err := Client(connect(t, l), k)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("answered %.40q (%v), wanted %.40q", got, err, text)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The published vector of this profile: key, messages, hash and records.
func TestTheProfileIsItsVector(t *testing.T) {
	k, err := stretch("6NJfaCFwJhL79+b4TAclWyFpZZYKf8AmEdnvSsQr/tw", profile)
	if err != nil || hex.EncodeToString(k.secret[:]) != "f82fc4222556e45c79eadf11f1dd8bf14612e17c5bd8a52504696b76990c7494" {
		t.Fatalf("key %x (%v)", k.secret, err)
	}
	random := func(first byte) io.Reader {
		b := make([]byte, 32)
		for i := range b {
			b[i] = first + byte(i)
		}
		return bytes.NewReader(b)
	}
	i, _ := handshake(k, true, random(0x20))
	r, _ := handshake(k, false, random(0x40+1))
	first, _, _, err := i.WriteMessage(nil, nil)
	want := "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd16625439a4119b1ec4e7fcdff6a54cea4c1910"
	if err != nil || hex.EncodeToString(first) != want {
		t.Fatalf("message 1 %x (%v)", first, err)
	}
	if _, _, _, err := r.ReadMessage(nil, first); err != nil {
		t.Fatal(err)
	}
	second, _, answers, err := r.WriteMessage(nil, nil)
	want = "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d484669028a4f5242e1d86f02e3d889b019328"
	if err != nil || hex.EncodeToString(second) != want {
		t.Fatalf("message 2 %x (%v)", second, err)
	}
	_, requests, _, err := i.ReadMessage(nil, second)
	if err != nil || hex.EncodeToString(i.ChannelBinding()) != "7324df98f279f60dee80a6eb2ec6e9c7e337de60bc08bf155edc51f50332f951" {
		t.Fatalf("hash %x (%v)", i.ChannelBinding(), err)
	}
	for _, row := range []struct{ plain, want string }{
		{"request 0", "ac974f250fb0e07469bdfedd33aa41ab43529cb9c46dd452fc"}, {"request 1", "d6edd59ddf6dd4ccc47eafdc83c5ad0c62e06826af4305cc60"},
	} {
		if got, err := requests.Encrypt(nil, nil, []byte(row.plain)); err != nil || hex.EncodeToString(got) != row.want {
			t.Errorf("%s: %x (%v), wanted %s", row.plain, got, err, row.want)
		}
	}
	if got, err := answers.Encrypt(nil, nil, []byte("answer 0")); err != nil || hex.EncodeToString(got) != "26ae7f6507fa3da7c49bbe132340e5407aa8f6b7031e9c65" {
		t.Errorf("answer 0: %x (%v)", got, err)
	}
}

// The pattern and the functions are those of the vectors that Noise libraries
// share: this pattern with an empty prologue.
func TestThePatternIsThatOfTheSharedVectors(t *testing.T) {
	k := Key{[32]byte(unhex(t, "2176657279736563726574766572797365637265747665727973656372657421"))}
	ephemeral := func(first byte) io.Reader {
		b := make([]byte, 32)
		for i := range b {
			b[i] = first + byte(i)
		}
		return bytes.NewReader(b)
	}
	i, _ := handshakeOf("", k, true, ephemeral(0x20))
	r, _ := handshakeOf("", k, false, ephemeral(0x41))
	first, _, _, _ := i.WriteMessage(nil, nil)
	_, _, _, err := r.ReadMessage(nil, first)
	if err != nil {
		t.Fatal(err)
	}
	second, _, answers, _ := r.WriteMessage(nil, nil)
	_, requests, _, err := i.ReadMessage(nil, second)
	if err != nil {
		t.Fatal(err)
	}
	third, _ := requests.Encrypt(nil, nil, []byte("yellowsubmarine"))
	fourth, _ := answers.Encrypt(nil, nil, []byte("submarineyellow"))
	for n, row := range []struct {
		got  []byte
		want string
	}{
		{first, "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd1662544833316e6c21d899aec6c5f0c6e85e13"},
		{second, "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466d3ec4419885d86e6d7310fb1d2263afd"},
		{third, "6a7b199c69a64cc2ea3c556cf17489fd2ae452d3f3c2a0871cebd327fc31c6"},
		{fourth, "e58d43e0c69d8c15df523586b2c58ca40cb0472b5b3775f1cca807fee28a71"},
	} {
		if hex.EncodeToString(row.got) != row.want {
			t.Errorf("message %d: %x, wanted %s", n, row.got, row.want)
		}
	}
}

func TestTokensThatAreNoSecretsAreRefused(t *testing.T) {
	for _, bad := range []string{
		"", "secretpassword", "password", strings.Repeat("x", 23), "  " + strings.Repeat("ab", 11) + "  \n", strings.Repeat("x", 43),
		"6NJfaCFwJhL79+b4TAclWyFpZZYKf8AmEdnvSsQr/tw", "8XYFQmjLrHxqn7T8FIh6zb3STkG+jRZxDqvGyd/H4xU\n",
	} {
		if _, err := NewKey(bad); err == nil {
			t.Errorf("%q was taken", bad)
		} else if len(bad) > 8 && strings.Contains(err.Error(), strings.TrimSpace(bad)) {
			t.Errorf("the error shows the token: %v", err)
		}
	}
	made, err := NewToken(strings.NewReader(strings.Repeat("0123456789abcdef", 2)))
	if err != nil || len(made) != 43 {
		t.Errorf("%q (%v)", made, err)
	}
	if key(t, made) != key(t, " "+made+"\n") {
		t.Error("white space around a token makes another key")
	}
}

func TestDataGoesBothWays(t *testing.T) {
	l := serve(t, key(t, token))
	talks(t, l, key(t, token), "hello")
	talks(t, l, key(t, token), strings.Repeat("more than one record. ", 5000))
}

// HTTP stops reads by deadlines in the past and goes on with the same
// connection.
func TestHTTPWorksInside(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := key(t, token)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append([]byte(r.URL.Path+" "), b...))
	})}
	defer server.Close()
	go func() { _ = server.Serve(NewListener(inner, k, nil)) }()
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			return nil, err
		}
		return Client(c, k)
	}}}
	for _, body := range []string{"", "x", strings.Repeat("y", 100_000)} {
		resp, err := client.Post("http://canseald/v1/x", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != "/v1/x "+body {
			t.Errorf("%.20q (%v)", got, err)
		}
	}
}

func TestACutIsNoGoodbye(t *testing.T) {
	client, server, _ := pair(t)
	go client.Close()
	if _, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a goodbye: %v", err)
	}
	client, server, _ = pair(t)
	go client.(*conn).Conn.Close()
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut: %v", err)
	}
	client, server, wire := pair(t)
	wire.change = func(b []byte) []byte { wire.Conn.Close(); return b[:len(b)/2] }
	go func() { _, _ = io.WriteString(client, "half of it") }()
	if n, err := server.Read(make([]byte, 100)); n > 0 || err == nil || err == io.EOF {
		t.Errorf("a cut in mid-record: %d bytes, %v", n, err)
	}
}

// dribble sends a byte at a time.
type dribble struct{ net.Conn }

func (d dribble) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func TestBytesMayComeOneByOne(t *testing.T) {
	l := serve(t, key(t, token))
	c, err := Client(dribble{connect(t, l)}, key(t, token))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "slowly"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "slowly" {
		t.Errorf("%q (%v)", got, err)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte{0, 17, 1, 2, 3})
	f.Add([]byte{0xFF, 0xFF})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		state, err := handshake(Key{}, true, bytes.NewReader(bytes.Repeat([]byte{7}, 32)))
		if err != nil {
			t.Fatal(err)
		}
		peer, _ := handshake(Key{}, false, bytes.NewReader(bytes.Repeat([]byte{8}, 32)))
		first, _, _, _ := state.WriteMessage(nil, nil)
		if _, _, _, err := peer.ReadMessage(nil, first); err != nil {
			t.Fatal(err)
		}
		_, in, out, _ := peer.WriteMessage(nil, nil)
		c := newConn(&canned{Reader: bytes.NewReader(b)}, in, out)
		if got, err := io.ReadAll(c); len(got) > 0 || err == nil {
			t.Errorf("%x gave %q (%v)", b, got, err)
		}
	})
}

// canned is a connection that only reads.
type canned struct {
	net.Conn
	io.Reader
}

func (c *canned) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func BenchmarkHandshake(b *testing.B) {
	l, k := serve(b, key(b, token)), key(b, token)
	for b.Loop() {
		talks(b, l, k, "x")
	}
}

func BenchmarkRefusal(b *testing.B) {
	k := key(b, token)
	wrong := append([]byte{0, 48}, bytes.Repeat([]byte{9}, 48)...)
	for b.Loop() {
		if _, err := respond(&canned{Reader: bytes.NewReader(wrong)}, k); err == nil {
			b.Fatal("taken")
		}
	}
}
