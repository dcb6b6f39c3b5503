package node

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/cancrypt"
)

// pairTest is two sides on a bus in memory, with stores that outlive them.
type pairTest struct {
	t      *testing.T
	h      *hub
	o      cancrypt.PairOptions
	open   bool
	theirs Store // of the device
	ours   Store // of the configurator
	events []cancrypt.PairEvent
}

func newPairTest(t *testing.T) *pairTest {
	return &pairTest{t: t, h: newHub(t), theirs: inMemory(), ours: inMemory(), o: cancrypt.PairOptions{
		Device: 3, Control: 0x170, Claims: [2]cancrypt.Word{0x010, 0x011}, Period: 1e9,
		Methods: cancrypt.NewMethods(cancrypt.PadSpeck, cancrypt.SpeckMAC),
		Random:  func(b []byte) { rand.Read(b) },
	}}
}

// device runs the device's side until stop is called.
func (p *pairTest) device() (stop func()) {
	d, err := cancrypt.NewDevice(cancrypt.DeviceOptions{PairOptions: p.o, Slots: slotsOf(p.t, p.theirs, Holder{}), Open: p.open})
	must(p.t, err)
	ctx, cancel := context.WithCancel(p.t.Context())
	ended := make(chan error)
	go func() { ended <- ServeDevice(ctx, d, PairRun{Open: p.h.open}) }()
	return func() {
		cancel()
		must(p.t, <-ended)
		time.Sleep(time.Second) // the hub rests
	}
}

func (p *pairTest) configure(ctx context.Context, on uint8, plan Plan) error {
	c, err := cancrypt.NewConfigurator(cancrypt.ConfiguratorOptions{PairOptions: p.o, KeyID: on, Slots: slotsOf(p.t, p.ours, Holder{"can0", 3})})
	must(p.t, err)
	return Configure(ctx, c, plan, PairRun{Open: p.h.open, Event: func(e cancrypt.PairEvent) { p.events = append(p.events, e) }})
}

func TestAConfiguratorPairsADeviceAndSavesAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPairTest(t)
		p.open = true
		stop := p.device()
		begun := time.Now()
		must(t, p.configure(t.Context(), 0, Plan{Save: []uint8{4}}))
		t.Logf("paired, saved, unpaired in %v", time.Since(begun))
		theirs, err := p.theirs.Key(Holder{}, 4)
		must(t, err)
		ours, err := p.ours.Key(Holder{"can0", 3}, 4)
		must(t, err)
		if theirs != ours {
			t.Fatal("the two hold different keys")
		}
		must(t, p.configure(t.Context(), 4, Plan{Save: []uint8{2, 1}, Hold: 3500 * time.Millisecond}))
		must(t, p.configure(t.Context(), 4, Plan{Erase: []uint8{2}}))
		entries, err := p.theirs.Entries()
		if must(t, err); len(entries) != 2 || entries[0].Slot != 1 || entries[1].Slot != 4 {
			t.Errorf("the device holds %+v", entries)
		}
		err = p.configure(t.Context(), 1, Plan{Erase: []uint8{4}})
		if e := (*PairError)(nil); !errors.As(err, &e) || e.Reason != cancrypt.AbortNotAllowed || !e.Peer {
			t.Errorf("erase above the level: %v", err)
		}
		stop()
	})
}

func TestADeviceThatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPairTest(t)
		err := p.configure(t.Context(), 0, Plan{})
		if e := (*PairError)(nil); !errors.As(err, &e) || e.Reason != cancrypt.AbortTimeout || e.Peer {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Second)
	})
}

func TestAPairingThatIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPairTest(t)
		p.open = true
		stop := p.device()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.configure(ctx, 0, Plan{Save: []uint8{1}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		must(t, p.configure(t.Context(), 0, Plan{Save: []uint8{1}})) // the device is free at once
		stop()
	})
}

// A device is grouped and paired at once, and its heartbeats say so.
func TestAMemberIsPairedWhileTheGroupGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPairTest(t)
		must(t, slotsOf(t, p.theirs, Holder{}).Put(4, keyOf(4)))
		must(t, slotsOf(t, p.ours, Holder{"can0", 3}).Put(4, keyOf(4)))
		o := options(t, p.h, 3)
		var err error
		o.Device, err = cancrypt.NewDevice(cancrypt.DeviceOptions{PairOptions: p.o, Slots: slotsOf(t, p.theirs, Holder{})})
		must(t, err)
		var ends, plain, paired atomic.Int32 // heartbeats of device 3 without and with bit 6
		o.Pairing = func(e cancrypt.PairEvent) {
			if e.Kind == cancrypt.PairEnded {
				ends.Add(1)
			}
		}
		nodes := []*running{start(t, options(t, p.h, 1)), start(t, options(t, p.h, 2)), start(t, o)}
		ear := p.h.tap(nil)
		go ear.Run(func(e can.Event) {
			if e.Frame.ID == 0x173 && e.Frame.Len == 5 {
				if e.Frame.Data[0]&byte(cancrypt.Paired) != 0 {
					paired.Add(1)
				} else {
					plain.Add(1)
				}
			}
		})
		time.Sleep(3 * time.Second)
		if paired.Load() > 0 || plain.Load() < 2 {
			t.Errorf("before the pairing %d heartbeats say so, %d do not", paired.Load(), plain.Load())
		}
		must(t, p.configure(t.Context(), 4, Plan{Save: []uint8{2}, Hold: 3 * time.Second}))
		if paired.Load() < 6 || ends.Load() != 1 {
			t.Errorf("%d heartbeats say so, %d ends", paired.Load(), ends.Load())
		}
		for _, n := range nodes {
			if s := n.Status(); s.State != "grouped" || len(s.Members) != 3 || len(s.Lost) != 0 {
				t.Errorf("%+v", s)
			}
		}
		if k, err := p.theirs.Key(Holder{}, 2); err != nil || k == (cancrypt.Key{}) {
			t.Errorf("the saved key: %v", err)
		}
		end(t, nodes...)
		ear.Close()
		time.Sleep(time.Second)
	})
}

func TestBlankDevicesGetTheKeyOfTheirGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPairTest(t)
		p.open = true
		var stops []func()
		var stores []Store
		for d := range uint8(3) {
			p.theirs, p.o.Device = inMemory(), d+2
			stores, stops = append(stores, p.theirs), append(stops, p.device())
		}
		var done []uint8
		err := Introduce(t.Context(), p.o, []uint8{2, 3, 4, 9}, keyOf(7), PairRun{Open: p.h.open}, func(d uint8) { done = append(done, d) })
		if e := (*PairError)(nil); !errors.As(err, &e) || e.Reason != cancrypt.AbortTimeout || len(done) != 3 {
			t.Errorf("device 9 is not there: %v; done %v", err, done)
		}
		for i, s := range stores {
			if k, err := s.Key(Holder{}, GroupSlot); err != nil || k != keyOf(7) {
				t.Errorf("device %d: %v", i+2, err)
			}
		}
		for _, stop := range stops {
			stop()
		}
	})
}
