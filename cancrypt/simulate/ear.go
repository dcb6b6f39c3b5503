package simulate

import (
	"time"

	"canseal/can"
	"canseal/cancrypt"
)

// ear is what a node without keys learns by listening.
type ear struct {
	scene  *scene
	heads  [16]cancrypt.Preamble // last honest preamble by sender
	headed [16]bool
	beats  [16]byte // status of the last honest heartbeat
	beaten [16]bool
	group  cancrypt.Group // last GROUP
	parts  [16][]can.Frame
	last   map[cancrypt.Word][]can.Frame // last whole sequence by its first identifier
	lens   map[cancrypt.Word]int
	until  [16]int64 // a sequence of that sender is under way until then
	left   [16]uint8
}

func newEar(s *scene) *ear {
	return &ear{
		scene: s, last: map[cancrypt.Word][]can.Frame{}, lens: map[cancrypt.Word]int{},
		group: cancrypt.Group{KeyID: 3, Event: 10},
	}
}

// sequenceTime is how long a sequence waits for its next frame.
const sequenceTime = int64(10 * time.Millisecond)

// busy reports whether a sequence of the sender is under way.
func (h *ear) busy(sender uint8, now int64) bool {
	return sender != 0 && h.left[sender] > 0 && now <= h.until[sender]
}

func (h *ear) length(w cancrypt.Word) int {
	if n, ok := h.lens[w]; ok {
		return n
	}
	return 8
}

func (h *ear) hear(e *can.Event, kind Kind) {
	p := h.scene.place(&e.Frame)
	if e.Dir == can.Tx {
		h.parts[p.sender] = nil // what its own frame disturbed would be fresh when sent again
		return
	}
	honest := kind == Honest
	switch p.what {
	case Heartbeat:
		if honest {
			h.beats[p.sender], h.beaten[p.sender] = e.Frame.Data[0], true
		}
	case Preamble:
		h.preamble(e, p.sender, honest)
	case Data:
		h.data(e, p, honest)
	case Control:
		if _, m, err := cancrypt.ParseControl(e.Frame.Payload()); err == nil {
			if g, ok := m.(cancrypt.Group); ok && honest {
				h.group = g
			}
		}
	}
}

func (h *ear) preamble(e *can.Event, a uint8, honest bool) {
	head, err := cancrypt.ParsePreamble(e.Frame.Payload())
	if err == nil && head.Epilog {
		h.left[a] = 0
		h.finish(e, a)
		return
	}
	h.until[a], h.left[a] = e.Time+sequenceTime, 1
	if err == nil {
		h.left[a] = head.Count
		if head.Count > 1 {
			h.left[a]++ // the epilog
		}
	}
	h.parts[a] = nil
	if !honest {
		return
	}
	h.parts[a] = []can.Frame{e.Frame}
	if err == nil {
		h.heads[a], h.headed[a] = head, true
	}
}

func (h *ear) data(e *can.Event, p place, honest bool) {
	a := p.sender
	late := e.Time > h.until[a] // as what is disturbed
	h.until[a] = e.Time + sequenceTime
	if h.left[a] > 0 {
		h.left[a]--
	}
	if !honest || late || len(h.parts[a]) == 0 {
		h.parts[a] = nil
		return
	}
	h.lens[p.word] = int(e.Frame.Len)
	h.parts[a] = append(h.parts[a], e.Frame)
	if h.left[a] == 0 {
		h.keep(a)
	}
}

// finish ends a stream with its epilog.
func (h *ear) finish(e *can.Event, a uint8) {
	if len(h.parts[a]) > 1 {
		h.parts[a] = append(h.parts[a], e.Frame)
		h.keep(a)
	}
}

// keep remembers the whole sequence of a sender.
func (h *ear) keep(a uint8) {
	h.last[cancrypt.WordOf(&h.parts[a][1])] = h.parts[a]
	h.parts[a] = nil
}
