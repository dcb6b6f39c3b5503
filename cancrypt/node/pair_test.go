package node

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"testing/synctest"
	"time"

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
