package buslog_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"canseal/can"
	"canseal/internal/samples"
	"canseal/mdf/buslog"
	"canseal/mdf/container"
)

type expected struct {
	File    string
	StartNs int64 `json:"start_ns"`
	Frames  uint64
	FirstNs int64 `json:"first_ns"`
	LastNs  int64 `json:"last_ns"`
	Candump struct {
		Lines, Bytes int
		SHA256       string
		Sorted       string `json:"sha256_lines_sorted"`
	}
}

// sample opens a sample log, whatever contains it.
func sample(t testing.TB, name string) *buslog.File {
	t.Helper()
	b := samples.Read(t, name)
	content, err := container.Open(bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := buslog.Open(content, content.Size(), buslog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSampleLogsGiveTheFramesThatOtherProgramsFind(t *testing.T) {
	var logs []expected
	samples.JSON(t, "expected/logs.json", &logs)
	if len(logs) != 5 {
		t.Fatalf("%d logs", len(logs))
	}
	for _, want := range logs {
		t.Run(want.File, func(t *testing.T) {
			f := sample(t, want.File)
			if got := f.Header().Start; got != want.StartNs {
				t.Errorf("start %d, want %d", got, want.StartNs)
			}
			var text []byte
			var times []int64
			var report buslog.Report
			for it, err := range f.Items(&report) {
				if err != nil {
					t.Fatal(err)
				}
				if it.Type != buslog.Frame {
					continue
				}
				if !it.Frame.Valid() {
					t.Fatalf("frame %d: %+v", len(times), it.Event)
				}
				times = append(times, it.Time)
				text = append(can.AppendCandump(text, &can.Event{Time: it.Time, Frame: it.Frame}, fmt.Sprintf("can%d", it.Bus-1)), '\n')
			}
			if !report.Whole() || report.Frames != want.Frames || len(times) != int(want.Frames) || report.Late != 0 {
				t.Fatalf("report %+v; want %d frames", report, want.Frames)
			}
			if !slices.IsSorted(times) {
				t.Error("times go back")
			}
			if times[0] != want.FirstNs || times[len(times)-1] != want.LastNs {
				t.Errorf("times from %d to %d, want %d to %d", times[0], times[len(times)-1], want.FirstNs, want.LastNs)
			}
			if got := digest(text); got != want.Candump.SHA256 {
				t.Errorf("candump text has SHA-256 %s, want %s", got, want.Candump.SHA256)
			}
			if got := digest(sortedLines(text)); got != want.Candump.Sorted {
				t.Errorf("sorted candump text has SHA-256 %s, want %s", got, want.Candump.Sorted)
			}
		})
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func sortedLines(text []byte) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	return bytes.Join(lines, nil)
}
