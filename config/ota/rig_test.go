package ota

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/internal/trial"
)

// below is a folder of another folder: card and state of one crash.
type below struct {
	durable.FS
	dir string
}

func (b below) in(name string) string                      { return path.Join(b.dir, name) }
func (b below) Open(name string) (durable.File, error)     { return b.FS.Open(b.in(name)) }
func (b below) Rename(from, to string) error               { return b.FS.Rename(b.in(from), b.in(to)) }
func (b below) Remove(name string) error                   { return b.FS.Remove(b.in(name)) }
func (b below) Stat(name string) (fs.FileInfo, error)      { return b.FS.Stat(b.in(name)) }
func (b below) SyncDir(name string) error                  { return b.FS.SyncDir(b.in(name)) }
func (b below) ReadDir(name string) ([]fs.DirEntry, error) { return b.FS.ReadDir(b.in(name)) }
func (b below) Create(name string, perm fs.FileMode) (durable.File, error) {
	return b.FS.Create(b.in(name), perm)
}

// rig is a device with a bucket. Contents tell what they are: a signature is
// "signed " and the hash, a configuration that works begins with "good".
type rig struct {
	t      testing.TB
	fs     *memfs.FS
	k      *Keeper
	bucket map[string]string
	tags   map[string]int
	ways   Ways

	offline  bool              // nothing answers
	damaged  bool              // candidates are refused
	force    map[string]string // what works, as Apply said
	proofs   int
	currents int
	events   []string
	clock    time.Time
	cannot   string // a configuration that the device cannot work with
}

const day = 24 * time.Hour

func newCard(f *memfs.FS) {
	must(nil, f.MkdirAll("card", 0o755))
	must(nil, f.MkdirAll("state", 0o700))
	for name, text := range map[string]string{Config: "good config 0", Bundle: "good bundle 0", Identity: "good crt 0"} {
		must(nil, durable.WriteFile(f, "card/"+name, []byte(text), 0o644))
	}
}

func must(t testing.TB, err error) {
	if err == nil {
		return
	}
	if t == nil {
		panic(err)
	}
	t.Helper()
	t.Fatal(err)
}

// newRig is a device that has started for the first time.
func newRig(t testing.TB, policy string) *rig {
	f := memfs.New()
	newCard(f)
	r := &rig{t: t, bucket: map[string]string{}, tags: map[string]int{}, clock: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
	r.ways = Ways{
		Policy: policy, Every: 10 * time.Minute, Device: "A1B2C3D4", Fleet: "vans", Identity: true,
		Look: r.look, Fetch: r.fetch, Verify: verify, Trusted: func() time.Time { return r.clock },
		Judge: judge, Current: r.current, Prove: r.prove, Apply: r.apply,
	}
	r.start(f)
	return r
}

// start is a start of the program on what a file system holds.
func (r *rig) start(f *memfs.FS) {
	r.fs = f
	k, err := Open(Options{Card: below{f, "card"}, State: below{f, "state"}, Event: r.event, Now: func() string { return "now" }})
	if err != nil && !errors.Is(err, memfs.ErrPower) {
		r.t.Fatalf("open: %v", err)
	}
	r.k = k
	must(r.t, k.Card(context.Background(), nil))
	r.force = map[string]string{}
	must(r.t, r.apply(context.Background(), k.InForce()))
	k.Use(r.ways)
}

func (r *rig) put(name, text string) {
	r.bucket[name] = text
	r.tags[name]++
}

// sign puts a statement over what is in the bucket.
func (r *rig) sign(serial int, names ...string) {
	var objects []string
	for _, name := range names {
		objects = append(objects, fmt.Sprintf("%q:%q", name, hashOf([]byte(r.bucket[name]))))
	}
	r.put(Update, fmt.Sprintf(`{"canseal_update":1,"device":"A1B2C3D4","serial":%d,"objects":{%s}}`, serial, strings.Join(objects, ",")))
	r.put(Update+Signature, "signed "+hashOf([]byte(r.bucket[Update])))
}

func verify(content, signature []byte) (string, error) {
	if string(signature) != "signed "+hashOf(content) {
		return "", errors.New("signature does not fit")
	}
	return "the signer", nil
}

func (r *rig) look(_ context.Context, name string) (Tag, error) {
	if r.offline {
		return Tag{}, errors.New("no network")
	}
	if _, ok := r.bucket[name]; !ok {
		return Tag{}, nil
	}
	return Tag{ETag: hashOf([]byte(r.bucket[name])), Modified: fmt.Sprint(r.tags[name])}, nil
}

func (r *rig) fetch(_ context.Context, name string, limit int64) ([]byte, error) {
	text, ok := r.bucket[name]
	switch {
	case r.offline:
		return nil, errors.New("no network")
	case !ok:
		return nil, ErrNone
	case int64(len(text)) > limit:
		return nil, ErrTooLarge
	}
	return []byte(text), nil
}

func judge(c Candidate) error {
	for name, text := range c.Files {
		switch {
		case len(text) == 0:
			return fmt.Errorf("%s is empty", name)
		case strings.HasPrefix(string(text), "wait"):
			return &Wait{errors.New("not yet valid")}
		case strings.HasPrefix(string(text), "local"), strings.HasPrefix(string(text), "signed") && c.Source != Signed:
			return fmt.Errorf("%s is out of scope for %s", name, c.Source)
		}
	}
	return nil
}

func (r *rig) current(context.Context) error {
	r.currents++
	if r.offline {
		return errors.New("no network")
	}
	return nil
}

func (r *rig) prove(_ context.Context, c Candidate) (Outcome, error) {
	r.proofs++
	if r.offline {
		return Missed, errors.New("no network")
	}
	for name, text := range c.Files {
		if r.damaged || strings.Contains(string(text), "untrusted") {
			return Failed, fmt.Errorf("%s: the server is not trusted", name)
		}
		if strings.Contains(string(text), "unanswered") {
			return Missed, errors.New("no answer")
		}
	}
	return Proved, nil
}

func (r *rig) apply(_ context.Context, c *Candidate) error {
	force := map[string]string{}
	for _, name := range []string{Config, Bundle} {
		text, absent, err := r.k.shelf.current(name)
		if err != nil {
			return nil // works on
		}
		if force[name] = string(text); absent {
			force[name] = ""
		}
	}
	if c != nil {
		for name, text := range c.Files {
			force[name] = string(text)
		}
	}
	if force[Config] == r.cannot {
		return errors.New("no such interface")
	}
	r.force = force
	return nil
}

func (r *rig) event(kind, what string, _ uint8, detail map[string]any) {
	r.events = append(r.events, fmt.Sprintf("%s %s %v", kind, what, detail))
}

// run lets the device work for a time, as its service does.
func (r *rig) run(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	must(r.t, r.k.Run(ctx))
}

// card reads a file of the card, and state one of the state folder.
func (r *rig) card(name string) string  { return read(r.fs, "card/"+name) }
func (r *rig) state(name string) string { return read(r.fs, "state/"+name) }

func read(f *memfs.FS, name string) string {
	text, err := durable.ReadFile(f, name, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (r *rig) want(state trial.State, config, bundle string) {
	r.t.Helper()
	got := r.k.book.Load().Settings
	if got.State != state || r.card(Config) != config || r.card(Bundle) != bundle {
		r.t.Fatalf("%s (%s), config %q, bundle %q; wanted %s, %q, %q\n%s\n%+v", got.State, got.Reason, r.card(Config), r.card(Bundle), state, config, bundle,
			strings.Join(r.events, "\n"), r.k.Status())
	}
	if !got.InForce() && (r.force[Config] != config || r.force[Bundle] != bundle) {
		r.t.Fatalf("in force is %v", r.force)
	}
}

// told wants a line of the events.
func (r *rig) told(text string) {
	r.t.Helper()
	if !strings.Contains(strings.Join(r.events, "\n"), text) {
		r.t.Errorf("no event says %q:\n%s", text, strings.Join(r.events, "\n"))
	}
}

func virtual(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
