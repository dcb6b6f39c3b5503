package node

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/cancrypt"
)

// hub is a bus in memory: frames take 230 us, one after the other.
type hub struct {
	mu    sync.Mutex
	ports []*tap
	wire  chan sending
}

type sending struct {
	from  *tap
	frame can.Frame
}

// tap is a hub's Port.
type tap struct {
	h      *hub
	refuse func(can.Frame) error
	events chan can.Event
	closed chan struct{}
	once   sync.Once
	fail   chan error
}

func newHub(t *testing.T) *hub {
	h := &hub{wire: make(chan sending, 1000)}
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() {
		for {
			select {
			case s := <-h.wire:
				time.Sleep(230 * time.Microsecond)
				h.hear(s)
			case <-stop:
				return
			}
		}
	}()
	return h
}

func (h *hub) hear(s sending) {
	h.mu.Lock()
	ports := append([]*tap(nil), h.ports...)
	h.mu.Unlock()
	for _, p := range ports {
		e := can.Event{Time: time.Now().UnixNano(), Frame: s.frame}
		if p == s.from {
			e.Dir = can.Tx
		}
		select {
		case p.events <- e:
		case <-p.closed:
		}
	}
}

func (h *hub) open() (Port, error) { return h.tap(nil), nil }

func (h *hub) tap(refuse func(can.Frame) error) *tap {
	p := &tap{h: h, refuse: refuse, events: make(chan can.Event, 100), closed: make(chan struct{}), fail: make(chan error, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ports = append(h.ports, p)
	return p
}

func (p *tap) Send(f can.Frame) error {
	if p.refuse != nil {
		if err := p.refuse(f); err != nil {
			return err
		}
	}
	p.h.wire <- sending{p, f}
	return nil
}

func (p *tap) Run(handle func(can.Event)) error {
	for {
		select {
		case e := <-p.events:
			handle(e)
		case err := <-p.fail:
			return err
		case <-p.closed:
			return nil
		}
	}
}

func (p *tap) Idle() bool { return len(p.events) == 0 }

func (p *tap) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func options(t *testing.T, h *hub, address uint8) Options {
	t.Helper()
	table, err := cancrypt.NewTable([]cancrypt.Record{{Word: 0x181, Producer: 1, Count: 8, Signature: cancrypt.SpeckMAC}})
	if err != nil {
		t.Fatal(err)
	}
	return Options{Bus: 1, Open: h.open, Member: cancrypt.MemberOptions{
		Table: table, Members: []uint8{1, 2, 3}, Address: address, KeyID: 3, Key: cancrypt.Key{1, 2, 3},
		Methods: cancrypt.NewMethods(cancrypt.PadSpeck, cancrypt.SpeckMAC), Control: 0x170, Event: 1e9, Inhibit: 25e7,
	}}
}

// running is a node that runs until stop.
type running struct {
	*Node
	stop      context.CancelFunc
	done      chan error
	mu        sync.Mutex
	delivered []cancrypt.Delivery
}

func start(t *testing.T, o Options) *running {
	t.Helper()
	r := &running{done: make(chan error, 1)}
	o.Deliver = func(d cancrypt.Delivery) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.delivered = append(r.delivered, d)
	}
	var err error
	if r.Node, err = New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() { r.done <- r.Run(ctx) }()
	t.Cleanup(cancel)
	return r
}

// end stops nodes and waits for them.
func end(t *testing.T, nodes ...*running) {
	t.Helper()
	for _, n := range nodes {
		n.stop()
	}
	for _, n := range nodes {
		if err := <-n.done; err != nil {
			t.Errorf("stopped: %v", err)
		}
	}
}

func (r *running) got() []cancrypt.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]cancrypt.Delivery(nil), r.delivered...)
}

var message = can.Frame{ID: 0x181, DLC: 3, Len: 3, Data: [64]byte{1, 2, 3}}

func TestNodesFormAGroupTalkAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		nodes := []*running{start(t, options(t, h, 1)), start(t, options(t, h, 2)), start(t, options(t, h, 3))}
		if err := nodes[0].Send(t.Context(), message); !errors.Is(err, cancrypt.ErrNotGrouped) {
			t.Errorf("before the group: %v", err)
		}
		time.Sleep(2 * time.Second)
		for _, n := range nodes {
			if s := n.Status(); s.State != "grouped" || len(s.Members) != 3 {
				t.Fatalf("%+v", s)
			}
		}
		if err := nodes[0].Send(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		for _, n := range nodes[1:] {
			got := n.got()
			if len(got) != 1 || got[0].Verdict != can.Authentic || got[0].Frame != message || got[0].Sender != 1 {
				t.Fatalf("delivered %+v", got)
			}
			if age := time.Since(time.Unix(0, got[0].Time)); age < 0 || age > time.Second {
				t.Errorf("stamp is %v old", age)
			}
		}
		end(t, nodes[2])
		time.Sleep(3 * time.Second)
		if s := nodes[0].Status(); s.State != "grouped" || len(s.Left) != 1 || len(s.Lost) != 0 {
			t.Errorf("after an orderly leave: %+v", s)
		}
		if s := nodes[2].Status(); s.State != "off" {
			t.Errorf("%+v", s)
		}
		end(t, nodes[:2]...)
	})
}

func TestAPortThatFailsIsReportedAndTheNodeComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		pulled := errors.New("pulled out")
		opened := make(chan *tap, 2)
		o := options(t, h, 3)
		o.Open = func() (Port, error) {
			p := h.tap(nil)
			opened <- p
			return p, nil
		}
		a, b, c := start(t, options(t, h, 1)), start(t, options(t, h, 2)), start(t, o)
		time.Sleep(2 * time.Second)
		(<-opened).fail <- pulled
		if err := <-c.done; !errors.Is(err, pulled) {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		if s := a.Status(); len(s.Lost) != 1 || s.State != "grouped" {
			t.Errorf("%+v", s)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { c.done <- c.Run(ctx) }()
		time.Sleep(9 * time.Second)
		for _, n := range []*running{a, b, c} {
			if s := n.Status(); s.State != "grouped" || len(s.Lost) != 0 {
				t.Errorf("%+v", s)
			}
		}
		cancel()
		if err := <-c.done; err != nil {
			t.Error(err)
		}
		end(t, a, b)
	})
}

// A full queue holds frames back in order; what is too late is withdrawn.
func TestAFullInterfaceDelaysAndThenDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		full := errors.New("full")
		var until atomic.Int64
		o := options(t, h, 1)
		o.Open = func() (Port, error) {
			return h.tap(func(can.Frame) error {
				if time.Now().UnixNano() < until.Load() {
					return full
				}
				return nil
			}), nil
		}
		o.Full = func(err error) bool { return errors.Is(err, full) }
		a, b := start(t, o), start(t, options(t, h, 2))
		time.Sleep(2 * time.Second)
		until.Store(time.Now().Add(20 * time.Millisecond).UnixNano())
		if err := a.Send(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		if n := len(b.got()); n != 1 {
			t.Errorf("%d messages after a delay", n)
		}
		until.Store(time.Now().Add(200 * time.Millisecond).UnixNano())
		if err := a.Send(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		if s := a.Status(); len(b.got()) != 1 || s.Counters.Withdrawn != 2 {
			t.Errorf("%d messages, %+v", len(b.got()), s.Counters)
		}
		end(t, a, b)
	})
}

// The wall clock may be set while a node runs; it does not matter to the group.
func TestAgesOfStampsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startClock()
		time.Sleep(time.Minute)
		now := time.Now().UnixNano()
		for stamp, want := range map[int64]int64{now: 0, now - 5e6: 5e6, now + 3e15: 0, now - 3e15: int64(mostAge)} {
			if got := c.now() - c.of(stamp); got != want {
				t.Errorf("age %d, want %d", got, want)
			}
		}
		if w := c.wall(c.now() - 7); !w.Equal(time.Now().Add(-7)) {
			t.Errorf("back to %v", w)
		}
	})
}

func TestRequestsEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := New(options(t, newHub(t), 1))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := n.Regroup(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a node that does not run: %v", err)
		}
	})
}

func TestOptionsThatNoMemberCanHaveAreRefused(t *testing.T) {
	o := options(t, nil, 9)
	if n, err := New(o); n != nil || !errors.Is(err, cancrypt.ErrFormat) {
		t.Error(err)
	}
}
