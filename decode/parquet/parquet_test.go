package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"

	"canseal/decode/dbc"
	"canseal/decode/table"
)

var everything = table.Schema{
	Name: "Everything",
	Columns: []table.Column{
		{Name: "t", Type: table.Time},
		{Name: "t_ns", Type: table.Int, Exact: true, Unit: "ns"},
		{Name: "id", Type: table.Int, Few: true},
		{Name: "verdict", Type: table.Text},
		{Name: "speed", Type: table.Float, Nullable: true, Unit: "km/h", Comment: "caf\xe9"},
		{Name: "gear", Type: table.Float, Nullable: true, Choices: []dbc.Choice{{Value: 0, Text: "off"}, {Value: 1, Text: "on"}}},
		{Name: "big", Type: table.Unsigned},
		{Name: "data", Type: table.Bytes, Nullable: true},
		{Name: "ok", Type: table.Bool},
	},
	Properties: [][2]string{{"message", "Everything"}, {"dbc_sha256", "abc"}},
}

const begin = 1_795_176_000_000_000_000

// rows are n rows; every third has no speed and no data.
func rows(n int) table.Rows {
	return table.Rows{N: n, Fill: func(column int, v *table.Values) {
		v.Ints, v.Floats, v.Blobs, v.Codes, v.Null = nil, nil, nil, nil, nil
		for i := range n {
			v.Ints = append(v.Ints, []int64{begin + int64(i)*1001, begin + int64(i)*1001, 256, 0, 0, 0, int64(-1 - i), 0, int64(i % 2)}[column])
			v.Floats = append(v.Floats, []float64{float64(i) / 8, float64(i % 2)}[column%2])
			v.Blobs = append(v.Blobs, []byte{byte(i), 0})
			v.Codes = append(v.Codes, uint16(i%2))
			if column == 4 || column == 7 {
				v.Null = append(v.Null, i%3 == 0)
			}
		}
		v.Texts = []string{"not checked", "authentic"}
	}}
}

func written(t testing.TB, groups ...int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, &everything, &Memory{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range groups {
		if err := w.Write(rows(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// column reads one column of a row group as text.
func column(t *testing.T, r *file.Reader, group, index int) string {
	t.Helper()
	chunk, err := r.RowGroup(group).Column(index)
	if err != nil {
		t.Fatal(err)
	}
	levels := make([]int16, 10)
	switch c := chunk.(type) {
	case *file.Int64ColumnChunkReader:
		v := make([]int64, 10)
		total, n, _ := c.ReadBatch(10, v, levels, nil)
		return fmt.Sprint(v[:n], levels[:total])
	case *file.Float64ColumnChunkReader:
		v := make([]float64, 10)
		total, n, _ := c.ReadBatch(10, v, levels, nil)
		return fmt.Sprint(v[:n], levels[:total])
	case *file.ByteArrayColumnChunkReader:
		v := make([]parquet.ByteArray, 10)
		total, n, _ := c.ReadBatch(10, v, levels, nil)
		return fmt.Sprintf("%q %v", v[:n], levels[:total])
	case *file.BooleanColumnChunkReader:
		v := make([]bool, 10)
		total, n, _ := c.ReadBatch(10, v, levels, nil)
		return fmt.Sprint(v[:n], levels[:total])
	}
	t.Fatalf("%T", chunk)
	return ""
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	r, err := file.NewParquetReader(bytes.NewReader(written(t, 4, 2)))
	if err != nil {
		t.Fatal(err)
	}
	if r.NumRows() != 6 || r.NumRowGroups() != 2 {
		t.Errorf("%d rows, %d groups", r.NumRows(), r.NumRowGroups())
	}
	us := int64(begin / 1000)
	for i, want := range []string{
		fmt.Sprint([]int64{us, us + 1, us + 2, us + 3}, "[0 0 0 0]"),
		fmt.Sprint([]int64{begin, begin + 1001, begin + 2002, begin + 3003}, "[0 0 0 0]"),
		"[256 256 256 256] [0 0 0 0]",
		`["not checked" "authentic" "not checked" "authentic"] [0 0 0 0]`,
		"[0.125 0.25] [0 1 1 0]",
		"[0 1 0 1] [1 1 1 1]",
		"[-1 -2 -3 -4] [0 0 0 0]",
		`["\x01\x00" "\x02\x00"] [0 1 1 0]`,
		"[false true false true] [0 0 0 0]",
	} {
		got := strings.ReplaceAll(column(t, r, 0, i), " [0 0 0 0]", "[0 0 0 0]")
		if want = strings.ReplaceAll(want, " [0 0 0 0]", "[0 0 0 0]"); got != want {
			t.Errorf("%s: %s, wanted %s", everything.Columns[i].Name, got, want)
		}
	}
}

func TestTheFileSaysWhatItsColumnsMean(t *testing.T) {
	r, err := file.NewParquetReader(bytes.NewReader(written(t, 1)))
	if err != nil {
		t.Fatal(err)
	}
	pairs := r.MetaData().KeyValueMetadata()
	for key, want := range map[string]string{
		"dbc_sha256": "abc",
		"columns":    `{"name":"speed","unit":"km/h","comment":"caf\ufffd"},{"name":"gear","choices":{"0":"off","1":"on"}}`,
	} {
		if v := pairs.FindValue(key); v == nil || !strings.Contains(*v, want) {
			t.Errorf("%s: %v, wanted %s", key, v, want)
		}
	}
	if got := r.MetaData().Schema.Column(0).LogicalType().String(); !strings.Contains(got, "isAdjustedToUTC=true") || !strings.Contains(got, "microseconds") {
		t.Error(got)
	}
}

func TestTheSameRowsGiveTheSameBytes(t *testing.T) {
	if !bytes.Equal(written(t, 1000, 10), written(t, 1000, 10)) {
		t.Error("they differ")
	}
}

func TestAFileThatWasPackedHasTheSameBytes(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, &everything, &Memory{})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range []int{1000, 10, 20, 30} {
		if err := w.Write(rows(n)); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			continue
		}
		if err := errors.Join(w.Pack(), w.Pack()); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.Packed(); n == 0 || n > 10_000 {
		t.Errorf("%d bytes are packed", n)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), written(t, 1000, 10, 20, 30)) {
		t.Error("they differ")
	}
}

// broken fails after so many bytes.
type broken struct{ left int }

var errBroken = errors.New("the card is full")

func (b *broken) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestEveryFailureOfAWriteIsTold(t *testing.T) {
	size := len(written(t, 100))
	for left := 0; left < size; left += 7 {
		w, err := NewWriter(&broken{left}, &everything, &Memory{})
		if err == nil {
			err = errors.Join(w.Write(rows(100)), w.Close())
		}
		if left >= 4 && !errors.Is(err, errBroken) || err == nil {
			t.Fatalf("after %d of %d bytes: %v", left, size, err)
		}
	}
}

func TestValuesThatAreNoNumbersAreKept(t *testing.T) {
	s := table.Schema{Columns: []table.Column{{Name: "x", Type: table.Float}}}
	var b bytes.Buffer
	w, err := NewWriter(&b, &s, &Memory{})
	if err != nil {
		t.Fatal(err)
	}
	fill := func(_ int, v *table.Values) { v.Floats = []float64{math.NaN(), math.Inf(1), 0} }
	if err := errors.Join(w.Write(table.Rows{N: 3, Fill: fill}), w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := file.NewParquetReader(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if got := column(t, r, 0, 0); got != "[NaN +Inf 0] [0 0 0]" {
		t.Error(got)
	}
}

func TestWhatIsWrittenAsArrowIsReadBack(t *testing.T) {
	var b bytes.Buffer
	w, err := NewArrow(&b, &everything, &ArrowMemory{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(rows(4)), w.Write(rows(2)), w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewFileReader(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	record, err := r.Record(0)
	if err != nil || r.NumRecords() != 2 {
		t.Fatal(r.NumRecords(), err)
	}
	at := arrow.Timestamp(begin + 1001).ToTime(arrow.Nanosecond).Format("2006-01-02 15:04:05.999999999Z")
	for name, want := range map[string]string{
		"t": at, "id": "256", "verdict": "authentic", "speed": "0.125", "gear": "1", "big": "18446744073709551614", "data": "AQA=", "ok": "true",
	} {
		field := record.Schema().FieldIndices(name)
		if len(field) != 1 || record.Column(field[0]).ValueStr(1) != want {
			t.Errorf("%s: %v, wanted %s", name, record.Column(field[0]).ValueStr(1), want)
		}
	}
	if speed := record.Column(record.Schema().FieldIndices("speed")[0]); !speed.IsNull(0) || speed.NullN() != 2 {
		t.Error(speed)
	}
	if record.Schema().HasField("t_ns") {
		t.Error("t_ns is there")
	}
	if unit, _ := record.Schema().Field(record.Schema().FieldIndices("speed")[0]).Metadata.GetValue("unit"); unit != "km/h" {
		t.Error(unit)
	}
}

func TestEveryFailureOfAnArrowFileIsTold(t *testing.T) {
	for left := range 3000 {
		w, err := NewArrow(&broken{left}, &everything, &ArrowMemory{})
		if err == nil {
			err = errors.Join(w.Write(rows(100)), w.Close())
		}
		if !errors.Is(err, errBroken) {
			t.Fatalf("after %d bytes: %v", left, err)
		}
	}
}
