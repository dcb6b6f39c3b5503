package input_test

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"canseal/decode/input"
	"canseal/mdf"
)

// Session 7 has a good clock. That of session 9 is 1500 s behind, and set in the
// fifth segment.
func TestWhatIsNotWantedIsNotOpenedUnlessItsClockIsNeeded(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "A1B2C3D4", "00000007")
	for split := uint32(1); split <= 4; split++ {
		at := year(int64(split) * 1000)
		segment(t, filepath.Join(tree, fmt.Sprintf("%08d.MF4", split)), mdf.Header{Start: at, Session: 7, Split: split, BootID: "x"},
			mdf.Clock{Time: at, Boot: int64(split) * 1000 * s, Wall: at, Synchronised: true}, frame(at+s, split, 0))
	}
	other := filepath.Join(dir, "A1B2C3D4", "00000009")
	for split := uint32(1); split <= 5; split++ {
		at := year(100_000 + int64(split)*1000)
		segment(t, filepath.Join(other, fmt.Sprintf("%08d.MF4", split)), mdf.Header{Start: at, Session: 9, Split: split, BootID: "y"},
			mdf.Clock{Time: at, Boot: int64(split) * 1000 * s, Wall: at + max(0, int64(split)-4)*1500*s, Synchronised: split == 5}, frame(at+s, split, 0))
	}
	for name, c := range map[string]struct {
		session  uint32
		from, to int64
		want     []string
		late     int // s that the clock may be behind
		opened   int // segments
	}{
		"the second":                    {7, 2000, 3000, []string{"2001 2 synchronised not checked"}, 0, 2}, // and the third, which may settle verdicts
		"the second, dated by the last": {9, 103_500, 103_600, []string{"103501 2 corrected not checked"}, 1500, 4},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := input.Find([]string{filepath.Join(dir, "A1B2C3D4", fmt.Sprintf("%08d", c.session))}, nil)
			if err != nil {
				t.Fatal(err)
			}
			opened := map[string]bool{}
			for i, f := range files {
				files[i].Start = time.Unix(0, start(c.session, i+1))
				files[i].End = files[i].Start.Add(time.Duration(999+c.late) * time.Second)
				files[i].Open = func() (io.ReadCloser, error) { opened[f.Name] = true; return f.Open() }
			}
			in := input.New(files, input.Options{From: time.Unix(0, year(c.from)), To: time.Unix(0, year(c.to))})
			defer in.Close()
			expect(t, told(in.Sessions[0]), c.want...)
			if len(opened) != c.opened {
				t.Errorf("%d segments opened, wanted %d", len(opened), c.opened)
			}
		})
	}
}

func start(session uint32, split int) int64 {
	if session == 9 {
		return year(100_000 + int64(split)*1000)
	}
	return year(int64(split) * 1000)
}
