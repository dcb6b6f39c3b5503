package s3

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// Two connections share the rate, and bytes keep moving: no pause comes near a
// stall.
func TestConnectionsShareTheBandwidth(t *testing.T) {
	for _, rate := range []int64{1024, 125_000} {
		synctest.Test(t, func(t *testing.T) {
			p, start := &pace{rate: rate}, time.Now()
			done := make(chan time.Duration, 2)
			for range 2 {
				ours, theirs := net.Pipe()
				go func() {
					buf := make([]byte, 1<<20)
					for last := time.Now(); ; last = time.Now() {
						_, err := theirs.Read(buf)
						if pause := time.Since(last); pause > time.Second {
							t.Errorf("nothing for %s", pause)
						}
						if err != nil {
							return
						}
					}
				}()
				go func() {
					c := newPaced(ours, p)
					c.Write(make([]byte, 10*rate))
					done <- time.Since(start)
					c.Close()
				}()
			}
			<-done
			if took := <-done; took < 19*time.Second || took > 21*time.Second {
				t.Errorf("2 x 10 s of bytes at %d B/s took %s", rate, took)
			}
		})
	}
}

func TestCloseEndsAWriteThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, theirs)
		c, start := newPaced(ours, &pace{rate: 1024}), time.Now()
		time.AfterFunc(5*time.Second, func() { c.Close() })
		if n, err := c.Write(make([]byte, 1<<20)); !errors.Is(err, net.ErrClosed) || n == 0 || time.Since(start) > 6*time.Second {
			t.Errorf("%d bytes, %v, after %s", n, err, time.Since(start))
		}
	})
}
