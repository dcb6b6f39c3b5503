package probe

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"canseal/can"
)

// wide is a source whose frames have 8 bytes.
type wide struct{ *numbers }

func (w wide) Read(buf []can.Event) (int, error) {
	n, err := w.numbers.Read(buf)
	for i := range buf[:n] {
		buf[i].Frame.DLC, buf[i].Frame.Len = 8, 8
	}
	return n, err
}

// Figures of the page: how long a handshake takes, and what a line carries. They
// assert nothing but that it works.
func TestFiguresOfALine(t *testing.T) {
	if os.Getenv("CANSEAL_SOAK") == "" {
		t.Skip("NOT RUN: figures of the probe link (CANSEAL_SOAK=1)")
	}
	for _, row := range []struct {
		baud int
		half bool
	}{{115_200, false}, {921_600, false}, {115_200, true}, {9600, false}} {
		for _, loss := range []float64{0, 0.01, 0.05} {
			t.Run(fmt.Sprintf("%d baud, half %v, loss %v", row.baud, row.half, loss), func(t *testing.T) {
				handshakes(t, row.baud, loss, row.half)
				frames(t, row.baud, loss, row.half)
			})
		}
	}
}

func handshakes(t *testing.T, baud int, loss float64, half bool) {
	l := newLink(t, nil)
	c, a, b := newCable(baud, loss)
	at := NewLine(a, LineOptions{Name: "line", Baud: baud, HalfDuplex: half, Master: true})
	stop := l.background(func(ctx context.Context) { _ = l.server.ListenLine(ctx, at) })
	client := NewLineClient(NewLine(b, LineOptions{Name: "line", Baud: baud, HalfDuplex: half}), ClientOptions{Identity: l.fleet.probe(t, "roof"), Logger: "logger"})
	go func() { _ = client.route.run() }()
	defer client.t.Close()
	var took []time.Duration
	for len(took) < 11 {
		begun := time.Now()
		s, err := client.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(begun))
		s.end()
	}
	c.lock.Lock()
	sent := c.bytes
	c.lock.Unlock()
	stop()
	slices.Sort(took)
	fmt.Printf("FIGURE handshake baud=%d half=%v loss=%v median=%v max=%v bytes_probe=%d bytes_logger=%d\n", baud, half, loss,
		took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond), sent[1]/len(took), sent[0]/len(took))
}

func frames(t *testing.T, baud int, loss float64, half bool) {
	l := newLink(t, nil)
	c, a, b := newCable(baud, loss)
	at := NewLine(a, LineOptions{Name: "line", Baud: baud, HalfDuplex: half, Master: true})
	stop := l.background(func(ctx context.Context) { _ = l.server.ListenLine(ctx, at) })
	source := wide{newNumbers()}
	client := NewLineClient(NewLine(b, LineOptions{Name: "line", Baud: baud, HalfDuplex: half}), ClientOptions{Identity: l.fleet.probe(t, "roof"), Logger: "logger"})
	end := l.background(func(ctx context.Context) { _ = client.Run(ctx, source) })
	feed := func() bool {
		if client.Counts().Waiting < 100 {
			source.give(500)
		}
		return false
	}
	within(t, "the first frames", func() bool { feed(); return l.ears.at() > 200 })
	c.lock.Lock()
	bytes := c.bytes
	c.lock.Unlock()
	begun, from := time.Now(), l.ears.at()
	for time.Since(begun) < 5*time.Second {
		feed()
		time.Sleep(5 * time.Millisecond)
	}
	took, n := time.Since(begun), l.ears.at()-from
	c.lock.Lock()
	sent := c.bytes[1] - bytes[1]
	c.lock.Unlock()
	s := l.status()
	end()
	stop()
	l.ears.good(t)
	fmt.Printf("FIGURE frames baud=%d half=%v loss=%v frames_per_s=%.0f bytes_per_frame=%.1f lost=%d late=%d clock_error_us=%d duplicates=%d/%d\n", baud, half, loss,
		float64(n)/took.Seconds(), float64(sent)/float64(max(1, n)), s.Lost, s.Late, s.ClockError, s.Duplicates, s.Batches)
}
