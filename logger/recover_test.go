package logger

import (
	"slices"
	"testing"
	"testing/synctest"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

// recordedCard has one session of two sealed segments.
func recordedCard(t *testing.T) *memfs.FS {
	card := newCard()
	shortRun(t, card)
	card.Settle()
	return card
}

func move(t *testing.T, f durable.FS, from, to string) {
	t.Helper()
	if err := f.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, f durable.FS, from, to string, limit int) {
	t.Helper()
	data, err := durable.ReadFile(f, from, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, to, string(data[:min(limit, len(data))]))
}

func TestWhatIsFoundAtBootIsPutInOrder(t *testing.T) {
	const dir = "LOG/A1B2C3D4/00000001/"
	const second = dir + "00000002.MF4"
	for _, row := range []struct {
		name   string
		before func(t *testing.T, f *memfs.FS)
		frames int // of both segments 350
		check  func(t *testing.T, f *memfs.FS, rec Recovery, c contents)
	}{
		{"nothing to do", func(*testing.T, *memfs.FS) {}, 350, func(t *testing.T, _ *memfs.FS, rec Recovery, _ contents) {
			if rec.Repaired+rec.Late+rec.Removed != 0 || rec.LastEnd != "orderly" {
				t.Errorf("found %+v", rec)
			}
		}},
		{"finished, not renamed", func(t *testing.T, f *memfs.FS) { move(t, f, second, second+".part") }, 350,
			func(t *testing.T, _ *memfs.FS, rec Recovery, c contents) {
				if rec.Repaired != 1 || rec.LastEnd != "cut" || c.lines[1].End != "orderly" {
					t.Errorf("found %+v, line %+v", rec, c.lines[1])
				}
			}},
		{"finished, waiting for compression", func(t *testing.T, f *memfs.FS) { move(t, f, second, second+".raw") }, 350, nil},
		{"compressor's work", func(t *testing.T, f *memfs.FS) { put(t, f, second+".tmp", "half") }, 350, nil},
		{"a copy that FAT left", func(t *testing.T, f *memfs.FS) { copyFile(t, f, second, second+".part", 1<<20) }, 350, nil},
		{"a short copy that FAT left", func(t *testing.T, f *memfs.FS) { copyFile(t, f, second, second+".raw", 39_000) }, 350, nil},
		{"an empty name that FAT left", func(t *testing.T, f *memfs.FS) { put(t, f, second+".part", "") }, 350, nil},
		{"the sealed name empty", func(t *testing.T, f *memfs.FS) {
			move(t, f, second, second+".part")
			put(t, f, second, "")
		}, 350, nil},
		{"a file without a whole header", func(t *testing.T, f *memfs.FS) { put(t, f, dir+"00000003.MF4.part", "UnFinMF ") }, 350,
			func(t *testing.T, _ *memfs.FS, rec Recovery, _ contents) {
				if rec.Removed == 0 {
					t.Errorf("found %+v", rec)
				}
			}},
		{"marks of nothing", func(t *testing.T, f *memfs.FS) {
			for _, s := range []string{".keep", ".sent", ".upload"} {
				put(t, f, dir+"00000009.MF4"+s, "")
			}
		}, 350, nil},
		{"no seal.log", func(t *testing.T, f *memfs.FS) {
			f.Remove(dir + "seal.log")
			f.Remove("state/seal")
		}, 350, func(t *testing.T, _ *memfs.FS, rec Recovery, c contents) {
			if rec.Late != 2 || !c.lines[0].Late || c.lines[0].Prev != segment.FirstPrev {
				t.Errorf("found %+v, lines %+v", rec, c.lines)
			}
		}},
		{"a torn seal.log", func(t *testing.T, f *memfs.FS) {
			data, _ := durable.ReadFile(f, dir+"seal.log", 1<<20)
			put(t, f, dir+"seal.log", string(data[:len(data)-100]))
			f.Remove("state/seal")
		}, 350, func(t *testing.T, _ *memfs.FS, rec Recovery, c contents) {
			if rec.Late != 1 || c.lines[0].Late || !c.lines[1].Late {
				t.Errorf("found %+v", rec)
			}
		}},
		{"no state folder", func(t *testing.T, f *memfs.FS) { f.Remove("state/seal"); f.Remove("state/session") }, 350, nil},
		{"a state folder of nonsense", func(t *testing.T, f *memfs.FS) {
			put(t, f, "state/seal", `{"head":"xyz"}`)
			put(t, f, "state/session", "many\n")
		}, 350, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := recordedCard(t)
			row.before(t, f)
			f.Settle()
			rec := recovered(t, f)
			c := inventory(t, f)
			if len(c.frames) != row.frames {
				t.Errorf("found %d frames, wanted %d", len(c.frames), row.frames)
			}
			if row.check != nil {
				row.check(t, f, rec, c)
			}
			if again := recovered(t, f); again.Repaired+again.Late+again.Removed != 0 {
				t.Errorf("second recovery: %+v", again)
			}
		})
	}
}

func TestADamagedSegmentIsLeftAndHindersNoOther(t *testing.T) {
	f := recordedCard(t)
	const dir = "LOG/A1B2C3D4/00000001/"
	damage := make([]byte, 60_000)
	put(t, f, dir+"00000000.MF4", string(damage)) // no name of ours
	put(t, f, dir+"00000007.MF4", string(damage))
	put(t, f, dir+"00000008.MF4.part", string(damage))
	move(t, f, dir+"00000002.MF4", dir+"00000002.MF4.part")
	f.Settle()
	rec := recovered(t, f)
	want := []segment.Name{{Session: 1, Split: 8}}
	if !slices.Equal(rec.Damaged, want) || rec.Repaired != 1 || rec.Late != 1 {
		t.Errorf("found %+v, wanted 8 damaged, 2 repaired, and 7 to be looked at", rec)
	}
	for _, name := range []string{"00000000.MF4", "00000007.MF4", "00000008.MF4.part", "00000002.MF4"} {
		if _, err := f.Stat(dir + name); err != nil {
			t.Error(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, f).start()
		r.run(2, 10)
		r.stop()
		if !r.has("segment: not sealed 0") {
			t.Errorf("nobody was told of 7: %v", r.events)
		}
		if s := r.logger.Status().Log; s.Frames != 40 || s.Lost.Sum() != 0 {
			t.Errorf("recording beside it: found %+v", s)
		}
	})
}
