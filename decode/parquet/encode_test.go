package parquet

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/parquet/file"

	"canseal/decode/table"
)

// What the encoders write is what the library reads, for all widths, at the
// ends of blocks, and for deltas that wrap.
func TestEncodingsAreReadBack(t *testing.T) {
	for _, n := range []int{1, 2, 7, 8, 9, 31, 32, 33, 127, 128, 129, 130, 160, 161, 257, 1000} {
		for width := range 64 {
			times, raw := make([]int64, n), make([]int64, n)
			x := uint64(width)*0x9e3779b97f4a7c15 + 1
			for i := range times {
				x = x*6364136223846793005 + 1442695040888963407
				times[i] = int64(x >> (63 - width))
				raw[i] = int64(x>>40) & (1<<min(width, 16) - 1)
			}
			if width == 63 {
				times[n-1], times[0] = math.MinInt64, math.MaxInt64
			}
			again(t, times, raw)
		}
	}
}

// again writes a column of times, one of raw values by dictionary, the same with
// nulls, and reads them.
func again(t *testing.T, times, raw []int64) {
	t.Helper()
	s := table.Schema{Name: "Again", Columns: []table.Column{
		{Name: "t_ns", Type: table.Int, Exact: true}, {Name: "x", Type: table.Float}, {Name: "y", Type: table.Float, Nullable: true},
	}}
	null := make([]bool, len(raw))
	for i := range null {
		null[i] = raw[i]%3 == 0
	}
	fill := func(column int, v *table.Values) {
		v.Ints, v.Null = raw, nil
		if column == 0 {
			v.Ints = times
		}
		if column == 2 {
			v.Null = null
		}
		v.Floats = v.Floats[:0]
		for _, x := range raw {
			v.Floats = append(v.Floats, float64(x)/2)
		}
	}
	short := func(column int, v *table.Values) table.Way {
		if column == 0 {
			return table.Full
		}
		fill(column, v)
		v.Scale = func(raw int64) float64 { return float64(raw) / 2 }
		return table.Steps
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, &s, &Memory{})
	if err == nil {
		err = w.Write(table.Rows{N: len(raw), Fill: fill, Short: short})
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := file.NewParquetReader(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	ints, levels := make([]int64, len(raw)), make([]int16, len(raw))
	chunk, _ := r.RowGroup(0).Column(0)
	if _, n, err := chunk.(*file.Int64ColumnChunkReader).ReadBatch(int64(len(raw)), ints, nil, nil); err != nil || !slices.Equal(ints[:n], times) {
		t.Fatalf("%d times: %v, wanted %v (%v)", len(times), ints[:n], times, err)
	}
	for column := 1; column < 3; column++ {
		var want []float64
		for i, x := range raw {
			if column == 1 || !null[i] {
				want = append(want, float64(x)/2)
			}
		}
		floats := make([]float64, len(raw))
		chunk, _ = r.RowGroup(0).Column(column)
		total, n, err := chunk.(*file.Float64ColumnChunkReader).ReadBatch(int64(len(raw)), floats, levels, nil)
		if err != nil || total != int64(len(raw)) || !slices.Equal(floats[:n], want) {
			t.Fatalf("%d of %d values: %v, wanted %v (%v)", n, total, floats[:n], want, err)
		}
		for i, level := range levels {
			if column == 2 && (level == 0) != null[i] {
				t.Fatalf("row %d: level %d, null %v", i, level, null[i])
			}
		}
	}
}
