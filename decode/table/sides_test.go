package table

import (
	"fmt"
	"testing"
)

// Names of groups come from files: a column of texts has at most 256.
func TestRecordsWithoutFramesAreRowsWhateverTheirNames(t *testing.T) {
	s, rows := NewSides(), 0
	take := func(side *Side) {
		taken, times := side.Take()
		if rows += taken.N; taken.N != len(times) {
			t.Errorf("%d rows, %d times", taken.N, len(times))
		}
		var v Values
		taken.Fill(3, &v)
		for i, code := range v.Codes {
			if want := fmt.Sprint("LIN ", times[i]); v.Texts[code] != want {
				t.Fatalf("row %d is of %s, wanted %s", i, v.Texts[code], want)
			}
		}
	}
	for i := range int64(1000) {
		if side := s.Raw(i, fmt.Sprint("LIN ", i), []byte{1, 2}, "recorded"); side.Full() {
			take(side)
		}
	}
	large := make([]byte, 1<<16)
	for i := range int64(100) {
		if side := s.Raw(i, fmt.Sprint("LIN ", i), large, "recorded"); side.Full() {
			take(side)
		}
	}
	take(s.raw)
	if rows != 1100 || s.raw.bytes != 0 {
		t.Errorf("%d rows, %d bytes held", rows, s.raw.bytes)
	}
}
