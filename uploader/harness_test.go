package uploader_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/segment"
	"canseal/uploader"
)

const device = segment.Device("A1B2C3D4")

// request is one call that the store got.
type request struct {
	verb  string // create, replace, stat
	key   string
	bytes int64 // of the body that arrived
	at    time.Time
}

// object is what the store holds.
type object struct {
	data     []byte
	meta     map[string]string
	checksum uploader.Checksum
	etag     string
}

// store is a bucket with faults. It keeps time as a client would: each call
// takes 10 ms.
type store struct {
	mu       sync.Mutex
	objects  map[string]object
	requests []request
	uploads  map[string]*upload
	begun    int
	puts     map[string]int                      // times an object was stored under a key
	fault    func(r request) error               // before the body is read
	lose     func(r request) error               // after storing
	word     func(r request, s *uploader.Stored) // what the store says
}

func newStore() *store {
	return &store{objects: map[string]object{}, uploads: map[string]*upload{}, puts: map[string]int{}}
}

func refusal(c uploader.Class) *uploader.Error { return &uploader.Error{Class: c} }

func checksum(data []byte) uploader.Checksum {
	sum := sha256.Sum256(data)
	return uploader.Checksum{Algorithm: "SHA256", Type: "FULL_OBJECT", Value: base64.StdEncoding.EncodeToString(sum[:])}
}

func (s *store) begin(verb, key string) (request, error) {
	time.Sleep(10 * time.Millisecond)
	r := request{verb: verb, key: key, at: time.Now()}
	s.mu.Lock()
	fault := s.fault
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	if fault == nil {
		return r, nil
	}
	return r, fault(r)
}

func (s *store) said(r request, o object) uploader.Stored {
	st := uploader.Stored{Size: int64(len(o.data)), Checksum: o.checksum, ETag: o.etag}
	if s.word != nil {
		s.word(r, &st)
	}
	return st
}

func (s *store) put(verb string, o uploader.Object) (uploader.Stored, error) {
	r, err := s.begin(verb, o.Key)
	if err != nil {
		return uploader.Stored{}, err
	}
	s.mu.Lock()
	there, taken := s.objects[o.Key]
	s.mu.Unlock()
	if verb == "create" && taken {
		st := s.said(request{verb: "stat", key: o.Key}, there)
		class := uploader.Confirmed
		if st.Checksum == (uploader.Checksum{}) {
			class = uploader.CannotCompare
		} else if st.Size != o.Size || st.Checksum.Value != base64.StdEncoding.EncodeToString(o.SHA256[:]) {
			class = uploader.KeyConflict
		}
		return st, &uploader.Error{Class: class, Status: 412, Code: "PreconditionFailed"}
	}
	data, err := io.ReadAll(o.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[len(s.requests)-1].bytes = int64(len(data))
	if err != nil || int64(len(data)) != o.Size || sha256.Sum256(data) != o.SHA256 {
		return uploader.Stored{}, &uploader.Error{Class: uploader.Transfer, Status: 400, Code: "BadDigest", Err: err}
	}
	kept := object{data, o.Meta, checksum(data), "etag"}
	s.objects[o.Key] = kept
	s.puts[o.Key]++
	if s.lose != nil {
		if err := s.lose(r); err != nil {
			return uploader.Stored{}, err
		}
	}
	return s.said(r, kept), nil
}

func (s *store) Create(_ context.Context, o uploader.Object) (uploader.Stored, error) {
	return s.put("create", o)
}

func (s *store) Replace(_ context.Context, o uploader.Object) (uploader.Stored, error) {
	return s.put("replace", o)
}

func (s *store) Stat(_ context.Context, key string) (uploader.Stored, error) {
	r, err := s.begin("stat", key)
	if err != nil {
		return uploader.Stored{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	if !ok {
		return uploader.Stored{}, refusal(uploader.NoneThere)
	}
	return s.said(r, o), nil
}

// set changes the faults.
func (s *store) set(fault func(r request) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// forget empties the bucket, as a new store is, and its counts.
func (s *store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.objects)
	clear(s.puts)
}

// stored tells how many objects were stored.
func (s *store) stored() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.puts)
}

// calls returns the requests for keys that end so, by verb ("" for all).
func (s *store) calls(verb, suffix string) (list []request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if (verb == "" || r.verb == verb) && strings.HasSuffix(r.key, suffix) {
			list = append(list, r)
		}
	}
	return list
}

// always fails every request with a class.
func always(c uploader.Class) func(request) error {
	return func(request) error { return refusal(c) }
}

// on fails requests of some verb for keys with some end.
func on(verb, suffix string, c uploader.Class) func(request) error {
	return func(r request) error {
		if r.verb == verb && strings.HasSuffix(r.key, suffix) {
			return refusal(c)
		}
		return nil
	}
}

// first lets a fault happen n times.
func first(n int, fault func(request) error) func(request) error {
	return func(r request) error {
		if n <= 0 {
			return nil
		}
		err := fault(r)
		if err != nil {
			n--
		}
		return err
	}
}

// box is a card with its uploader and store.
type box struct {
	t     testing.TB
	fs    *memfs.FS
	card  segment.Card
	store *store
	clock *handClock
	o     uploader.Options
	up    *uploader.Uploader
	heads map[uint32]string // hash of the last seal line per session

	events []string
}

var sessionStart = time.Date(2026, 5, 4, 10, 0, 0, 123456789, time.UTC)

func newBox(t testing.TB) *box {
	b := &box{t: t, fs: memfs.New(), store: newStore(), clock: &handClock{}, heads: map[uint32]string{}}
	b.restart(b.fs)
	return b
}

// restart is the same box after a power cycle, with what is on the card.
func (b *box) restart(fsys *memfs.FS) {
	b.fs = fsys
	b.card = segment.Card{FS: fsys, Device: device}
	b.o = uploader.Options{Store: b.store, Card: b.card, Mode: "medium", Endpoint: "https://store:9000", Bucket: "trucks",
		Proved: "tls", Heartbeat: 5 * time.Minute, DeviceJSON: func() []byte { return []byte(`{"v":1}`) },
		Meta: map[string]string{"hw": "00.00", "fw": "01.02.03"}, Clock: b.clock,
		Random: rand.New(rand.NewPCG(1, 2)).Float64,
		Event: func(kind, what string, _ uint8, d map[string]any) {
			b.events = append(b.events, fmt.Sprintf("%s %s %v", kind, what, d["class"]))
		}}
	b.up = nil
}

// run starts the uploader; it ends with the test.
func (b *box) run() {
	b.t.Helper()
	b.up = uploader.New(b.o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- b.up.Run(ctx) }()
	b.t.(*testing.T).Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("Run: %v", err)
		}
	})
}

// pass lets virtual time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// content is what a segment holds.
func content(n segment.Name) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("segment %s\n", n)), 50)
}

// seal puts a sealed segment on the card.
func (b *box) seal(session, split uint32) segment.Name {
	b.t.Helper()
	return b.sealContent(session, split, content(segment.Name{Session: session, Split: split}))
}

func (b *box) sealContent(session, split uint32, data []byte) segment.Name {
	b.t.Helper()
	n := segment.Name{Session: session, Split: split}
	write(b.t, b.fs, b.card.Path(n, segment.Sealed), data)
	sum := sha256.Sum256(data)
	prev := b.heads[session]
	if prev == "" {
		prev = segment.FirstPrev
	}
	line := segment.SealLine{Device: device, Session: session, Split: split, Start: startOf(n), Form: "raw", Size: int64(len(data)),
		SHA256: hex.EncodeToString(sum[:]), End: "orderly", Clock: "synchronised", Config: segment.FirstPrev, Prev: prev}
	if err := b.card.AppendSeal(session, line); err != nil {
		b.t.Fatal(err)
	}
	b.heads[session] = line.Hash()
	if b.up != nil {
		b.up.Poke()
	}
	return n
}

func startOf(n segment.Name) time.Time {
	return sessionStart.Add(time.Duration(n.Session)*24*time.Hour + time.Duration(n.Split)*time.Minute)
}

func write(t testing.TB, fsys durable.FS, name string, data []byte) {
	t.Helper()
	if err := fsys.MkdirAll(path.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := fsys.Create(name, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close(), fsys.SyncDir(path.Dir(name))); err != nil {
		t.Fatal(err)
	}
}

func key(n segment.Name) string { return segment.Key("", device, n, startOf(n)) }

// sent tells whether a segment has a receipt.
func (b *box) sent(n segment.Name) bool {
	s, err := b.card.Load(n)
	if err != nil {
		b.t.Fatal(err)
	}
	return s.Sent()
}

// wantOnce checks that each segment is in the store once, whole, and has its
// receipt.
func (b *box) wantOnce(names ...segment.Name) {
	b.t.Helper()
	for _, n := range names {
		if got := b.store.objects[key(n)]; !bytes.Equal(got.data, content(n)) {
			b.t.Errorf("%s: %d bytes in the store, want %d", n, len(got.data), len(content(n)))
		}
		if got := b.store.puts[key(n)]; got != 1 {
			b.t.Errorf("%s was stored %d times, want once", n, got)
		}
		if !b.sent(n) {
			b.t.Errorf("%s has no receipt", n)
		}
	}
}

// wantUnsent checks that segments are on the card, whole, without receipt.
func (b *box) wantUnsent(names ...segment.Name) {
	b.t.Helper()
	for _, n := range names {
		data, err := durable.ReadFile(b.fs, b.card.Path(n, segment.Sealed), 1<<20)
		if err != nil || !bytes.Equal(data, content(n)) {
			b.t.Errorf("%s is not on the card as it was sealed: %v", n, err)
		}
		if b.sent(n) {
			b.t.Errorf("%s has a receipt", n)
		}
	}
}

func (b *box) wantState(state, class string) {
	b.t.Helper()
	if s := b.up.Status(); s.State != state || s.Class != class {
		b.t.Errorf("state %s %s (%s), want %s %s", s.State, s.Class, s.Reason, state, class)
	}
}

func (b *box) wantParked(n segment.Name, class string) {
	b.t.Helper()
	want := uploader.Parked{Session: n.Session, Split: n.Split, Class: class}
	if got := b.up.Status().Parked; !slices.Contains(got, want) {
		b.t.Errorf("parked %v, want %v", got, want)
	}
}

// handClock is a clock that tests set.
type handClock struct {
	mu     sync.Mutex
	synced bool
	step   time.Duration
}

func (c *handClock) Now() clock.Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	boot := time.Now().UnixNano()
	wall := boot + int64(c.step)
	return clock.Stamp{Time: wall, Wall: wall, Boot: boot, Synchronised: c.synced}
}

func (c *handClock) set(synced bool, step time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.synced, c.step = synced, step
}
