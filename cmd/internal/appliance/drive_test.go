package appliance

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"canseal/internal/s3test"
)

// The power is about to go: the running segment is sealed and in the store, and
// the status tells how long that took; the bus may go on.
func TestTheEndOfADriveIsSealedOfferedAndTimed(t *testing.T) {
	store := newTestStore(t, s3test.Options{})
	b := newBox(t, configFor("low", store.URL))
	power := make(chan os.Signal, 1)
	b.power = power
	b.start(t)
	b.await(t, "frames", func(f Facts) bool { return f.Log.Frames > 100 })
	if b.collect().System.DriveEnd != nil {
		t.Error("a drive that goes on has an end")
	}
	power <- syscall.SIGTERM // any will do: the channel means it
	b.await(t, "the end of the drive", func(f Facts) bool {
		e := f.System.DriveEnd
		return e != nil && e.Sealed == "00000001/00000001" && e.OfferMS > 0 && e.Left == ""
	})
	if f := b.collect(); f.Upload.Sent.Segments < 1 {
		t.Errorf("%d segments sent", f.Upload.Sent.Segments)
	}
	frames := b.collect().Log.Frames
	b.await(t, "the next drive", func(f Facts) bool { return f.Log.Frames > frames && f.Log.Split == 2 })
	events, err := os.ReadFile(filepath.Join(b.root, eventsFile))
	if err != nil || !strings.Contains(string(events), `"what":"end of the drive"`) {
		t.Errorf("events.jsonl tells nothing of the end: %v\n%s", err, events)
	}
}

func TestTheEndOfADriveWithoutAStoreSaysWhatIsLeft(t *testing.T) {
	b := newBox(t, configFor("low", "http://127.0.0.1:1"))
	b.start(t)
	b.await(t, "frames", func(f Facts) bool { return f.Log.Frames > 100 })
	if _, err := b.Rotate(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	b.await(t, "what is left", func(f Facts) bool { return f.System.DriveEnd != nil && f.System.DriveEnd.Left != "" })
}

func TestWearIsReadFromTheMachine(t *testing.T) {
	machine, root := t.TempDir(), t.TempDir()
	name, known := blockDevice(root)
	if !known {
		t.Skip("NOT RUN: this system names no block devices")
	}
	for file, text := range map[string]string{
		"sys/dev/block/" + name + "/stat": "  1 2 3 4 5 6 4096 8 9 10 11\n",
		"proc/self/io":                    "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6000000\n",
	} {
		path := filepath.Join(machine, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, text)
	}
	now := hardware{machine}.Wear(root)
	if want := (wearFacts{Device: 4096 * 512, Process: 6_000_000}); now != want {
		t.Fatalf("found %+v, wanted %+v", now, want)
	}
	before := wearFacts{Device: 1 << 20, Process: 1_000_000}
	if w := now.since(before, 1<<20); w != (wearFacts{1 << 20, 5_000_000, 1}) {
		t.Errorf("found %+v", w)
	}
	if w := now.since(before, 1000); w.Amplification != 0 {
		t.Errorf("an amplification of a few bytes: %+v", w)
	}
	if w := (wearFacts{Process: 4 << 20}).since(wearFacts{}, 2<<20); w.Amplification != 2 {
		t.Errorf("without a block device: found %+v, wanted twice", w)
	}
}
