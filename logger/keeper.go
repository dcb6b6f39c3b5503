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

	chain    chain                      // under busy
	signer   signer                     // under busy
	stubborn map[segment.Name]time.Time // under busy: what could not be deleted, and when to try again
	surveyed time.Time                  // under busy
	stale    atomic.Bool                // the survey: something has changed since

	splitSize atomic.Int64 // Options.SplitSize, which Retune may change

	forcing sync.Mutex // held during each forced deletion
	spent   bool       // under forcing: no more of them, the recorder ends

	mu      sync.Mutex
	jobs    []*job
	deleted losses // forced deletions, for the recorder to write down
	moved   uint64 // of these, what gaps of the deleted segments had counted
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
	start int64        // HD start, ns: with another the file is of another card
	line  segment.SealLine
	raw   bool  // its name is .raw: it is compressed if there is time and room
	found bool  // raw: by recovery; line is empty
	late  bool  // it was found sealed, without its line; line is empty
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
	k := &keeper{
		o: o, card: segment.Card{FS: o.Card, Device: o.Device}, tell: tell,
		busy: make(chan struct{}, 1), wake: make(chan struct{}, 1), chain: chain{Head: segment.FirstPrev},
		stubborn: map[segment.Name]time.Time{},
	}
	k.splitSize.Store(o.SplitSize)
	return k
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
	if !last {
		k.catchUp()
	}
	if age := time.Since(k.surveyed); age >= time.Minute || k.stale.Load() && age >= 2*time.Second || last {
		k.survey()
	}
}

// work does the jobs of this run that are due, in order, up to one that is still
// being compressed; those that fail come again. With all it waits for nothing.
func (k *keeper) work(all bool) {
	jobs := slices.DeleteFunc(k.waiting(), func(j *job) bool { return j.late })
	for i, j := range jobs {
		if !all && time.Now().Before(j.due) {
			continue
		}
		if j.raw && !k.pressed(j, all || k.pinched() || hurried(jobs[i:])) {
			return
		}
		k.try(j)
	}
}

// catchUp makes one late seal line. A card may need thousands, each after reading
// a whole segment: everything else goes first.
func (k *keeper) catchUp() {
	jobs := slices.DeleteFunc(k.waiting(), func(j *job) bool { return !j.late || time.Now().Before(j.due) })
	if len(jobs) > 0 {
		k.try(jobs[0])
		poke(k.wake)
	}
}

func (k *keeper) try(j *job) {
	if err := k.do(j); err != nil {
		k.again(j, err)
		return
	}
	k.finish(j)
	k.stale.Store(true)
	k.o.Sealed()
}

// again puts off a job that failed, unless there is nothing to hope for.
func (k *keeper) again(j *job, err error) {
	if j.pause == 0 {
		k.o.Log.Error("segment not sealed yet", "segment", j.name.String(), "error", err)
		k.tell.tell("segment", "not sealed", 0, detail{"session": j.name.Session, "split": j.name.Split})
	}
	if j.hopeless(err) {
		k.finish(j)
		return
	}
	j.pause = min(max(2*j.pause, time.Second), time.Minute)
	j.due = time.Now().Add(j.pause)
}

// hopeless tells whether another try could not do better: the card is another,
// and the segment is recovered where it is found; or what was found sealed has a
// damaged head, and stays as it is.
func (j *job) hopeless(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errOther) || (j.late || j.found) && corrupt(err)
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

// forgetLate drops the late seal lines that are still to be made; recovery finds
// them again.
func (k *keeper) forgetLate() {
	for _, j := range k.waiting() {
		if j.late {
			k.finish(j)
		}
	}
}

// held tells whether a segment of this run still waits for its seal line.
func (k *keeper) held(n segment.Name) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.jobs, func(j *job) bool { return j.name == n && !j.late })
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

// lastLosses ends the forced deletions of this run: those that were have been
// counted when it returns. Of a later one no segment could tell.
func (k *keeper) lastLosses() {
	k.forcing.Lock()
	k.spent = true
	k.forcing.Unlock()
}

// ending tells whether lastLosses was called.
func (k *keeper) ending() bool {
	k.forcing.Lock()
	defer k.forcing.Unlock()
	return k.spent
}

// takeDeleted moves the forced deletions to the recorder; moved of them have been
// counted when they were lost.
func (k *keeper) takeDeleted(into *losses) (moved uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	into.Merge(&k.deleted)
	k.deleted.Clear()
	moved, k.moved = k.moved, 0
	return moved
}
