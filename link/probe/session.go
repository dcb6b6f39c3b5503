package probe

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// session is a probe's work on an association.
type session struct {
	*association
	c       *Client
	records atomic.Uint64
	done    chan struct{} // closed at its end
	once    sync.Once
}

func (c *Client) begin(a *association) *session {
	s := &session{association: a, c: c, done: make(chan struct{})}
	go s.hear()
	go s.say()
	return s
}

func (s *session) over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *session) end() {
	s.once.Do(func() {
		close(s.done)
		s.conn.Close()
		s.association.Close()
		s.c.route.remove(s.association)
	})
}

// hear takes what the logger asks.
func (s *session) hear() {
	defer s.end()
	b := make([]byte, mostFrame)
	for {
		n, err := s.conn.Read(b)
		var passing net.Error
		if errors.As(err, &passing) && passing.Timeout() {
			continue
		}
		if err != nil {
			return
		}
		if a, err := parseAsk(b[:n]); err == nil {
			s.c.lock.Lock()
			s.c.sender.asked(&a)
			s.c.heard = time.Now()
			s.c.lock.Unlock()
			s.c.wake()
		}
	}
}

// say sends what is to be sent.
func (s *session) say() {
	defer s.end()
	tick := time.NewTicker(workEvery)
	defer tick.Stop()
	for {
		s.c.lock.Lock()
		now := s.c.now()
		s.c.sender.tick(now)
		message := s.c.sender.message(now)
		s.c.lock.Unlock()
		if message != nil {
			s.records.Add(1)
			if _, err := s.conn.Write(message); err != nil {
				return
			}
			continue
		}
		select {
		case <-s.c.work:
		case <-tick.C:
		case <-s.done:
			return
		}
	}
}
