package logger

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"canseal/can"

	"canseal/segment"
)

// fields lists the names of a JSON object, nested ones with their parent.
func fields(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	return strings.Join(slices.Sorted(maps.Keys(object)), " ")
}

func TestStatusHasTheFieldsOfDeviceJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Links = func() []Link {
			return []Link{{Number: 1, State: can.LinkUp, Controller: can.ErrorActive, Bitrate: 500_000, DataBitrate: 2_000_000,
				FD: true, Stamps: "hardware", ReceiveBuffer: 1 << 24, Differs: []string{"fd"}}}
		}
		r.o.Buses[0].Role = "off"
		r.start().run(100, 10)
		s := r.logger.Status()
		r.stop()
		for _, row := range []struct {
			name string
			v    any
			want string
		}{
			{"log", s.Log, "bytes card frames left_out lost lost_at_least open_bytes seal segments session split state"},
			{"lost", s.Log.Lost, "controller cut deleted interface queue reconfigured socket write"},
			{"left_out", s.Log.LeftOut, "control filter prescaler"},
			{"card", s.Log.Card, "free_bytes full_in_s reserve_bytes state total_bytes written_bytes"},
			{"segments", SegmentStatus{Oldest: "2026"}, "foreign oldest pinned raw sent_plain sent_tls unsent unsent_bytes"},
			{"seal", s.Log.Seal, "dropped head lines signed"},
			{"bus", s.Buses[0], "bitrate controller data_bitrate differs errors fd frames interface last_frame left_out link listen_only lost " +
				"number other_tx receive_buffer_bytes recording role sent stamps"},
		} {
			if got := fields(t, row.v); got != row.want {
				t.Errorf("%s: found fields %s, wanted %s", row.name, got, row.want)
			}
		}
		if b := s.Buses[0]; b.Frames != 1000 || b.Link != "up" || b.Controller != "error active" || b.Recording != "recording" {
			t.Errorf("found %+v", b)
		}
		if s.Log.State != "recording" || s.Log.Session != 1 || s.Log.Split != 1 || s.Log.Frames != 2000 || s.Log.Card.State != "ok" {
			t.Errorf("found %+v", s.Log)
		}
	})
}

func FuzzFilesOfTheStateFolderAndTheCard(f *testing.F) {
	for _, s := range []string{`{"session": 123}`, "17\n", `{"head":"` + strings.Repeat("a", 64) + `","lines":3,"dropped":0}`, "aa mounted", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		files := newCard()
		for _, name := range []string{"meta/meta_log.json", sessionFile, sealFile, cardFile, idFile} {
			put(t, files, name, text)
		}
		if n, err := (segment.Card{FS: files, Device: box}).WantedSession(); n >= segment.LastSession || (err != nil) != (n == 0) {
			t.Errorf("wish: found %d, %v", n, err)
		}
		if n, err := keptSession(files); n > segment.LastSession || err != nil && n != 0 {
			t.Errorf("session: found %d, %v", n, err)
		}
		if c, _, _ := loadChain(files); !isHash(c.Head) {
			t.Errorf("chain: found %q", c.Head)
		}
		if d, _, err := Identify("", "", nil, files, strings.NewReader("abcd")); err != nil || len(d) != 8 {
			t.Errorf("device: found %q, %v", d, err)
		}
	})
}
