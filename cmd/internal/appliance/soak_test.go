package appliance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"canseal/can"
	"canseal/internal/durable"
	"canseal/internal/s3test"
	"canseal/logger"
	"canseal/segment"
)

// The load of the soak: eight classic buses at 1 Mbit/s, full of frames without
// data, the worst that a logger can meet.
const (
	soakRate  = 170_213 // frames/s
	soakBuses = 8
	soakRoom  = 250_000_000 // bytes of the card
)

// soakTime is how long, from the environment; 0: no soak.
func soakTime() time.Duration {
	d, _ := time.ParseDuration(os.Getenv("CANSEAL_SOAK"))
	return d
}

// soakResult is what the box tells at its end.
type soakResult struct {
	In, Recorded, Counted uint64
	Lost                  logger.Lost
	Sealed                uint32
	Bytes, RSSMax         int64
	Core                  float64       // share of one, %
	Stall                 time.Duration // longest time between two promises
}

// TestSoak (make soak) lets an appliance run for CANSEAL_SOAK, in a process of its
// own, with eight full buses, a card that is soon full, and a store that is away
// every other five seconds. Every frame is recorded or counted, and what the
// store has is whole.
func TestSoak(t *testing.T) {
	length := soakTime()
	if length == 0 {
		t.Skip("NOT RUN: make soak")
	}
	store := newTestStore(t, s3test.Options{Dir: t.TempDir()})
	var away atomic.Bool
	var refused, flaps atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			refused.Add(1)
			panic(http.ErrAbortHandler)
		}
		store.ServeHTTP(w, r)
	}))
	front.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	defer front.Close()
	stop := make(chan struct{})
	go flap(stop, &away, &flaps)
	result := soakBox(t, front.URL, length)
	close(stop)
	sent := uint64(0)
	for _, key := range store.Keys(testBucket, "") {
		if strings.HasSuffix(key, ".MF4") {
			sent++
		}
	}
	t.Logf("SOAK host: %v, %d buses, %d frames/s", length, soakBuses, soakRate)
	t.Logf("SOAK %-22s %12d", "frames in", result.In)
	t.Logf("SOAK %-22s %12d", "recorded", result.Recorded)
	t.Logf("SOAK %-22s %12d  %+v", "counted as lost", result.Counted, result.Lost)
	t.Logf("SOAK %-22s %12d  (%.0f MB, %d in the store; it was away %d times and refused %d requests)", "segments", result.Sealed, float64(result.Bytes)/1e6, sent, flaps.Load(), refused.Load())
	t.Logf("SOAK %-22s %12.1f MB", "RSS max", float64(result.RSSMax)/1e6)
	t.Logf("SOAK %-22s %12.1f %% of a core", "processor", result.Core)
	t.Logf("SOAK %-22s %12v", "longest without promise", result.Stall.Round(time.Millisecond))
	if result.In != result.Recorded+result.Counted || result.In == 0 {
		t.Errorf("%d in, %d recorded + %d counted", result.In, result.Recorded, result.Counted)
	}
	if sent == 0 {
		t.Error("nothing has reached the store")
	}
}

// flap takes the store away every other five seconds.
func flap(stop <-chan struct{}, away *atomic.Bool, flaps *atomic.Int64) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			if away.Store(!away.Load()); away.Load() {
				flaps.Add(1)
			}
		}
	}
}

// soakBox runs the box as a process of its own, so that its memory is its own.
func soakBox(t *testing.T, endpoint string, length time.Duration) (result soakResult) {
	t.Helper()
	root := t.TempDir()
	text := strings.Replace(configFor("low", endpoint), "log: {flush: 100ms}", "log: {flush: 1s}", 1)
	var buses strings.Builder
	for i := range soakBuses {
		fmt.Fprintf(&buses, "  - interface: full%d\n", i)
	}
	text = strings.Replace(text, "  - interface: sim0\n  - interface: sim1\n", buses.String(), 1)
	writeFile(t, filepath.Join(root, configFile), text)
	c := exec.Command(os.Args[0], "-test.run", "^TestSoakBox$", "-test.timeout", (length + 5*time.Minute).String())
	c.Env = append(os.Environ(), "CANSEAL_SOAK_BOX="+root, "CANSEAL_SOAK="+length.String())
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("the box: %v\n%s", err, out)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	if err := json.Unmarshal([]byte(line), &result); err != nil {
		t.Fatalf("the box said %q: %v", out, err)
	}
	return result
}

// TestSoakBox is the box of TestSoak.
func TestSoakBox(t *testing.T) {
	root := os.Getenv("CANSEAL_SOAK_BOX")
	if root == "" {
		t.Skip("runs in TestSoak")
	}
	source := newFullBuses(soakRate, 0, soakTime())
	var last, longest atomic.Int64
	o := Options{Root: root, card: smallCard{durable.Dir(root), root}, Source: source, Synced: func(segment.Name, uint64) {
		now := time.Now().UnixNano()
		if before := last.Swap(now); before != 0 {
			longest.Store(max(longest.Load(), now-before))
		}
	}}
	a, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	_, before := usage("/")
	began := time.Now()
	if err := a.Run(t.Context(), context.Background()); err != nil {
		t.Fatal(err)
	}
	_, after := usage("/")
	s := a.live().logger.Status().Log
	lost := s.Lost
	lost.Deleted = 0 // counted below, as recorded before
	out, err := json.Marshal(soakResult{
		In: source.sent, Recorded: s.Frames, Counted: lost.Sum(), Lost: s.Lost, Sealed: s.Split, Bytes: s.Bytes,
		RSSMax: peakMemory(), Core: (after - before).Seconds() / time.Since(began).Seconds() * 100, Stall: time.Duration(longest.Load()),
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%s\n", out)
}

// smallCard is a folder that says to have little room.
type smallCard struct {
	durable.FS
	root string
}

func (c smallCard) Space() (durable.Space, error) {
	s := durable.Space{Total: soakRoom, Free: soakRoom}
	err := filepath.WalkDir(c.root, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // it may go while we look
		}
		if info, err := e.Info(); err == nil {
			s.Free -= info.Size()
		}
		return nil
	})
	s.Free = max(s.Free, 0)
	return s, err
}

// peakMemory is VmHWM of proc_pid_status(5), in bytes.
func peakMemory() (kilobytes int64) {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes)
	}
	return kilobytes << 10
}

// fullBuses are eight full buses, delivered each 5 ms as socketcan does.
type fullBuses struct {
	rate   float64 // frames/s over all
	data   uint8   // bytes of a frame
	began  time.Time
	length time.Duration
	sent   uint64
	closed chan struct{}
}

func newFullBuses(rate float64, data uint8, length time.Duration) *fullBuses {
	return &fullBuses{rate: rate, data: data, length: length, closed: make(chan struct{})}
}

func (s *fullBuses) Read(buf []can.Event) (int, error) {
	if s.began.IsZero() {
		s.began = time.Now()
	}
	for {
		due := uint64(min(time.Since(s.began), s.length).Seconds() * s.rate)
		if n := min(uint64(len(buf)), due-s.sent); n > 0 {
			return s.fill(buf[:n]), nil
		}
		if time.Since(s.began) >= s.length {
			return 0, io.EOF
		}
		select {
		case <-s.closed:
			return 0, io.EOF
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *fullBuses) fill(buf []can.Event) int {
	start := s.began.UnixNano()
	for i := range buf {
		at := start + int64(float64(s.sent)*1e9/s.rate)
		buf[i] = can.Event{Time: at, Bus: uint8(s.sent%soakBuses + 1), Frame: can.Frame{ID: uint32(0x100 + s.sent%80), DLC: s.data, Len: s.data}}
		buf[i].Frame.Data[0] = s.data & byte(s.sent)
		s.sent++
	}
	return len(buf)
}

func (s *fullBuses) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}
