package appliance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
)

func testJournal(fsys durable.FS) *journal {
	return openJournal(fsys, func() eventTime {
		return eventTime{Time: time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC).UnixNano(), Quality: "synchronised", Boot: 81234 * time.Millisecond, Session: 17, Split: 3}
	})
}

func readJournal(t *testing.T, fsys durable.FS, name string) []byte {
	t.Helper()
	content, err := durable.ReadFile(fsys, name, 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestAJournalLineHasItsDocumentedForm(t *testing.T) {
	fsys := memfs.New()
	testJournal(fsys).Add("upload", "operator", 0, map[string]any{"class": "credentials"})
	want := `{"v":1,"t":"2026-05-04T10:00:00.000Z","q":"synchronised","boot_ms":81234,"session":17,"split":3,"kind":"upload","what":"operator","bus":0,"detail":{"class":"credentials"}}` + "\n"
	if got := readJournal(t, fsys, eventsFile); string(got) != want {
		t.Errorf("%s", got)
	}
}

func TestATornLineOfTheJournalIsCutOff(t *testing.T) {
	fsys := memfs.New()
	testJournal(fsys).Add("start", "first", 0, nil)
	f, err := fsys.Append(eventsFile, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(`{"v":1,"t":"20`)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	testJournal(fsys).Add("start", "second", 0, nil)
	for i, line := range bytes.Split(bytes.TrimSpace(readJournal(t, fsys, eventsFile)), []byte("\n")) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil || e.What != []string{"first", "second"}[i] {
			t.Errorf("line %d: %s %v", i, line, err)
		}
	}
}

func TestTheJournalIsBounded(t *testing.T) {
	fsys := memfs.New()
	j := testJournal(fsys)
	detail := map[string]any{"text": strings.Repeat("x", 1000)}
	for range 2500 {
		j.Add("bus", "state", 1, detail)
	}
	now, before := readJournal(t, fsys, eventsFile), readJournal(t, fsys, eventsOldFile)
	if len(now) > eventsLimit || len(before) > eventsLimit || len(before) < eventsLimit-2000 {
		t.Errorf("%d and %d bytes", len(now), len(before))
	}
}

// A card that takes nothing for a while costs no event.
func TestEventsOfABadCardAreWrittenLater(t *testing.T) {
	fsys := memfs.New()
	j := testJournal(fsys)
	fsys.Fault(func(memfs.Op) error { return syscall.ENOSPC })
	for i := range 10 {
		j.Add("card", fmt.Sprint(i), 0, nil)
	}
	fsys.Fault(nil)
	j.Add("card", "10", 0, nil)
	if lines := bytes.Count(readJournal(t, fsys, eventsFile), []byte("\n")); lines != 11 {
		t.Errorf("%d lines, wanted 11", lines)
	}
	if _, changed := j.Changed(); !changed {
		t.Error("not offered for upload")
	}
	if _, changed := j.Changed(); changed {
		t.Error("offered twice")
	}
}
