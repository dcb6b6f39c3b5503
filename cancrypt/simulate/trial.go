package simulate

import (
	"errors"
	"io"

	"canseal/can"
	"canseal/cancrypt"
)

// Trial lets a judge hear a bus in this process and keeps what it says.
type Trial struct {
	Log    []Judged // each frame with the verdict that it has in the end
	Events map[cancrypt.EventKind]int
	judge  *cancrypt.Judge
	calls  []int           // position in Log by number of the call
	only   map[uint8][]int // positions of heartbeat-only frames that may change yet
	scene  *scene
	out    cancrypt.Out
}

// NewTrial starts a judge of a group.
func NewTrial(g *Group) (*Trial, error) {
	o, err := g.Judge()
	if err != nil {
		return nil, err
	}
	scene, err := newScene(g)
	if err != nil {
		return nil, err
	}
	j, err := cancrypt.NewJudge(o)
	return &Trial{Events: map[cancrypt.EventKind]int{}, judge: j, only: map[uint8][]int{}, scene: scene}, err
}

// Run judges all that a source delivers.
func (t *Trial) Run(source can.Source) error {
	buf := make([]can.Event, 256)
	for {
		n, err := source.Read(buf)
		for i := range buf[:n] {
			t.Hear(&buf[i])
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Hear judges one event.
func (t *Trial) Hear(e *can.Event) {
	switch e.Kind {
	case can.KindLost:
		t.judge.Lost(e, &t.out)
	case can.KindFrame:
		n := len(t.Log)
		t.calls = append(t.calls, n)
		t.Log = append(t.Log, Judged{Time: e.Time, Frame: e.Frame})
		t.Log[n].Verdict = t.judge.Frame(e, &t.out)
		if p := t.scene.place(&e.Frame); p.what == Unsecured {
			t.only[p.sender] = append(t.only[p.sender], n)
		}
	}
	t.settle()
}

func (t *Trial) settle() {
	for _, l := range t.out.Late {
		if l.N > 0 {
			t.Log[t.calls[l.N-1]].Verdict = l.Verdict
			continue
		}
		t.interval(&l)
	}
	for _, e := range t.out.Events {
		t.Events[e.Kind]++
	}
	t.out.Reset()
}

// interval settles heartbeat-only frames; those that cannot change any more are
// forgotten.
func (t *Trial) interval(l *cancrypt.Late) {
	kept := t.only[l.Sender][:0]
	for _, n := range t.only[l.Sender] {
		j := &t.Log[n]
		if j.Time >= l.From && j.Time <= l.Time && (j.Verdict == can.Pending || j.Verdict == can.Vouched && l.Verdict == can.VouchedTwice) {
			j.Verdict = l.Verdict
		}
		if j.Verdict == can.Pending || j.Verdict == can.Vouched {
			kept = append(kept, n)
		}
	}
	t.only[l.Sender] = kept
}
