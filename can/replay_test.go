package can

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

const twoBuses = `(1735270496.000000) can0 110#00
(1735270496.000250) can1 111#01

(1735270497.000000) can0 112#02
(1735270498.000000) can1 113#03
`

// collect reads to the end with a small buffer and notes when each event came.
func collect(t *testing.T, s Source) (events []Event, came []time.Duration, err error) {
	t.Helper()
	start, buf := time.Now(), make([]Event, 3)
	for {
		n, err := s.Read(buf)
		if n == 0 && err == nil {
			t.Fatal("a Read without event or error")
		}
		for _, e := range buf[:n] {
			events = append(events, e)
			came = append(came, time.Since(start))
		}
		if err != nil {
			return events, came, err
		}
	}
}

func TestReplayDeliversTheLog(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"whole":               strings.NewReader(twoBuses),
		"byte by byte":        iotest.OneByteReader(strings.NewReader(twoBuses)),
		"error with the data": iotest.DataErrReader(strings.NewReader(twoBuses)),
		"no last line end":    strings.NewReader(strings.TrimSpace(twoBuses)),
		"line ends of DOS":    strings.NewReader(strings.ReplaceAll(twoBuses, "\n", "\r\n")),
		"DOS, no last":        strings.NewReader(strings.TrimSpace(strings.ReplaceAll(twoBuses, "\n", "\r\n"))),
	} {
		t.Run(name, func(t *testing.T) {
			events, _, err := collect(t, NewReplay(r, ReplayOptions{}))
			if err != io.EOF || len(events) != 4 {
				t.Fatalf("%d events, %v", len(events), err)
			}
			for i, e := range events {
				if e.Frame.ID != 0x110+uint32(i) || e.Frame.Data[0] != byte(i) || e.Bus != 1+uint8(i%2) {
					t.Errorf("event %d is %+v", i, e)
				}
			}
		})
	}
}

func TestReplayKeepsTime(t *testing.T) {
	for _, c := range []struct {
		pace float64
		want []time.Duration
	}{
		{0, []time.Duration{0, 0, 0, 0}},
		{1, []time.Duration{0, 5 * time.Millisecond, time.Second, 2 * time.Second}},
		{2, []time.Duration{0, 5 * time.Millisecond, 500 * time.Millisecond, time.Second}},
		{0.1, []time.Duration{0, 5 * time.Millisecond, 10 * time.Second, 20 * time.Second}},
	} {
		for _, shift := range []bool{false, true} {
			t.Run(fmt.Sprintf("pace %v shift %v", c.pace, shift), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					events, came, err := collect(t, NewReplay(strings.NewReader(twoBuses), ReplayOptions{Pace: c.pace, Shift: shift}))
					if err != io.EOF || fmt.Sprint(came) != fmt.Sprint(c.want) {
						t.Errorf("events came at %v, %v, want %v", came, err, c.want)
					}
					if last := events[3].Time; !shift && last != 1735270498e9 {
						t.Errorf("stamp changed to %d", last)
					}
					wantLast := c.want[3]
					if c.pace == 0 {
						wantLast = 2 * time.Second
					}
					if last := time.Unix(0, events[3].Time).Sub(start); shift && last != wantLast {
						t.Errorf("last stamp is %v behind the start, want %v", last, wantLast)
					}
				})
			})
		}
	}
}

func TestAStampFromThePastIsDueAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := "(1735270496.000000) can0 110#\n(1600000000.000000) can0 111#\n(1735270496.500000) can0 112#\n"
		_, came, err := collect(t, NewReplay(strings.NewReader(log), ReplayOptions{Pace: 1}))
		if want := "[0s 0s 500ms]"; err != io.EOF || fmt.Sprint(came) != want {
			t.Errorf("events came at %v, %v, want %s", came, err, want)
		}
	})
}

func TestCloseEndsAReadThatWaits(t *testing.T) {
	forStamp := func() *Replay {
		return NewReplay(strings.NewReader("(0.000000) can0 001#\n(9999999.000000) can0 002#\n"), ReplayOptions{Pace: 1})
	}
	forText := func() *Replay {
		r, _ := io.Pipe()
		return NewReplay(r, ReplayOptions{})
	}
	for name, open := range map[string]func() *Replay{"for the next stamp": forStamp, "for text": forText} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				replay, ended := open(), make(chan error)
				go func() {
					buf, err := make([]Event, 8), error(nil)
					for err == nil {
						_, err = replay.Read(buf)
					}
					ended <- err
				}()
				synctest.Wait()
				if err := replay.Close(); err != nil {
					t.Error(err)
				}
				if err := <-ended; err != io.EOF {
					t.Errorf("Read ended with %v", err)
				}
				if err := replay.Close(); err != nil {
					t.Errorf("closed again: %v", err)
				}
			})
		})
	}
}

func TestAPipeDeliversEachLineWhenItComes(t *testing.T) {
	r, w := io.Pipe()
	replay, buf := NewReplay(r, ReplayOptions{}), make([]Event, 8)
	go io.WriteString(w, "(0.000000) can0 001#\n(0.000001) can0 002#\n(0.0000")
	if n, err := replay.Read(buf); n != 2 || err != nil {
		t.Fatalf("%d events, %v, want 2 without waiting for the third", n, err)
	}
	go func() {
		io.WriteString(w, "02) can0 003#\n")
		w.Close()
	}()
	if n, err := replay.Read(buf); n != 1 || err != nil || buf[0].Frame.ID != 3 {
		t.Errorf("%d events, %v, %+v", n, err, buf[0])
	}
}

func TestInterfacesGetTheirNumbers(t *testing.T) {
	for _, c := range []struct {
		name, order string
		buses       map[string]uint8
		want        string
	}{
		{"canN is N+1", "can3 can0 can7", nil, "[4 1 8]"},
		{"others in order of appearance", "vcan5 slcan0 vcan5 can", nil, "[1 2 1 3]"},
		{"a taken number is not shared", "vcan0 can0 can1", nil, "[1 2 3]"},
		{"can8 is bus 9 of a CANedge", "can0 can8", nil, "[1 2]"},
		{"eight interfaces", "a b c d e f g h a", nil, "[1 2 3 4 5 6 7 8 1]"},
		{"chosen", "can0 vcan0", map[string]uint8{"can0": 5, "vcan0": 2}, "[5 2]"},
		{"left out", "can0 can1 can0", map[string]uint8{"can0": 0, "can1": 1}, "[1]"},
		{"a ninth", "a b c d e f g h i", nil, `candump text, line 9, column 12: want no ninth interface, got "i 123#"`},
		{"unknown", "can0 can1", map[string]uint8{"can0": 1},
			`candump text, line 2, column 12: want an interface that has a bus number up to 8, got "can1 123#"`},
		{"number 9", "can0", map[string]uint8{"can0": 9},
			`candump text, line 1, column 12: want an interface that has a bus number up to 8, got "can0 123#"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log strings.Builder
			for iface := range strings.FieldsSeq(c.order) {
				fmt.Fprintf(&log, "(0.000000) %s 123#\n", iface)
			}
			events, _, err := collect(t, NewReplay(strings.NewReader(log.String()), ReplayOptions{Buses: c.buses}))
			var got []uint8
			for _, e := range events {
				got = append(got, e.Bus)
			}
			if text := fmt.Sprint(got); err == io.EOF && text != c.want || err != io.EOF && err.Error() != c.want {
				t.Errorf("%v, %v, want %s", got, err, c.want)
			}
		})
	}
}

func TestABadLineEndsTheReplayWithItsNumber(t *testing.T) {
	long := strings.Repeat("x", blockSize)
	for _, c := range []struct{ name, log, want string }{
		{"bad line", "(0.000000) can0 001#\n\n(0.000001) can0 002\n(0.000002) can0 003#\n", "line 3, column 17: want an identifier"},
		{"bad last line", "(0.000000) can0 001#\n(0.000001) can0 00", "line 2, column 17: want an identifier"},
		{"a comment", "(0.000000) can0 001#\n# made by hand\n", "line 2, column 1: want ( and a time"},
		{"a line without end", "(0.000000) can0 001#\n" + long, "line 2, column 65536: want the end of the line"},
		{"binary", "(0.000000) can0 001#\n\x00\x00\x00\n", "line 2, column 1"},
		{"another line of D", "(0.000000) can0 001#\nDROP\n", "line 2, column 1: want a frame or a count"},
		{"drops of a ninth", "(0.000000) can0 001#\nDROPCOUNT: dropped 99999999999 CAN frames on 'can0' socket\n", "line 2, column 20: want a number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			events, _, err := collect(t, NewReplay(strings.NewReader(c.log), ReplayOptions{}))
			var pe *ParseError
			if !errors.As(err, &pe) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if len(events) != 1 || events[0].Frame.ID != 1 {
				t.Errorf("events before the bad line: %+v", events)
			}
		})
	}
}

func TestAReadErrorComesAfterTheWholeLinesBeforeIt(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(strings.NewReader("(0.000000) can0 001#\n(0.000000) can0 002#"), iotest.ErrReader(broken))
	events, _, err := collect(t, NewReplay(r, ReplayOptions{}))
	if err != broken || len(events) != 1 {
		t.Errorf("%d events, %v; want 1, for the second line may have been cut, and the error itself", len(events), err)
	}
}

func TestDroppedFramesOfCandumpAreLosses(t *testing.T) {
	log := `(1.000000) can0 001#
(2.000000) can1 002#
DROPCOUNT: dropped 5 CAN frames on 'can0' socket (total drops 5)
(3.000000) can0 003#
DROPCOUNT: dropped 1 CAN frame on 'can1' socket (total drops 1)
DROPCOUNT: dropped 2 CAN frames on 'can1' socket (total drops 3)
DROPCOUNT: dropped 9 CAN frames on 'can0' socket (total drops 14)
(4.000000) can1 004#
DROPCOUNT: dropped 7 CAN frames on 'can1' socket (total drops 10)
`
	events, _, err := collect(t, NewReplay(strings.NewReader(log), ReplayOptions{}))
	var got strings.Builder
	for _, e := range events {
		if e.Kind == KindFrame {
			fmt.Fprintf(&got, "%d: frame %d\n", e.Time/1e9, e.Frame.ID)
		} else {
			fmt.Fprintf(&got, "%d: bus %d lost %d since %d, %v, %v\n", e.Time/1e9, e.Bus, e.Lost, e.From/1e9, e.Reason, e.AtLeast)
		}
	}
	want := `1: frame 1
2: frame 2
3: bus 1 lost 5 since 1, socket queue, false
3: frame 3
4: bus 1 lost 9 since 3, socket queue, false
4: bus 2 lost 3 since 2, socket queue, false
4: frame 4
4: bus 2 lost 7 since 4, socket queue, false
`
	if err != io.EOF || got.String() != want {
		t.Errorf("%v, got\n%swant\n%s", err, &got, want)
	}
}

// FuzzReplay compares a replay in small pieces with the lines parsed one by
// one.
func FuzzReplay(f *testing.F) {
	f.Add([]byte(twoBuses), uint8(3))
	f.Add([]byte("DROPCOUNT: dropped 5 CAN frames on 'can0' socket (total drops 5)\n(0.000000) can0 001#"), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, room uint8) {
		replay := NewReplay(iotest.HalfReader(bytes.NewReader(text)), ReplayOptions{})
		buf, frames, err := make([]Event, 1+room%7), 0, error(nil)
		for n := 0; err == nil; {
			if n, err = replay.Read(buf); n == 0 && err == nil {
				t.Fatal("neither an event nor an error")
			}
			for _, e := range buf[:n] {
				if e.Bus < 1 || e.Bus > 8 || e.Kind == KindLost && (e.Lost == 0 || e.From > e.Time) {
					t.Fatalf("%+v", e)
				}
				if e.Kind == KindFrame {
					frames++
				}
			}
		}
		good := 0
		for line := range bytes.Lines(text) {
			if _, err := ParseCandump(bytes.TrimRight(line, "\r\n"), new(Event)); err == nil {
				good++
			}
		}
		if err == io.EOF && frames != good {
			t.Errorf("%d frames of %d good lines", frames, good)
		}
	})
}

func TestReplayOfRealLogs(t *testing.T) {
	const name = "../../shared/samples/candump/obd2-uds-car.log"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Skipf("no log of a real vehicle (%v): TestReplayOfRealLogs not run", err)
	}
	events, _, err := collect(t, NewReplay(bytes.NewReader(text), ReplayOptions{}))
	if n := bytes.Count(text, []byte("\n")); err != io.EOF || len(events) != n {
		t.Errorf("%d events of %d lines, %v", len(events), n, err)
	}
}
