package buslog_test

import (
	"bytes"
	"testing"

	"canseal/mdf/buslog"
)

func TestAFewPackedBytesDoNotMakeWorkWithoutEnd(t *testing.T) {
	const blocks, size = 12, 16 << 20
	m := newMaker(true, 0)
	packed := make([]int64, blocks)
	for i := range packed {
		packed[i] = m.packed("DT", make([]byte, size), 0)
	}
	data := m.block("HL", []int64{m.list(0, packed...)}, make([]byte, 8))
	cg := m.group(0, "Other", size/1024, 1<<40, nanos, nil)
	m.dataGroup(0, data, cg)
	f, err := buslog.Open(bytes.NewReader(m.b), int64(len(m.b)), buslog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var report buslog.Report
	for range f.Items(&report) {
	}
	if n, most := report.Raw["Other"], uint64(4*1024); n > most {
		t.Errorf("%d bytes of file gave %d records, wanted at most %d", len(m.b), n, most)
	}
	if report.Damaged == 0 {
		t.Error("what was left out is not reported")
	}
}
