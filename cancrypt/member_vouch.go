package cancrypt

import "canseal/can"

// maxWaiting bounds the heartbeat-only messages of a sender that wait for its
// heartbeat; the oldest is dropped.
const maxWaiting = 256

// queued is a heartbeat-only message that is not yet delivered.
type queued struct {
	at      int64
	vouched bool // by one cycle
	frame   can.Frame
}

// unsecured takes a heartbeat-only message.
func (m *Member) unsecured(sender uint8, f *can.Frame) {
	v := &m.vouchers[sender]
	if m.o.Deliver[m.word] == Untrusted {
		m.deliver(sender, m.at, f, can.Pending)
		return
	}
	if m.curKey == 0 || m.at > v.heartbeat+m.patience {
		return
	}
	q := &m.queues[sender]
	if len(*q) == maxWaiting {
		*q = append((*q)[:0], (*q)[1:]...)
	}
	*q = append(*q, queued{at: m.at, frame: *f})
	v.to = m.at // the group watches its deadline
	m.deadline(v.heartbeat + m.patience)
}

func (m *Member) deliver(sender uint8, at int64, f *can.Frame, v can.Verdict) {
	m.out.Delivered = append(m.out.Delivered, Delivery{Time: at, Sender: sender, Verdict: v, Frame: *f})
}

// forget drops what waits of a sender.
func (m *Member) forget(sender uint8) {
	m.vouchers[sender].to = 0
	m.queues[sender] = m.queues[sender][:0]
}

// vouch delivers at the close of a cycle what its sender vouches for (5.6).
func (m *Member) vouch(sender uint8) {
	v := &m.vouchers[sender]
	if !v.faultless() {
		m.forget(sender)
		return
	}
	if !v.established {
		return
	}
	q := m.queues[sender]
	keep := q[:0]
	for _, w := range q {
		switch {
		case w.vouched:
			m.deliver(sender, w.at, &w.frame, can.VouchedTwice)
			continue
		case w.at <= v.first && m.o.Deliver[WordOf(&w.frame)] == AfterOne:
			m.deliver(sender, w.at, &w.frame, can.Vouched)
			continue
		case w.at <= v.first:
			w.vouched = true
		}
		keep = append(keep, w)
	}
	if m.queues[sender] = keep; len(keep) == 0 {
		v.to = 0
	}
}
