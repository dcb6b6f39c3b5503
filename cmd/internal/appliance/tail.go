package appliance

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"canseal/can"
)

// tails show what is recorded while it is, to whoever asks. Nobody who reads
// slowly holds anything up: what there is no room for is left out, and counted.
type tails struct {
	many atomic.Int32
	lock sync.Mutex
	all  []*tail
}

// tail is one reader's.
type tail struct {
	bus    uint8 // 0: all
	id     uint32
	oneID  bool
	judged bool // only frames with a verdict
	names  map[uint8]string
	lock   sync.Mutex
	text   []byte
	left   uint64
	more   chan struct{}
}

// mostTail is how many bytes wait for a reader.
const (
	mostTail  = 256 << 10
	mostTails = 8
)

// take is told what is recorded; it does not wait.
func (t *tails) take(events []can.Event) {
	if t.many.Load() == 0 {
		return
	}
	t.lock.Lock()
	all := t.all
	t.lock.Unlock()
	for _, one := range all {
		one.take(events)
	}
}

func (t *tail) take(events []can.Event) {
	t.lock.Lock()
	defer t.lock.Unlock()
	for i := range events {
		e := &events[i]
		if t.bus != 0 && e.Bus != t.bus || t.oneID && e.Frame.ID != t.id || t.judged && e.Verdict == can.NotChecked {
			continue
		}
		if len(t.text) > mostTail {
			t.left++
			continue
		}
		t.text = can.AppendCandump(t.text, e, t.names[e.Bus])
		if e.Verdict != can.NotChecked {
			t.text = append(append(t.text, " # "...), e.Verdict.String()...)
		}
		t.text = append(t.text, '\n')
	}
	select {
	case t.more <- struct{}{}:
	default:
	}
}

// add begins a tail, unless there are many.
func (t *tails) add(one *tail) bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	if len(t.all) == mostTails {
		return false
	}
	t.all = append(slices.Clone(t.all), one)
	t.many.Store(int32(len(t.all)))
	return true
}

func (t *tails) remove(one *tail) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.all = slices.DeleteFunc(slices.Clone(t.all), func(x *tail) bool { return x == one })
	t.many.Store(int32(len(t.all)))
}

// serveTail answers with lines of candump text, and a verdict behind each, until
// the reader goes.
func (a *Appliance) serveTail(w http.ResponseWriter, r *http.Request) {
	t := &tail{names: map[uint8]string{}, more: make(chan struct{}, 1)}
	want := r.URL.Query().Get("bus")
	for _, b := range a.live().recorded.Buses {
		t.names[uint8(b.Number)] = b.Interface
		if b.Interface == want || strconv.Itoa(b.Number) == want {
			t.bus = uint8(b.Number)
		}
	}
	if want != "" && t.bus == 0 {
		answer(w, reply{}, fmt.Errorf("found bus %q, wanted a name or number of the configuration", want))
		return
	}
	if text := r.URL.Query().Get("id"); text != "" {
		id, err := strconv.ParseUint(text, 16, 32)
		if err != nil {
			answer(w, reply{}, fmt.Errorf("found identifier %q, wanted hexadecimal digits", text))
			return
		}
		t.id, t.oneID = uint32(id), true
	}
	t.judged = r.URL.Query().Get("judged") == "true"
	if !a.tails.add(t) {
		answer(w, reply{}, fmt.Errorf("%d others look at frames already", mostTails))
		return
	}
	defer a.tails.remove(t)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	flush := http.NewResponseController(w)
	for {
		if err := flush.Flush(); err != nil {
			return
		}
		select {
		case <-t.more:
		case <-r.Context().Done():
			return
		}
		t.lock.Lock()
		text, left := t.text, t.left
		t.text, t.left = nil, 0
		t.lock.Unlock()
		if left > 0 {
			text = fmt.Appendf(text, "# %d frames left out: the reader is too slow\n", left)
		}
		if _, err := w.Write(text); err != nil {
			return
		}
	}
}
