package logger

import (
	"errors"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"canseal/internal/durable"
	"canseal/segment"
)

// keeper looks after everything on the card that is not being written: it makes
// seal lines, mends segments that an error ended, deletes when room is short and
// counts. It works beside the recorder, who never waits for it but to recover a
// card. Whoever holds busy may touch sealed segments and the chain.
type keeper struct {
	o    *Options
	card segment.Card
	tell *teller
	busy chan struct{} // 1 token
	wake chan struct{}

	chain    chain       // under busy
	surveyed time.Time   // under busy
	stale    atomic.Bool // the survey: something has changed since

	mu      sync.Mutex
	jobs    []*job
	deleted losses // forced deletions, for the recorder to write down
	shared  keeperView
}

// keeperView is what the keeper shows to others.
type keeperView struct {
	Short, Low   bool // no room: recording has to stop; unsent segments are being deleted
	Space        durable.Space
	Reserve      int64
	Segments     SegmentStatus
	PinnedBytes  int64
	Seal         SealStatus
	PlainDeleted int
	Pressed      int64 // bytes of compressed forms that were written
	Saved        int64 // bytes that they are smaller
}

// job is a segment of this run that needs its seal line.
type job struct {
	name  segment.Name // the folder's session
	line  segment.SealLine
	raw   bool  // its name is .raw: it is compressed if there is time and room
	found bool  // raw: by recovery; line is empty
	final bool  // raw: the box is about to go; no time for it and those before it
	mend  bool  // it has to be repaired and renamed first; line is empty
	keep  int64 // mend: bytes that were synced for sure; 0: do not cut
	empty bool  // mend: nothing but the header was promised: remove it
	done  chan struct{}

	press *press        // its compression, begun
	due   time.Time     // not before
	pause time.Duration // before the next try
}

func newKeeper(o *Options, tell *teller) *keeper {
	return &keeper{
		o: o, card: segment.Card{FS: o.Card, Device: o.Device}, tell: tell,
		busy: make(chan struct{}, 1), wake: make(chan struct{}, 1), chain: chain{Head: segment.FirstPrev},
	}
}

func (k *keeper) hold()         { k.busy <- struct{}{} }
func (k *keeper) letGo()        { <-k.busy }
func (k *keeper) present() bool { return k.o.CheckCard() == nil }

// add hands a segment over.
func (k *keeper) add(j *job) {
	j.done = make(chan struct{})
	k.mu.Lock()
	k.jobs = append(k.jobs, j)
	k.mu.Unlock()
	poke(k.wake)
}

// run works until stop is closed, then once more.
func (k *keeper) run(stop <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-k.wake:
		case <-tick.C:
		case <-stop:
			k.round(true)
			k.abandon()
			return
		}
		k.round(false)
	}
}

func (k *keeper) round(last bool) {
	k.hold()
	defer k.letGo()
	if !k.present() {
		return
	}
	k.work(last)
	k.retain()
	if age := time.Since(k.surveyed); age >= time.Minute || k.stale.Load() && age >= 2*time.Second || last {
		k.survey()
	}
}

// work does the jobs that are due, in order, up to one that is still being
// compressed; those that fail come again. With all it waits for nothing.
func (k *keeper) work(all bool) {
	jobs := k.waiting()
	for i, j := range jobs {
		if !all && time.Now().Before(j.due) {
			continue
		}
		if j.raw && !k.pressed(j, all || hurried(jobs[i:])) {
			return
		}
		err := k.do(j)
		if err == nil {
			k.finish(j)
			k.stale.Store(true)
			k.o.Sealed()
			continue
		}
		k.again(j, err)
	}
}

// again puts off a job that failed.
func (k *keeper) again(j *job, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		k.finish(j) // another card: the segment is recovered where it is found
	}
	if j.pause == 0 {
		k.o.Log.Error("segment not sealed yet", "segment", j.name.String(), "error", err)
		k.tell.tell("segment", "not sealed", 0, detail{"session": j.name.Session, "split": j.name.Split})
	}
	j.pause = min(max(2*j.pause, time.Second), time.Minute)
	j.due = time.Now().Add(j.pause)
}

func (k *keeper) waiting() []*job {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.jobs)
}

func (k *keeper) finish(j *job) {
	k.mu.Lock()
	k.jobs = slices.DeleteFunc(k.jobs, func(other *job) bool { return other == j })
	k.mu.Unlock()
	close(j.done)
}

// held tells whether a segment still waits for its seal line.
func (k *keeper) held(n segment.Name) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.jobs, func(j *job) bool { return j.name == n })
}

func (k *keeper) publish(change func(*keeperView)) {
	k.mu.Lock()
	change(&k.shared)
	k.mu.Unlock()
}

func (k *keeper) view() keeperView {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shared
}

// takeDeleted moves the forced deletions to the recorder.
func (k *keeper) takeDeleted(into *losses) {
	k.mu.Lock()
	defer k.mu.Unlock()
	into.Merge(&k.deleted)
	k.deleted.Clear()
}
