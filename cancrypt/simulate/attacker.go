package simulate

import (
	"math/rand/v2"

	"canseal/can"
	"canseal/cancrypt"
)

// attacker is a node without keys.
type attacker struct {
	clock  attackClock
	scene  *scene
	ear    *ear
	r      *rand.Rand
	target []*cancrypt.Record
	names  []uint8 // addresses in whose name control frames are forged
	turn   int
	queue  []sent
	victim uint8 // sender whose sequence is not to be disturbed; 0: none
	now    int64
}

// floodWord has the highest priority of all.
const floodWord cancrypt.Word = 0

func newAttacker(a Attack, g *Group, s *scene, start int64, r *rand.Rand) *attacker {
	t := &attacker{clock: newAttackClock(a, start), scene: s, ear: newEar(s), r: r, target: a.targets(s), names: g.Members}
	if a.Device != 0 {
		t.names = []uint8{a.Device}
	}
	return t
}

func (t *attacker) next() int64 {
	if len(t.queue) == 0 {
		return t.clock.next()
	}
	if free := t.ear.until[t.victim] + 1; free > t.now {
		return free
	}
	return never // one attack at a time
}

func (t *attacker) tick(now int64) {
	t.now = now
	if len(t.queue) > 0 || t.clock.next() > now {
		return
	}
	t.clock.advance(now, t.r.Float64())
	frames := t.attack()
	for _, f := range frames {
		t.queue = append(t.queue, sent{frame: f, kind: t.clock.a.Kind})
	}
	t.turn++
}

func (t *attacker) hear(e *can.Event, kind Kind) { t.ear.hear(e, kind) }

// offer waits while the victim's own sequence is under way: an attack that
// disturbs honest frames shows in theirs, not in its own.
func (t *attacker) offer(now int64) *sent {
	if len(t.queue) == 0 || t.ear.busy(t.victim, now) {
		return nil
	}
	return &t.queue[0]
}

func (t *attacker) gone(int64) { t.queue = t.queue[1:] }

// attack makes the frames of one attack; none while it has not heard enough.
func (t *attacker) attack() []can.Frame {
	t.victim = 0
	switch t.clock.a.Kind {
	case Flood:
		return []can.Frame{frameOf(floodWord, t.bytes(8))}
	case Beat, Regroup, AbortAll, FalseCall:
		return t.forged(t.names[t.turn%len(t.names)])
	}
	if len(t.target) == 0 {
		return nil
	}
	r := t.target[t.turn%len(t.target)]
	t.victim = r.Producer
	switch t.clock.a.Kind {
	case Inject:
		return []can.Frame{t.message(r)}
	case Replay:
		return t.ear.last[r.Word]
	case Announce:
		return t.preamble(r)
	case Guess:
		if p := t.preamble(r); p != nil {
			return append(p, t.message(r))
		}
	}
	return nil
}

func (t *attacker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(t.r.Uint32())
	}
	return b
}

// message makes a message as long as the record's last one.
func (t *attacker) message(r *cancrypt.Record) can.Frame {
	return frameOf(r.Word, t.bytes(t.ear.length(r.Word)))
}

// preamble makes one that looks like the sender's next, with a random signature.
func (t *attacker) preamble(r *cancrypt.Record) []can.Frame {
	head, heard := t.ear.heads[r.Producer], t.ear.headed[r.Producer]
	if !heard || r.Cipher == cancrypt.AESPair {
		return nil
	}
	p := cancrypt.Preamble{
		Count: 1, Epoch: head.Epoch, Seq: (head.Seq + 1) & 63, Word: r.Announced(), Signature: [2]byte(t.bytes(2)),
	}
	b := p.Bytes()
	return []can.Frame{frameOf(t.scene.control+cancrypt.Word(r.Producer), b[:])}
}

// forged makes a heartbeat or control message in the name of an address.
func (t *attacker) forged(a uint8) []can.Frame {
	w := t.scene.control + cancrypt.Word(a)
	switch t.clock.a.Kind {
	case Beat:
		if !t.ear.beaten[a] {
			return nil
		}
		return []can.Frame{frameOf(w, append([]byte{t.ear.beats[a]}, t.bytes(4)...))}
	case Regroup:
		m := t.ear.group
		m.Nonce = [4]byte(t.bytes(4))
		return []can.Frame{frameOf(w, cancrypt.AppendControl(nil, 0, m))}
	case AbortAll:
		return []can.Frame{frameOf(w, cancrypt.AppendControl(nil, 0, cancrypt.Abort{Reason: cancrypt.AbortManipulation}))}
	}
	return []can.Frame{frameOf(w, cancrypt.AppendControl(nil, 0, cancrypt.Alert{Counter: 7, Value: uint16(t.turn + 1)}))}
}
