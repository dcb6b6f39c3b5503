package mdf

import (
	"reflect"
	"testing"
)

func TestRecordsComeBackAsTheyWereWritten(t *testing.T) {
	want := randomRecords(random(t), 20_000)
	last := Clock{Time: start + 1e12, Boot: 7, Wall: start, Error: UnknownError, Source: SourceKernel, Synchronised: true}
	f := newCard(nil)
	w := writing(t, f, header, want, 700)
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	same(t, "live", reading(t, f.data), want)
	judge(t, f.data)

	if err := w.Finish(last); err != nil {
		t.Fatal(err)
	}
	same(t, "finished", reading(t, f.data), append(want, last))
	rep := judge(t, f.data)
	if !rep.Finalised {
		t.Error("not finalised")
	}
	if w.Size() != int64(len(f.data)) {
		t.Errorf("Size is %d of a file of %d", w.Size(), len(f.data))
	}
	r, err := Open(f, w.Size())
	if err != nil {
		t.Fatal(err)
	}
	if h := r.Header(); h != header {
		t.Errorf("header\n got %+v\nwant %+v", h, header)
	}
	if stats, err := r.Check(); err != nil || stats != w.Stats() {
		t.Errorf("stats\n got %+v, %v\nwant %+v", stats, err, w.Stats())
	}
}

func same(t *testing.T, what string, got, want []Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d records, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("%s: record %d\n got %+v\nwant %+v", what, i, got[i], want[i])
		}
	}
}
