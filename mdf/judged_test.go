package mdf

import (
	"reflect"
	"testing"
)

func TestTheHeaderTellsHowBusesWereJudged(t *testing.T) {
	h := header
	h.Judged, h.Judge = h.ConfigSHA256, "1.2.3"
	h.Cancrypt = []Cancrypt{
		{Bus: 1, Role: "judge", Profile: "p1", Level: "L2", Key: 3, Methods: 0x0520, Members: []uint8{1, 2, 15}, Table: []byte{1, 2, 3, 4, 5, 6, 7, 0xF8}, TableCRC: 0xBEEF},
		{Bus: 8, Role: "member", Profile: "p1fd", Level: "L4", Key: 6, Methods: 0xFFFF, Members: []uint8{1, 254}, Table: []byte{}},
	}
	f := newCard(nil)
	w := writing(t, f, h, oneOfEach(), 700)
	if err := w.Finish(Clock{Time: start + 1, Boot: 1}); err != nil {
		t.Fatal(err)
	}
	judge(t, f.data)
	for name, data := range map[string][]byte{"finished": f.data, "compressed": compressed(t, f.data)} {
		r, err := Open(newView(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Header(); !reflect.DeepEqual(got, h) {
			t.Errorf("%s\n got %+v\nwant %+v", name, got, h)
		}
	}
}

func TestTheTimeOfAFrameAsItWasWritten(t *testing.T) {
	w := writing(t, newCard(nil), header, nil, 1)
	for _, c := range []struct{ stamp, want int64 }{{start + 5000, start + 5000}, {start + 5000, start + 5001}, {start + 4002, start + 5002}, {start, start}} {
		f := Frame{}
		f.Time, f.Bus = c.stamp, 1
		if err := w.Append(&f); err != nil {
			t.Fatal(err)
		}
		if got := w.LastFrame(); got != c.want {
			t.Errorf("stamp %d written at %d, want %d", c.stamp-start, got-start, c.want-start)
		}
	}
}
