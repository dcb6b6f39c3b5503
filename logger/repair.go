package logger

import (
	"sync"
	"sync/atomic"

	"canseal/cancrypt"
	"canseal/internal/run"
)

// repairs are the searches that bring judges into step again (cancrypt.md
// 5.10): one at a time, on a thread of the lowest priority.
type repairs struct {
	busy    bool
	found   chan found
	stopped *atomic.Bool
	running *sync.WaitGroup
}

// found is a search that has ended.
type found struct {
	j  *judge
	s  *cancrypt.Search
	ok bool
}

func newRepairs() repairs {
	return repairs{found: make(chan found, 1), stopped: &atomic.Bool{}, running: &sync.WaitGroup{}}
}

// search begins what a judge needs, if it needs it.
func (r *repairs) search(j *judge) {
	s := j.c.Repair()
	if s == nil || r.stopped.Load() {
		return
	}
	r.busy = true
	r.running.Go(func() {
		f := found{j: j, s: s}
		run.Background(func() { f.ok = s.Run(r.stopped.Load) })
		r.found <- f
	})
}

// end stops what runs.
func (r *repairs) end() {
	r.stopped.Store(true)
	r.running.Wait()
}

// mend brings a judge into step with what was found.
func (r *recorder) mend(f found) {
	r.repairs.busy = false
	mended := f.ok && f.j.c.Mend(f.s, &f.j.out)
	r.o.Log.Info("a missed heartbeat was searched for", "bus", f.j.bus, "found", f.ok, "in step again", mended)
	f.j.tell(r, r.at)
	f.j.look(r)
}
