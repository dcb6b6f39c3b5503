package s3

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// stalling ends a connection on which no byte has moved, in either direction,
// for a while. It looks at bytes and not at calls: a slow link that takes
// minutes for one buffer is alive, and while it takes it, the wait for the
// answer has not begun.
type stalling struct {
	net.Conn
	after time.Duration
	start time.Time
	moved atomic.Int64 // when the last byte moved, ns after start: steps of the clock do not count
}

func newStalling(c net.Conn, after time.Duration) *stalling {
	return &stalling{Conn: c, after: after, start: time.Now()}
}

// looks is how often a waiting call looks whether it has waited too long.
const looks = 4

func (s *stalling) touch() { s.moved.Store(int64(time.Since(s.start))) }

// next returns when a waiting call looks again.
func (s *stalling) next() time.Time { return time.Now().Add(s.after / looks) }

// waits tells whether a call that ended with err goes on waiting: something
// moved less than the limit ago.
func (s *stalling) waits(err error, moved time.Duration) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && time.Since(s.start)-moved < s.after
}

// Read does not count its own time while the other direction is busy.
func (s *stalling) Read(p []byte) (int, error) {
	for {
		s.Conn.SetReadDeadline(s.next())
		n, err := s.Conn.Read(p)
		if n > 0 {
			s.touch()
		}
		if n > 0 || !s.waits(err, time.Duration(s.moved.Load())) {
			return n, err
		}
	}
}

// Write counts what is taken and nothing else: a server that talks, and takes
// nothing, is not waited for.
func (s *stalling) Write(p []byte) (total int, err error) {
	taken := time.Since(s.start)
	for {
		s.Conn.SetWriteDeadline(s.next())
		n, err := s.Conn.Write(p[total:])
		total += n
		if n > 0 {
			s.touch()
			taken = time.Since(s.start)
		}
		if total == len(p) || !s.waits(err, taken) {
			return total, err
		}
	}
}
