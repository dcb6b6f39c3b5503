package control

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Figures of the channel: a handshake, and how an honest client fares while
// others flood the port with wrong tokens. They assert nothing but that it works.
func TestFiguresOfTheChannel(t *testing.T) {
	if os.Getenv("CANSEAL_SOAK") == "" {
		t.Skip("NOT RUN: figures of the control channel (CANSEAL_SOAK=1)")
	}
	var keys [2]Key
	for i := range keys {
		token, err := NewToken(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if keys[i], err = NewKey(token); err != nil {
			t.Fatal(err)
		}
	}
	inner, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(inner, keys[0], nil)
	defer l.Close()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() {
				defer c.Close()
				b := make([]byte, 100)
				for n, err := c.Read(b); err == nil; n, err = c.Read(b) {
					_, _ = c.Write(b[:n])
				}
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(inner.Addr().String())
	fmt.Printf("FIGURE control alone: %s\n", honest(t, keys[0], port, 200))

	over := make(chan struct{})
	var flood sync.WaitGroup
	var tries atomic.Uint64
	begun, before := time.Now(), l.Counts()
	for n := range 32 { // each from an address of its own
		flood.Go(func() {
			from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(n+1))}, Timeout: time.Second}
			for {
				select {
				case <-over:
					return
				default:
				}
				if c, err := from.Dial("tcp", "127.0.0.1:"+port); err == nil {
					_, _ = Client(c, keys[1])
					c.Close()
				}
				tries.Add(1)
			}
		})
	}
	fmt.Printf("FIGURE control under flood: %s\n", honest(t, keys[0], port, 50))
	close(over)
	flood.Wait()
	n, took := l.Counts(), time.Since(begun).Seconds()
	fmt.Printf("FIGURE control flood: %.0f tries/s, %.0f refused/s, %.0f unheard/s\n", float64(tries.Load())/took,
		float64(n.Refused-before.Refused)/took, float64(n.Ignored-before.Ignored)/took)
}

// honest connects so many times and says a word.
func honest(t *testing.T, k Key, port string, times int) string {
	t.Helper()
	var took []time.Duration
	failed := 0
	for len(took) < times {
		begun := time.Now()
		for !once(k, port) {
			failed++
			if time.Since(begun) > 10*time.Second {
				t.Fatal("an honest client is not served")
			}
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return fmt.Sprintf("connected and answered in median %v, max %v, %d attempts failed", took[times/2].Round(10*time.Microsecond), took[times-1].Round(10*time.Microsecond), failed)
}

func once(k Key, port string) bool {
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		return false
	}
	s, err := Client(c, k)
	if err != nil {
		return false
	}
	defer s.Close()
	if _, err := s.Write([]byte("word")); err != nil {
		return false
	}
	b := make([]byte, 10)
	n, err := s.Read(b)
	return err == nil && string(b[:n]) == "word"
}
