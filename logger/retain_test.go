package logger

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/internal/durable/memfs"
	"canseal/segment"
)

func TestTheOrderOfDeletion(t *testing.T) {
	// Segments of 10 bytes, oldest first: t sent over TLS, p sent plain, P
	// pinned and sent, u unsent, U unsent and pinned, o open, h held.
	kinds := map[rune]segment.Segment{
		't': {Has: segment.Of(segment.Sealed, segment.Sent), Receipt: &segment.Receipt{Proved: segment.ProvedTLS}},
		'p': {Has: segment.Of(segment.Sealed, segment.Sent), Receipt: &segment.Receipt{Proved: segment.ProvedPlain}},
		'P': {Has: segment.Of(segment.Sealed, segment.Sent, segment.Keep), Receipt: &segment.Receipt{Proved: segment.ProvedTLS}},
		'u': {Has: segment.Of(segment.Sealed)},
		'U': {Has: segment.Of(segment.Sealed, segment.Keep)},
		'r': {Has: segment.Of(segment.Sealed, segment.Sent)}, // its receipt cannot be read
		'o': {Has: segment.Of(segment.Part)},
		'w': {Has: segment.Of(segment.Raw)},
		'h': {Has: segment.Of(segment.Sealed)},
	}
	for _, row := range []struct {
		card   string
		need   int64
		unsent bool
		want   string // places on the card, from 0
	}{
		{"ututptPU", 10, true, "[1]"},
		{"ututptPU", 30, true, "[1 3 5]"},
		{"ututptPU", 40, true, "[1 3 5 4]"},
		{"ututptPU", 50, true, "[1 3 5 4 6]"},
		{"ututptPU", 60, true, "[1 3 5 4 6 0]"},
		{"ututptPU", 80, true, "[1 3 5 4 6 0 2 7]"},
		{"ututptPU", 80, false, "[1 3 5 4 6]"},
		{"uuu", 25, true, "[0 1 2]"},
		{"uuu", 25, false, "[]"},
		{"owh", 10, true, "[]"},
		{"rt", 10, true, "[1]"},
		{"rt", 20, true, "[1 0]"},
		{"tu", 0, true, "[]"},
		{"", 10, true, "[]"},
	} {
		var list []segment.Segment
		held := map[segment.Name]bool{}
		for i, kind := range row.card {
			s := kinds[kind]
			s.Name, s.Size = segment.Name{Session: 1, Split: uint32(i)}, 10
			list = append(list, s)
			held[s.Name] = kind == 'h'
		}
		got := []uint32{}
		for _, d := range choose(list, row.need, row.unsent, func(n segment.Name) bool { return held[n] }) {
			got = append(got, d.Split)
		}
		if fmt.Sprint(got) != row.want {
			t.Errorf("card %q, %d bytes, unsent %v: found %v, wanted %s", row.card, row.need, row.unsent, got, row.want)
		}
	}
}

func TestTheReserveIsAShareOrASize(t *testing.T) {
	for _, row := range []struct {
		r     Reserve
		total int64
		want  int64
	}{
		{Reserve{}, 1000, 50}, {Reserve{Percent: 10}, 1000, 100}, {Reserve{Bytes: 7}, 1000, 7}, {Reserve{Percent: 0.5}, 999, 5},
	} {
		if got := row.r.Of(row.total); got != row.want {
			t.Errorf("%+v of %d: found %d, wanted %d", row.r, row.total, got, row.want)
		}
	}
}

// smallCard has room for about ten segments of 50 kB above a reserve.
func smallCard(r *rig) {
	r.o.SplitSize = 50_000
	r.o.KeepFree = Reserve{Bytes: 100_000}
	r.card.Limit(650_000)
}

func TestAFullCardLosesTheOldestAndCountsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		smallCard(r)
		r.start().run(400, 50) // gaps of deletions are themselves deleted
		r.stop()
		s := r.logger.Status().Log
		c := chained(t, r.card)
		recorded, counted := account(t, len(r.sent), c)
		if counted == 0 || recorded == 0 || s.Lost.Deleted != uint64(counted) || s.Lost.Sum() != s.Lost.Deleted {
			t.Errorf("recorded %d, counted %d, status %+v", recorded, counted, s.Lost)
		}
		last := c.lines[len(c.lines)-1]
		if last.Dropped == 0 || last.Dropped != s.Seal.Dropped || !r.has("retention: deleted unsent 0") || !r.has("card: low 0") {
			t.Errorf("found %d dropped in the last line, %d in the status, events %v", last.Dropped, s.Seal.Dropped, r.events)
		}
		for _, g := range c.gaps {
			if g.Reason != can.LostDeleted || g.Bus != 0 {
				t.Errorf("found gap %+v", g)
			}
		}
		if free, _ := r.card.Space(); free.Free < 90_000 {
			t.Errorf("found %d bytes free, wanted about the reserve of 100,000", free.Free)
		}
	})
}

func TestWhatIsDeletedAsARunEndsIsCounted(t *testing.T) {
	for limit := int64(300_000); limit <= 360_000; limit += 20_000 {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newCard())
			r.card.Limit(limit)
			r.o.SplitSize, r.o.KeepFree = 60_000, Reserve{Bytes: 60_000}
			r.start()
			for free := limit; free > 100_000; { // until the next segment is one too many
				r.send(400, 1)
				time.Sleep(1010 * time.Millisecond)
				space, _ := r.card.Space()
				free = space.Free
			}
			r.send(2000, 1)
			r.stop()
			s, c := r.logger.Status().Log, chained(t, r.card)
			if _, counted := account(t, len(r.sent), c); uint64(counted) != s.Lost.Sum() || s.Seal.Dropped == 0 {
				t.Errorf("a card of %d: found %d in gaps, status %+v", limit, counted, s.Lost)
			}
		})
	}
}

// chained is inventory for a card from which segments were deleted: of their
// seal lines the last ones are still there, or none.
func chained(t *testing.T, f *memfs.FS) contents {
	t.Helper()
	card := segment.Card{FS: f, Device: box}
	l, err := card.Scan()
	if err != nil {
		t.Fatal(err)
	}
	c := contents{segments: l.Segments, files: map[segment.Name]file{}}
	for _, s := range l.Segments {
		c.add(s.Name, readSegment(t, f, card.Path(s.Name, segment.Sealed)))
	}
	for _, s := range l.Sessions {
		log, _ := card.ReadSeals(s)
		c.lines = append(c.lines, log.Lines...)
	}
	return c
}

func TestWhatWasSentGoesFirstAndIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		smallCard(r)
		card := segment.Card{FS: r.card, Device: box}
		var sent []segment.Name
		r.o.Sealed = func() { // an uploader that is always in time, over a plain connection each third time
			l, err := card.Scan()
			if err != nil {
				t.Error(err)
			}
			for _, s := range l.Segments {
				if !s.Sealed() || s.Sent() || s.Split == 2 {
					continue
				}
				receipt(t, r.card, s.Name, map[bool]segment.Proof{true: segment.ProvedPlain, false: segment.ProvedTLS}[s.Split%3 == 0])
				sent = append(sent, s.Name)
			}
		}
		r.start().run(120, 50)
		s := r.logger.Status()
		r.stop()
		if s.Log.Lost.Sum() != 0 || s.Log.Seal.Dropped != 0 {
			t.Errorf("found losses %+v", s.Log.Lost)
		}
		l, err := card.Scan()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(l.Segments, func(s segment.Segment) bool { return s.Split == 2 }) {
			t.Error("the one segment that was never sent was deleted")
		}
		if len(l.Segments) >= len(sent) || s.Log.Segments.SentPlain < 3 {
			t.Errorf("found %d segments on the card of %d, status %+v", len(l.Segments), len(sent), s.Log.Segments)
		}
	})
}

func TestKeepStopsRecordingUntilThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		smallCard(r)
		r.o.KeepUnsent = true
		r.start().run(120, 50)
		s := r.logger.Status().Log
		if s.State != "stopped" || s.Card.State != "full" || s.Lost.Write == 0 || s.Lost.Deleted != 0 {
			t.Errorf("on the full card: found %q, %q, lost %+v", s.State, s.Card.State, s.Lost)
		}
		l, err := segment.Card{FS: r.card, Device: box}.Scan()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range l.Segments[:5] {
			receipt(t, r.card, s.Name, segment.ProvedTLS)
		}
		r.run(5, 50)
		if s := r.logger.Status().Log; s.State != "recording" || s.Card.State != "ok" {
			t.Errorf("with room: found %q, %q", s.State, s.Card.State)
		}
		r.stop()
		c := chained(t, r.card)
		list := stateList(c.states)
		if !slices.Contains(list, can.CardFull) || !slices.Contains(list, can.CardOK) {
			t.Errorf("found states %v, wanted full, then ok", list)
		}
		for _, line := range c.lines {
			if line.End != "orderly" {
				t.Errorf("segment %d: end %q", line.Split, line.End)
			}
		}
	})
}

func TestForeignFilesThatFillTheCardStopRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		smallCard(r)
		r.start().run(5, 20)
		f, err := r.card.Create("holiday.jpg", 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(make([]byte, 560_000)); err != nil {
			t.Fatal(err)
		}
		r.run(10, 20)
		if s := r.logger.Status().Log; s.State != "stopped" || s.Card.State != "full" {
			t.Errorf("found %q, %q", s.State, s.Card.State)
		}
		if err := r.card.Remove("holiday.jpg"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if s := r.logger.Status().Log; s.State != "recording" {
			t.Errorf("with room again: found %q", s.State)
		}
		r.stop()
		account(t, len(r.sent), chained(t, r.card))
	})
}

func TestOneSegmentThatCannotBeDeletedStopsNothing(t *testing.T) {
	for _, fault := range []error{syscall.EIO, syscall.EPERM} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newCard())
			smallCard(r)
			broken := true
			r.card.Fault(func(o memfs.Op) error {
				if broken && o.Kind == "remove" && strings.HasSuffix(o.Name, "00000001/00000001.MF4") {
					return fault
				}
				return nil
			})
			r.start().run(300, 50)
			s := r.logger.Status().Log
			r.stop()
			c := chained(t, r.card)
			account(t, len(r.sent), c)
			if s.State != "recording" || s.Lost.Write != 0 || c.segments[0].Split != 1 {
				t.Errorf("%v: found %s, lost %+v, oldest %v", fault, s.State, s.Lost, c.segments[0])
			}
			if gone := c.segments[len(c.segments)-1].Split - uint32(len(c.segments)); s.Seal.Dropped != uint64(gone) {
				t.Errorf("%v: found %d dropped, wanted %d", fault, s.Seal.Dropped, gone)
			}
		})
	}
}

// A segment on its way to the store outlives younger ones, but not the reserve.
func TestASegmentOnItsWayIsSpared(t *testing.T) {
	for _, all := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newCard())
			smallCard(r)
			r.o.Sending = func(n segment.Name) bool { return all || n.Split == 1 }
			r.start().run(400, 50)
			s := r.logger.Status().Log
			r.stop()
			c := chained(t, r.card)
			if first := c.segments[0].Split; s.Seal.Dropped == 0 || (first == 1) == all {
				t.Errorf("all on their way %v: the oldest left is %d after %d deletions", all, first, s.Seal.Dropped)
			}
		})
	}
}

func TestADeletionThatFailsHalfwayIsCounted(t *testing.T) {
	for _, kind := range []string{"sync", "remove"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newCard())
			smallCard(r)
			removed, failed := false, 0
			r.card.Fault(func(o memfs.Op) error {
				if o.Kind == "remove" && strings.HasSuffix(o.Name, ".MF4") {
					removed = true
					return nil
				}
				if hit := kind == "sync" && o.Kind == "syncdir" || kind == "remove" && o.Kind == "remove"; removed && hit {
					removed = false
					if failed++; failed <= 3 {
						return syscall.EIO
					}
				}
				return nil
			})
			r.start().run(120, 50)
			s := r.logger.Status().Log
			r.stop()
			c := chained(t, r.card)
			account(t, len(r.sent), c)
			if failed < 3 || s.Lost.Deleted == 0 {
				t.Errorf("%s: %d operations failed, lost %+v", kind, failed, s.Lost)
			}
		})
	}
}

func TestAGapOfUnknownSizeIsNotForgottenWithItsSegment(t *testing.T) {
	at := time.Unix(1.8e9, 0)
	for _, row := range []struct {
		name string
		line segment.SealLine
		want loss
		any  bool
	}{
		{"empty", segment.SealLine{}, loss{}, false},
		{"one of unknown size alone", segment.SealLine{Gaps: 1}, loss{Count: 0, AtLeast: true}, true},
		{"one of unknown size", segment.SealLine{Frames: 5, Gaps: 2, Lost: 1}, loss{Count: 6, AtLeast: true}, true},
		{"exact", segment.SealLine{Frames: 5, Gaps: 2, Lost: 7}, loss{Count: 12}, true},
	} {
		row.line.Start, row.line.First, row.line.Last = at, at, at
		got, any := missing(row.line, true)
		if got.Count != row.want.Count || got.AtLeast != row.want.AtLeast || any != row.any {
			t.Errorf("%s: found %+v, %v", row.name, got, any)
		}
	}
}
