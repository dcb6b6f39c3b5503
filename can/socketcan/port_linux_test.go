package socketcan

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"testing"

	brutella "github.com/brutella/can"
	"golang.org/x/sys/unix"

	"canseal/can"
)

// pipePort returns a port over a packet socket in place of CAN, and the other
// end.
func pipePort(t *testing.T) (*Port, int) {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(ends[1]) })
	p := &Port{line: line{os.NewFile(uintptr(ends[0]), "pipe")}, own: new(own)}
	p.bus = brutella.NewBus(brutella.NewReadWriteCloser(p.line))
	t.Cleanup(func() { p.Close() })
	return p, ends[1]
}

func TestPortSendsWhatTheKernelWants(t *testing.T) {
	p, other := pipePort(t)
	for name, f := range map[string]can.Frame{
		"classic":         frame(0x123, 0, 3, 1, 2, 3),
		"29 bits":         frame(0x18DAF110, can.Extended, 1, 9),
		"DLC above 8":     frame(0x123, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8),
		"remote":          frame(0x123, can.Remote, 5),
		"FD, 64 bytes":    frame(0x123, can.FD|can.BRS, 15, bytes.Repeat([]byte{7}, 64)...),
		"FD with no data": frame(0x123, can.FD, 0),
	} {
		t.Run(name, func(t *testing.T) {
			if err := p.Send(f); err != nil {
				t.Fatal(err)
			}
			raw := make([]byte, 100)
			n, err := unix.Read(other, raw)
			var got can.Frame
			if err != nil || !decode(raw[:n], &got) || got != f {
				t.Fatalf("%d bytes, %v, %+v, want %+v", n, err, got, f)
			}
			if mine, _ := p.own.take(&got, wall()); !mine {
				t.Error("not announced as our own")
			}
		})
	}
}

func TestPortRefuses(t *testing.T) {
	p, _ := pipePort(t)
	for name, f := range map[string]can.Frame{
		"error message": frame(0x40, can.Error, 8, 0, 0, 0, 0, 0, 0, 0, 0),
		"wrong length":  frame(1, 0, 2, 1),
	} {
		if err := p.Send(f); !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.Close()
	if err := p.Send(frame(1, 0, 0)); err == nil || p.own.count.Load() != 0 {
		t.Errorf("closed: %v, %d remembered", err, p.own.count.Load())
	}
}

func TestPortRunPassesOverFD(t *testing.T) {
	p, other := pipePort(t)
	got := make(chan can.Frame, 4)
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := p.Run(func(f can.Frame) { got <- f }); err != nil {
			t.Error(err)
		}
	})
	want := frame(0x18DAF110, can.Extended, 2, 8, 9)
	for _, raw := range [][]byte{message(72, 0x123, 64, 4, 0), message(16, 0x98DAF110, 2, 0, 0, 8, 9)} {
		if _, err := unix.Write(other, raw); err != nil {
			t.Fatal(err)
		}
	}
	if f := <-got; f != want {
		t.Errorf("got %+v, want %+v", f, want)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	ended.Wait()
}

func TestPortClosedTwice(t *testing.T) {
	p, _ := pipePort(t)
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := p.Run(func(can.Frame) {}); err != nil {
		t.Errorf("run after close: %v", err)
	}
}

func TestOpenPortOnAMissingInterface(t *testing.T) {
	_, err := OpenPort(PortOptions{Interface: "nocan9", Bus: 1})
	if !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EAFNOSUPPORT) {
		t.Errorf("got %v", err)
	}
}
