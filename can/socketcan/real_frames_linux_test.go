package socketcan

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"canseal/can"
)

func TestRealCangenIsCapturedAsCandumpSawIt(t *testing.T) {
	name := realBus(t)
	for title, flags := range map[string]string{
		"classic": "-L r", "29 bits": "-e", "remote": "-R -L i", "FD": "-f", "FD with BRS": "-b", "FD with ESI": "-f -E", "mixed": "-m",
	} {
		t.Run(title, func(t *testing.T) {
			const sent = 400
			r, beside := record(t, errorsToo(name, 1)), candump(t, name, sent)
			runUtility(t, "cangen", append(strings.Fields("-g 0 -I r -D r -n "+strconv.Itoa(sent)+" "+flags), name)...)
			lines := beside.lines(t)
			r.awaitFrames(t, sent)
			got := r.frames()
			if len(got) != sent || len(lines) != sent {
				t.Fatalf("%d frames captured, candump has %d, %d sent", len(got), len(lines), sent)
			}
			for i, l := range lines {
				var want can.Event
				if _, err := can.ParseCandump([]byte(l), &want); err != nil {
					t.Fatal(err)
				}
				if got[i].Frame != want.Frame || got[i].Time/1000 != want.Time/1000 || got[i].Dir != can.OtherTx {
					t.Fatalf("frame %d: got %+v, candump says %s", i, got[i], l)
				}
			}
		})
	}
}

// mixed.log holds every kind of frame on two buses.
func mixedLog(t *testing.T) (text []byte, want []can.Event) {
	t.Helper()
	text, err := testdata.ReadFile("testdata/mixed.log")
	if err != nil {
		t.Fatal(err)
	}
	for l := range bytes.Lines(text) {
		var e can.Event
		iface, err := can.ParseCandump(bytes.TrimSpace(l), &e)
		if err != nil {
			t.Fatal(err)
		}
		e.Bus = iface[len(iface)-1] - '0' + 1
		want = append(want, e)
	}
	return text, want
}

func TestRealCanplayerOnTwoBuses(t *testing.T) {
	realBus(t)
	addLink(t, "two0", "vcan")
	addLink(t, "two1", "vcan")
	text, want := mixedLog(t)
	r := record(t, errorsToo("two0", 1), errorsToo("two1", 2))
	play := utility(t, "canplayer", "-t", "two0=can0", "two1=can1")
	play.Stdin = bytes.NewReader(text)
	if out, err := play.CombinedOutput(); err != nil {
		t.Fatalf("canplayer: %v %s", err, out)
	}
	r.awaitFrames(t, len(want))
	got := r.frames()
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Frame != want[i].Frame || got[i].Bus != want[i].Bus {
			t.Fatalf("frame %d: got %+v, want %+v", i, got[i], want[i])
		}
		if i > 0 && got[i].Time < got[i-1].Time {
			t.Fatalf("frame %d is before the one before", i)
		}
	}
	if s := r.Status(); s[0].Errors+s[1].Errors == 0 || s[0].LostSocket+s[1].LostSocket != 0 {
		t.Errorf("status %+v", s)
	}
}

func TestRealDirections(t *testing.T) {
	realBus(t)
	addLink(t, "vx0", "vxcan", "vx1")
	r := record(t, errorsToo("vx0", 3))
	p, err := OpenPort(PortOptions{Interface: "vx0", Bus: 3, Capture: r.Capture})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	bus, other := newWriter(t, "vx1"), newWriter(t, "vx0")
	var want []can.Event
	say := func(d can.Direction, f can.Frame) {
		want = append(want, can.Event{Dir: d, Frame: f})
		switch d {
		case can.Rx:
			bus.send(t, f)
		case can.OtherTx:
			other.send(t, f)
		default:
			if err := p.Send(f); err != nil {
				t.Fatal(err)
			}
		}
		r.awaitFrames(t, len(want))
	}
	same := frame(0x123, 0, 2, 1, 2)
	fd := frame(0x18DAF110, can.FD|can.BRS|can.Extended, 9, make([]byte, 12)...)
	for _, f := range []can.Frame{same, fd, frame(0x7DF, can.Remote, 3)} {
		for _, d := range []can.Direction{can.Rx, can.Tx, can.OtherTx, can.Tx, can.Rx} {
			say(d, f)
		}
	}
	for i, e := range r.frames() {
		if e.Frame != want[i].Frame || e.Dir != want[i].Dir || e.Bus != 3 {
			t.Errorf("frame %d: got %+v, want direction %d", i, e, want[i].Dir)
		}
	}
	if s := r.Status()[0]; s.Frames != 15 || s.Sent != 6 || s.OtherTx != 3 || s.LastFrame == 0 {
		t.Errorf("status %+v", s)
	}
}

func TestRealBurstIntoATooSmallBuffer(t *testing.T) {
	name := realBus(t)
	const sent = 5000
	c := open(t, Interface{Name: name, Bus: 1, ReceiveBuffer: 64 << 10})
	w := newWriter(t, name)
	for i := range uint32(sent) {
		w.send(t, frame(i&0x7FF, 0, 2, byte(i), byte(i>>8)))
	}
	r := read(t, c) // only now
	count := func(list []can.Event) (frames, lost int) {
		for _, e := range list {
			switch {
			case e.Kind == can.KindFrame:
				frames++
			case e.Kind == can.KindLost && (e.Reason != can.LostSocket || e.AtLeast):
				t.Fatalf("loss %+v", e)
			case e.Kind == can.KindLost:
				lost += int(e.Lost)
			}
		}
		return frames, lost
	}
	r.await(t, "every frame of the burst, though the bus is quiet", func(list []can.Event) bool {
		frames, lost := count(list)
		return frames+lost == sent
	})
	w.send(t, frame(1, 0, 0))
	r.await(t, "one more frame", func(list []can.Event) bool {
		frames, lost := count(list)
		return frames+lost == sent+1
	})
	frames, lost := count(r.all())
	if s := r.Status()[0]; lost == 0 || s.LostSocket != uint64(lost) || s.Frames != uint64(frames) {
		t.Fatalf("%d frames, %d lost, status %+v", frames, lost, s)
	}
	t.Logf("%d sent = %d recorded + %d counted", sent+1, frames, lost)
}

func TestRealDefaultBufferIsGranted(t *testing.T) {
	r := record(t, Interface{Name: realBus(t), Bus: 1})
	s := r.Status()[0]
	if os.Geteuid() == 0 && s.ReceiveBuffer < DefaultReceiveBuffer {
		t.Errorf("%d bytes granted, want %d or more", s.ReceiveBuffer, DefaultReceiveBuffer)
	}
	if s.Link != can.LinkUp || s.Problem != "" || !s.FD || s.Stamps != "software" || s.BitRate != 0 || s.Controller != 0 {
		t.Errorf("status %+v", s)
	}
}

func TestRealCloseUnblocksRead(t *testing.T) {
	name := realBus(t)
	r := record(t, Interface{Name: name, Bus: 1})
	r.await(t, "up", func(l []can.Event) bool { return ends(states(l, 1), can.LinkUp) })
	r.Close()
	select {
	case <-r.ended:
	case <-time.After(patience):
		t.Fatal("Read goes on")
	}
	if _, err := r.Read(events(1)); err != io.EOF {
		t.Fatalf("after the end: %v", err)
	}
}

func TestRealCloseDeliversWhatIsQueued(t *testing.T) {
	name := realBus(t)
	c := open(t, Interface{Name: name, Bus: 1})
	w, buf := newWriter(t, name), events(16)
	w.send(t, frame(0, 0, 0))
	if _, err := c.Read(buf); err != nil {
		t.Fatal(err)
	}
	const queued = 1000
	for i := range uint32(queued) {
		w.send(t, frame(i, 0, 0))
	}
	c.Close()
	got := 0
	for {
		n, err := c.Read(buf)
		for _, e := range buf[:n] {
			if e.Kind == can.KindFrame {
				got++
			}
		}
		if err == io.EOF {
			break
		}
	}
	if got < queued {
		t.Fatalf("%d frames after Close, want %d", got, queued)
	}
}

func TestRealPortReceivesOnlyWhatItAskedFor(t *testing.T) {
	name := realBus(t)
	p, err := OpenPort(PortOptions{Interface: name, Bus: 1, Receive: []ID{{0x100, false}, {0x100, true}}})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan can.Frame, 8)
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := p.Run(func(f can.Frame) { got <- f }); err != nil {
			t.Error(err)
		}
	})
	w := newWriter(t, name)
	a, b := frame(0x100, 0, 1, 1), frame(0x100, can.Extended, 1, 2)
	for _, f := range []can.Frame{frame(0x101, 0, 0), frame(0x100, can.Remote, 0), frame(0x100, can.FD, 15, make([]byte, 64)...), a, b} {
		w.send(t, f)
	}
	if x, y := <-got, <-got; x != a || y != b {
		t.Errorf("got %+v, %+v", x, y)
	}
	p.Close()
	ended.Wait()
}

func TestRealFloodOnTwoBuses(t *testing.T) {
	realBus(t)
	addLink(t, "flood0", "vcan")
	addLink(t, "flood1", "vcan")
	const each = 6000
	r := record(t, Interface{Name: "flood0", Bus: 1}, Interface{Name: "flood1", Bus: 2})
	var senders sync.WaitGroup
	start := time.Now()
	for _, name := range []string{"flood0", "flood1"} {
		w := newWriter(t, name)
		senders.Go(func() {
			for i := range uint32(each) {
				w.send(t, frame(i&0x7FF, 0, 8, byte(i), byte(i>>8), 0, 0, 0, 0, 0, 0))
			}
		})
	}
	senders.Wait()
	rate := float64(2*each) / time.Since(start).Seconds()
	r.awaitFrames(t, 2*each)
	next := [3]int{}
	for _, e := range r.frames() {
		if n := int(e.Frame.Data[0]) | int(e.Frame.Data[1])<<8; n != next[e.Bus] {
			t.Fatalf("bus %d: frame %d, want %d", e.Bus, n, next[e.Bus])
		}
		next[e.Bus]++
	}
	for _, s := range r.Status() {
		if s.Frames != each || s.LostSocket+s.LostInterface+s.LostController != 0 {
			t.Errorf("status %+v", s)
		}
	}
	t.Logf("%.0f frames/s, no loss", rate)
}
