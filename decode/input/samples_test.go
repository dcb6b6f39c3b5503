package input_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"canseal/can"
	"canseal/decode/input"
	"canseal/internal/samples"
	"canseal/mdf/buslog"
)

// open finds and sorts what paths name.
func open(t testing.TB, o input.Options, paths ...string) *input.Input {
	t.Helper()
	files, err := input.Find(paths, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := input.New(files, o)
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	return in
}

func TestAFolderOfSamplesBecomesSessionsWithTheExpectedFrames(t *testing.T) {
	root := filepath.Join(samples.Dir(t), "css-api-examples")
	var logs []struct {
		File    string
		Frames  uint64
		Candump struct{ SHA256 string }
	}
	samples.JSON(t, "expected/logs.json", &logs)
	want := map[string]int{}
	for i, l := range logs {
		want[filepath.Join(samples.Dir(t), filepath.FromSlash(l.File))] = i
	}
	in := open(t, input.Options{}, root)
	if len(in.Sessions) != 5 || len(in.Dropped) != 0 {
		t.Fatalf("%d sessions, dropped %v", len(in.Sessions), in.Dropped)
	}
	for _, s := range in.Sessions {
		segment := s.Segments[0]
		t.Run(fmt.Sprintf("%s/%d", s.Device, s.Number), func(t *testing.T) {
			l := logs[want[segment.File.Name]]
			sum := sha256.New()
			for it := range s.Items() {
				if it.Type != buslog.Frame {
					t.Fatalf("%+v", it)
				}
				e := can.Event{Time: it.Time, Frame: it.Frame}
				sum.Write(append(can.AppendCandump(nil, &e, fmt.Sprintf("can%d", it.Bus-1)), '\n'))
			}
			if r := segment.Report; segment.Err != nil || r.Frames != l.Frames || r.Clocks[input.Recorded] != l.Frames || !r.Whole() {
				t.Errorf("%v, %+v", segment.Err, r)
			}
			if got := hex.EncodeToString(sum.Sum(nil)); got != l.Candump.SHA256 {
				t.Errorf("candump text %s, want %s", got, l.Candump.SHA256)
			}
		})
	}
}

func TestSessionsAreNamedByTheirPathsElseByTheFiles(t *testing.T) {
	in := open(t, input.Options{}, filepath.Join(samples.Dir(t), "css-api-examples"))
	var got []string
	for _, s := range in.Sessions {
		got = append(got, fmt.Sprintf("%s/%d/%d", s.Device, s.Number, s.Segments[0].Split))
	}
	want := []string{"2F6913DB/4/1", "2F6913DB/1089/1", "5BC57FEC/1/5", "90B52C1C/16/1", "FCBF0606/3482/1"}
	if !slices.Equal(got, want) { // the fourth lies in no tree: its header speaks
		t.Errorf("%v, want %v", got, want)
	}
}
