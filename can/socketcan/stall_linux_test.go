package socketcan

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/logger"
)

// A card that answers nothing for a second, as a cheap one does now and then,
// costs no frame of a bus full of empty frames: the way from the kernel's queue
// through the batch reader to the card, with UDP in the place of CAN.
func TestACardThatStallsForASecondCostsNoFrame(t *testing.T) {
	const rate, length = 21_277, 2500 * time.Millisecond
	out, in := loopback(t)
	if _, err := buffer(in, 16<<20); err != nil {
		t.Fatal(err)
	}
	c, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.channels, c.fds = append(c.channels, overLoopback(in, 1)), make([]unix.PollFd, 3)
	if c.links != nil { // nobody asks for an interface called udp
		c.links.close()
		c.links = nil
	}
	c.looked = time.Now().Add(time.Hour)
	c.due = c.looked
	card := &stalling{FS: memfs.New()}
	l, _, err := logger.Prepare(logger.Options{
		Card: card, State: memfs.New(), Device: "A1B2C3D4", Clock: clock.New(clock.Options{}), Source: c, Flush: 100 * time.Millisecond,
		Buses: []logger.Bus{{Number: 1, Interface: "udp"}}, KeepFree: logger.Reserve{Bytes: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run(t.Context()) }()
	<-l.Ready()
	card.armed.Store(true)
	sent := flood(t, out, rate, length)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s := l.Status().Log
		if s.Frames+s.Lost.Socket >= uint64(sent) || time.Now().After(end) {
			break
		}
	}
	c.Close()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	s := l.Status().Log
	if card.stalled.Load() != 1 {
		t.Fatalf("the card stalled %d times, wanted once", card.stalled.Load())
	}
	if lost := s.Lost.Sum(); s.Frames != uint64(sent) || lost != 0 {
		t.Errorf("sent %d, recorded %d, lost %+v", sent, s.Frames, s.Lost)
	}
	t.Logf("%d frames in %v through a stall of a second, none lost", s.Frames, length)
}

// flood sends empty frames at a rate and returns how many.
func flood(t *testing.T, fd, rate int, length time.Duration) (sent int) {
	t.Helper()
	raw := message(16, 0x123, 0, 0, 0)
	began := time.Now()
	for time.Since(began) < length {
		for due := int(float64(rate) * time.Since(began).Seconds()); sent < due; sent++ {
			send(t, fd, raw)
		}
		time.Sleep(time.Millisecond)
	}
	return sent
}

// stalling is a card whose sync takes a second, once.
type stalling struct {
	durable.FS
	armed   atomic.Bool
	stalled atomic.Int64
}

func (s *stalling) Create(name string, perm os.FileMode) (durable.File, error) {
	f, err := s.FS.Create(name, perm)
	return stallingFile{f, s}, err
}

type stallingFile struct {
	durable.File
	card *stalling
}

func (f stallingFile) Sync() error {
	if f.card.armed.CompareAndSwap(true, false) {
		f.card.stalled.Add(1)
		time.Sleep(time.Second)
	}
	return f.File.Sync()
}
