package simulate

import (
	"math/rand/v2"
	"strings"

	"canseal/can"
	"canseal/cancrypt"
)

// device is an active member with messages to send.
type device struct {
	address  uint8
	member   *cancrypt.Member
	scene    *scene
	schedule []scheduled
	exit     exit
	flying   []sent // gone to the bus, not heard yet
	out      cancrypt.MemberOut
	start    int64
	started  bool
	deaf     bool // to manipulation of its own identifiers
	now      int64
	r        *rand.Rand
}

// scheduled is a message with its next time.
type scheduled struct {
	Message
	due    int64
	period int64
	data   [8]byte
}

func newDevice(o *Options, s *scene, a uint8, r *rand.Rand, random func(b []byte)) (*device, error) {
	g := &o.Group
	m, err := cancrypt.NewMember(cancrypt.MemberOptions{
		Table: s.table, Members: g.Members, Address: a, KeyID: g.KeyID, Key: g.Key, Methods: g.Methods, Control: g.Control,
		Event: int64(g.Event), Inhibit: int64(g.Inhibit), HeartbeatOnly: s.only, AllowMethod0: true, Random: random, GroupOnce: o.Once, Visit: o.Once,
	})
	if err != nil {
		return nil, err
	}
	d := &device{address: a, member: m, scene: s, exit: exit{scene: s}, start: o.Start + r.Int64N(2e8), r: r, deaf: o.Quiet}
	for _, m := range g.Messages {
		if m.Record.Producer == a {
			period := int64(1e9 / m.Rate)
			d.schedule = append(d.schedule, scheduled{Message: m, period: period, due: d.start + r.Int64N(period)})
		}
	}
	return d, nil
}

func (d *device) next() int64 {
	if !d.started {
		return d.start
	}
	next := d.member.Next()
	for i := range d.schedule {
		next = min(next, d.schedule[i].due)
	}
	if ready := d.exit.ready(); ready > d.now {
		next = min(next, ready)
	}
	return next
}

func (d *device) tick(now int64) {
	d.now = now
	if !d.started {
		if now < d.start {
			return
		}
		d.started = true
		d.member.Start(now, &d.out)
		d.flush()
	}
	d.member.Tick(now, &d.out)
	d.flush()
	for i := range d.schedule {
		if s := &d.schedule[i]; s.due <= now {
			s.due = max(s.due, now-s.period) + s.period*9/10 + d.r.Int64N(s.period/5+1)
			d.send(s)
		}
	}
}

// hear hands a frame to the member. A deaf one is not told of frames that bear
// its own identifiers.
func (d *device) hear(e *can.Event, _ Kind) {
	d.now = e.Time
	if !d.started || d.deaf && e.Dir != can.Tx && d.scene.place(&e.Frame).sender == d.address {
		return
	}
	if e.Dir == can.Tx {
		e = d.landed(e)
	}
	d.member.Receive(e, &d.out)
	d.flush()
}

// landed is an own frame as the device believes that it went.
func (d *device) landed(e *can.Event) *can.Event {
	for i := range d.flying {
		if d.flying[i].frame == e.Frame {
			own := *e
			own.Frame = d.flying[i].own
			d.flying = append(d.flying[:i], d.flying[i+1:]...)
			return &own
		}
	}
	return e
}

// offer passes over what is taken off on the way: its sender hears it go.
func (d *device) offer(now int64) *sent {
	d.now = now
	f := d.exit.first(now)
	for ; f != nil && f.gone; f = d.exit.first(now) {
		e := can.Event{Time: now, Dir: can.Tx, Frame: f.own}
		d.exit.gone(now)
		d.member.Receive(&e, &d.out)
		d.flush()
	}
	return f
}

func (d *device) gone(now int64) {
	d.flying = append(d.flying, d.exit.queue[0])
	d.exit.gone(now)
}

// state is the member's state as the truth has it.
func (d *device) state() string { return strings.ToLower(d.member.State().String()) }

// send sends a message that is due. What is not sent, because there is no group
// yet, is dropped.
func (d *device) send(s *scheduled) {
	var frames []can.Frame
	for range max(1, s.Stream) {
		s.step(d.r.Uint64())
		frames = append(frames, frameOf(s.Record.Word, s.data[:s.Length]))
	}
	if s.Protect == None {
		d.push(frames[:1])
		return
	}
	if d.member.Send(d.now, frames, &d.out) == nil {
		d.flush()
	}
}

// step makes the next payload: the first byte counts, the others walk.
func (s *scheduled) step(random uint64) {
	s.data[0]++
	for i := 1; i < len(s.data); i++ {
		s.data[i] += byte(random&1) - byte(random>>1&1)
		random >>= 2
	}
}

// flush takes what the member wants to send: sequences whole, for whoever sits
// on the way.
func (d *device) flush() {
	var frames []can.Frame
	var until int64
	for _, o := range d.out.Frames {
		if d.begins(&o.Frame) || len(frames) > 0 && !d.follows(&frames[0], &o.Frame) {
			d.pushUntil(frames, until)
			frames = nil
		}
		frames, until = append(frames, o.Frame), o.Until
	}
	d.pushUntil(frames, until)
	d.out.Reset()
}

// begins reports whether a frame begins a sequence.
func (d *device) begins(f *can.Frame) bool {
	p := d.scene.place(f)
	return p.what != Data && (p.what != Preamble || d.first(f))
}

// follows reports whether a frame goes on with what first began.
func (d *device) follows(first, f *can.Frame) bool {
	return d.scene.place(first).what == Preamble && !d.begins(f)
}

// first reports whether a control frame of 8 bytes is a preamble and no epilog.
func (d *device) first(f *can.Frame) bool {
	head, err := cancrypt.ParsePreamble(f.Payload())
	return err != nil || !head.Epilog || d.scene.table.Announced(head.Word) == nil
}

func (d *device) push(frames []can.Frame) { d.pushUntil(frames, 0) }

func (d *device) pushUntil(frames []can.Frame, until int64) {
	if len(frames) == 0 {
		return
	}
	var list []sent
	for _, f := range frames {
		list = append(list, sent{frame: f, own: f, kind: Honest, by: d.address, state: d.state(), made: d.now, until: until})
	}
	d.exit.push(list, d.now)
}
