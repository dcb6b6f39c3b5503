package probe

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"canseal/can"
)

// wire carries messages between the pure halves in virtual µs.
type wire struct {
	r                 *rand.Rand
	loss, twice       float64
	delay, jitter     int64
	cut               func(now int64) bool
	toLogger, toProbe []flight
	sent              int
}

type flight struct {
	at      int64
	message []byte
}

func (w *wire) put(to *[]flight, now int64, message []byte) {
	w.sent++
	if w.cut != nil && w.cut(now) || w.r.Float64() < w.loss {
		return
	}
	n := 1
	if w.r.Float64() < w.twice {
		n = 2
	}
	for range n {
		at := now + w.delay
		if w.jitter > 0 {
			at += w.r.Int64N(w.jitter)
		}
		*to = append(*to, flight{at, bytes.Clone(message)})
	}
}

func take(from *[]flight, now int64) (all [][]byte) {
	slices.SortStableFunc(*from, func(a, b flight) int { return int(a.at - b.at) })
	n := 0
	for n < len(*from) && (*from)[n].at <= now {
		all = append(all, (*from)[n].message)
		n++
	}
	*from = (*from)[n:]
	return all
}

const (
	step      = 1000       // µs
	probeBoot = 77_000_000 // µs that the probe's clock is ahead of the logger's
	room      = 220
)

// run carries n events, one each ms, and then lets the link settle.
func run(t *testing.T, w *wire, n int) (got []can.Event, s *sender, r *receiver) {
	t.Helper()
	s, r = newSender(42, room), newReceiver(500_000)
	for now := int64(0); now < int64(n)*step+20_000_000; now += step {
		if i := now / step; i < int64(n) {
			s.add(number(uint32(i)), uint64(now+probeBoot))
		}
		got = exchange(t, w, s, r, now, got)
	}
	return got, s, r
}

func exchange(t *testing.T, w *wire, s *sender, r *receiver, now int64, got []can.Event) []can.Event {
	t.Helper()
	s.tick(uint64(now + probeBoot))
	for m := s.message(uint64(now + probeBoot)); m != nil; m = s.message(uint64(now + probeBoot)) {
		w.put(&w.toLogger, now, m)
	}
	for _, m := range take(&w.toLogger, now) {
		var err error
		if got, err = r.take(m, now, got); err != nil {
			t.Fatal(err)
		}
	}
	if now >= r.due() {
		w.put(&w.toProbe, now, r.ask(w.r.Uint64()|1, now))
	}
	for _, m := range take(&w.toProbe, now) {
		a, err := parseAsk(m)
		if err != nil {
			t.Fatal(err)
		}
		s.asked(&a)
	}
	return got
}

// number is a frame that carries its number.
func number(i uint32) *can.Event {
	e := &can.Event{Frame: can.Frame{ID: 0x100, DLC: 4, Len: 4}}
	e.Frame.Data[0], e.Frame.Data[1], e.Frame.Data[2], e.Frame.Data[3] = byte(i), byte(i>>8), byte(i>>16), byte(i>>24)
	return e
}

func numberOf(e *can.Event) int {
	d := e.Frame.Data
	return int(d[0]) | int(d[1])<<8 | int(d[2])<<16 | int(d[3])<<24
}

// whole fails unless each of n events came once, in order, or is counted in a
// gap at its place, with a time at most so many µs from its own.
func whole(t *testing.T, got []can.Event, n int, within int64) (lost int) {
	t.Helper()
	next := 0
	for i := range got {
		e := &got[i]
		if e.Kind == can.KindLost {
			lost += int(e.Lost)
			next += int(e.Lost)
			continue
		}
		if numberOf(e) != next {
			t.Fatalf("event %d came where %d was due", numberOf(e), next)
		}
		if off := e.Time - int64(next)*step; off > within || off < -within {
			t.Fatalf("event %d has the time %d, %d µs off", next, e.Time, off)
		}
		next++
	}
	if next != n {
		t.Fatalf("%d of %d events", next, n)
	}
	return lost
}

func TestEventsArriveOnceInOrder(t *testing.T) {
	for name, w := range map[string]wire{
		"as sent":      {delay: 2000},
		"1 % lost":     {delay: 2000, loss: 0.01},
		"20 % lost":    {delay: 2000, loss: 0.2, jitter: 1000},
		"twice":        {delay: 2000, twice: 0.5},
		"out of order": {delay: 1000, jitter: 60_000},
		"everything":   {delay: 5000, jitter: 80_000, loss: 0.1, twice: 0.2},
		"cut for 3 s":  {delay: 2000, cut: func(now int64) bool { return now > 2_000_000 && now < 5_000_000 }},
	} {
		t.Run(name, func(t *testing.T) {
			w.r = rand.New(rand.NewPCG(1, 2))
			got, s, r := run(t, &w, 10_000)
			if lost := whole(t, got, 10_000, w.delay+w.jitter+1000); lost > 0 {
				t.Errorf("%d lost", lost)
			}
			if len(s.kept) > 1 {
				t.Errorf("the probe keeps %d batches that the logger has", len(s.kept))
			}
			if name == "as sent" && (r.status.Late > 0 || r.status.Duplicates > 0) {
				t.Errorf("%+v", r.status)
			}
		})
	}
}

// What the probe can no longer keep is a gap of exactly so many events, where
// they were.
func TestWhatTheRingCannotKeepIsAGap(t *testing.T) {
	w := &wire{r: rand.New(rand.NewPCG(1, 2)), delay: 2000, cut: func(now int64) bool { return now > 1_000_000 && now < 180_000_000 }}
	got, _, r := run(t, w, 185_000)
	lost := whole(t, got, 185_000, 50_000)
	if lost == 0 || lost != int(r.status.Lost) {
		t.Errorf("%d lost, counted %d", lost, r.status.Lost)
	}
}

// A probe that begins anew loses what it had not sent: that many at least are
// told.
func TestARebootedProbeLosesWhatItHadTold(t *testing.T) {
	w := &wire{r: rand.New(rand.NewPCG(1, 2)), delay: 2000}
	got, s, r := run(t, w, 1000)
	for range 500 { // never sent, but told in an echo
		s.add(number(0), 999)
	}
	s.flush()
	s.unasked = true
	if _, err := r.take(s.message(99_999_999), 40_000_000, nil); err != nil {
		t.Fatal(err)
	}
	again := newSender(43, room)
	got, err := r.take(again.message(5), 41_000_000, got)
	if err != nil {
		t.Fatal(err)
	}
	if last := got[len(got)-1]; last.Kind != can.KindLost || last.Lost != 500 || !last.AtLeast || r.status.Boots != 2 {
		t.Errorf("%+v, %+v", last, r.status)
	}
}

// One that had sent all leaves a gap of unknown size: who knows what passed
// while it was away.
func TestARebootIsAGap(t *testing.T) {
	w := &wire{r: rand.New(rand.NewPCG(1, 2)), delay: 2000}
	got, _, r := run(t, w, 1000)
	got, err := r.take(newSender(43, room).message(5), 41_000_000, got)
	if err != nil {
		t.Fatal(err)
	}
	if last := got[len(got)-1]; last.Kind != can.KindLost || last.Lost != 0 || !last.AtLeast || last.Reason != can.LostProbe || last.Time != 41_000_000 {
		t.Errorf("%+v", last)
	}
}

// A line that is held up gives its frames later, and they are called late.
func TestFramesThatWereHeldUpAreLate(t *testing.T) {
	for name, from := range map[string]int64{"from the begin": -1, "later": 3_000_000} {
		t.Run(name, func(t *testing.T) {
			w := &wire{r: rand.New(rand.NewPCG(1, 2)), delay: 2000}
			s, r := newSender(42, room), newReceiver(500_000)
			var got []can.Event
			for now := int64(0); now < 90_000_000; now += step {
				if now > from {
					w.delay = 6_000_000
				}
				if i := now / step; i < 10_000 {
					s.add(number(uint32(i)), uint64(now+probeBoot))
				}
				got = exchange(t, w, s, r, now, got)
			}
			whole(t, got, 10_000, 6_500_000)
			if r.status.Late < 6000 {
				t.Errorf("%d of 10000 events are called late", r.status.Late)
			}
		})
	}
}

// An echo with a wrong nonce, or an old one, says nothing about the clock.
func TestOnlyAnAnswerMeasuresTheClock(t *testing.T) {
	r := newReceiver(500_000)
	r.ask(7, 1000)
	for _, nonce := range []uint64{0, 8, 1 << 60} {
		if _, err := r.take((&echo{boot: 1, nonce: nonce, clock: 5}).append(nil), 2000, nil); err != nil || r.clock.known {
			t.Errorf("nonce %d: %+v (%v)", nonce, r.clock, err)
		}
	}
	if !r.stale(5_000_000) {
		t.Error("a probe that never answered is not stale")
	}
	if _, err := r.take((&echo{boot: 1, nonce: 7, clock: 5}).append(nil), 2000, nil); err != nil || !r.clock.known || r.clock.spread(2000) != 1000 {
		t.Errorf("%+v (%v)", r.clock, err)
	}
}

func TestItemsAreTheirInverse(t *testing.T) {
	events := []can.Event{
		*number(1),
		{Frame: can.Frame{ID: 0x1FFFFFFF, Flags: can.Extended, DLC: 12, Len: 8}, Dir: can.OtherTx},
		{Frame: can.Frame{ID: 0x7FF, Flags: can.Remote, DLC: 8}},
		{Frame: can.Frame{ID: 5, Flags: can.FD | can.BRS | can.ESI, DLC: 15, Len: 64}},
		{Frame: can.Frame{ID: 0x1234, Flags: can.Error, DLC: 8, Len: 8}},
		{Kind: can.KindLost, Reason: can.LostSocket, Lost: 12345, AtLeast: true, From: -3_000_000},
		{Kind: can.KindState, State: can.BusOff, TxErrors: 255, RxErrors: 3},
	}
	b := batch{seq: 9, index: 1000, base: 123456}
	for i := range events {
		b.items = appendItem(b.items, &events[i], uint64(i))
	}
	got, err := parseBatch(b.append(nil))
	if err != nil || got.seq != 9 || got.index != 1000 || got.base != 123456 {
		t.Fatalf("%+v (%v)", got, err)
	}
	back, err := got.events(nil)
	if err != nil || len(back) != len(events) {
		t.Fatalf("%d events (%v)", len(back), err)
	}
	at := int64(123456)
	for i := range back {
		at += int64(i)
		want := events[i]
		want.Time = at
		want.From = at
		if want.Kind == can.KindLost {
			want.From = at - 3000
		}
		if back[i] != want {
			t.Errorf("%+v, wanted %+v", back[i], want)
		}
	}
	classic := appendItem(nil, number(1), 300)
	if len(classic) != 10 {
		t.Errorf("a frame of 4 bytes takes %d bytes", len(classic))
	}
}

func TestFramesOnTheLineAreTheirInverse(t *testing.T) {
	for n := range 600 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i*n) & byte(n>>1)
		}
		line := appendFrame(nil, b)
		if bytes.IndexByte(line, 0) != len(line)-1 {
			t.Fatalf("%d bytes: a zero inside", n)
		}
		if len(line) > n+4+n/254+1 {
			t.Errorf("%d bytes became %d", n, len(line))
		}
		got, err := parseFrame(line[:len(line)-1])
		if err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%d bytes: %x (%v)", n, got, err)
		}
	}
}

func TestTheCheckValueIsThatOfItsName(t *testing.T) {
	if got := crc16([]byte("123456789")); got != 0x29B1 {
		t.Errorf("%04X, wanted 29B1", got)
	}
}

func TestADamagedFrameIsNone(t *testing.T) {
	line := appendFrame(nil, []byte("a datagram with\x00zeros\x00"))
	for i := range len(line) - 1 {
		for bit := range 8 {
			b := bytes.Clone(line[:len(line)-1])
			b[i] ^= 1 << bit
			if got, err := parseFrame(b); err == nil {
				t.Errorf("byte %d, bit %d: %q", i, bit, got)
			}
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Add(appendFrame(nil, []byte("x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		if got, err := parseFrame(appendFrame(nil, b)[:len(appendFrame(nil, b))-1]); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%x came back as %x (%v)", b, got, err)
		}
		_, _ = parseFrame(bytes.Clone(b))
	})
}

func FuzzMessages(f *testing.F) {
	s := newSender(1, room)
	s.add(number(1), 5)
	s.flush()
	f.Add(s.message(9))
	f.Add(s.message(9))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := parseAsk(b); err == nil {
			s := newSender(1, room)
			s.asked(&a)
		}
		r := newReceiver(500_000)
		r.ask(7, 0)
		_, _ = r.take((&echo{boot: 1, nonce: 7}).append(nil), 1, nil)
		events, err := r.take(b, 2, nil)
		if err != nil && !errors.Is(err, errMessage) {
			t.Error(err)
		}
		for i := range events {
			if e := &events[i]; e.Kind == can.KindFrame && !e.Frame.Valid() {
				t.Errorf("%+v", e)
			}
		}
		if len(events) > len(b) {
			t.Errorf("%d events of %d bytes", len(events), len(b))
		}
		if got, err := parseBatch(b); err == nil && got.seq < 1<<32 && got.index < 1<<32 {
			if again, err := parseBatch(got.append(nil)); err != nil || again.seq != got.seq || !bytes.Equal(again.items, got.items) {
				t.Errorf("%x: %v", b, err)
			}
		}
	})
}
