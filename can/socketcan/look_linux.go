package socketcan

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// news brings the next look forward.
func (c *Capture) news() {
	if soon := c.looked.Add(lookSoonest); soon.Before(c.due) {
		c.due = soon
	}
}

// look asks about every interface, opens what has come, closes what has gone,
// and notes changes and losses. It is called after a drain.
func (c *Capture) look() {
	c.looked = time.Now()
	c.due = c.looked.Add(lookEvery)
	if c.links == nil {
		links, err := openNetlink()
		if err != nil {
			for _, ch := range c.channels {
				c.absent(ch, err)
			}
			return
		}
		c.links = links
	}
	for _, ch := range c.channels {
		c.examine(ch)
	}
	c.publish()
}

func (c *Capture) examine(ch *channel) {
	l, err := c.links.link(ch.Name)
	gone := errors.Is(err, unix.ENODEV)
	if err != nil && !gone && ch.fd >= 0 && !ch.dead {
		c.log.Warn("interface not asked", "interface", ch.Name, "bus", ch.Bus, "error", err)
		return // the socket may be as well as before
	}
	if ch.fd >= 0 && (ch.dead || gone || l.index != ch.seen.index) {
		c.part(ch)
	}
	if err == nil && ch.fd < 0 {
		err = ch.open(l, c.now())
	}
	if err != nil {
		c.absent(ch, err)
		return
	}
	c.present(ch, l)
}

// part closes a socket that has lost its interface, with a last reading of
// its drop counter.
func (c *Capture) part(ch *channel) {
	var e can.Event
	if counter, err := dropped(ch.fd); err == nil && ch.dropped(counter, c.now(), &e) {
		c.notes = append(c.notes, e)
	}
	ch.close()
	c.linkIs(ch, can.LinkUnplugged)
}

// absent notes that a channel has no socket, and why.
func (c *Capture) absent(ch *channel, err error) {
	problem := err.Error()
	if errors.Is(err, unix.ENODEV) {
		problem = "no such interface"
	}
	if errors.Is(err, unix.EAFNOSUPPORT) {
		problem = "this kernel has no SocketCAN"
	}
	if problem != ch.status.Problem {
		c.log.Warn("interface not open", "interface", ch.Name, "bus", ch.Bus, "problem", problem)
	}
	ch.status.Problem = problem
	if ch.opened {
		c.linkIs(ch, can.LinkUnplugged)
	} else {
		c.linkIs(ch, can.LinkMissing)
	}
}

// present notes the state of an open channel.
func (c *Capture) present(ch *channel, l link) {
	s := &ch.status
	s.Problem = ""
	s.BitRate, s.DataBitRate = l.bitRate, l.dataRate
	s.FD, s.ListenOnly = l.mtu >= fdSize, l.modes&unix.CAN_CTRLMODE_LISTENONLY != 0
	s.TxErrors, s.RxErrors = l.txErrors, l.rxErrors
	if ch.fell && l.up {
		c.linkIs(ch, can.LinkDown) // and up again since
	}
	ch.fell = false
	if l.up {
		c.linkIs(ch, can.LinkUp)
	} else {
		c.linkIs(ch, can.LinkDown)
	}
	c.notes = ch.compare(c.notes, l, c.now())
}

// linkIs notes a change of the link.
func (c *Capture) linkIs(ch *channel, s can.State) {
	if ch.status.Link == s {
		return
	}
	ch.status.Link = s
	c.notes = append(c.notes, can.Event{Time: c.now(), Bus: ch.Bus, Kind: can.KindState, State: s})
	c.log.Info("link", "interface", ch.Name, "bus", ch.Bus, "state", s.String())
}
