package logger

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/internal/mdfcheck"
	"canseal/mdf"
	"canseal/segment"
)

const box = segment.Device("A1B2C3D4")

// machine is the clocks of a box. Boot follows the time of the bubble.
type machine struct {
	mu     sync.Mutex
	skew   time.Duration // wall clock minus the time of the bubble
	synced bool
	start  time.Time
}

// now2026 puts the bubble's year 2000 after the build.
const now2026 = 27 * 365 * 24 * time.Hour

func newMachine() *machine { return &machine{skew: now2026, synced: true, start: time.Now()} }

func (m *machine) set(skew time.Duration, synced bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.skew, m.synced = skew, synced
}

func (m *machine) read() clock.Reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	return clock.Reading{Wall: now.Add(m.skew).UnixNano(), Boot: int64(now.Sub(m.start)), Synchronised: m.synced, ErrorMicros: clock.Unsure}
}

// feed is a source that delivers what a test gives it.
type feed struct {
	events chan []can.Event
	rest   []can.Event
	closed chan struct{}
	once   sync.Once
}

func newFeed() *feed { return &feed{events: make(chan []can.Event, 1000), closed: make(chan struct{})} }

func (f *feed) Read(buf []can.Event) (int, error) {
	for len(f.rest) == 0 {
		select {
		case f.rest = <-f.events:
			continue
		default:
		}
		select {
		case f.rest = <-f.events:
		case <-f.closed:
			return 0, io.EOF
		}
	}
	n := copy(buf, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *feed) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// below is a folder of an FS as an FS.
type below struct {
	durable.FS
	dir string
}

func (b below) at(name string) string { return path.Join(b.dir, name) }

func (b below) Open(name string) (durable.File, error) { return b.FS.Open(b.at(name)) }
func (b below) Edit(name string) (durable.File, error) { return b.FS.Edit(b.at(name)) }
func (b below) Create(name string, perm fs.FileMode) (durable.File, error) {
	return b.FS.Create(b.at(name), perm)
}
func (b below) Append(name string, perm fs.FileMode) (durable.File, error) {
	return b.FS.Append(b.at(name), perm)
}
func (b below) Rename(from, to string) error { return b.FS.Rename(b.at(from), b.at(to)) }
func (b below) Remove(name string) error     { return b.FS.Remove(b.at(name)) }
func (b below) MkdirAll(name string, perm fs.FileMode) error {
	return b.FS.MkdirAll(b.at(name), perm)
}
func (b below) ReadDir(name string) ([]fs.DirEntry, error) { return b.FS.ReadDir(b.at(name)) }
func (b below) Stat(name string) (fs.FileInfo, error)      { return b.FS.Stat(b.at(name)) }
func (b below) SyncDir(name string) error                  { return b.FS.SyncDir(b.at(name)) }

// rig is a box with a card: the state folder is on the card, so that one power
// cut takes both.
type rig struct {
	t      testing.TB
	card   *memfs.FS
	clocks *machine
	feed   *feed
	o      Options

	logger *Logger
	rec    Recovery
	done   chan error
	sent   []can.Event

	mu     sync.Mutex
	events []string
}

func newCard() *memfs.FS {
	f := memfs.New()
	withState(f)
	return f
}

func withState(f *memfs.FS) {
	if err := f.MkdirAll("state", 0o700); err != nil {
		panic(err)
	}
	f.Settle()
}

// newRig is for the inside of a bubble.
func newRig(t testing.TB, card *memfs.FS) *rig {
	r := &rig{t: t, card: card, clocks: newMachine(), feed: newFeed(), done: make(chan error, 1)}
	r.o = Options{
		Card: card, State: below{card, "state"}, Device: box, Source: r.feed,
		Buses: []Bus{{Number: 1, Interface: "can0"}, {Number: 2, Interface: "can1"}}, Queue: 4096,
		KeepFree: Reserve{Bytes: 1},
		Event: func(kind, what string, bus uint8, d map[string]any) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, fmt.Sprintf("%s: %s %d", kind, what, bus))
		},
	}
	return r
}

// start prepares and runs; it returns when the recorder works.
func (r *rig) start() *rig {
	r.t.Helper()
	if r.o.Clock == nil {
		r.o.Clock = clock.New(clock.Options{Read: r.clocks.read, Newest: Newest(segment.Card{FS: r.o.Card, Device: r.o.Device})})
	}
	var err error
	if r.logger, r.rec, err = Prepare(r.o); err != nil {
		r.t.Fatal(err)
	}
	go func() { r.done <- r.logger.Run(context.Background()) }()
	<-r.logger.Ready()
	synctest.Wait()
	return r
}

// stop ends the source and waits for the seal.
func (r *rig) stop() {
	r.t.Helper()
	r.feed.Close()
	if err := <-r.done; err != nil {
		r.t.Errorf("Run: %v", err)
	}
}

// send feeds n frames of a bus, 1 µs apart, stamped by the wall clock of now.
func (r *rig) send(n int, bus uint8) {
	batch := make([]can.Event, n)
	wall := r.clocks.read().Wall
	for i := range batch {
		batch[i] = can.Event{Time: wall + int64(i)*2000, Bus: bus, Frame: can.Frame{ID: uint32(len(r.sent)+i) & 0x7FF, DLC: 8, Len: 8}}
		for b, v := 0, len(r.sent)+i; b < 8; b, v = b+1, v>>8 {
			batch[i].Frame.Data[b] = byte(v)
		}
	}
	r.sent = append(r.sent, batch...)
	r.feed.events <- batch
	synctest.Wait()
}

// run sends n frames of each bus a second.
func (r *rig) run(seconds, n int) {
	for range seconds {
		r.send(n, 1)
		r.send(n, 2)
		time.Sleep(time.Second)
	}
	synctest.Wait()
}

func (r *rig) has(event string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e == event {
			return true
		}
	}
	return false
}

// contents is everything of a device on a card.
type contents struct {
	segments []segment.Segment
	files    map[segment.Name]file
	lines    []segment.SealLine
	frames   []can.Event // in order of segments
	gaps     []mdf.Gap
	states   []mdf.State
	security []mdf.Security
	clocks   []mdf.Clock
}

type file struct {
	header   mdf.Header
	end      string
	frames   []can.Event
	gaps     []mdf.Gap
	clocks   []mdf.Clock
	states   []mdf.State
	security []mdf.Security
}

func (c *contents) add(n segment.Name, f file) {
	c.files[n] = f
	c.frames = append(c.frames, f.frames...)
	c.gaps = append(c.gaps, f.gaps...)
	c.states = append(c.states, f.states...)
	c.security = append(c.security, f.security...)
	c.clocks = append(c.clocks, f.clocks...)
}

// inventory reads a card on which every segment has to be sealed, whole, and in
// the seal chain.
func inventory(t testing.TB, f durable.FS) contents {
	t.Helper()
	card := segment.Card{FS: f, Device: box}
	listing, err := card.Scan()
	if err != nil || len(listing.Problems) > 0 {
		t.Fatalf("scan: %v %v", err, listing.Problems)
	}
	c := contents{segments: listing.Segments, files: map[segment.Name]file{}}
	lines := map[segment.Name]segment.SealLine{}
	for _, session := range listing.Sessions {
		log, err := card.ReadSeals(session)
		if err != nil || log.Torn > 0 || len(log.Damaged) > 0 {
			t.Errorf("seal.log of session %d: %v, %d torn bytes, damaged lines %v", session, err, log.Torn, log.Damaged)
		}
		for _, line := range log.Lines {
			n := segment.Name{Session: session, Split: line.Split}
			if _, twice := lines[n]; twice {
				t.Errorf("segment %s has two seal lines", n)
			}
			lines[n] = line
			c.lines = append(c.lines, line)
		}
	}
	for _, s := range listing.Segments {
		if s.Has&^segment.Of(segment.Keep, segment.Sent) != segment.Of(segment.Sealed) {
			t.Errorf("segment %s: found %v, wanted a sealed one", s.Name, s.Has)
			continue
		}
		got := readSegment(t, f, card.Path(s.Name, segment.Sealed))
		c.add(s.Name, got)
		checkLine(t, f, card, s, lines[s.Name], got)
	}
	checkChain(t, c.lines)
	return c
}

func checkLine(t testing.TB, f durable.FS, card segment.Card, s segment.Segment, line segment.SealLine, got file) {
	t.Helper()
	if line.SHA256 == "" {
		t.Errorf("segment %s has no seal line", s.Name)
		return
	}
	in, err := f.Open(card.Path(s.Name, segment.Sealed))
	if err != nil {
		t.Fatal(err)
	}
	sum, size, err := hashFile(in)
	if err != nil || sum != line.SHA256 || size != line.Size {
		t.Errorf("segment %s: its seal line says size %d, sha %.8s; found %d, %.8s (%v)", s.Name, line.Size, line.SHA256, size, sum, err)
	}
	if line.Frames != uint64(len(got.frames)) || line.Gaps != uint64(len(got.gaps)) || line.End != got.end {
		t.Errorf("segment %s: its seal line says %d frames, %d gaps, %s; found %d, %d, %s", s.Name, line.Frames, line.Gaps, line.End, len(got.frames), len(got.gaps), got.end)
	}
	if want, err := examine(f, card.Path(s.Name, segment.Sealed)); err != nil || want.First != line.First || want.Last != line.Last ||
		want.Clock != line.Clock || want.Form != line.Form || want.Lost != line.Lost || want.Start != line.Start {
		t.Errorf("segment %s: its seal line is %+v, its file says %+v (%v)", s.Name, line, want, err)
	}
}

// checkChain takes the lines of a card, in any order, and wants one chain.
func checkChain(t testing.TB, lines []segment.SealLine) {
	t.Helper()
	known := map[string]bool{segment.FirstPrev: true}
	for _, line := range lines {
		known[line.Hash()] = true
	}
	prevs := map[string]bool{}
	for _, line := range lines {
		if !known[line.Prev] {
			t.Errorf("seal line of %d/%d: its predecessor is not there", line.Session, line.Split)
		}
		if prevs[line.Prev] {
			t.Errorf("seal line of %d/%d: another one has the same predecessor", line.Session, line.Split)
		}
		prevs[line.Prev] = true
	}
}

// judged are the files, by SHA-256, that mdfcheck has seen.
var judged sync.Map

func readSegment(t testing.TB, f durable.FS, name string) (out file) {
	t.Helper()
	in, err := f.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	sum, size, err := hashFile(in)
	if err != nil {
		t.Fatal(err)
	}
	if _, known := judged.LoadOrStore(sum, true); !known {
		if _, err := mdfcheck.Check(in, size); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := mdf.Open(in, size)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if _, err := r.Check(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	out.header, out.end = r.Header(), r.End()
	for rec, err := range r.Records() {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch v := rec.(type) {
		case *mdf.Frame:
			out.frames = append(out.frames, v.Event)
		case mdf.Gap:
			out.gaps = append(out.gaps, v)
		case mdf.State:
			out.states = append(out.states, v)
		case mdf.Security:
			out.security = append(out.security, v)
		case mdf.Clock:
			out.clocks = append(out.clocks, v)
		}
	}
	return out
}

// number is what send put into the data of a frame.
func number(e can.Event) (n int) {
	for b := 7; b >= 0; b-- {
		n = n<<8 | int(e.Frame.Data[b])
	}
	return n
}

// account is the sum check: every frame sent is recorded once or counted as
// missing, exactly.
func account(t testing.TB, sent int, c contents) (recorded, counted int) {
	t.Helper()
	seen := make(map[int]bool)
	for _, e := range c.frames {
		n := number(e)
		if seen[n] || n >= sent {
			t.Errorf("frame %d: recorded twice, or never sent", n)
		}
		seen[n] = true
	}
	for _, g := range c.gaps {
		counted += int(g.Count)
	}
	if len(seen)+counted != sent {
		t.Errorf("recorded %d + counted %d = %d, wanted the %d that were sent", len(seen), counted, len(seen)+counted, sent)
	}
	return len(seen), counted
}

// frameEvent is n frames that no sum check knows.
func frameEvent(n int, at int64) []can.Event {
	list := make([]can.Event, n)
	for i := range list {
		list[i] = can.Event{Time: at + int64(i)*2000, Bus: 1, Frame: can.Frame{ID: 0x123, DLC: 1, Len: 1}}
	}
	return list
}
